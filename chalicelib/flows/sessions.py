"""Sessions of an engine: opened by its start, summed up from its positions, ended by its stop."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from chalicelib.domain.engine import Engine
from chalicelib.domain.ids import digest
from chalicelib.domain.position import Position
from chalicelib.domain.records import Session
from chalicelib.errors import AlreadyExists, StaleWrite
from chalicelib.flows.world import World

_ATTEMPTS = 5
_PAGE = 500
_LONGEST_LISTING = 1000
_TRADED = ("open", "closed")


def session_id(connection_id: str, started_at: float, previous: str) -> str:
    """Return the id of the run that starts then: sortable by time, distinct from the run before it."""
    return f"{int(started_at):010d}-{digest(connection_id, started_at, previous)}"


def open_session(world: World, engine: Engine) -> None:
    """Store the session that a starting engine names, unless an earlier attempt has stored it."""
    session = Session(
        session_id=engine.session_id,
        connection_id=engine.connection_id,
        started_at=engine.changed_at,
        correlation_id=engine.correlation_id,
        settings=engine.settings,
    )
    try:
        world.records.commit(engine.subject.tenant, [session])
    except AlreadyExists:
        return


def end_session(world: World, engine: Engine, now: float) -> None:
    """Store the end and the performance of the engine's session; nothing happens if it has ended already."""
    tenant = engine.subject.tenant
    for _ in range(_ATTEMPTS):
        session = world.records.session(tenant, engine.connection_id, engine.session_id)
        if session is None or session.ended_at is not None:
            return
        try:
            world.records.commit(tenant, [replace(performance(world, tenant, session), ended_at=now)])
            return
        except StaleWrite:
            continue
    raise StaleWrite(f"session {engine.session_id} is being written by somebody else; try again")


def performance(world: World, tenant: str, session: Session) -> Session:
    """Return the session with the numbers of its positions so far; `realised` is before fees."""
    positions = tuple(_positions(world, tenant, session))
    closed = [position for position in positions if position.state == "closed"]
    return replace(
        session,
        opened=sum(position.state in _TRADED for position in positions),
        closed=len(closed),
        wins=sum(position.realised > position.fees for position in closed),
        realised=sum((position.realised for position in positions), Decimal(0)),
        fees=sum((position.fees for position in positions), Decimal(0)),
    )


def _positions(world: World, tenant: str, session: Session) -> Iterable[Position]:
    """Yield the positions of a session; the listing is newest first, so older pages need no look."""
    cursor = None
    for _ in range(_LONGEST_LISTING):
        page = world.records.list_positions(tenant, session.connection_id, _PAGE, cursor)
        yield from (position for position in page.items if position.session_id == session.session_id)
        cursor = page.cursor
        before = page.items and max(position.opened_at for position in page.items) < session.started_at
        if cursor is None or before:
            return
