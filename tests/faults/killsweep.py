"""Lives of an engine whose processes are killed: the street they trade on, and who carries them on.

What outlives a process is real too: tables in the emulator of `cts run`, a process of its own, and the fake
exchange, which this one serves. Time is a clock that all of them share, so that a minute takes no time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from typing import Any

from chalicelib.domain.connection import Connection
from chalicelib.domain.market import MarketType
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal
from tests.fakes import fake_of
from tests.fakes.server import Server
from tests.fakes.wire import Fake, Request
from tests.faults.floor import T0, D, a_connection
from tests.faults.killsweep_messages import Answer, Books, Dying, Job, Kill, Step
from tests.faults.killsweep_zygote import Zygote

DELIVERED_AGAIN = 60.0
"""Seconds until a queue delivers a message again whose process died: its visibility timeout."""

SETTLED_AFTER = 65.0
"""Seconds until the heartbeat settles a command whose process died."""

MOST_RECEIVES = 5

TICKS_AFTER_DEATH = 4
"""Realtime ticks within which everything must be settled again."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens `at` seconds after the begin: at the exchange, then in the engine."""

    at: float
    step: str
    happens: Callable[["Street"], object] | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """What an engine goes through; `rests` lets its entries rest at the exchange as limit orders."""

    name: str
    signals: Callable[["Street"], tuple[Signal, ...]]
    events: tuple[Event, ...]
    rests: bool = False


def _crash(made: "Street") -> None:
    for symbol in made.connection.symbols:
        made.price(symbol, made.fake.exchange.last(symbol) / 2)


@dataclass
class Street:
    """One engine on one exchange, worked for by one process after the other; `kills` has one for each.

    It answers the questions of the four checks as a `Floor` does.
    """

    zygote: Zygote
    aws: str
    fake: Fake
    connection: Connection
    life: Life
    kills: list[Kill] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    """What each process asked of the outside, one after the other, until all events had happened."""
    died_at: list[str] = field(default_factory=list)
    routes: dict[str, str] = field(default_factory=dict)
    """The exchange's names of the requests that it got."""
    _alive: bool = False
    _settling: bool = False
    _known: Books | None = None

    def __post_init__(self) -> None:
        self.clock = self.zygote.clock
        self.clock.set(T0)
        self.fake.wire_clock = self.clock.now
        self.fake.watch = self._watched
        self.fake.exchange.now = T0
        self._first = True

    def _watched(self, route: str, request: Request) -> None:
        self.fake.exchange.now = self.clock.now()
        self.routes[f"{request.method} {request.host}{request.path}"] = route

    # The life

    def live(self) -> None:
        """Go through all events; then let everything settle, and leave at prices that nobody holds on to."""
        self._through(self.life.events)
        self._settling = True
        if self.died_at:
            self._through([Event(30.0 * number, "tick") for number in range(1, TICKS_AFTER_DEATH + 1)])
        self._through((Event(30, "tick", _crash), Event(60, "tick"), Event(90, "tick")))

    def _through(self, events: Sequence[Event]) -> None:
        """Let events happen from now on, each step delivered again where its process died or failed."""
        order, begin = count(), self.clock.now()
        waiting = [(begin + event.at, next(order), 1, event) for event in events]
        while waiting:
            at, _, receives, event = heappop(waiting)
            self.clock.set(max(self.clock.now(), at))
            self.fake.exchange.now = self.clock.now()
            if event.happens is not None:
                event.happens(self)
            if event.step and not self._delivered(event, at):
                assert receives < MOST_RECEIVES, f"{event.step} at {event.at} does not get done"
                pause = SETTLED_AFTER if event.step in ("stop", "start") else DELIVERED_AGAIN
                again = replace(event, happens=None)
                heappush(waiting, (self.clock.now() + pause, next(order), receives + 1, again))

    def _delivered(self, event: Event, at: float) -> bool:
        """Run an event's step; False if it has to be delivered again."""
        argument = {"execute": lambda: self.life.signals(self), "tick": lambda: int(at)}.get(event.step)
        answer = self.take(event.step, argument() if argument else None)
        return answer is not None and not answer.refused

    def take(self, step: Any, argument: Any = None) -> Answer | None:
        """Let the present process take a step, or a new one if there is none; None if it was killed."""
        self._known = None
        if not self._alive:
            self._begin()
        answer = self.zygote.take(Step(step, argument))
        if not self._settling:
            self.calls[-1] = answer.calls
        if isinstance(answer, Dying):
            self._alive = False
            self.died_at.append(answer.name)
            return None
        assert not answer.crash, answer.crash
        return answer

    def end(self) -> None:
        if self._alive:
            self._alive = False
            self.zygote.end()

    def _begin(self) -> None:
        kill = self.kills.pop(0) if self.kills else None
        job = Job(
            connection=self.connection,
            key=self.fake.key,
            secret=self.fake.secret,
            hosts=self.fake.server.ports(),
            aws=self.aws,
            rests=self.life.rests,
            kill=kill,
        )
        self.zygote.begin(job)
        self._alive = True
        if not self._settling:
            self.calls.append(())
        if self._first:
            self._first = False
            self.take("set_up")

    # What lives and checks ask

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.connection.symbols

    def price(self, symbol: str, price: int | str | Decimal) -> None:
        self.fake.exchange.prices[symbol] = D(price)

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + seconds)
        self.fake.exchange.now = self.clock.now()

    def realtime(self, later: float = 30.0) -> object:
        self.wait(later)
        return self.take("tick", int(self.clock.now()))

    def execute_again(self) -> object:
        """Deliver the batch of signals once more, and the last command."""
        self.take("execute", self.life.signals(self))
        if any(event.step == "start" for event in self.life.events):
            self.take("start")
        return None

    def books(self) -> Books:
        if self._known is None:
            answer = self.take("books", [signal.signal_id for signal in self.life.signals(self)])
            assert answer is not None
            self._known = answer.result
        return self._known

    def orders(self) -> tuple[Order, ...]:
        return self.books().orders

    def positions(self) -> tuple[Position, ...]:
        return self.books().positions

    def theirs(self) -> Sequence[Any]:
        return list(self.fake.exchange.main.orders.values())

    def signal(self, symbol: str, **changes: Any) -> Signal:
        """Return an entry signal as it was made at the begin."""
        signal = Signal(
            signal_id=f"{symbol}-long",
            connection_id=self.connection.connection_id,
            symbol=symbol,
            action="enter",
            direction="long",
            source="vote",
            strategy="combined",
            confidence=0.9,
            price=D(50_000),
            candle_time=int(T0),
            created_at=T0,
            correlation_id=f"k-{symbol}",
            exits=self.connection.exits,
        )
        return replace(signal, **changes)


_numbers = count(1)


@contextmanager
def street(
    zygote: Zygote, aws: str, venue: tuple[str, MarketType], life: Life, kills: Sequence[Kill] = ()
) -> Iterator[Street]:
    """Give a street of its own: a new exchange, and a tenant that nobody has used."""
    exchange, market_type = venue
    fake = fake_of(exchange)
    server = Server(fake)
    server.start()
    fake.server = server
    connection = a_connection(exchange, market_type, tenant=f"t{next(_numbers)}")
    made = Street(zygote, aws, fake, connection, life, list(kills))
    try:
        yield made
    finally:
        made.end()
        server.stop()
    assert not fake.crashes, "the fake exchange itself failed:\n" + "\n".join(fake.crashes)
