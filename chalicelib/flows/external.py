"""What others do on the account: orders that are not ours, and positions closed by hand or liquidated."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.ids import digest
from chalicelib.domain.order import Fill, Order, OrderState, VenueOrder, adopt
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.venue import VenuePosition, VenueTrade
from chalicelib.errors import AlreadyExists, OrderNotFound, VenueError
from chalicelib.flows.world import Venue, World

CLOSED_OUTSIDE = "closed_at_venue"
"""The exit reason of what our orders did not close."""

TRADES_SECONDS = 3 * 86400.0
"""How far back trades are read that explain a difference: exchanges list some days at once, and a difference
is noticed within a minute while the engine runs."""

_RECENT = 200


def found(
    world: World,
    venue: Venue,
    connection: Connection,
    listed: Sequence[VenueOrder],
    ours: Sequence[Order],
    now: float,
) -> list[Order]:
    """Store the orders of others as external, so that they are shown; return those that are new.

    They are cancelled only if the connection says so.
    """
    known = {order.client_order_id for order in ours} | {order.venue_order_id for order in ours}
    fresh = [seen for seen in listed if not {seen.client_order_id, seen.venue_order_id} & known]
    stored: list[Order] = []
    for seen in fresh:
        if seen.client_order_id and world.records.order(
            connection.tenant, connection.connection_id, seen.client_order_id
        ):
            continue
        order = _external(connection, seen, now)
        try:
            stored.extend(_committed(world, connection.tenant, order))
        except AlreadyExists:
            continue
        world.metrics.count("orders_external")
        if connection.external_orders == "cancel":
            stored[-1] = _cancelled(world, venue, connection.tenant, stored[-1], now)
    return [order for order in stored if order.is_open]


def looked_at(
    world: World,
    venue: Venue,
    tenant: str,
    order: Order,
    listed: Sequence[VenueOrder] | None,
    now: float,
) -> list[Order]:
    """Follow an order of somebody else; return it while it is open."""
    seen = next((one for one in listed or () if one.venue_order_id == order.venue_order_id), None)
    if seen is None:
        try:
            seen = venue.fetch_order(order, now)
        except OrderNotFound:
            seen = VenueOrder("", order.venue_order_id, order.symbol, order.side, _GONE, order.quantity)
        except VenueError as error:
            world.metrics.count("lookups_failed", code=error.code)
            return [order]
    after = replace(adopt(order, seen, now), watch_until=0.0)
    if replace(after, updated_at=order.updated_at) == order:
        return [order]
    return [stored for stored in _committed(world, tenant, after) if stored.is_open]


_GONE = OrderState.CANCELED


def closed_outside(
    world: World,
    venue: Venue,
    connection: Connection,
    positions: Sequence[Position],
    held: Sequence[VenuePosition],
    now: float,
) -> list[Position]:
    """Book the trades of others that made positions smaller at the venue; return the positions they changed.

    The trades are the proof: a quantity that is merely missing from an answer never means flat.
    """
    changed: list[Position] = []
    for position in positions:
        theirs = sum((p.quantity for p in held if _is_same(p, position)), Decimal(0))
        missing = position.quantity - theirs
        if missing <= 0:
            continue
        try:
            trades = venue.fetch_trades(position.symbol, max(position.opened_at, now - TRADES_SECONDS), now)
        except VenueError as error:
            world.metrics.count("lookups_failed", code=error.code)
            continue
        if booked := _booked(world, connection, position, missing, trades, now):
            changed.append(booked)
    return changed


def _booked(
    world: World,
    connection: Connection,
    position: Position,
    missing: Decimal,
    trades: Sequence[VenueTrade],
    now: float,
) -> Position | None:
    """Fold foreign exits into a position, together with the external orders they came from."""
    known = _known(world, connection, position.symbol)
    after, fills = position, list[tuple[str, Fill]]()
    for trade in sorted(trades, key=lambda one: one.fill.time):
        foreign = trade.fill.trade_id not in known and trade.venue_order_id not in known
        if foreign and trade.fill.side == position.exit_side and missing > 0:
            fill = _part(trade.fill, missing)
            after, missing = apply_fill(after, fill), missing - fill.quantity
            fills.append((trade.venue_order_id, fill))
    if not fills:
        return None
    world.metrics.count("positions_changed_outside")
    if after.state == "closed":
        after = replace(after, exit_reason=CLOSED_OUTSIDE)
    records = [_closing(connection, position, number, fill, now) for number, fill in fills]
    *_, stored = world.records.commit(connection.tenant, [*records, after])
    assert isinstance(stored, Position)
    return stored


def _known(world: World, connection: Connection, symbol: str) -> set[str]:
    """Return the ids of the trades and orders on a symbol that are in our books already."""
    page = world.records.list_orders(connection.tenant, connection.connection_id, _RECENT, None)
    known: set[str] = set()
    for order in page.items:
        if order.symbol == symbol:
            known |= {fill.trade_id for fill in order.fills} | {order.venue_order_id}
    return known - {""}


def _part(fill: Fill, most: Decimal) -> Fill:
    """Return the part of a fill that concerns us: somebody may have sold more than was ours."""
    if fill.quantity <= most:
        return fill
    return replace(fill, quantity=most, fee=fill.fee * most / fill.quantity)


def _closing(connection: Connection, position: Position, venue_id: str, fill: Fill, now: float) -> Order:
    """Return the external order of one foreign fill: its id makes a repeated booking the same record."""
    seen = VenueOrder("", venue_id, fill.symbol, fill.side, OrderState.FILLED, fill.quantity)
    order = _external(connection, seen, now)
    return replace(
        order,
        client_order_id=f"ext-{digest(connection.connection_id, venue_id, fill.trade_id)}",
        state=OrderState.FILLED,
        position_id=position.position_id,
        fills=(fill,),
    )


def _external(connection: Connection, seen: VenueOrder, now: float) -> Order:
    return Order(
        client_order_id=f"ext-{digest(connection.connection_id, seen.venue_order_id)}",
        connection_id=connection.connection_id,
        symbol=seen.symbol,
        side=seen.side,
        type=seen.type,
        quantity=seen.quantity,
        price=seen.price,
        reduce_only=seen.reduce_only,
        leg="external",
        position_id="",
        signal_id="",
        state=seen.state,
        created_at=now,
        updated_at=now,
        correlation_id="external",
        reason=f"EXTERNAL {seen.client_order_id}".rstrip(),
        venue_order_id=seen.venue_order_id,
        trigger_price=seen.trigger_price,
        position_side=seen.position_side,
    )


def _cancelled(world: World, venue: Venue, tenant: str, order: Order, now: float) -> Order:
    try:
        seen = venue.cancel_order(order, now)
    except VenueError as error:
        world.metrics.count("cancels_failed", code=error.code)
        return order
    after = replace(adopt(order, seen, now), watch_until=0.0)
    return _committed(world, tenant, after)[0]


def _committed(world: World, tenant: str, order: Order) -> list[Order]:
    stored = world.records.commit(tenant, (order,))[0]
    assert isinstance(stored, Order)
    return [stored]


def _is_same(held: VenuePosition, position: Position) -> bool:
    return held.symbol == position.symbol and held.direction == position.direction
