"""In-memory twins of the stores on DynamoDB, for tests and backtests: same rules, no network."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from chalicelib.domain import lease as leases
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, Subject, coordinator_subject
from chalicelib.domain.lease import Lease, Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Order
from chalicelib.domain.paper import Committed, PaperAccount, PaperOrder
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Fence, Page, Record, Session
from chalicelib.domain.replacing import replace
from chalicelib.domain.signal import Signal
from chalicelib.errors import AlreadyExists, KillSwitchOn, NotFound, StaleWrite
from chalicelib.stores import keys
from chalicelib.stores.memory_tables import MemoryTables, place_of

__all__ = [
    "MemoryConnectionStore",
    "MemoryEngineStore",
    "MemoryPaperLedger",
    "MemoryRecordStore",
    "MemoryTables",
]

R = TypeVar("R", Order, Position, Signal, Session, AuditEntry)

_split_changed = cache(keys.split_changed)


class MemoryEngineStore:
    """Twin of DynamoEngineStore."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def get(self, subject: Subject) -> Engine | None:
        return self._tables.engines.get(subject)

    def all(self) -> tuple[Engine, ...]:
        with self._tables.lock:
            engines = list(self._tables.engines.values())
        return tuple(sorted(engines, key=lambda engine: (engine.subject.tenant, engine.subject.name)))

    def create(self, engine: Engine) -> Engine:
        with self._tables.lock:
            if engine.subject in self._tables.engines:
                raise AlreadyExists(f"engine {engine.subject.text} is there already")
            return self._put(replace(engine, revision=0), leases={})

    def acquire(
        self, subject: Subject, kind: str, owner: str, now: float, ttl: float, slot: int | None
    ) -> Engine | Skip:
        with self._tables.lock:
            engine = self._tables.engines.get(subject)
            if engine is None:
                if not keys.is_feed(subject):
                    return Skip.NOT_RUNNING
                engine = Engine(subject)
            taken = leases.acquire(engine.lease(kind), owner, now, ttl, slot)
            if isinstance(taken, Skip):
                return taken
            return self._put(engine, leases={**engine.leases, kind: taken})

    def save(self, engine: Engine, kind: str, fence: int, slot: int | None, changed: Sequence[str]) -> None:
        attributes, beats = _split_changed(tuple(changed))
        with self._tables.lock:
            stored = self._tables.engines.get(engine.subject)
            if stored is None or stored.lease(kind).fence != fence:
                raise StaleWrite(f"{kind} of {engine.subject.text} has a newer holder than fence {fence}")
            released: Lease = leases.release(stored.lease(kind), slot)
            values: dict[str, Any] = {name: getattr(engine, name) for name in attributes}
            values["leases"] = {**stored.leases, kind: released}
            if beats:
                values["beats"] = {**stored.beats, **{beat: engine.beats[beat] for beat in beats}}
            self._put(stored, **values)

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        with self._tables.lock:
            stored = self._tables.engines.get(engine.subject)
            if stored is None or stored.status != engine.status:
                raise StaleWrite(f"engine {engine.subject.text} is not {engine.status} any more")
            if self._tables.stored(engine.subject.tenant, audit) is not None:
                raise AlreadyExists(f"audit entry {audit.entry_id} is there already")
            moved = replace(engine, status=target, changed_at=now, revision=engine.revision + 1)
            self._put(
                stored,
                status=target,
                changed_at=now,
                session_id=engine.session_id,
                settings=engine.settings,
                correlation_id=engine.correlation_id,
            )
            self._tables.put(engine.subject.tenant, replace(audit, revision=1))
            return moved

    def annotate(self, engine: Engine, changed: Sequence[str], audit: AuditEntry) -> None:
        names, kills = keys.split_annotated(changed)
        with self._tables.lock:
            stored = self._tables.engines.get(engine.subject)
            if stored is None:
                raise StaleWrite(f"{engine.subject.text} is not there any more")
            if self._tables.stored(engine.subject.tenant, audit) is not None:
                raise AlreadyExists(f"audit entry {audit.entry_id} is there already")
            on = {name: kill for name, kill in stored.kills.items() if name not in kills}
            on |= {name: engine.kills[name] for name in kills if name in engine.kills}
            present = {name: getattr(engine, name) for name in names}
            self._put(stored, **present, kills=on)
            self._tables.put(engine.subject.tenant, replace(audit, revision=1))

    def delete(self, subject: Subject) -> None:
        with self._tables.lock:
            self._tables.engines.pop(subject, None)

    def _put(self, engine: Engine, **changes: Any) -> Engine:
        self._tables.engines[engine.subject] = stored = replace(
            engine, **changes, revision=engine.revision + 1
        )
        return stored


class MemoryConnectionStore:
    """Twin of DynamoConnectionStore."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def get(self, tenant: str, connection_id: str) -> Connection | None:
        return self._tables.connections.get((tenant, connection_id))

    def list(self, tenant: str) -> tuple[Connection, ...]:
        with self._tables.lock:
            stored = self._tables.connections
            return tuple(stored[key] for key in sorted(stored) if key[0] == tenant)

    def create(self, connection: Connection) -> Connection:
        key = (connection.tenant, connection.connection_id)
        with self._tables.lock:
            if key in self._tables.connections:
                raise AlreadyExists(f"connection {connection.connection_id!r} is there already")
            self._tables.connections[key] = stored = replace(connection, revision=1)
            return stored

    def delete(self, tenant: str, connection_id: str) -> None:
        with self._tables.lock:
            if self._tables.connections.pop((tenant, connection_id), None) is None:
                raise NotFound(f"no connection {connection_id!r}")


class MemoryRecordStore:
    """Twin of DynamoRecordStore."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def commit(
        self, tenant: str, records: Sequence[Record], fence: Fence | None = None
    ) -> tuple[Record, ...]:
        places = [place_of(tenant, record) for record in records]
        keys.check_batch(places)
        with self._tables.lock:
            if records and fence is not None:
                self._check_fence(fence)
            found = [self._tables.find(kind, partition, key) for (kind, partition), key in places]
            check_revisions(records, found, [key for _, key in places])
            written = tuple([replace(record, revision=record.revision + 1) for record in records])
            for record, (at, key) in zip(written, places, strict=True):
                self._tables.put_at(at, key, record)
            return written

    def put_new(self, tenant: str, records: Sequence[Signal | AuditEntry]) -> None:
        with self._tables.lock:
            for record in records:
                if self._tables.stored(tenant, record) is None:
                    self._tables.put(tenant, replace(record, revision=1))

    def open_orders(self, tenant: str, connection_id: str) -> tuple[Order, ...]:
        return self._open(Order, tenant, connection_id)

    def open_positions(self, tenant: str, connection_id: str) -> tuple[Position, ...]:
        return self._open(Position, tenant, connection_id)

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> Order | None:
        return self._tables.find(Order, keys.account_key(tenant, connection_id), client_order_id)

    def position(self, tenant: str, connection_id: str, position_id: str) -> Position | None:
        return self._tables.find(Position, keys.account_key(tenant, connection_id), position_id)

    def session(self, tenant: str, connection_id: str, session_id: str) -> Session | None:
        return self._tables.find(Session, keys.account_key(tenant, connection_id), session_id)

    def signals(self, tenant: str, connection_id: str, signal_ids: Sequence[str]) -> dict[str, Signal]:
        stored = self._tables.records.get((Signal, keys.account_key(tenant, connection_id)), {})
        return {wanted: stored[wanted] for wanted in signal_ids if wanted in stored}

    def list_orders(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Order]:
        return self._list(Order, keys.account_key(tenant, connection_id), limit, cursor, True)

    def list_positions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Position]:
        return self._list(Position, keys.account_key(tenant, connection_id), limit, cursor, True)

    def list_signals(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Signal]:
        return self._list(Signal, keys.account_key(tenant, connection_id), limit, cursor, False)

    def list_sessions(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Session]:
        return self._list(Session, keys.account_key(tenant, connection_id), limit, cursor, True)

    def list_audit(self, tenant: str, limit: int, cursor: str | None) -> Page[AuditEntry]:
        return self._list(AuditEntry, tenant, limit, cursor, True)

    def _check_fence(self, fence: Fence) -> None:
        engine = self._tables.engines.get(fence.subject)
        if engine is None or engine.lease(fence.kind).fence != fence.number:
            raise StaleWrite(f"{fence.kind} of {fence.subject.text} has a newer holder than {fence.number}")
        coordinator = self._tables.engines.get(coordinator_subject(fence.subject.tenant))
        if fence.unless_killed and coordinator and coordinator.kill(fence.subject.connection_id):
            raise KillSwitchOn(f"a kill switch holds for {fence.subject.text}: nothing is entered")

    def _open(self, kind: type[R], tenant: str, connection_id: str) -> tuple[R, ...]:
        with self._tables.lock:
            return self._tables.listed_open((kind, keys.account_key(tenant, connection_id)))

    def _list(self, kind: type[R], partition: str, limit: int, cursor: str | None, by_time: bool) -> Page[R]:
        keys.check_limit(limit)
        with self._tables.lock:
            order, records = self._tables.by_time((kind, partition))
        end = len(order) if cursor is None else bisect_left(order, keys.decode_cursor(cursor, by_time))
        shown = slice(max(0, end - limit), end)
        more = keys.encode_cursor(order[shown.start]) if end > limit else None
        return Page(tuple(records[shown][::-1]), more)


def check_revisions(records: Sequence[Any], found: Sequence[Any], names: Sequence[str]) -> None:
    """Compare records to write with what is stored of each (or None); raise AlreadyExists or StaleWrite.

    A new record that is there comes first: it proves an earlier attempt.
    """
    present = [stored.revision if stored is not None else 0 for stored in found]
    if present == [record.revision for record in records]:
        return
    compared = list(zip(records, present, names, strict=True))
    for record, revision, name in compared:
        if revision and not record.revision:
            raise AlreadyExists(f"{type(record).__name__} {name} is there already")
    for record, revision, name in compared:
        if revision != record.revision:
            raise StaleWrite(f"{type(record).__name__} {name} was written by somebody else")


class MemoryPaperLedger:
    """Twin of DynamoPaperLedger."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        return self._tables.paper_accounts.get(keys.account_key(tenant, connection_id))

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> Committed:
        names = [order.client_order_id for order in orders]
        keys.check_batch(names)
        place = keys.account_key(tenant, account.connection_id)
        with self._tables.lock:
            stored = self._tables.paper_orders.setdefault(place, {})
            found = [self._tables.paper_accounts.get(place), *map(stored.get, names)]
            check_revisions((account, *orders), found, (account.connection_id, *names))
            written = tuple([replace(order, revision=order.revision + 1) for order in orders])
            stored.update(zip(names, written, strict=True))
            self._tables.paper_accounts[place] = account = replace(account, revision=account.revision + 1)
            return account, written

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        place = keys.account_key(tenant, connection_id)
        return self._tables.paper_orders.get(place, {}).get(client_order_id)

    def orders(self, tenant: str, connection_id: str) -> tuple[PaperOrder, ...]:
        with self._tables.lock:
            stored = list(self._tables.paper_orders.get(keys.account_key(tenant, connection_id), {}).values())
        return tuple(sorted(stored, key=lambda order: (order.created_at, order.client_order_id)))

    def delete(self, tenant: str, connection_id: str) -> None:
        place = keys.account_key(tenant, connection_id)
        with self._tables.lock:
            self._tables.paper_accounts.pop(place, None)
            self._tables.paper_orders.pop(place, None)
