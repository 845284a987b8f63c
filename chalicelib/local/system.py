"""Puts the local system together: World, pump, accounts and their engines, on a running emulator."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import wiring
from chalicelib.domain.cadence import SHORTEST_INTERVAL, TickKind
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.domain.trading_settings import LadderChoice
from chalicelib.flows.lifecycle import command, tenant_engines
from chalicelib.flows.strategy_tick import SOURCE_VOTE
from chalicelib.flows.world import World
from chalicelib.local.aws_clients import own_clients
from chalicelib.local.clock import Clock, RealClock, VirtualClock
from chalicelib.local.emulator import Emulator
from chalicelib.local.environment import use_local_aws
from chalicelib.local.fake_exchange import FakeExchange
from chalicelib.local.fake_key import FakeKey
from chalicelib.local.live import backoff
from chalicelib.local.market import ChosenMarket
from chalicelib.local.options import RunOptions
from chalicelib.local.pump import Pump, functions
from chalicelib.local.recorder import Recorder
from chalicelib.local.resources import create_resources
from chalicelib.local.state import StateDirectory
from chalicelib.local.statistics import StatisticsFile
from chalicelib.settings import DEFAULT_TENANT, Settings

ACTOR = "cts run"
FAKE_CONNECTION = "fake-1"
FAKE_INTERVALS: Mapping[TickKind, int] = {"indication": 20, "strategy": 20, "realtime": SHORTEST_INTERVAL}
"""Seconds: whoever starts a run for a look at it sees a candle's votes soon, whenever in a minute that is."""


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """The parts of a system that stands ready to be driven."""

    options: RunOptions
    market: ChosenMarket
    state: StateDirectory
    emulator: Emulator
    clock: Clock
    recorder: Recorder
    statistics: StatisticsFile
    world: World
    pump: Pump
    fake: FakeExchange | None = None


def assemble(
    options: RunOptions,
    market: ChosenMarket,
    state: StateDirectory,
    emulator: Emulator,
    settings: Settings,
    fake: FakeExchange | None = None,
) -> LocalSystem:
    """Create the resources and build the World and the pump on a running emulator.

    From here on this process speaks to the emulator whatever its environment said before.
    """
    use_local_aws(settings)
    clock = _clock(options, market, state, emulator)
    clients = own_clients(emulator.endpoint_url, settings.region)
    create_resources(settings, clients)
    statistics = StatisticsFile(state.statistics)
    recorder = Recorder(statistics)
    key = FakeKey(DEFAULT_TENANT, FAKE_CONNECTION, fake.credentials) if fake else None
    wiring.configure(
        wiring.Overrides(
            now=clock.now,
            feed=lambda _: market.feed,
            metrics=recorder,
            span=_no_span,
            on_aws_call=recorder.aws_call,
            on_exchange_call=recorder.exchange_call,
            credentials=key.get if key else None,
            shortest_interval=timeframe_seconds(options.timeframe) if options.replay else 0,
        )
    )
    pause: Callable[[int], None] = _no_pause if options.replay else backoff
    table = functions(settings)
    pump = Pump(table, emulator, clock, recorder, statistics, settings, clients, state.path, pause)
    if key:
        # An engine starts only if a key is stored for it.
        wiring.use(replace(wiring.world(), credentials=key))
    world = wiring.world()
    return LocalSystem(options, market, state, emulator, clock, recorder, statistics, world, pump, fake)


def _clock(
    options: RunOptions, market: ChosenMarket, state: StateDirectory, emulator: Emulator
) -> RealClock | VirtualClock:
    if not options.replay:
        return RealClock()
    begun = state.progress() is not None
    clock = VirtualClock(emulator.pending().now if begun else market.start)
    emulator.set_time(clock.now())
    return clock


def _no_span(_name: str) -> AbstractContextManager[Any]:
    return nullcontext()


def _no_pause(_attempt: int) -> None:
    """A replay's clock stands still while a batch is tried again."""


def set_up_accounts(system: LocalSystem) -> tuple[Engine, ...]:
    """Create the accounts that are not there yet, start what was never started, return all engines.

    What somebody has paused or stopped stays so.
    """
    world, tenant = system.world, DEFAULT_TENANT
    cause = f"cts-run-{int(world.now())}"
    names = [f"paper-{number}" for number in range(1, system.options.connections + 1)]
    made = _paper_connection
    if system.fake:
        names, made = [FAKE_CONNECTION], _live_connection
    for name in names:
        if world.connections.get(tenant, name) is None:
            world.connections.create(made(system, name))
    if world.engines.get(coordinator_subject(tenant)) is None:
        command(world, tenant, None, "start", ACTOR, cause)
    for name in names:
        if world.engines.get(engine_subject(tenant, name)) is None:
            command(world, tenant, name, "start", ACTOR, cause)
    return tenant_engines(world, tenant)


def _paper_connection(system: LocalSystem, name: str) -> Connection:
    return validate(replace(_connection(system, name), name=f"Paper account {name.rpartition('-')[2]}"))


def _live_connection(system: LocalSystem, name: str) -> Connection:
    """Return a connection whose orders go over the wire: the strategies' votes trade, as often as may be."""
    usual = _connection(system, name)
    connection = replace(
        usual,
        name=f"Account at a fake of {system.options.exchange}",
        mode="live",
        sources=(SOURCE_VOTE,),
        ladder=replace(usual.ladder, profile="prudent", gate_open=False),
        intervals=complete_intervals(FAKE_INTERVALS),
    )
    return validate(connection)


def _connection(system: LocalSystem, name: str) -> Connection:
    options = system.options
    return Connection(
        connection_id=name,
        exchange=options.exchange,
        symbols=system.market.symbols,
        tenant=DEFAULT_TENANT,
        market_type=options.market_type,
        timeframe=options.timeframe,
        intervals=complete_intervals({}),
        ladder=LadderChoice(preset=options.preset),
        created_at=system.world.now(),
    )
