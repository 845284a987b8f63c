"""Worlds in memory for tests of flows and of the API: twins of the stores, the paper venue, a clock."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.domain.candle_blocks import block_start
from chalicelib.domain.candles import Candles
from chalicelib.domain.connection import Connection
from chalicelib.domain.market import Market
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import UsageError
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows import manage_connections
from chalicelib.flows.world import EngineStore, Metrics, RecordStore, Venue, World
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
from tests.flows.desk import T0, CountingMetrics, HandFeed

TENANT = "default"
PRICES = {"BTC/USDT": Decimal(60000), "ETH/USDT": Decimal(2000), "ETH/BTC": Decimal("0.03")}


@dataclass
class HandClock:
    """A clock that stands still until the test moves it."""

    time: float = float(T0)

    def __call__(self) -> float:
        return self.time


class ListedFeed(HandFeed):
    """A market that knows its priced symbols only, as an exchange does."""

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        for symbol in symbols:
            if symbol not in self.prices:
                raise UsageError(f"no symbol {symbol!r}: use one of {', '.join(self.prices)}")
        return super().markets(symbols)


class MemoryObjects:
    """Twin of the object store: keeps what was saved last."""

    def __init__(self) -> None:
        self.candles: dict[tuple[str, int], Candles] = {}
        self.blocks: dict[tuple[str, int, int], Candles] = {}
        self.indications: dict[tuple[str, str], IndicationSnapshot] = {}
        self.ladders: dict[tuple[str, str], LadderSnapshot] = {}

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None:
        return self.candles.get((exchange, timeframe))

    def save_candles(self, exchange: str, candles: Candles) -> None:
        self.candles[exchange, candles.timeframe] = candles

    def load_block(self, exchange: str, timeframe: int, start: int) -> Candles | None:
        return self.blocks.get((exchange, timeframe, start))

    def save_block(self, exchange: str, block: Candles) -> None:
        start = block_start(int(block.open_time[0]), block.timeframe)
        self.blocks[exchange, block.timeframe, start] = block

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None:
        return self.indications.get((tenant, connection_id))

    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None:
        self.indications[tenant, connection_id] = snapshot

    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        snapshot = self.ladders.get((tenant, connection_id))
        return snapshot if snapshot is not None and snapshot.version == version else None

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None:
        self.ladders[tenant, connection_id] = snapshot

    def delete_all(self, tenant: str, connection_id: str) -> None:
        self.indications.pop((tenant, connection_id), None)
        self.ladders.pop((tenant, connection_id), None)


@dataclass
class Memory:
    """What outlives a process: the tables, the objects, the exchange, and the clock."""

    tables: MemoryTables = field(default_factory=MemoryTables)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    feed: HandFeed = field(default_factory=lambda: ListedFeed(PRICES))
    clock: Callable[[], float] = field(default_factory=HandClock)
    has_key: bool = True


def memory_world(
    memory: Memory | None = None,
    engines: EngineStore | None = None,
    records: RecordStore | None = None,
    venue: Callable[[Connection], Venue] | None = None,
    metrics: Metrics | None = None,
) -> World:
    """Return a world over `memory` (a new one without it); the other arguments replace parts of it."""
    given = memory or Memory()
    ledger = MemoryPaperLedger(given.tables)
    return World(
        now=given.clock,
        owner=lambda: "owner",
        engines=engines or MemoryEngineStore(given.tables),
        connections=MemoryConnectionStore(given.tables),
        credentials=MemoryCredentialStore(given.tables, given.has_key),
        records=records or MemoryRecordStore(given.tables),
        objects=given.objects,
        ticks=MemoryTickQueue(),
        signals=MemorySignalQueue(),
        events=MemoryEventStream(),
        dead_letters=MemoryDeadLetters(),
        feed=lambda _: given.feed,
        venue=venue or (lambda wanted: PaperVenue(wanted.tenant, wanted, ledger, given.feed)),
        metrics=metrics or CountingMetrics(),
        span=lambda _: nullcontext(),
    )


def with_connections(world: World, *names: str, **changes: Any) -> World:
    """Create a paper connection of each name in the world, and return the world."""
    for name in names:
        wish = {"connection_id": name, "exchange": "binance", "symbols": ["BTC/USDT"], **changes}
        manage_connections.create(world, TENANT, wish, "tester", f"create-{name}")
    return world
