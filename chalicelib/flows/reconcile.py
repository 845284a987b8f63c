"""Reconciliation: our books against the venue's, at engine start, in the realtime tick, after any UNKNOWN.

Orders first, then their fills, then positions: a position differs only when all orders have had their say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from chalicelib.domain.approval import approve_again
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine
from chalicelib.domain.order import TERMINAL, UNPROVEN, Order, OrderState, VenueOrder
from chalicelib.domain.position import Position
from chalicelib.domain.venue import VenuePosition
from chalicelib.errors import VenueError
from chalicelib.flows import external, orders
from chalicelib.flows.world import Venue, World

LEAST_MISSES = 2
"""How often the venue must deny knowledge of an order before its absence counts as proved."""

RESEND_AFTER = 10.0
"""Seconds an order must have been unproven before the same id may be sent again."""

ON_ITS_WAY = 25.0
"""The same for an order whose sender may still be waiting for the answer: longer than any request lasts."""

LISTING_FROM = 3
"""From so many open orders on, one listing of the venue replaces the first look at each."""

ROUND = 600
"""Seconds between two looks at what nothing has pointed to: resting stops, orders of others, dead letters."""

DEAD_LETTER = "dead letter"
"""How the reason of an order begins that only a person may have sent again, or dropped."""


@dataclass(frozen=True, slots=True)
class Books:
    """Open orders and positions of a connection after reconciliation, and what could not be explained.

    `held` is what the venue says it holds, None if it could not be asked. `differences` are the venue's
    signed quantities minus ours by symbol.
    """

    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    differences: Mapping[str, Decimal]
    held: tuple[VenuePosition, ...] | None = None


@dataclass(slots=True)
class _Desk:
    """What one reconciliation works with."""

    world: World
    venue: Venue
    connection: Connection
    now: float
    entries_allowed: bool
    thorough: bool
    positions: dict[str, Position]
    kept: list[Order] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return self.connection.tenant


def reconcile_connection(world: World, connection: Connection, _: Engine, now: float) -> Books:
    """Settle all open orders of a connection with its venue; the recovery step of every engine start.

    Nothing is sent again here: an order that is proved absent waits for the first realtime tick.
    """
    venue = world.venue(connection)
    open_orders = world.records.open_orders(connection.tenant, connection.connection_id)
    positions = world.records.open_positions(connection.tenant, connection.connection_id)
    return reconcile(world, venue, connection, open_orders, positions, now, thorough=True)


def reconcile(
    world: World,
    venue: Venue,
    connection: Connection,
    open_orders: Sequence[Order],
    positions: Sequence[Position],
    now: float,
    entries_allowed: bool = False,
    thorough: bool = False,
) -> Books:
    """Ask the venue for every open order of ours and adopt what it says; then compare positions.

    A failed query changes nothing: unknown stays unknown, and never means flat. `entries_allowed` lets an
    entry that is proved absent go out again. `thorough` looks at everything, also at the orders of others.
    """
    by_id = {position.position_id: position for position in positions}
    desk = _Desk(world, venue, connection, now, entries_allowed, thorough, by_id)
    held = _held(desk)
    differing = _differences(desk, held)
    due = [order for order in open_orders if _is_due(desk, order, differing)]
    listed = _listed(desk, due)
    for order in open_orders:
        if order in due:
            _look_at(desk, order, listed)
        else:
            desk.kept.append(order)
    if thorough:
        # Starts only: no tick has to load it.
        from chalicelib.flows import external_positions

        books = tuple(desk.positions.values())
        for position in external_positions.found(world, venue, connection, books, now):
            by_id[position.position_id] = position
    if thorough and listed is not None:
        desk.kept.extend(external.found(world, venue, connection, listed, open_orders, now))
    # Counted at every look, not once: the alarm must not end before the uncertainty does.
    if unknown := sum(order.state in UNPROVEN for order in desk.kept):
        world.metrics.count("orders_unknown", unknown)
    return _compared(desk, held, differing, open_orders)


def _compared(
    desk: _Desk, held: tuple[VenuePosition, ...] | None, before: set[str], seen: Sequence[Order]
) -> Books:
    """Compare positions once the orders are settled; explain by trades what still differs.

    Only what differed `before` as well: between the looks at the orders and this one a stop may have
    triggered, or an order sent again may have filled, and its trades would be taken for those of others.
    """
    if before or any(order not in desk.kept for order in seen):
        held = _held(desk)
    if (symbols := _differences(desk, held) & before) and held is not None and _settled(desk, symbols):
        for position in external.closed_outside(
            desk.world, desk.venue, desk.connection, _open(desk, symbols), held, desk.now
        ):
            desk.positions[position.position_id] = position
    found = {symbol: _difference(desk, held, symbol) for symbol in _differences(desk, held) & before}
    if found:
        desk.world.metrics.count("position_differences", len(found))
    books = tuple(p for p in desk.positions.values() if p.state in ("opening", "open"))
    return Books(tuple(desk.kept), books, found, held)


def _settled(desk: _Desk, symbols: set[str]) -> bool:
    """Tell whether no order of ours is left on these symbols that could explain a difference."""
    return not any(order.symbol in symbols and order.state in UNPROVEN for order in desk.kept)


def _open(desk: _Desk, symbols: set[str]) -> list[Position]:
    return [p for p in desk.positions.values() if p.state == "open" and p.symbol in symbols]


def _is_due(desk: _Desk, order: Order, differing: set[str]) -> bool:
    """Tell whether an order needs a look now.

    A resting stop and an order of somebody else have one when something points to them, and once in a while;
    so has a dead letter. An order that has ended is watched until late fills can't come any more.
    """
    if desk.thorough or order.symbol in differing:
        return True
    if order.state in TERMINAL:
        return desk.now > order.watch_until
    resting = order.leg in ("protection", "external") and order.state not in UNPROVEN
    if resting or order.reason.startswith(DEAD_LETTER):
        return desk.now % ROUND < desk.connection.intervals["realtime"]
    return True


def _listed(desk: _Desk, due: Sequence[Order]) -> tuple[VenueOrder, ...] | None:
    """Return the venue's open orders if one listing is cheaper than looking at each, else None."""
    if not desk.thorough and len(due) < LISTING_FROM:
        return None
    symbols = desk.connection.symbols if desk.thorough else sorted({order.symbol for order in due})
    try:
        return desk.venue.fetch_open_orders(symbols, desk.now)
    except VenueError as error:
        desk.world.metrics.count("lookups_failed", code=error.code)
        return None


def _look_at(desk: _Desk, order: Order, listed: tuple[VenueOrder, ...] | None) -> None:
    """Find out what became of one order, and keep it among the open ones unless it is settled."""
    if order.leg == "external":
        desk.kept.extend(external.looked_at(desk.world, desk.venue, desk.tenant, order, listed, desk.now))
        return
    position = desk.positions.get(order.position_id) or desk.world.records.position(
        desk.tenant, desk.connection.connection_id, order.position_id
    )
    if position is None:
        desk.world.metrics.count("orphan_orders")
        return
    placed = _prove(desk, order, position, listed)
    desk.positions[placed.position.position_id] = placed.position
    if placed.order.is_open:
        desk.kept.append(placed.order)


def _prove(
    desk: _Desk, order: Order, position: Position, listed: tuple[VenueOrder, ...] | None
) -> orders.Placed:
    """Adopt what the venue says of an order; send it again only if it is proved absent and still wanted."""
    seen = next((one for one in listed or () if _is_same(one, order)), None)
    # A listing tells of an order without its trades: fine while none are missing.
    if seen is None or seen.filled > order.filled:
        try:
            seen = orders.fetch(desk.venue, order, desk.now)
        except VenueError as error:
            desk.world.metrics.count("lookups_failed", code=error.code)
            return orders.Placed(order, position)
    if seen is not None:
        return orders.settle(desk.world, desk.tenant, order, position, seen)
    if order.state not in UNPROVEN:
        # The venue accepted it once and now denies it: nothing that is safe can be concluded from that.
        desk.world.metrics.count("orders_lost_at_venue")
        return orders.Placed(order, position)
    return _absent(desk, order, position)


def _is_same(seen: VenueOrder, order: Order) -> bool:
    if seen.client_order_id:
        return seen.client_order_id == order.client_order_id
    return bool(seen.venue_order_id) and seen.venue_order_id == order.venue_order_id


def _absent(desk: _Desk, order: Order, position: Position) -> orders.Placed:
    """Count that the venue does not know the order; once that proves its absence, send it again or end it."""
    tenant, now = desk.tenant, desk.now
    misses = order.unproven_lookups + 1
    unsent = order.state is OrderState.INTENT and order.reason.startswith(orders.UNSENT)
    wait = RESEND_AFTER if unsent or order.state is OrderState.UNKNOWN else ON_ITS_WAY
    if misses < LEAST_MISSES or now - order.updated_at < wait:
        # updated_at stays: it marks since when the order is unproven.
        return orders.Placed(_kept(desk, replace(order, unproven_lookups=misses)), position)
    if order.reason.startswith(DEAD_LETTER):
        return orders.Placed(order, position)
    if not unsent and not desk.venue.abilities.resend_after_absence:
        desk.world.metrics.count("orders_dead_letter")
        reason = (
            f"{DEAD_LETTER}: not found at the venue, which can't prove that it never came; {order.reason}"
        )
        return orders.Placed(_kept(desk, replace(order, reason=reason[:200])), position)
    approved = approve_again(order, now, desk.entries_allowed)
    if approved is not None:
        return orders.send_again(desk.world, desk.venue, tenant, approved, order, position)
    return orders.settle_expired(
        desk.world, tenant, order, position, "never reached the venue, not sent again"
    )


def _kept(desk: _Desk, order: Order) -> Order:
    stored = desk.world.records.commit(desk.tenant, (order,))[0]
    assert isinstance(stored, Order)
    return stored


def _held(desk: _Desk) -> tuple[VenuePosition, ...] | None:
    """Return what the venue holds of the symbols of our positions; None if it can't be asked."""
    symbols = sorted({position.symbol for position in desk.positions.values()})
    if not symbols:
        return ()
    try:
        return desk.venue.fetch_positions(symbols, desk.now)
    except VenueError as error:
        desk.world.metrics.count("lookups_failed", code=error.code)
        return None


def _differences(desk: _Desk, held: tuple[VenuePosition, ...] | None) -> set[str]:
    """Return the symbols whose quantities differ; none if the venue could not be asked."""
    if held is None:
        return set()
    symbols = {position.symbol for position in desk.positions.values()}
    return {symbol for symbol in symbols if _differs(desk, held, symbol)}


def _differs(desk: _Desk, held: Sequence[VenuePosition], symbol: str) -> bool:
    """Tell whether a symbol's quantities differ; where both directions may be held, in either of them."""
    if desk.connection.position_mode != "hedge":
        return bool(_difference(desk, held, symbol))
    theirs = {p.direction: p.quantity for p in held if p.symbol == symbol}
    ours = {p.direction: p.quantity for p in desk.positions.values() if p.symbol == symbol and p.quantity}
    return theirs != ours


def _difference(desk: _Desk, held: Sequence[VenuePosition] | None, symbol: str) -> Decimal:
    """Return the venue's signed quantity minus ours; on spot what is beyond ours is not our business."""
    theirs = sum((p.signed_quantity for p in held or () if p.symbol == symbol), Decimal(0))
    own = [p for p in desk.positions.values() if p.symbol == symbol]
    ours = sum((p.signed_quantity for p in own), Decimal(0))
    if desk.connection.market_type == "spot":
        return min(theirs - ours, Decimal(0))
    return theirs - ours
