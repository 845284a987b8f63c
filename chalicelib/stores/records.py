"""Positions, orders, signals, sessions and audit entries in DynamoDB; every write is conditional."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Fence, Page, Record, Session
from chalicelib.domain.signal import Signal
from chalicelib.stores import keys
from chalicelib.stores.documents import (
    Write,
    find,
    from_document,
    store_all,
    store_new,
    to_document,
    value_of,
)
from chalicelib.stores.failures import translated
from chalicelib.stores.tables import (
    AuditItem,
    ExpiringItem,
    Item,
    OrderItem,
    PositionItem,
    SessionItem,
    SignalItem,
    TimedItem,
)

R = TypeVar("R", Order, Position, Signal, Session, AuditEntry)

MOST_AT_ONCE = 100
_MODELS: dict[type[Any], type[Item]] = {
    Order: OrderItem,
    Position: PositionItem,
    Signal: SignalItem,
    Session: SessionItem,
    AuditEntry: AuditItem,
}

KEPT_SIGNALS = 90 * 86400
KEPT_AUDIT = 400 * 86400
"""Seconds: signals explain recent decisions, the audit log a year and its close. All else stays for good."""


def record_item(tenant: str, record: Record) -> Item:
    """Return the item of a record; its revision is stored as it is."""
    item = _MODELS[type(record)](
        keys.partition_key(tenant, record),
        keys.sort_key(record),
        document=to_document(record),
        revision=record.revision,
        correlation_id=record.correlation_id,
    )
    if isinstance(item, TimedItem):
        item.created = keys.time_key(record)
        item.open_since = item.created if keys.is_open(record) else None
    if isinstance(item, ExpiringItem):
        item.expires = _expiry(record)
    return item


def _expiry(record: Record) -> int:
    """Return the epoch second after which a signal or audit entry may go."""
    if isinstance(record, AuditEntry):
        return int(record.at) + KEPT_AUDIT
    assert isinstance(record, Signal)
    return int(record.created_at) + KEPT_SIGNALS


def position_of_image(image: Mapping[str, Mapping[str, str]]) -> tuple[str, Position]:
    """Return tenant and position of a stream image of the positions table."""
    position = from_document(Position, image["document"]["S"], int(image["revision"]["N"]))
    return image["pk"]["S"].partition("#")[0], position


class DynamoRecordStore:
    """What `flows.world.RecordStore` asks for; the tables must be bound (`tables.bind_tables`)."""

    def commit(
        self, tenant: str, records: Sequence[Record], fence: Fence | None = None
    ) -> tuple[Record, ...]:
        """Write all records or none, each against its revision, under a fence if given: 1 call."""
        keys.check_batch((type(r), keys.partition_key(tenant, r), keys.sort_key(r)) for r in records)
        written = tuple(replace(record, revision=record.revision + 1) for record in records)
        if written:
            store_all([_write(tenant, record) for record in written], fence)
        return written

    def put_new(self, tenant: str, records: Sequence[Signal | AuditEntry]) -> None:
        """Store those records whose keys are free: 1 call per hundred, one more where some were there."""
        items = [record_item(tenant, replace(record, revision=1)) for record in records]
        store_new(items, MOST_AT_ONCE, lambda item: (type(item), item.partition, item.sort))

    def open_orders(self, tenant: str, connection_id: str) -> tuple[Order, ...]:
        """Read the orders that are not terminal, oldest first: 1 call."""
        with translated("open orders"):
            found = OrderItem.open.query(keys.account_key(tenant, connection_id), consistent_read=True)
            return tuple(value_of(Order, item) for item in found)

    def open_positions(self, tenant: str, connection_id: str) -> tuple[Position, ...]:
        """Read the positions that are opening or open, oldest first: 1 call."""
        with translated("open positions"):
            found = PositionItem.open.query(keys.account_key(tenant, connection_id), consistent_read=True)
            return tuple(value_of(Position, item) for item in found)

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> Order | None:
        return find(Order, OrderItem, keys.account_key(tenant, connection_id), client_order_id)

    def position(self, tenant: str, connection_id: str, position_id: str) -> Position | None:
        return find(Position, PositionItem, keys.account_key(tenant, connection_id), position_id)

    def session(self, tenant: str, connection_id: str, session_id: str) -> Session | None:
        return find(Session, SessionItem, keys.account_key(tenant, connection_id), session_id)

    def signals(self, tenant: str, connection_id: str, signal_ids: Sequence[str]) -> dict[str, Signal]:
        """Read those of the given signals that are stored: 1 call per hundred."""
        partition = keys.account_key(tenant, connection_id)
        wanted = [(partition, signal_id) for signal_id in dict.fromkeys(signal_ids)]
        with translated("signals"):
            items = list(SignalItem.batch_get(wanted, consistent_read=True))
        found = {item.sort: value_of(Signal, item) for item in items}
        return {signal_id: found[signal_id] for signal_id in signal_ids if signal_id in found}

    def list_orders(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Order]:
        return _timed_page(Order, OrderItem, keys.account_key(tenant, connection_id), limit, cursor)

    def list_positions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Position]:
        return _timed_page(Position, PositionItem, keys.account_key(tenant, connection_id), limit, cursor)

    def list_sessions(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Session]:
        return _timed_page(Session, SessionItem, keys.account_key(tenant, connection_id), limit, cursor)

    def list_signals(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Signal]:
        after = None if cursor is None else keys.decode_cursor(cursor, by_time=False)
        return _page(Signal, SignalItem, keys.account_key(tenant, connection_id), limit, after)

    def list_audit(self, tenant: str, limit: int, cursor: str | None) -> Page[AuditEntry]:
        after = None if cursor is None else keys.decode_cursor(cursor, by_time=True)
        return _page(AuditEntry, AuditItem, tenant, limit, after)


def _write(tenant: str, record: Record) -> Write:
    return Write(record_item(tenant, record), f"{type(record).__name__} {keys.sort_key(record)}")


def _timed_page(
    kind: type[R], model: type[TimedItem], partition: str, limit: int, cursor: str | None
) -> Page[R]:
    """Read one page by time, newest first: 1 call."""
    keys.check_limit(limit)
    start = None
    if cursor is not None:
        created = keys.decode_cursor(cursor, by_time=True)
        start = {**_start(partition, created.partition("#")[2]), "created": {"S": created}}
    with translated("listing"):
        found = model.by_time.query(
            partition,
            consistent_read=True,
            scan_index_forward=False,
            limit=limit + 1,
            last_evaluated_key=start,
        )
        return _shown(kind, found, limit)


def _page(kind: type[R], model: type[Item], partition: str, limit: int, after: str | None) -> Page[R]:
    """Read one page by sort key, newest first: 1 call."""
    keys.check_limit(limit)
    start = None if after is None else _start(partition, after)
    with translated("listing"):
        found = model.query(
            partition,
            consistent_read=True,
            scan_index_forward=False,
            limit=limit + 1,
            last_evaluated_key=start,
        )
        return _shown(kind, found, limit)


def _start(partition: str, sort: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def _shown(kind: type[R], found: Iterator[Item], limit: int) -> Page[R]:
    """Return the first `limit` records; one more was asked for, to know whether there is a next page."""
    records = [value_of(kind, item) for item in found]
    shown = tuple(records[:limit])
    return Page(shown, keys.encode_cursor(keys.time_key(shown[-1])) if len(records) > limit else None)
