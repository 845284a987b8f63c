"""A trading desk in memory for flow tests: real flows, twins of the stores, the paper venue."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from chalicelib.domain.candles import Candles, empty_candles, select
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import Market, Ticker, split_symbol
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal
from chalicelib.exchanges.faults import CallCounts, FaultPlan, FaultyVenue, ScriptedFaults
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.world import Venue, World
from chalicelib.messaging.memory import (
    MemoryDeadLetters,
    MemoryEventStream,
    MemorySignalQueue,
    MemoryTickQueue,
)
from chalicelib.stores.memory import (
    MemoryConnectionStore,
    MemoryEngineStore,
    MemoryPaperLedger,
    MemoryRecordStore,
    MemoryTables,
)
from chalicelib.stores.memory_credentials import MemoryCredentialStore
from chalicelib.stores.memory_objects import MemoryBucket, MemoryObjectStore

D = Decimal
T0 = 1_618_617_600
TENANT, CONNECTION_ID = "default", "paper-1"
SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")


class HandFeed:
    """A market whose prices the test sets; every price is a ticker now and has no candles."""

    def __init__(self, prices: Mapping[str, Decimal], candles: Candles | None = None) -> None:
        self.prices = dict(prices)
        self.candles = candles

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        found = {}
        for symbol in symbols:
            base, quote, kind = split_symbol(symbol)
            found[symbol] = Market(symbol, base, quote, kind, D("0.0001"), D("0.01"), D("0.0001"), D(10))
        return found

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        if self.candles is None:
            return empty_candles(tuple(symbols), timeframe)
        return select(self.candles, tuple(symbols))

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        priced = [symbol for symbol in symbols if symbol in self.prices]
        return {s: Ticker(s, self.prices[s], self.prices[s], self.prices[s], now) for s in priced}


class CountingMetrics(Counter[str]):
    """Metrics by name."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        self[name] += int(value)

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None: ...

    def line(self, message: str, **values: str | float) -> None: ...

    def flush(self) -> None: ...


def connection(**changes: Any) -> Connection:
    """Return a valid paper connection with the changes."""
    base = Connection(CONNECTION_ID, "binance", SYMBOLS, intervals=complete_intervals({}))
    return validate(replace(base, **changes))


@dataclass
class Desk:
    """One running engine; `wrap` may put something around each part of the world (a process that dies)."""

    connection: Connection = field(default_factory=connection)
    plan: FaultPlan = field(default_factory=lambda: ScriptedFaults({}))
    wrap: Callable[[str, Any], Any] = lambda _, part: part
    now: float = float(T0)

    def __post_init__(self) -> None:
        self.tables = MemoryTables()
        self.ledger = MemoryPaperLedger(self.tables)
        self.feed = HandFeed({"BTC/USDT": D(60000), "ETH/USDT": D(2000), "XRP/USDT": D("1.5")})
        self.counts = CallCounts()
        self.metrics = CountingMetrics()
        self.engines = MemoryEngineStore(self.tables)
        self.records = MemoryRecordStore(self.tables)
        self.queue = MemorySignalQueue()
        self.stream = MemoryEventStream()
        self.objects = MemoryObjectStore(MemoryBucket())
        self.warm: dict[str, object] = {}
        self.subject = engine_subject(TENANT, CONNECTION_ID)
        self.engines.create(Engine(coordinator_subject(TENANT), Status.RUNNING))
        settings = to_plain(self.connection)
        self.engines.create(Engine(self.subject, Status.RUNNING, settings=settings, session_id="session"))

    def world(self) -> World:
        """Return the world of one process; stores and venue outlive it."""
        return World(
            now=lambda: self.now,
            owner=lambda: "owner",
            engines=self.wrap("engines", self.engines),
            connections=MemoryConnectionStore(self.tables),
            credentials=MemoryCredentialStore(self.tables),
            records=self.wrap("records", self.records),
            objects=self.objects,
            ticks=MemoryTickQueue(),
            signals=self.queue,
            events=self.stream,
            dead_letters=MemoryDeadLetters(),
            feed=lambda _: self.feed,
            venue=lambda wanted: self.wrap("venue", self.venue(wanted)),
            metrics=self.metrics,
            span=lambda _: nullcontext(),
            warm=self.warm,
        )

    def venue(self, wanted: Connection) -> Venue:
        paper = PaperVenue(TENANT, wanted, self.ledger, self.feed)
        return cast(Venue, FaultyVenue(paper, self.plan, lambda _: None, self.counts))

    def signal(self, symbol: str = "BTC/USDT", direction: str = "long", number: int = 0) -> Signal:
        """Return an entry signal made now."""
        return Signal(
            signal_id=f"{number}-{symbol}-{direction}",
            connection_id=CONNECTION_ID,
            symbol=symbol,
            action="enter",
            direction=direction,  # type: ignore[arg-type]
            source="vote",
            strategy="combined",
            confidence=0.9,
            price=self.feed.prices[symbol],
            candle_time=T0,
            created_at=self.now,
            correlation_id=f"k-{number}-{symbol}",
            exits=self.connection.exits,
        )

    def execute(self, *signals: Signal) -> dict[str, str]:
        return execute_signals(self.world(), SignalBatch(TENANT, CONNECTION_ID, "k", signals))

    def realtime(self, later: float = 30.0) -> object:
        """Let time pass and run a realtime tick."""
        self.now += later
        return realtime_tick(self.world(), Tick("realtime", self.subject, int(self.now)))

    def orders(self) -> tuple[Order, ...]:
        return self.records.list_orders(TENANT, CONNECTION_ID, 500, None).items

    def positions(self) -> tuple[Position, ...]:
        return self.records.list_positions(TENANT, CONNECTION_ID, 500, None).items

    def assert_books_equal(self) -> None:
        """One order at the venue per intent with fills, and the same fills, positions and money."""
        theirs = {o.client_order_id: o for o in self.ledger.orders(TENANT, CONNECTION_ID)}
        ours = {o.client_order_id: o for o in self.orders()}
        assert theirs.keys() <= ours.keys(), "the venue has an order that no intent explains"
        for name, order in ours.items():
            assert order.fills == (theirs[name].fills if name in theirs else ())
        held = Counter[str]()
        for position in self.positions():
            if position.quantity:
                held[position.symbol] += position.signed_quantity  # type: ignore[assignment]
        account = self.ledger.load(TENANT, CONNECTION_ID)
        at_venue = {s: h.quantity for s, h in account.holdings.items()} if account else {}
        assert dict(held) == at_venue
        realised = sum((p.realised for p in self.positions()), D(0))
        fees = sum((p.fees for p in self.positions()), D(0))
        if account:
            assert (account.realised, account.fees) == (realised, fees)
