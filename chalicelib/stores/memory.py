"""In-memory twins of all stores: the same rules without AWS, for tests and backtests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any, TypeVar

from chalicelib.domain.candles import Candles
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import PUBLIC_TENANT, Engine, Subject
from chalicelib.domain.lease import Lease, Skip, acquire, release
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import TERMINAL, Order
from chalicelib.domain.paper import PaperAccount, PaperOrder
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Fence, Page, Record, Session
from chalicelib.domain.signal import Signal
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import AlreadyExists, NotFound, Rejected, StaleWrite

R = TypeVar("R")


class MemoryEngineStore:
    """Twin of the engine table."""

    def __init__(self) -> None:
        self.items: dict[Subject, Engine] = {}
        self.audit: list[tuple[str, AuditEntry]] = []
        self.lock = RLock()
        self.on_audit: Callable[[str, AuditEntry], None] = lambda tenant, entry: None

    def get(self, subject: Subject) -> Engine | None:
        return self.items.get(subject)

    def all(self) -> tuple[Engine, ...]:
        return tuple(self.items[subject] for subject in sorted(self.items, key=lambda s: s.text))

    def create(self, engine: Engine) -> Engine:
        with self.lock:
            if engine.subject in self.items:
                raise AlreadyExists(f"{engine.subject.text} exists already")
            self.items[engine.subject] = replace(engine, revision=1)
            return self.items[engine.subject]

    def acquire(
        self, subject: Subject, kind: str, owner: str, now: float, ttl: float, slot: int | None
    ) -> Engine | Skip:
        with self.lock:
            engine = self.items.get(subject)
            if engine is None:
                if subject.tenant != PUBLIC_TENANT:
                    return Skip.NOT_RUNNING
                engine = Engine(subject)
            taken = acquire(engine.lease(kind), owner, now, ttl, slot)
            if isinstance(taken, Skip):
                return taken
            self.items[subject] = replace(engine, leases={**engine.leases, kind: taken})
            return self.items[subject]

    def save(self, engine: Engine, kind: str, fence: int, slot: int | None, changed: Sequence[str]) -> None:
        with self.lock:
            stored = self.items.get(engine.subject)
            if stored is None or stored.lease(kind).fence != fence:
                raise StaleWrite(f"{engine.subject.text}: the lease of {kind} has moved on")
            values: dict[str, Any] = {"beats": dict(stored.beats)}
            for name in changed:
                attribute, _, key = name.partition(".")
                if key:
                    values[attribute][key] = getattr(engine, attribute)[key]
                else:
                    values[attribute] = getattr(engine, attribute)
            leases = {**stored.leases, kind: release(stored.lease(kind), slot)}
            revision = stored.revision + 1
            self.items[engine.subject] = replace(stored, **values, leases=leases, revision=revision)

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        with self.lock:
            stored = self.items.get(engine.subject)
            if stored is None or stored.status != engine.status:
                raise StaleWrite(f"{engine.subject.text} is no longer {engine.status}")
            after = replace(
                stored,
                status=target,
                changed_at=now,
                session_id=engine.session_id,
                settings=engine.settings,
                correlation_id=engine.correlation_id,
                revision=stored.revision + 1,
            )
            self.items[engine.subject] = after
            self.on_audit(engine.subject.tenant, audit)
            return after

    def delete(self, subject: Subject) -> None:
        with self.lock:
            self.items.pop(subject, None)

    def fence_holds(self, fence: Fence) -> bool:
        """Tell whether a fence is still the newest of its kind."""
        engine = self.items.get(fence.subject)
        return engine is not None and engine.leases.get(fence.kind, Lease()).fence == fence.number


class MemoryConnectionStore:
    """Twin of the connections table."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Connection] = {}

    def get(self, tenant: str, connection_id: str) -> Connection | None:
        return self.items.get((tenant, connection_id))

    def list(self, tenant: str) -> tuple[Connection, ...]:
        return tuple(self.items[key] for key in sorted(self.items) if key[0] == tenant)

    def create(self, connection: Connection) -> Connection:
        key = (connection.tenant, connection.connection_id)
        if key in self.items:
            raise AlreadyExists(f"connection {connection.connection_id} exists already")
        self.items[key] = replace(connection, revision=1)
        return self.items[key]

    def delete(self, tenant: str, connection_id: str) -> None:
        if self.items.pop((tenant, connection_id), None) is None:
            raise NotFound(f"connection {connection_id} does not exist")


def record_key(tenant: str, record: Record) -> tuple[str, str, str]:
    """Return table, partition and sort key of a record."""
    if isinstance(record, AuditEntry):
        return "audit", tenant, f"{record.at:017.3f}#{record.entry_id}"
    partition = f"{tenant}#{record.connection_id}"
    if isinstance(record, Order):
        return "orders", partition, record.client_order_id
    if isinstance(record, Position):
        return "positions", partition, record.position_id
    if isinstance(record, Signal):
        return "signals", partition, record.signal_id
    return "sessions", partition, record.session_id


class MemoryRecordStore:
    """Twin of the tables of positions, orders, signals, sessions and audit entries."""

    def __init__(self, engines: MemoryEngineStore) -> None:
        self._engines = engines
        self._lock = RLock()
        self.tables: dict[str, dict[tuple[str, str], Any]] = {
            name: {} for name in ("orders", "positions", "signals", "sessions", "audit")
        }
        self.on_position: Callable[[str, Position], None] = lambda tenant, position: None
        engines.on_audit = lambda tenant, entry: self.put_new(tenant, (entry,))

    def commit(
        self, tenant: str, records: Sequence[Record], fence: Fence | None = None
    ) -> tuple[Record, ...]:
        with self._lock:
            if fence is not None and not self._engines.fence_holds(fence):
                raise StaleWrite(f"{fence.subject.text}: the lease of {fence.kind} has moved on")
            keys = [record_key(tenant, record) for record in records]
            for record, (table, partition, sort) in zip(records, keys, strict=True):
                stored = self.tables[table].get((partition, sort))
                if stored is not None and record.revision == 0:
                    raise AlreadyExists(f"{table} {sort} exists already")
                if (stored.revision if stored is not None else 0) != record.revision:
                    raise StaleWrite(f"{table} {sort} was written by somebody else")
            after = tuple(replace(record, revision=record.revision + 1) for record in records)
            for record, (table, partition, sort) in zip(after, keys, strict=True):
                self.tables[table][partition, sort] = record
                if isinstance(record, Position):
                    self.on_position(tenant, record)
            return after

    def put_new(self, tenant: str, records: Sequence[Signal | AuditEntry]) -> None:
        with self._lock:
            for record in records:
                table, partition, sort = record_key(tenant, record)
                self.tables[table].setdefault((partition, sort), replace(record, revision=1))

    def open_orders(self, tenant: str, connection_id: str) -> tuple[Order, ...]:
        orders: Iterable[Order] = self._of("orders", tenant, connection_id)
        working = [order for order in orders if order.state not in TERMINAL]
        return tuple(sorted(working, key=lambda order: (order.created_at, order.client_order_id)))

    def open_positions(self, tenant: str, connection_id: str) -> tuple[Position, ...]:
        positions: Iterable[Position] = self._of("positions", tenant, connection_id)
        held = [position for position in positions if position.state in ("opening", "open")]
        return tuple(sorted(held, key=lambda position: (position.opened_at, position.position_id)))

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> Order | None:
        return self.tables["orders"].get((f"{tenant}#{connection_id}", client_order_id))

    def position(self, tenant: str, connection_id: str, position_id: str) -> Position | None:
        return self.tables["positions"].get((f"{tenant}#{connection_id}", position_id))

    def session(self, tenant: str, connection_id: str, session_id: str) -> Session | None:
        return self.tables["sessions"].get((f"{tenant}#{connection_id}", session_id))

    def signals(self, tenant: str, connection_id: str, signal_ids: Sequence[str]) -> dict[str, Signal]:
        table, partition = self.tables["signals"], f"{tenant}#{connection_id}"
        return {name: table[partition, name] for name in signal_ids if (partition, name) in table}

    def list_orders(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Order]:
        return self._page("orders", f"{tenant}#{connection_id}", limit, cursor)

    def list_positions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Position]:
        return self._page("positions", f"{tenant}#{connection_id}", limit, cursor)

    def list_signals(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Signal]:
        return self._page("signals", f"{tenant}#{connection_id}", limit, cursor)

    def list_sessions(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Session]:
        return self._page("sessions", f"{tenant}#{connection_id}", limit, cursor)

    def list_audit(self, tenant: str, limit: int, cursor: str | None) -> Page[AuditEntry]:
        return self._page("audit", tenant, limit, cursor)

    def _of(self, table: str, tenant: str, connection_id: str) -> Iterable[Any]:
        partition = f"{tenant}#{connection_id}"
        return [record for (key, _), record in self.tables[table].items() if key == partition]

    def _page(self, table: str, partition: str, limit: int, cursor: str | None) -> Page[Any]:
        keys = sorted((sort for key, sort in self.tables[table] if key == partition), reverse=True)
        if cursor is not None:
            if (partition, cursor) not in self.tables[table]:
                raise Rejected("the cursor is not one of this listing: start again without it")
            keys = [sort for sort in keys if sort < cursor]
        chosen = keys[:limit]
        items = tuple(self.tables[table][partition, sort] for sort in chosen)
        return Page(items, chosen[-1] if len(keys) > limit else None)


class MemoryObjectStore:
    """Twin of the bucket."""

    def __init__(self) -> None:
        self.candles: dict[tuple[str, int], Candles] = {}
        self.indications: dict[tuple[str, str], IndicationSnapshot] = {}
        self.ladders: dict[tuple[str, str, int], LadderSnapshot] = {}

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None:
        return self.candles.get((exchange, timeframe))

    def save_candles(self, exchange: str, candles: Candles) -> None:
        self.candles[exchange, candles.timeframe] = candles

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None:
        return self.indications.get((tenant, connection_id))

    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None:
        self.indications[tenant, connection_id] = snapshot

    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        snapshot = self.ladders.get((tenant, connection_id, version & 1))
        return snapshot if snapshot is not None and snapshot.version == version else None

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None:
        self.ladders[tenant, connection_id, snapshot.version & 1] = snapshot

    def delete_all(self, tenant: str, connection_id: str) -> None:
        self.indications.pop((tenant, connection_id), None)
        for parity in (0, 1):
            self.ladders.pop((tenant, connection_id, parity), None)


class MemoryPaperLedger:
    """Twin of the paper venue's table."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, str], PaperAccount] = {}
        self.placed: dict[tuple[str, str, str], PaperOrder] = {}

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        return self.accounts.get((tenant, connection_id))

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> PaperAccount:
        name = account.connection_id
        stored = self.accounts.get((tenant, name))
        if (stored.revision if stored else 0) != account.revision:
            raise StaleWrite(f"paper account {name} was written by somebody else")
        for order in orders:
            known = self.placed.get((tenant, name, order.client_order_id))
            if known is not None and order.revision == 0:
                raise AlreadyExists(f"order {order.client_order_id} exists already")
            if (known.revision if known else 0) != order.revision:
                raise StaleWrite(f"order {order.client_order_id} was written by somebody else")
        after = replace(account, revision=account.revision + 1)
        self.accounts[tenant, name] = after
        for order in orders:
            self.placed[tenant, name, order.client_order_id] = replace(order, revision=order.revision + 1)
        return after

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        return self.placed.get((tenant, connection_id, client_order_id))

    def orders(self, tenant: str, connection_id: str) -> tuple[PaperOrder, ...]:
        own = [order for key, order in self.placed.items() if key[:2] == (tenant, connection_id)]
        return tuple(sorted(own, key=lambda order: (order.created_at, order.venue_order_id)))

    def delete(self, tenant: str, connection_id: str) -> None:
        self.accounts.pop((tenant, connection_id), None)
        for key in [key for key in self.placed if key[:2] == (tenant, connection_id)]:
            del self.placed[key]
