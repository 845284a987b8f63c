"""Stops that rest at the venue: placed for every open position, moved with its trail, cancelled with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.exits import STOP_STEP, ExitReason, stop_level
from chalicelib.domain.leaving import decide_protection, leaving_quantity
from chalicelib.domain.market import round_to_step
from chalicelib.domain.order import TERMINAL, UNPROVEN, Order
from chalicelib.domain.position import Position
from chalicelib.domain.records import Fence
from chalicelib.errors import Retryable, UsageError
from chalicelib.flows import orders
from chalicelib.flows.cancel_orders import cancel
from chalicelib.flows.world import Venue, World


@dataclass(frozen=True, slots=True)
class Guard:
    """What places and moves stops: the venue of a connection, under the fence of one tick."""

    world: World
    venue: Venue
    connection: Connection
    fence: Fence
    now: float

    @property
    def works(self) -> bool:
        """Tell whether stops rest at this venue: on spot they would lock what an exit has to sell."""
        wanted = self.connection.native_stops and self.connection.market_type == "swap"
        return wanted and self.venue.abilities.native_stops


def protect(
    guard: Guard, positions: Sequence[Position], open_orders: Sequence[Order], marks: Mapping[str, Decimal]
) -> tuple[Position, ...]:
    """Bring the stops at the venue in line with the positions; return the positions as they are then.

    A position whose market can't be had keeps the stop it has.
    """
    if not guard.works:
        return tuple(positions)
    _cancel_needless(guard, positions, open_orders)
    return tuple(_protected(guard, position, open_orders, marks) for position in positions)


def _cancel_needless(guard: Guard, positions: Sequence[Position], open_orders: Sequence[Order]) -> None:
    """Cancel stops of positions that are closed, and those that another has replaced."""
    wanted = {position.stop_order_id for position in positions if position.state == "open"}
    for order in open_orders:
        needless = order.leg == "protection" and order.client_order_id not in wanted
        if needless and order.state not in TERMINAL | UNPROVEN:
            cancel(guard.world, guard.connection, guard.venue, order, guard.now, "position_closed")


def _protected(
    guard: Guard, position: Position, open_orders: Sequence[Order], marks: Mapping[str, Decimal]
) -> Position:
    if position.state != "open" or leaving_quantity(position) <= 0:
        return position
    level = stop_level(position, marks.get(position.position_id, position.entry_price))
    resting = next((o for o in open_orders if o.client_order_id == position.stop_order_id), None)
    if level is None or (resting is not None and resting.state in UNPROVEN):
        return position
    trigger = _rounded(guard, position.symbol, level[0])
    if trigger is None or (resting is not None and not _must_move(position, resting, trigger)):
        return position
    after = _placed(guard, position, trigger, level[1])
    # The new stop first: a position is never without one, and both only reduce it.
    if resting is not None and after.stop_order_id != position.stop_order_id and after.stop_order_id:
        cancel(guard.world, guard.connection, guard.venue, resting, guard.now, "stop_moved")
    return after


def _must_move(position: Position, resting: Order, trigger: Decimal) -> bool:
    """Tell whether a stop must be replaced: its trail moved by a step, or what it covers has changed."""
    old = resting.trigger_price or Decimal(0)
    moved = position.sign * (trigger - old) >= STOP_STEP * position.entry_price
    return moved or resting.quantity != leaving_quantity(position)


def _rounded(guard: Guard, symbol: str, price: Decimal) -> Decimal | None:
    feed = guard.world.feed(guard.connection.feed)
    try:
        return round_to_step(price, feed.markets((symbol,))[symbol].price_step)
    except (Retryable, UsageError):
        guard.world.metrics.count("stops_not_placed")
        return None


def _placed(guard: Guard, position: Position, trigger: Decimal, reason: ExitReason) -> Position:
    hedge = guard.connection.position_mode == "hedge"
    approved = decide_protection(position, trigger, reason, guard.now, hedge)
    placed = orders.place(guard.world, guard.venue, guard.connection.tenant, approved, guard.fence)
    guard.world.metrics.count("stops_placed")
    return position if placed is None else placed.position
