"""Cancel open orders, when an engine stops or a stop is needless, and store what the venue says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.connection import Connection
from chalicelib.domain.order import TERMINAL, Order, OrderState, VenueOrder, moved
from chalicelib.errors import StaleWrite, VenueError
from chalicelib.flows.orders import settle
from chalicelib.flows.world import Venue, World

_ATTEMPTS = 5
_REASON = "engine_stopped"
_CANCELLABLE = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL})


@dataclass(frozen=True, slots=True)
class Cancelled:
    """How many orders have ended, and how many the venue has not proved to be at their end."""

    ended: int = 0
    left: int = 0

    def details(self) -> Mapping[str, int]:
        return {"orders_ended": self.ended, "orders_left": self.left}


def cancel_open_orders(world: World, connection: Connection, now: float) -> Cancelled:
    """Cancel the entries and exits that the venue is known to hold.

    Orders that nobody has proved yet (sent, no answer) are left to the reconciliation of the next start, and
    so are those whose cancellation fails: one order never keeps the others or the stop from going on. Stops
    stay with the positions they protect, orders of others with those who placed them.
    """
    ended = left = 0
    venue = world.venue(connection)
    for order in world.records.open_orders(connection.tenant, connection.connection_id):
        if order.leg not in ("entry", "exit") or order.state in TERMINAL:
            continue
        if order.state in _CANCELLABLE and cancel(world, connection, venue, order, now, _REASON):
            ended += 1
        else:
            left += 1
    return Cancelled(ended, left)


def cancel(world: World, connection: Connection, venue: Venue, order: Order, now: float, reason: str) -> bool:
    """Store the wish, send it, store the answer; tell whether the order has ended.

    What the venue does not prove leaves the order PENDING_CANCEL, and reconciliation asks again.
    """
    tenant = connection.tenant
    for _ in range(_ATTEMPTS):
        if order.state not in _CANCELLABLE:
            return order.state in TERMINAL
        position = world.records.position(tenant, order.connection_id, order.position_id)
        if position is None:
            return False
        try:
            pending = moved(order, OrderState.PENDING_CANCEL, now, order.reason or reason)
            stored = world.records.commit(tenant, [pending])[0]
            assert isinstance(stored, Order)
            seen = _ask(venue, stored, now)
            return seen is not None and (
                settle(world, tenant, stored, position, seen).order.state in TERMINAL
            )
        except StaleWrite:
            order = _read(world, tenant, order)
    return False


def _ask(venue: Venue, order: Order, now: float) -> VenueOrder | None:
    """Send the cancellation; if it fails, the order may have ended by itself, so look it up once."""
    try:
        return venue.cancel_order(order, now)
    except VenueError:
        pass
    try:
        return venue.fetch_order(order, now)
    except VenueError:
        return None


def _read(world: World, tenant: str, order: Order) -> Order:
    present = world.records.order(tenant, order.connection_id, order.client_order_id)
    return order if present is None else present
