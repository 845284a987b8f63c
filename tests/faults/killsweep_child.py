"""The processes that die: `python -m tests.faults.killsweep_child FD CLOCK AUTHORITY`.

The program imports everything once and forks a worker per job, which takes steps through a real World until
it is told to end or kills itself at one of its calls to the outside. It never has a second thread itself.
"""

import gc
import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from typing import Any

from tests.deployed.redirect import sitecustomize as redirect
from tests.faults.killsweep_messages import (
    Answer,
    Books,
    Death,
    Job,
    SharedClock,
    Step,
)
from tests.faults.killsweep_outside import Outside

EXCHANGES = ("binance", "bybit", "bingx", "pionex", "orangex")
RESTS_AT = Decimal("0.99")
"""The limit of an entry that is to rest, as a share of the price."""


class Worker:
    """One process of the engine: a World, and the steps it takes with it."""

    def __init__(self, job: Job, channel: Channel, clock: SharedClock) -> None:
        self._job = job
        self._channel = channel
        self._clock = clock
        self._outside = Outside(channel, job.kill)
        redirect.lead(dict(job.hosts), redirect_authority())
        self._on_virtual_time()
        self._outside.install()
        self._metrics = _metrics()
        self._world = self._built()

    def serve(self) -> None:
        """Take steps until there are no more."""
        while (step := self._channel.recv()) is not None:
            self._channel.send(self._taken(step))

    def _taken(self, step: Step) -> Answer:
        from chalicelib.errors import CtsError

        steps: dict[str, Callable[[Any], Any]] = {
            "set_up": self._set_up,
            "execute": self._execute,
            "tick": self._tick,
            "stop": lambda _: self._command("stop"),
            "start": lambda _: self._command("start"),
            "books": self._books,
        }
        self._outside.counted = step.name not in ("set_up", "books")
        try:
            return Answer(steps[step.name](step.argument), tuple(self._outside.calls))
        except CtsError as error:
            return Answer(None, tuple(self._outside.calls), refused=f"{type(error).__name__}: {error}")
        except Exception:
            return Answer(None, tuple(self._outside.calls), crash=traceback.format_exc())

    def _built(self) -> Any:
        from chalicelib import wiring
        from chalicelib.domain.credentials import Credentials, Secret
        from chalicelib.exchanges.ccxt_public import PublicFeed
        from chalicelib.settings import Settings

        clock, credentials = self._clock, Credentials(Secret(self._job.key), Secret(self._job.secret))
        overrides = wiring.Overrides(
            now=clock.now,
            sleep=self._sleep,
            feed=lambda name: PublicFeed(name, sleep=self._sleep, clock=clock.now),
            metrics=self._metrics,
            credentials=lambda *_: credentials,
        )
        settings = Settings(region="us-east-1", endpoint_url=self._job.aws)
        world = wiring.build(settings, overrides)
        return self._resting(world) if self._job.rests else world

    def _sleep(self, seconds: float) -> None:
        self._outside.sleep_until(self._clock.now() + max(seconds, 0.0), self._clock)

    def _resting(self, world: Any) -> Any:
        """Let entries go out as limit orders below the market."""
        venue = world.venue

        class Limited:
            def __init__(self, connection: Any) -> None:
                self._real = venue(connection)

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

            def create_order(self, wish: Any, now: float) -> Any:
                from tests.exchanges.paper_world import approved

                order = wish.order
                if order.leg == "entry":
                    price = world.feed(order_feed).tickers((order.symbol,), now)[order.symbol].last
                    wish = approved(
                        replace(order, type="limit", price=(price * RESTS_AT).quantize(Decimal(1)))
                    )
                return self._real.create_order(wish, now)

        order_feed = self._job.connection.feed
        object.__setattr__(world, "venue", Limited)
        return world

    def _on_virtual_time(self) -> None:
        from chalicelib.exchanges.ccxt_loader import load_exchange_class

        load_exchange_class(self._job.connection.exchange)
        from ccxt.base.exchange import Exchange

        Exchange.milliseconds = staticmethod(lambda: int(self._clock.now() * 1000))  # type: ignore[method-assign]

    # Steps

    def _set_up(self, _: Any) -> None:
        from chalicelib.domain.codec import to_stored
        from chalicelib.domain.credentials import SealedCredentials
        from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject
        from chalicelib.domain.lifecycle import Status

        world, connection = self._built(), self._job.connection
        tenant, name = connection.tenant, connection.connection_id
        settings = to_stored(connection)
        world.connections.create(connection)
        world.credentials.put(SealedCredentials(tenant, name, "c2VhbGVk"))
        world.engines.create(Engine(coordinator_subject(tenant), Status.RUNNING))
        running = Engine(engine_subject(tenant, name), Status.RUNNING, settings=settings, session_id="first")
        world.engines.create(running)

    def _execute(self, signals: Any) -> dict[str, str]:
        from chalicelib.domain.messages import SignalBatch
        from chalicelib.flows.execute_signals import execute_signals

        connection = self._job.connection
        batch = SignalBatch(connection.tenant, connection.connection_id, "k", signals)
        return execute_signals(self._world, batch)

    def _tick(self, slot: int) -> Any:
        from chalicelib.domain.messages import Tick
        from chalicelib.flows.realtime_tick import realtime_tick

        return realtime_tick(self._world, Tick("realtime", self._subject, slot))

    def _command(self, command: Any) -> str:
        """Command the engine; one that is on its way already is settled, as the heartbeat does it."""
        from chalicelib.domain.lifecycle import FIRST_STEP, SETTLES_AS
        from chalicelib.flows import lifecycle

        connection, world = self._job.connection, self._world
        engine = world.engines.get(self._subject)
        if engine.status is FIRST_STEP[command]:
            engine = lifecycle.settle(world, engine, world.now())
        elif engine.status is not SETTLES_AS[FIRST_STEP[command]]:
            tenant, name = connection.tenant, connection.connection_id
            engine = lifecycle.command(world, tenant, name, command, "owner", f"{command}-{world.now()}")
        return str(engine.status.value)

    def _books(self, signal_ids: Any) -> Books:
        from chalicelib.flows.dead_orders import dead_orders

        world, connection = self._world, self._job.connection
        tenant, name = connection.tenant, connection.connection_id
        known = world.records.signals(tenant, name, signal_ids)
        return Books(
            orders=world.records.list_orders(tenant, name, 500, None).items,
            positions=world.records.list_positions(tenant, name, 500, None).items,
            dead=tuple(order.client_order_id for order in dead_orders(world, tenant, name)),
            signals={signal_id: signal.outcome for signal_id, signal in known.items()},
            status=str(world.engines.get(self._subject).status.value),
            counts=dict(self._metrics),
        )

    @property
    def _subject(self) -> Any:
        from chalicelib.domain.engine import engine_subject

        return engine_subject(self._job.connection.tenant, self._job.connection.connection_id)


def _metrics() -> Any:
    from tests.flows.desk import CountingMetrics

    return CountingMetrics()


def redirect_authority() -> str:
    """Return the authority that this program was started with."""
    return sys.argv[3]


def preload() -> None:
    """Import what workers need, so that a fork has it; nothing is connected and no thread begins."""
    redirect.lead({}, redirect_authority())
    import chalicelib.flows.dead_orders
    import chalicelib.flows.execute_signals
    import chalicelib.flows.lifecycle
    import chalicelib.flows.protection
    import chalicelib.stores.credentials
    import chalicelib.stores.limits
    import chalicelib.stores.records
    import chalicelib.wiring  # noqa: F401
    from chalicelib.exchanges.ccxt_loader import load_exchange_class

    for exchange in EXCHANGES:
        load_exchange_class(exchange)
    _metrics()
    gc.collect()
    gc.freeze()


def main() -> None:
    """Fork a worker per job; while it lives the channel is its own."""
    channel, clock = Channel(int(sys.argv[1])), SharedClock(Path(sys.argv[2]))
    preload()
    assert threading.active_count() == 1, "a fork would lose the other threads, and keep their locks"
    while True:
        try:
            job = channel.recv()
        except EOFError:
            return
        process = os.fork()
        if not process:
            status = 1
            try:
                Worker(job, channel, clock).serve()
                status = 0
            except EOFError:
                status = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(process, 0)
        channel.send(Death(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
