"""The outside world as flows see it: protocols that stores, messaging and exchanges fulfil.

Every implementation has an in-memory twin for tests; one contract suite runs on both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chalicelib.domain.approval import ApprovedOrder
    from chalicelib.domain.candles import Candles
    from chalicelib.domain.connection import Connection
    from chalicelib.domain.credentials import Credentials, SealedCredentials
    from chalicelib.domain.dead_letters import DeadLetter
    from chalicelib.domain.engine import Engine, Subject
    from chalicelib.domain.lease import Skip
    from chalicelib.domain.lifecycle import Status
    from chalicelib.domain.market import Market, Ticker
    from chalicelib.domain.messages import Event, SignalBatch, Tick
    from chalicelib.domain.order import Order, VenueOrder
    from chalicelib.domain.position import Position
    from chalicelib.domain.records import AuditEntry, Fence, Page, Record, Session
    from chalicelib.domain.signal import Signal
    from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
    from chalicelib.domain.venue import (
        Abilities,
        Balance,
        Funding,
        KeyPermissions,
        MarginMode,
        PositionMode,
        VenuePosition,
        VenueTrade,
    )


class EngineStore(Protocol):
    """Coordinators, engines and feeds: status, leases, beats. One item each."""

    def get(self, subject: Subject) -> Engine | None:
        """Read one item (strongly consistent)."""

    def all(self) -> tuple[Engine, ...]:
        """Read every item of every tenant (heartbeat, health)."""

    def create(self, engine: Engine) -> Engine:
        """Store a new item; AlreadyExists if it is there."""

    def acquire(
        self, subject: Subject, kind: str, owner: str, now: float, ttl: float, slot: int | None
    ) -> Engine | Skip:
        """Take the lease of `kind` in one conditional write and return the item as it is then.

        The rules are those of `domain.lease.acquire`; a missing feed item is created on the way, a missing
        engine is NOT_RUNNING. Status is not judged here.
        """

    def save(self, engine: Engine, kind: str, fence: int, slot: int | None, changed: Sequence[str]) -> None:
        """Store the attributes named in `changed` and release the lease, if its fence is still ours.

        `beats.KIND` names one beat, any other name a whole attribute. Raises StaleWrite.
        """

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        """Move from `engine.status` to `target` together with the audit entry, all or nothing.

        Stores `session_id`, `settings` and `correlation_id` of `engine` on the way. Raises StaleWrite if the
        stored status is another one by now.
        """

    def annotate(self, engine: Engine, changed: Sequence[str], audit: AuditEntry) -> None:
        """Store the attributes named in `changed` together with the audit entry, all or nothing.

        Whatever the status and the leases are. `kills.NAME` names one kill switch, which is off afterwards if
        the engine has none of that name; any other name a whole attribute. Raises StaleWrite if the item is
        not there, AlreadyExists if the audit entry is.
        """

    def delete(self, subject: Subject) -> None:
        """Remove an item; nothing happens if it is not there."""


class ConnectionStore(Protocol):
    """Connections of a tenant."""

    def get(self, tenant: str, connection_id: str) -> Connection | None: ...
    def list(self, tenant: str) -> tuple[Connection, ...]: ...
    def create(self, connection: Connection) -> Connection:
        """Store a new connection; AlreadyExists if the id is taken."""

    def delete(self, tenant: str, connection_id: str) -> None:
        """Remove a connection; NotFound if it is not there."""


class CredentialStore(Protocol):
    """Credentials of connections, encrypted; nothing but a venue may ask for them in plain."""

    def seal(self, tenant: str, connection_id: str, credentials: Credentials) -> SealedCredentials:
        """Encrypt for this place, and store nothing; Conflict on a stage that has no key."""

    def put(self, sealed: SealedCredentials) -> None:
        """Store in the place of those before; NotFound if the connection is not there."""

    def get(self, tenant: str, connection_id: str) -> Credentials | None:
        """Read and decrypt; Halt if they were encrypted for another place."""

    def delete(self, tenant: str, connection_id: str) -> bool:
        """Remove those of a connection and tell whether there were any."""

    def held(self, tenant: str) -> frozenset[str]:
        """Return the ids of the connections that have credentials."""


class RecordStore(Protocol):
    """Positions, orders, signals, sessions and the audit log of connections."""

    def commit(
        self, tenant: str, records: Sequence[Record], fence: Fence | None = None
    ) -> tuple[Record, ...]:
        """Write all records or none, each only if its stored revision is the one it carries (0: not there).

        At most 99 records. Returns them with their new revisions. Raises AlreadyExists when a record that
        should be new is there, StaleWrite when a revision or the fence has moved, KillSwitchOn when a kill
        switch holds and the fence asks for none.
        """

    def put_new(self, tenant: str, records: Sequence[Signal | AuditEntry]) -> None:
        """Store many records whose key says it all; one that is there already is left as it is."""

    def open_orders(self, tenant: str, connection_id: str) -> tuple[Order, ...]:
        """Read the orders that are not terminal (strongly consistent), oldest first."""

    def open_positions(self, tenant: str, connection_id: str) -> tuple[Position, ...]:
        """Read the positions that are opening or open (strongly consistent), oldest first."""

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> Order | None: ...
    def position(self, tenant: str, connection_id: str, position_id: str) -> Position | None: ...
    def session(self, tenant: str, connection_id: str, session_id: str) -> Session | None: ...
    def signals(self, tenant: str, connection_id: str, signal_ids: Sequence[str]) -> dict[str, Signal]:
        """Read those of the given signals that are stored."""

    def list_orders(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Order]: ...
    def list_positions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Position]: ...
    def list_signals(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Signal]: ...
    def list_sessions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Session]: ...
    def list_audit(self, tenant: str, limit: int, cursor: str | None) -> Page[AuditEntry]:
        """List audit entries of a tenant, newest first (the other listings too)."""


class ObjectStore(Protocol):
    """Candles, indication snapshots and ladder snapshots as objects; warm copies are reused by ETag."""

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None: ...
    def save_candles(self, exchange: str, candles: Candles) -> None:
        """Store, if nobody else stored since this store last loaded or saved them; else StaleWrite."""

    def load_block(self, exchange: str, timeframe: int, start: int) -> Candles | None:
        """Load the archived candles of the anchor block that begins at `start`; None if they are lost."""

    def save_block(self, exchange: str, block: Candles) -> None:
        """Archive candles of one block, if nobody did since this store last loaded it; else StaleWrite."""

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None: ...
    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None: ...
    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        """Load the snapshot of this version; None if it is lost, broken or carries another version."""

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None: ...
    def delete_all(self, tenant: str, connection_id: str) -> None:
        """Remove every object of a connection."""


class TickQueue(Protocol):
    def send(self, ticks: Sequence[Tick], now: float) -> None:
        """Send ticks to be delivered at their slots (within 900 s from now)."""


class SignalQueue(Protocol):
    def send(self, batch: SignalBatch) -> None:
        """Send one batch for execution, in order within its connection, deduplicated by its content's ids."""


class DeadLetters(Protocol):
    """Messages whose deliveries ran out. One that is taken is hidden from others for half a minute."""

    def all(self) -> tuple[DeadLetter, ...]:
        """Look at all letters of all tenants, oldest first."""

    def take(self, wanted: str) -> DeadLetter | None:
        """Hide a letter from others, to decide on it; None if there is none of this id."""

    def release(self, letter: DeadLetter) -> None:
        """Let others see a letter that was taken."""

    def remove(self, letter: DeadLetter) -> None:
        """Remove a letter that was taken, for good."""

    def send_again(self, letter: DeadLetter, now: float) -> None:
        """Send a letter that was taken to the queue it came from, then remove it."""


class EventStream(Protocol):
    def put(self, events: Sequence[Event]) -> None:
        """Append events; order is kept per connection."""


class MarketFeed(Protocol):
    """Public market data of one exchange."""

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        """Return the trading rules; UsageError names a symbol that the exchange does not have."""

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        """Return the candles that open at or after `since` and are closed at `now`."""

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        """Return the latest prices; a symbol without any is left out."""


class Venue(Protocol):
    """The private side of one account. Raises only the VenueError family."""

    @property
    def abilities(self) -> Abilities:
        """What the venue can do; known without asking it."""

    def create_order(self, approved: ApprovedOrder, now: float) -> VenueOrder: ...
    def cancel_order(self, order: Order, now: float) -> VenueOrder:
        """Ask for the end of an order; one that has ended is returned as it is. Raises OrderNotFound."""

    def fetch_order(self, order: Order, now: float) -> VenueOrder:
        """Look an order up in every way the venue has, open or not.

        Raises OrderNotFound only if all of them answered and none knows it.
        """

    def fetch_open_orders(self, symbols: Sequence[str], now: float) -> tuple[VenueOrder, ...]:
        """Return the open orders of the account on these symbols, ours and those of others, stops too."""

    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]:
        """Return all trades of the account on a symbol at or after `since`, whoever placed the orders."""

    def fetch_positions(self, symbols: Sequence[str], now: float) -> tuple[VenuePosition, ...]:
        """Return the open positions on these symbols."""

    def fetch_balance(self, now: float) -> Balance:
        """Return the money of the account in quote currency."""

    def fetch_funding(self, symbols: Sequence[str], since: float, now: float) -> tuple[Funding, ...]:
        """Return the funding payments at or after `since`; none on spot."""

    def configure(
        self, symbol: str, leverage: int, margin_mode: MarginMode, position_mode: PositionMode, now: float
    ) -> None:
        """Set how a swap is held, if it is not held so already; nothing happens on spot."""

    def permissions(self, now: float) -> KeyPermissions:
        """Return what the API key may do."""

    def clock_skew(self, now: float) -> float | None:
        """Return the seconds that our clock is ahead of the exchange's; None if that can't be learned."""


class Metrics(Protocol):
    def count(self, name: str, value: float = 1, **dimensions: str) -> None: ...
    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None: ...
    def line(self, message: str, **values: str | float) -> None: ...
    def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything a flow may touch. Built once per container by `wiring`, or by tests from twins.

    `shortest_interval` raises shorter tick intervals (replays); `warm` is kept between invocations for what
    can be had again. `in_memory` (backtests): no call is worth a thread, and a refused signal is counted by
    the first check that it fails, not kept.
    """

    now: Callable[[], float]
    owner: Callable[[], str]
    engines: EngineStore
    connections: ConnectionStore
    credentials: CredentialStore
    records: RecordStore
    objects: ObjectStore
    ticks: TickQueue
    signals: SignalQueue
    events: EventStream
    dead_letters: DeadLetters
    feed: Callable[[str], MarketFeed]
    venue: Callable[[Connection], Venue]
    metrics: Metrics
    span: Callable[[str], AbstractContextManager[Any]]
    shortest_interval: int = 0
    in_memory: bool = False
    warm: dict[str, object] = field(default_factory=dict)
