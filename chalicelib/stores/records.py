"""Positions, orders, signals, sessions and audit entries in DynamoDB; every write is conditional."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.operand import Path
from pynamodb.transactions import TransactWrite

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.order import TERMINAL, Order
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Fence, Page, Record, Session
from chalicelib.domain.signal import Signal
from chalicelib.errors import AlreadyExists, Rejected, Retryable, StaleWrite
from chalicelib.stores.failures import failed_conditions, translated
from chalicelib.stores.tables import (
    AuditItem,
    EngineItem,
    Item,
    OrderItem,
    PositionItem,
    SessionItem,
    SignalItem,
)

R = TypeVar("R", Order, Position, Signal, Session, AuditEntry)

TRANSACTION_LIMIT = 100
_ITEMS: dict[type[Any], tuple[type[Item], str]] = {
    Order: (OrderItem, "client_order_id"),
    Position: (PositionItem, "position_id"),
    Signal: (SignalItem, "signal_id"),
    Session: (SessionItem, "session_id"),
}


def partition_of(tenant: str, connection_id: str) -> str:
    """Return the partition key of a connection's records."""
    return f"{tenant}#{connection_id}"


def audit_item(tenant: str, entry: AuditEntry) -> AuditItem:
    """Return the item of an audit entry; its sort key begins with its time."""
    return AuditItem(
        tenant,
        f"{entry.at:017.3f}#{entry.entry_id}",
        document=_document(entry),
        revision=1,
        correlation_id=entry.correlation_id,
    )


def position_of_image(image: Mapping[str, Mapping[str, str]]) -> tuple[str, Position]:
    """Return tenant and position of a stream image of the positions table."""
    position = _value(Position, image["document"]["S"], int(image["revision"]["N"]))
    return image["pk"]["S"].partition("#")[0], position


class DynamoRecordStore:
    """What `flows.world.RecordStore` asks for; the tables must be bound (`tables.bind_tables`)."""

    def commit(
        self, tenant: str, records: Sequence[Record], fence: Fence | None = None
    ) -> tuple[Record, ...]:
        """Write all records or none, each against its revision, under a fence if given: 1 call."""
        if len(records) >= TRANSACTION_LIMIT:
            raise ValueError(f"{len(records)} records do not fit one transaction")
        after = tuple(replace(record, revision=record.revision + 1) for record in records)
        connection = OrderItem._get_connection().connection
        try:
            with translated("records"), TransactWrite(connection=connection) as transaction:
                if fence is not None:
                    transaction.condition_check(
                        EngineItem,
                        fence.subject.tenant,
                        fence.subject.name,
                        condition=Path(f"lease_{fence.kind}_fence") == fence.number,
                    )
                for record in after:
                    transaction.save(_item(tenant, record), condition=_unmoved(record.revision - 1))
        except TransactWriteError as error:
            raise _cancelled(error, records, fence) from error
        return after

    def put_new(self, tenant: str, records: Sequence[Signal | AuditEntry]) -> None:
        """Store those records whose keys are free: 1 call per hundred, one more where some were there."""
        for start in range(0, len(records), TRANSACTION_LIMIT):
            items = [
                _item(tenant, replace(record, revision=1))
                for record in records[start : start + TRANSACTION_LIMIT]
            ]
            unique = list({(item.partition, item.sort): item for item in reversed(items)}.values())
            self._put_free(unique[::-1])

    def _put_free(self, items: list[Item]) -> None:
        connection = OrderItem._get_connection().connection
        while items:
            try:
                with translated("records"), TransactWrite(connection=connection) as transaction:
                    for item in items:
                        transaction.save(item, condition=Item.sort.does_not_exist())
            except TransactWriteError as error:
                failed = failed_conditions(error)
                if not failed:
                    raise Retryable(f"records: {error.cause_response_code}") from error
                items = [item for item, there in zip(items, failed, strict=True) if not there]
            else:
                return

    def open_orders(self, tenant: str, connection_id: str) -> tuple[Order, ...]:
        """Read the orders that are not terminal, oldest first: 1 call."""
        with translated("open orders"):
            items = list(OrderItem.open.query(partition_of(tenant, connection_id), consistent_read=True))
        return tuple(_value(Order, item.document, int(item.revision)) for item in items)

    def open_positions(self, tenant: str, connection_id: str) -> tuple[Position, ...]:
        """Read the positions that are opening or open, oldest first: 1 call."""
        with translated("open positions"):
            items = list(PositionItem.open.query(partition_of(tenant, connection_id), consistent_read=True))
        return tuple(_value(Position, item.document, int(item.revision)) for item in items)

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> Order | None:
        return _read(Order, partition_of(tenant, connection_id), client_order_id)

    def position(self, tenant: str, connection_id: str, position_id: str) -> Position | None:
        return _read(Position, partition_of(tenant, connection_id), position_id)

    def session(self, tenant: str, connection_id: str, session_id: str) -> Session | None:
        return _read(Session, partition_of(tenant, connection_id), session_id)

    def signals(self, tenant: str, connection_id: str, signal_ids: Sequence[str]) -> dict[str, Signal]:
        """Read those of the given signals that are stored: 1 call per hundred."""
        partition = partition_of(tenant, connection_id)
        keys = [(partition, name) for name in dict.fromkeys(signal_ids)]
        with translated("signals"):
            items = list(SignalItem.batch_get(keys, consistent_read=True))
        return {item.sort: _value(Signal, item.document, int(item.revision)) for item in items}

    def list_orders(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Order]:
        return _page(Order, OrderItem, partition_of(tenant, connection_id), limit, cursor)

    def list_positions(
        self, tenant: str, connection_id: str, limit: int, cursor: str | None
    ) -> Page[Position]:
        return _page(Position, PositionItem, partition_of(tenant, connection_id), limit, cursor)

    def list_signals(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Signal]:
        return _page(Signal, SignalItem, partition_of(tenant, connection_id), limit, cursor)

    def list_sessions(self, tenant: str, connection_id: str, limit: int, cursor: str | None) -> Page[Session]:
        return _page(Session, SessionItem, partition_of(tenant, connection_id), limit, cursor)

    def list_audit(self, tenant: str, limit: int, cursor: str | None) -> Page[AuditEntry]:
        return _page(AuditEntry, AuditItem, tenant, limit, cursor)


def _document(record: Any) -> str:
    plain = to_plain(record)
    del plain["revision"]
    return json.dumps(plain, separators=(",", ":"))


def _value(kind: type[R], document: str, revision: int) -> R:
    return from_plain(kind, {**json.loads(document), "revision": revision}, known_only=False)


def _item(tenant: str, record: Record) -> Item:
    if isinstance(record, AuditEntry):
        return audit_item(tenant, record)
    model, key = _ITEMS[type(record)]
    correlation_id = record.correlation_id
    item = model(
        partition_of(tenant, record.connection_id),
        getattr(record, key),
        document=_document(record),
        revision=record.revision,
        correlation_id=correlation_id,
    )
    since = _open_since(record)
    if since is not None and isinstance(item, (OrderItem, PositionItem)):
        item.open_since = f"{since:017.3f}#{item.sort}"
    return item


def _open_since(record: Record) -> float | None:
    """Return when a record that belongs into the open index began; None for one that has ended."""
    if isinstance(record, Order) and record.state not in TERMINAL:
        return record.created_at
    if isinstance(record, Position) and record.state in ("opening", "open"):
        return record.opened_at
    return None


def _unmoved(revision: int) -> Any:
    return Item.revision == revision if revision else Item.sort.does_not_exist()


def _cancelled(
    error: TransactWriteError, records: Sequence[Record], fence: Fence | None
) -> AlreadyExists | StaleWrite | Retryable:
    failed = failed_conditions(error)
    if not failed or not any(failed):
        return Retryable(f"records: {error.cause_response_code}")
    if fence is not None and failed.pop(0):
        return StaleWrite(f"{fence.subject.text}: the lease of {fence.kind} has moved on")
    culprit = records[failed.index(True)]
    name = type(culprit).__name__
    if culprit.revision == 0:
        return AlreadyExists(f"this {name} exists already")
    return StaleWrite(f"this {name} was written by somebody else")


def _read(kind: type[R], partition: str, sort: str) -> R | None:
    """Read one record (strongly consistent): 1 call."""
    model, _ = _ITEMS[kind]
    try:
        with translated(sort):
            item = model.get(partition, sort, consistent_read=True)
    except model.DoesNotExist:
        return None
    return _value(kind, item.document, int(item.revision))


def _page(kind: type[R], model: type[Item], partition: str, limit: int, cursor: str | None) -> Page[R]:
    """Read one page, newest first: 1 call. The cursor is the sort key of the last record of the page before."""
    if cursor is not None and not cursor:
        raise Rejected("the cursor is empty: start again without it")
    start = {"pk": {"S": partition}, "sk": {"S": cursor}} if cursor else None
    with translated("listing"):
        found = model.query(
            partition, scan_index_forward=False, limit=limit, page_size=limit, last_evaluated_key=start
        )
        items = list(found)
    more = len(items) == limit and found.last_evaluated_key is not None
    records = tuple(_value(kind, item.document, int(item.revision)) for item in items)
    return Page(records, items[-1].sort if more else None)
