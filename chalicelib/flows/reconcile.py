"""Reconciliation: our books against the venue's, at engine start, in the realtime tick, after any UNKNOWN."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine
from chalicelib.domain.order import UNPROVEN, Order, OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.risk import ENTRY_TTL
from chalicelib.errors import VenueError
from chalicelib.flows import orders
from chalicelib.flows.world import Venue, World

RESEND_AFTER = 10.0
"""Seconds an order must have been unproven before the same id may be sent again."""


@dataclass(frozen=True, slots=True)
class Books:
    """Open orders and positions of a connection after reconciliation, and what could not be explained."""

    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    differences: Mapping[str, Decimal]


def reconcile_connection(world: World, connection: Connection, _: Engine, now: float) -> Books:
    """Settle all open orders of a connection with its venue; the recovery step of every engine start."""
    venue = world.venue(connection)
    open_orders = world.records.open_orders(connection.tenant, connection.connection_id)
    positions = world.records.open_positions(connection.tenant, connection.connection_id)
    return reconcile(world, venue, connection, open_orders, positions, now)


def reconcile(
    world: World,
    venue: Venue,
    connection: Connection,
    open_orders: tuple[Order, ...],
    positions: tuple[Position, ...],
    now: float,
) -> Books:
    """Ask the venue for every open order of ours and adopt what it says; then compare positions.

    A failed query changes nothing: unknown stays unknown, and never means flat.
    """
    by_id = {position.position_id: position for position in positions}
    kept: list[Order] = []
    for order in open_orders:
        position = by_id.get(order.position_id)
        if position is None:
            position = world.records.position(connection.tenant, connection.connection_id, order.position_id)
        if position is None:
            world.metrics.count("orphan_orders")
            continue
        placed = _prove(world, venue, connection.tenant, order, position, now)
        by_id[placed.position.position_id] = placed.position
        if placed.order.state not in _SETTLED:
            kept.append(placed.order)
    # Counted at every look, not once: the alarm must not end before the uncertainty does.
    if unknown := sum(order.state in UNPROVEN for order in kept):
        world.metrics.count("orders_unknown", unknown)
    books = tuple(p for p in by_id.values() if p.state in ("opening", "open"))
    differences = _differences(world, venue, books, now)
    return Books(tuple(kept), books, differences)


_SETTLED = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.DENIED,
    }
)


def _prove(
    world: World, venue: Venue, tenant: str, order: Order, position: Position, now: float
) -> orders.Placed:
    """Find out what became of one order; send it again only if it is proved absent and still wanted."""
    try:
        seen = orders.fetch(venue, order, now)
    except VenueError as error:
        world.metrics.count("lookups_failed", code=error.code)
        return orders.Placed(order, position)
    if seen is not None:
        return orders.settle(world, tenant, order, position, seen)
    if order.state not in UNPROVEN:
        # The venue accepted it once and now denies it: nothing that is safe can be concluded from that.
        world.metrics.count("orders_lost_at_venue")
        return orders.Placed(order, position)
    misses = order.unproven_lookups + 1
    if misses < orders.MAX_LOOKUP_MISSES or now - order.updated_at < RESEND_AFTER:
        # updated_at stays: it marks since when the order is unproven.
        missed = replace(order, unproven_lookups=misses)
        stored = world.records.commit(tenant, (missed,))[0]
        assert isinstance(stored, Order)
        return orders.Placed(stored, position)
    if order.leg == "entry" and now - order.created_at > ENTRY_TTL:
        return orders.settle_expired(
            world, tenant, order, position, "never reached the venue, too old to send"
        )
    world.metrics.count("orders_resent")
    return orders.send(world, venue, tenant, order, position)


def _differences(
    world: World, venue: Venue, positions: tuple[Position, ...], now: float
) -> dict[str, Decimal]:
    """Return per symbol the venue's quantity minus ours where they differ; empty if it cannot be asked."""
    if not positions:
        return {}
    try:
        theirs = venue.fetch_positions(now)
    except VenueError as error:
        world.metrics.count("lookups_failed", code=error.code)
        return {}
    ours: dict[str, Decimal] = {}
    for position in positions:
        ours[position.symbol] = ours.get(position.symbol, Decimal(0)) + position.signed_quantity
    found = {
        symbol: theirs.get(symbol, Decimal(0)) - quantity
        for symbol, quantity in ours.items()
        if theirs.get(symbol, Decimal(0)) != quantity
    }
    if found:
        world.metrics.count("position_differences", len(found))
    return found
