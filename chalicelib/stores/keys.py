"""Keys, sort orders and cursors of stored records: the rules that the tables and their twins share."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

from chalicelib.domain.engine import PUBLIC_TENANT, Engine, Subject
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Record, Session
from chalicelib.domain.signal import Signal
from chalicelib.errors import Rejected

MOST_RECORDS = 99
"""Records of one transaction: DynamoDB takes 100 items, and one of them may be the fence."""

MOST_LISTED = 1000

_OPEN_POSITION = ("opening", "open")
_FIXED = frozenset({"subject", "status", "leases", "beats", "kills", "breakers_reset", "revision"})
_SAVABLE = frozenset(field.name for field in fields(Engine)) - _FIXED


def account_key(tenant: str, connection_id: str) -> str:
    """Return the partition key of a connection's records."""
    return f"{tenant}#{connection_id}"


def partition_key(tenant: str, record: Record) -> str:
    """Return the partition key of a record; the audit log is the tenant's, all else a connection's."""
    return tenant if isinstance(record, AuditEntry) else account_key(tenant, record.connection_id)


def sort_key(record: Record) -> str:
    """Return the key of a record within its partition: its id, or time and id for an audit entry."""
    return _SORT_KEYS[type(record)](record)


def time_key(record: Record) -> str:
    """Return what listings are ordered by; ids of signals and keys of audit entries sort by time already."""
    return _TIME_KEYS[type(record)](record)


def timed(at: float, identity: str) -> str:
    """Return a text that sorts by epoch second, then by id."""
    return f"{at:017.3f}#{identity}"


def is_open(record: Record) -> bool:
    """Tell whether an order needs another look, or a position is opening or open."""
    if isinstance(record, Order):
        return record.is_open
    return isinstance(record, Position) and record.state in _OPEN_POSITION


_SORT_KEYS: Mapping[type, Callable[[Any], str]] = {
    Order: attrgetter("client_order_id"),
    Position: attrgetter("position_id"),
    Signal: attrgetter("signal_id"),
    Session: attrgetter("session_id"),
    AuditEntry: lambda entry: timed(entry.at, entry.entry_id),
}
_TIME_KEYS: Mapping[type, Callable[[Any], str]] = {
    **_SORT_KEYS,
    Order: lambda order: timed(order.created_at, order.client_order_id),
    Position: lambda position: timed(position.opened_at, position.position_id),
    Session: lambda session: timed(session.started_at, session.session_id),
}


def is_feed(subject: Subject) -> bool:
    """Tell whether the item belongs to a candle feed, which comes into being with its first lease."""
    return subject.tenant == PUBLIC_TENANT and subject.name.startswith("feed#")


def split_changed(changed: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the attributes and the kinds of beats named in `changed`; ValueError for any other name."""
    beats = tuple(name.removeprefix("beats.") for name in changed if name.startswith("beats."))
    attributes = tuple(name for name in changed if not name.startswith("beats."))
    unknown = sorted(set(attributes) - _SAVABLE)
    if unknown:
        raise ValueError(f"engine attribute {unknown[0]!r} can't be saved by a tick")
    return attributes, beats


def kill_attribute(name: str) -> str:
    """Return the attribute of a coordinator's item that is there while the kill switch of this name is on."""
    return f"kill_{name}"


def split_annotated(changed: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the attributes and the kill switches named in `changed`."""
    kills = tuple(name.removeprefix("kills.") for name in changed if name.startswith("kills."))
    return tuple(name for name in changed if not name.startswith("kills.")), kills


def check_batch(keys: Iterable[Any], most: int = MOST_RECORDS) -> None:
    """Raise ValueError if one transaction would write too much, or one item twice (a bug of the caller)."""
    listed = list(keys)
    if len(listed) > most:
        raise ValueError(f"{len(listed)} records in one transaction: at most {most}")
    if len(set(listed)) < len(listed):
        raise ValueError("one transaction writes the same record twice")


def encode_cursor(key: str) -> str:
    """Return the opaque cursor of the last listed key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, by_time: bool) -> str:
    """Return the key in a cursor; Rejected if no listing gave it out. `by_time`: it begins with a time."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        at, mark, identity = key.partition("#")
        broken = by_time and not (
            mark and identity and Decimal(at).is_finite() and timed(float(at), "") == at + mark
        )
    except (binascii.Error, ArithmeticError, ValueError):
        broken = True
    if broken or not key:
        raise Rejected(f"cursor {cursor!r} is not one that this listing gave out: leave it out to start anew")
    return key


def check_limit(limit: int) -> None:
    """Refuse a page size that no listing serves."""
    if not 1 <= limit <= MOST_LISTED:
        raise Rejected(f"limit must be between 1 and {MOST_LISTED}, not {limit}")
