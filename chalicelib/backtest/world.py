"""The world of a backtest: twins of the stores in memory, the paper exchange, recorded prices, a clock."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.backtest.prices import RecordedPrices
from chalicelib.domain.connection import Connection
from chalicelib.domain.messages import Event, SignalBatch
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows.world import Venue, World
from chalicelib.local.clock import VirtualClock
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.messaging.memory import MemoryDeadLetters, MemoryTickQueue
from chalicelib.stores.memory import (
    MemoryConnectionStore,
    MemoryEngineStore,
    MemoryPaperLedger,
    MemoryRecordStore,
    MemoryTables,
)
from chalicelib.stores.memory_credentials import MemoryCredentialStore
from chalicelib.stores.memory_objects import MemoryObjectStore


class Counts:
    """The metrics of a backtest: counts by name and by the values of their dimensions."""

    def __init__(self) -> None:
        self.totals: Counter[tuple[str, ...]] = Counter()

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        self.totals[name, *dimensions.values()] += int(value)

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None:
        """Durations mean nothing where the clock stands still."""

    def line(self, message: str, **values: str | float) -> None:
        """Nobody reads lines here."""

    def flush(self) -> None:
        """Nothing is held back."""

    def refused(self) -> dict[str, int]:
        """Return how many signals were refused, by reason."""
        return {key[1]: count for key, count in sorted(self.totals.items()) if key[0] == "signals_refused"}


class Handover:
    """The queue between votes and execution: a batch waits until it is taken."""

    def __init__(self) -> None:
        self._waiting: list[SignalBatch] = []

    def send(self, batch: SignalBatch) -> None:
        self._waiting.append(batch)

    def taken(self) -> list[SignalBatch]:
        """Return the batches that wait, and forget them."""
        taken, self._waiting = self._waiting, []
        return taken


class _Unheard:
    """An event stream without a reader."""

    def put(self, events: Sequence[Event]) -> None:
        """Forget the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestWorld(World):
    """A World whose clock, counts, tables, ledger, prices and queue the backtest holds itself."""

    clock: VirtualClock
    counts: Counts
    tables: MemoryTables
    ledger: MemoryPaperLedger
    prices: RecordedPrices
    queue: Handover


def backtest_world(recorded: RecordedFeed, spread: Decimal, start: int) -> BacktestWorld:
    """Return a world of its own that begins at `start` (epoch second); nothing in it leaves the process.

    `spread` is that of the recorded feed, as a ratio of the price.
    """
    tables = MemoryTables()
    prices = RecordedPrices(recorded, spread, start)
    ledger = MemoryPaperLedger(tables)
    clock, counts, queue = VirtualClock(float(start)), Counts(), Handover()

    def venue(connection: Connection) -> Venue:
        return PaperVenue(connection.tenant, connection, ledger, prices)

    return BacktestWorld(
        now=clock.now,
        owner=lambda: "backtest",
        engines=MemoryEngineStore(tables),
        connections=MemoryConnectionStore(tables),
        credentials=MemoryCredentialStore(tables),
        records=MemoryRecordStore(tables),
        objects=MemoryObjectStore(),
        ticks=MemoryTickQueue(),
        signals=queue,
        events=_Unheard(),
        dead_letters=MemoryDeadLetters(),
        feed=lambda _: prices,
        venue=venue,
        metrics=counts,
        span=lambda _: nullcontext(),
        in_memory=True,
        clock=clock,
        counts=counts,
        tables=tables,
        ledger=ledger,
        prices=prices,
        queue=queue,
    )
