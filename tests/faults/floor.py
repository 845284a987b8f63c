"""A trading floor for fault scenarios: real flows and connectors, real ccxt, a fake exchange on the wire.

Stores are in memory; time is one virtual clock for engine, exchange and every client, so that a minute of
waiting takes no time. What outlives a process (stores, exchange) is kept apart from what does not.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any
from unittest.mock import patch

from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.credentials import Credentials, Secret
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import MarketType
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.exchanges.accounts import Accounts
from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.flows import together
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.reconcile import reconcile_connection
from chalicelib.flows.world import World
from chalicelib.messaging.memory import (
    MemoryDeadLetters,
    MemoryEventStream,
    MemorySignalQueue,
    MemoryTickQueue,
)
from chalicelib.stores.memory import (
    MemoryConnectionStore,
    MemoryEngineStore,
    MemoryRecordStore,
    MemoryTables,
)
from chalicelib.stores.memory_credentials import MemoryCredentialStore
from chalicelib.stores.memory_limits import MemoryLimitStore
from chalicelib.stores.memory_objects import MemoryBucket, MemoryObjectStore
from tests.fakes import fake_of
from tests.fakes.core_accounts import Account
from tests.fakes.server import served
from tests.fakes.wire import Fake
from tests.flows.desk import CountingMetrics

D = Decimal
TENANT, CONNECTION_ID = "default", "live-1"
T0 = 1_790_000_400.0
CLIENT_TIMEOUT = 400
"""Milliseconds after which a client gives up: the only real waiting."""

PRICE = D(50_000)
BANDS = ExitProfile(take_profit=D("0.02"), stop_loss=D("0.01"))

VENUES: tuple[tuple[str, MarketType], ...] = (
    ("binance", "swap"),
    ("binance", "spot"),
    ("bybit", "swap"),
    ("bingx", "swap"),
    ("pionex", "swap"),
    ("pionex", "spot"),
    ("orangex", "swap"),
)


def symbols_of(market_type: MarketType) -> tuple[str, str]:
    return ("BTC/USDT:USDT", "ETH/USDT:USDT") if market_type == "swap" else ("BTC/USDT", "ETH/USDT")


def a_connection(exchange: str, market_type: MarketType, **changes: Any) -> Connection:
    """Return a valid live connection whose gate lets signals of votes through."""
    base = Connection(
        connection_id=CONNECTION_ID,
        exchange=exchange,
        symbols=symbols_of(market_type),
        mode="live",
        market_type=market_type,
        intervals=complete_intervals({}),
        exits=BANDS,
        sources=("vote",),
        ladder=replace(Connection("x", "binance", ("BTC/USDT",)).ladder, gate_open=False, profile="prudent"),
    )
    return validate(replace(base, **changes))


@dataclass
class Clock:
    """The one time of everybody on an exchange."""

    now: float = T0


@dataclass
class Floor:
    """One engine on one exchange; `wrap` may put something around the parts of each new process.

    `account` is the name of the account at the exchange; time and rate limits may be those of another floor.
    """

    fake: Fake
    connection: Connection
    account: str = "main"
    time: Clock = field(default_factory=Clock)
    limits: MemoryLimitStore = field(default_factory=MemoryLimitStore)
    wrap: Callable[[str, Any], Any] = lambda _, part: part
    wire: Callable[..., Any] = lambda fetch, *arguments, **named: fetch(*arguments, **named)
    """Called with the sending of each signed request in the place of it."""
    tables: MemoryTables = field(default_factory=MemoryTables)
    metrics: CountingMetrics = field(default_factory=CountingMetrics)

    def __post_init__(self) -> None:
        self.owners = count(1)
        self.engines = MemoryEngineStore(self.tables)
        self.records = MemoryRecordStore(self.tables)
        self.objects = MemoryObjectStore(MemoryBucket())
        self.subject = engine_subject(TENANT, self.connection.connection_id)
        self.engines.create(Engine(coordinator_subject(TENANT), Status.RUNNING))
        settings = to_plain(self.connection)
        self.engines.create(Engine(self.subject, Status.RUNNING, settings=settings, session_id="session"))
        MemoryConnectionStore(self.tables).create(self.connection)
        self.fake.exchange.now = self.now
        self.fake.wire_clock = self.clock
        self.restart()

    @property
    def symbol(self) -> str:
        return self.connection.symbols[0]

    @property
    def owner(self) -> Account:
        """The account at the exchange."""
        return self.fake.exchange.accounts[self.account]

    def set(self, **changes: Any) -> None:
        """Change settings of the connection, as if the engine had been started with them."""
        self.connection = validate(replace(self.connection, **changes))
        engine = self.tables.engines[self.subject]
        self.tables.engines[self.subject] = replace(engine, settings=to_plain(self.connection))

    def beside(self, connection_id: str, account: str = "main") -> "Floor":
        """Return another engine in the same process, with tables of its own; on the same key or another."""
        connection = replace(self.connection, connection_id=connection_id)
        other = Floor(self.fake, connection, account, self.time, self.limits)
        other.feed = self.feed
        if account == self.account:
            other.accounts = self.accounts
        return other

    # Time

    @property
    def now(self) -> float:
        return self.time.now

    def clock(self) -> float:
        return self.time.now

    def wait(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.time.now += seconds
        self.fake.exchange.now = self.now

    # Processes

    def restart(self) -> None:
        """Begin anew with what a process keeps in memory; stores and exchange go on."""
        self.feed = PublicFeed(self.connection.exchange, self._prepared, self.wait, self.clock)
        key = next(iter(self.owner.keys.values()))
        credentials = Credentials(Secret(key.key), Secret(key.secret))
        self.accounts = Accounts(
            lambda *_: credentials, self.limits, lambda _: self.feed, self.clock, self.wait, self._prepared
        )

    def _prepared(self, client: Any) -> None:
        client.timeout = CLIENT_TIMEOUT
        client.milliseconds = lambda: int(self.now * 1000)
        fetch = client.fetch
        client.fetch = lambda *arguments, **named: self.wire(fetch, *arguments, **named)

    def world(self) -> World:
        """Return the world of one invocation."""
        return World(
            now=self.clock,
            owner=lambda: f"process-{next(self.owners)}",
            engines=self.wrap("engines", self.engines),
            connections=MemoryConnectionStore(self.tables),
            credentials=MemoryCredentialStore(self.tables),
            records=self.wrap("records", self.records),
            objects=self.objects,
            ticks=MemoryTickQueue(),
            signals=MemorySignalQueue(),
            events=MemoryEventStream(),
            dead_letters=MemoryDeadLetters(),
            feed=lambda _: self.feed,
            venue=lambda wanted: self.wrap("venue", self.accounts.venue(wanted)),
            metrics=self.metrics,
            span=lambda _: nullcontext(),
        )

    # What happens

    def signal(self, direction: str = "long", number: int = 0, symbol: str = "", **changes: Any) -> Signal:
        """Return an entry signal made now."""
        wanted = symbol or self.symbol
        signal = Signal(
            signal_id=f"{number}-{wanted}-{direction}",
            connection_id=self.connection.connection_id,
            symbol=wanted,
            action="enter",
            direction=direction,  # type: ignore[arg-type]
            source="vote",
            strategy="combined",
            confidence=0.9,
            price=PRICE,
            candle_time=int(self.now),
            created_at=self.now,
            correlation_id=f"k-{number}",
            exits=self.connection.exits,
        )
        return replace(signal, **changes)

    def execute(self, *signals: Signal) -> dict[str, str]:
        batch = SignalBatch(TENANT, self.connection.connection_id, "k", signals)
        return execute_signals(self.world(), batch)

    def realtime(self, later: float = 30.0) -> object:
        """Let time pass and run a realtime tick."""
        self.wait(later)
        return realtime_tick(self.world(), Tick("realtime", self.subject, int(self.now)))

    def start(self) -> None:
        """Recover as the start of an engine does, some seconds after the process before has ended."""
        self.wait(5)
        self.restart()
        engine = self.engines.get(self.subject)
        assert engine is not None
        reconcile_connection(self.world(), self.connection, engine, self.now)

    def price(self, price: Decimal, symbol: str = "") -> None:
        self.fake.exchange.prices[symbol or self.symbol] = price

    # What is there

    def orders(self) -> tuple[Order, ...]:
        return self.records.list_orders(TENANT, self.connection.connection_id, 500, None).items

    def order(self, leg: str = "entry") -> Order:
        """Return the one order of a leg."""
        (found,) = (order for order in self.orders() if order.leg == leg)
        return found

    def positions(self) -> tuple[Position, ...]:
        return self.records.list_positions(TENANT, self.connection.connection_id, 500, None).items

    def position(self) -> Position:
        (found,) = self.positions()
        return found

    def theirs(self) -> Sequence[Any]:
        """Return all orders that the exchange ever accepted."""
        return list(self.owner.orders.values())


class _Inline:
    """Makes calls at once in the calling thread, as an executor of one thread would."""

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*arguments))
        except BaseException as error:
            done.set_exception(error)
        return done


@contextmanager
def floor(exchange: str, market_type: MarketType, **changes: Any) -> Iterator[Floor]:
    """Give a floor on a fake of its own, served on the loopback."""
    # In virtual time calls that overlap would add up their waits.
    with served(fake_of(exchange)) as fake, patch.object(together, "_pool", _Inline):
        fake.exchange.now = T0
        made = Floor(fake, a_connection(exchange, market_type, **changes))
        made.price(PRICE)
        yield made
