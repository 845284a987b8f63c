"""Paged listings of positions, orders, signals, sessions and audit entries; called by the API.

Names in requests and answers are those of the domain (`connection_id`, `opened_at`): snake_case everywhere.
A page may hold fewer records than asked for, because filters apply after reading: go on while `cursor` is not
null. Without `connection_id` the connections follow each other in the order of their ids, newest records
first within each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from chalicelib.domain.codec import to_plain
from chalicelib.domain.order import COARSE, OrderState
from chalicelib.domain.position import PositionState
from chalicelib.domain.records import Page
from chalicelib.domain.signal import SignalStatus
from chalicelib.errors import NotFound, Rejected
from chalicelib.flows.lifecycle import require_connection
from chalicelib.flows.world import World

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
_READS = 20
"""Store pages that one request may read: a filter that matches little is continued by its cursor."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing is asked for; empty texts do not filter."""

    connection_id: str = ""
    symbol: str = ""
    status: str = ""
    limit: int = DEFAULT_LIMIT
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of record: how a page of a connection is read, what filters it takes, how a row is shown."""

    read: Callable[[World, str, str, int, str | None], Page[Any]]
    filters: tuple[str, ...]
    statuses: Mapping[str, Callable[[Any], bool]]


def query_of(kind: str, parameters: Mapping[str, str]) -> Query:
    """Return the query in a request's parameters; Rejected names what a listing of this kind takes."""
    allowed = [*_KINDS[kind].filters, "limit", "cursor"]
    for name in parameters:
        if name not in allowed:
            raise Rejected(f"unknown parameter {name!r}: {kind} take {', '.join(allowed)}")
    texts = {name: value for name, value in parameters.items() if name != "limit"}
    query = Query(**texts, limit=_limit(parameters.get("limit", str(DEFAULT_LIMIT))))
    statuses = _KINDS[kind].statuses
    if query.status and query.status not in statuses:
        raise Rejected(f"unknown status {query.status!r}: {kind} have {', '.join(statuses)}")
    return query


def page_of(world: World, tenant: str, kind: str, query: Query) -> Mapping[str, Any]:
    """Return `{"items": [...], "cursor": ...}`; NotFound for a connection that never was."""
    names: tuple[str, ...] = (query.connection_id,)
    if kind == "audit":
        names = ("",)
    elif not query.connection_id:
        names = tuple(connection.connection_id for connection in world.connections.list(tenant))
    page = _collected(world, tenant, kind, query, names)
    if query.connection_id and not page["items"] and not page["cursor"] and not query.cursor:
        # History outlives its connection, so only an empty answer needs the question whether it exists.
        require_connection(world, tenant, query.connection_id)
    return page


def _collected(
    world: World, tenant: str, kind: str, query: Query, names: tuple[str, ...]
) -> Mapping[str, Any]:
    """Read store pages from where the cursor stands until the page is full or enough was read."""
    name, cursor = _position(kind, query, names)
    rows: list[Any] = []
    for _ in range(_READS):
        if name is None:
            break
        page = _KINDS[kind].read(world, tenant, name, query.limit - len(rows), cursor)
        rows.extend(_row(record) for record in page.items if _matches(kind, query, record))
        cursor = page.cursor
        if cursor is None:
            name = next((later for later in names if later > name), None)
        if len(rows) >= query.limit:
            break
    return {"items": rows, "cursor": None if name is None else f"{name}:{cursor or ''}"}


def _position(kind: str, query: Query, names: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the connection to read from and the store's cursor in it; a cursor is `connection:cursor`."""
    if not query.cursor:
        return (names[0] if names else None), None
    name, mark, cursor = query.cursor.partition(":")
    if not mark or (query.connection_id and kind != "audit" and name != query.connection_id):
        raise Rejected(
            f"cursor {query.cursor!r} belongs to no listing of this kind: leave it out to start anew"
        )
    if name not in names:
        raise NotFound(f"cursor {query.cursor!r} is at a connection that is gone: leave it out to start anew")
    return name, cursor or None


def _matches(kind: str, query: Query, record: Any) -> bool:
    if kind == "audit" and query.connection_id and not concerns(record.subject, query.connection_id):
        return False
    if query.symbol and record.symbol != query.symbol:
        return False
    return not query.status or _KINDS[kind].statuses[query.status](record)


def concerns(subject: str, connection_id: str) -> bool:
    """Tell whether an audit entry's subject (`default/engine#main`, `main`) is about a connection."""
    return subject.rpartition("#")[2] == connection_id


def _row(record: Any) -> dict[str, Any]:
    """Return a record as the API shows it; orders also with the coarse word and what is filled."""
    row: dict[str, Any] = to_plain(record)
    if "fills" in row:
        row |= {"coarse_state": record.coarse_state, "filled": str(record.filled)}
    return row


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise Rejected(f"limit must be a whole number from 1 to {MAX_LIMIT}, not {text!r}")
    return int(text)


def _states(attribute: str, words: tuple[str, ...]) -> dict[str, Callable[[Any], bool]]:
    def is_in(word: str) -> Callable[[Any], bool]:
        return lambda record: getattr(record, attribute) == word

    return {word: is_in(word) for word in words}


_OF_SYMBOL = ("connection_id", "symbol", "status")
_COARSE = tuple(dict.fromkeys(("pending", *COARSE.values())))
_KINDS: dict[str, _Kind] = {
    "positions": _Kind(
        lambda world, *place: world.records.list_positions(*place),
        _OF_SYMBOL,
        _states("state", get_args(PositionState)),
    ),
    "orders": _Kind(
        lambda world, *place: world.records.list_orders(*place),
        _OF_SYMBOL,
        _states("state", tuple(OrderState)) | _states("coarse_state", _COARSE),
    ),
    "signals": _Kind(
        lambda world, *place: world.records.list_signals(*place),
        _OF_SYMBOL,
        _states("status", get_args(SignalStatus)),
    ),
    "sessions": _Kind(
        lambda world, *place: world.records.list_sessions(*place),
        ("connection_id", "status"),
        {
            "running": lambda session: session.ended_at is None,
            "ended": lambda session: session.ended_at is not None,
        },
    ),
    "audit": _Kind(
        lambda world, tenant, _, limit, cursor: world.records.list_audit(tenant, limit, cursor),
        ("connection_id",),
        {},
    ),
}
