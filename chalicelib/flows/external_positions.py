"""Positions that somebody else holds on the account: shown in the audit log, or taken over, as configured."""

from collections.abc import Sequence

from chalicelib.domain.connection import Connection
from chalicelib.domain.ids import digest
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry
from chalicelib.domain.venue import VenuePosition
from chalicelib.errors import AlreadyExists, Retryable, UsageError, VenueError
from chalicelib.flows.world import Venue, World

SOURCE = "external"
ACTION = "external_position"


def found(
    world: World, venue: Venue, connection: Connection, ours: Sequence[Position], now: float
) -> list[Position]:
    """Look for positions on the connection's symbols that no position of ours explains; return those adopted.

    Swaps only: coins on a spot account are nobody's position. One that is adopted has the connection's exits,
    and is managed like any other from now on.
    """
    if connection.market_type != "swap":
        return []
    try:
        held = venue.fetch_positions(connection.symbols, now)
    except VenueError as error:
        world.metrics.count("lookups_failed", code=error.code)
        return []
    own = {(position.symbol, position.direction) for position in ours}
    foreign = [one for one in held if (one.symbol, one.direction) not in own]
    if connection.external_positions == "adopt":
        return [taken for one in foreign if (taken := _adopted(world, connection, one, now))]
    world.records.put_new(connection.tenant, [_shown(connection, one, now) for one in foreign])
    return []


def _adopted(world: World, connection: Connection, held: VenuePosition, now: float) -> Position | None:
    """Store a position as ours; None if its price or market can't be had, or it was taken over before."""
    if held.entry_price is None:
        return None
    try:
        step = world.feed(connection.feed).markets((held.symbol,))[held.symbol].amount_step
        position = Position(
            position_id=f"pos-{_identity(connection, held)}",
            connection_id=connection.connection_id,
            symbol=held.symbol,
            direction=held.direction,
            state="open",
            exits=connection.exits,
            source=SOURCE,
            signal_id="",
            opened_at=now,
            updated_at=now,
            correlation_id=SOURCE,
            reserved=held.quantity * held.entry_price,
            quantity=held.quantity,
            cost=held.quantity * held.entry_price,
            entry_price=held.entry_price,
            step=step,
        )
        (stored,) = world.records.commit(connection.tenant, [position])
    except (AlreadyExists, Retryable, UsageError):
        return None
    world.metrics.count("positions_adopted")
    assert isinstance(stored, Position)
    return stored


def _shown(connection: Connection, held: VenuePosition, now: float) -> AuditEntry:
    """Return the entry of a foreign position; the same position is the same entry within a day."""
    day = int(now) // 86400 * 86400
    return AuditEntry(
        entry_id=f"{ACTION}-{_identity(connection, held)}",
        at=float(day),
        actor="venue",
        action=ACTION,
        subject=connection.connection_id,
        correlation_id=SOURCE,
        details={
            "symbol": held.symbol,
            "direction": held.direction,
            "quantity": str(held.quantity),
            "entry_price": str(held.entry_price),
        },
    )


def _identity(connection: Connection, held: VenuePosition) -> str:
    return digest(connection.connection_id, held.symbol, held.direction, held.quantity, held.entry_price)
