"""Placing and settling orders: intent first, then the venue, then what the venue proved."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.approval import ApprovedOrder
from chalicelib.domain.decision import Approved
from chalicelib.domain.order import (
    TERMINAL,
    Order,
    OrderState,
    VenueOrder,
    adopt,
    conflicting_fills,
    moved,
    unseen_fills,
)
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.records import Fence, Record
from chalicelib.domain.replacing import replace
from chalicelib.errors import (
    AlreadyExists,
    DuplicateClientOrderId,
    OrderNotFound,
    VenueError,
    VenueNotSent,
    VenueRejected,
    VenueUnauthorized,
    VenueUnknown,
)
from chalicelib.flows.world import Venue, World

HELD_UP = 5.0
"""Seconds from the storing of an intent beyond which a process must not send it any more: it was stopped in
between, and somebody else may have found the intent and sent it."""

UNSENT = "not sent"
"""How the reason of an intent begins that the venue provably never got."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one approved order."""

    order: Order
    position: Position


def store_intent(world: World, tenant: str, approved: Approved, fence: Fence) -> tuple[Order, Position]:
    """Store order, position and signal in one transaction before anything is sent; return both as stored.

    Raises AlreadyExists when an earlier delivery stored the same intent, StaleWrite when the lease is lost.
    """
    order, now = approved.order, world.now()
    # From now on, not from the decision, others wait before they take it for lost.
    intent = order if order.updated_at == now else replace(order, updated_at=now)
    records: list[Record] = [intent, approved.position]
    if approved.signal:
        records.append(approved.signal)
    stored = world.records.commit(tenant, records, fence)
    submitted, position = stored[0], stored[1]
    assert isinstance(submitted, Order)
    assert isinstance(position, Position)
    return submitted, position


def place(world: World, venue: Venue, tenant: str, approved: Approved, fence: Fence) -> Placed | None:
    """Store the intent, send it once, store the answer; None if an earlier delivery had it already.

    What the venue does not prove leaves the order UNKNOWN for reconciliation, which looks before it sends.
    Raises VenueUnauthorized, with everything stored, when the venue refuses the key.
    """
    decided_at = world.now()
    try:
        order, position = store_intent(world, tenant, approved, fence)
    except AlreadyExists:
        return None
    if held_up(world, decided_at):
        return Placed(order, position)
    return send(world, venue, tenant, approved.approved, order, position)


def held_up(world: World, since: float) -> bool:
    """Tell whether this process was stopped since it began to store an intent: it must not send it then."""
    if world.now() - since <= HELD_UP:
        return False
    world.metrics.count("sends_held_up")
    return True


def send(
    world: World, venue: Venue, tenant: str, approved: ApprovedOrder, order: Order, position: Position
) -> Placed:
    """Send an order that is stored as `order` and store what the venue answered."""
    try:
        seen = venue.create_order(approved, world.now())
    except DuplicateClientOrderId:
        return _adopt_earlier(world, venue, tenant, order, position)
    except VenueRejected as error:
        world.metrics.count("orders_rejected", reason=error.reason)
        placed = settle_rejected(world, tenant, order, position, f"{error.reason}: {error}")
        if isinstance(error, VenueUnauthorized):
            raise
        return placed
    except VenueNotSent as error:
        # Provably not executed: stored as an intent again, which reconciliation sends when the venue is back.
        unsent = moved(order, OrderState.INTENT, world.now(), f"{UNSENT}: {error}"[:200])
        return _store(world, tenant, unsent, position)
    except VenueError as error:
        unknown = moved(order, OrderState.UNKNOWN, world.now(), str(error)[:200])
        world.metrics.count("orders_unknown")
        return _store(world, tenant, unknown, position)
    return settle(world, tenant, order, position, seen)


def send_again(
    world: World, venue: Venue, tenant: str, approved: ApprovedOrder, order: Order, position: Position
) -> Placed:
    """Send the same order once more after its absence was proved.

    That it goes out is stored first: of two processes that come to this at once only one sends, and one that
    dies in between leaves an order that is looked up again.
    """
    since = world.now()
    submitted = replace(moved(order, OrderState.SUBMITTED, since), unproven_lookups=0)
    stored = world.records.commit(tenant, (submitted,))[0]
    assert isinstance(stored, Order)
    if held_up(world, since):
        return Placed(stored, position)
    world.metrics.count("orders_resent")
    return send(world, venue, tenant, approved, stored, position)


def settle(world: World, tenant: str, order: Order, position: Position, seen: VenueOrder) -> Placed:
    """Adopt what the venue says of an order and fold its new fills into the position, in one transaction."""
    fresh = unseen_fills(order, seen.fills)
    after = adopt(order, seen, world.now())
    if not fresh and replace(after, updated_at=order.updated_at) == order:
        return Placed(order, position)
    for fill in fresh:
        position = apply_fill(position, fill)
    if conflicts := conflicting_fills(order, seen.fills):
        world.metrics.count("fills_conflicting", len(conflicts))
    if after.filled > after.quantity and fresh:
        world.metrics.count("overfills")
    world.metrics.count("fills", len(fresh))
    return _store(world, tenant, after, _after_end(position, after, world.now()))


def _after_end(position: Position, order: Order, now: float) -> Position:
    """Return the position after an order of its has ended: given up without entry, without a stop gone."""
    if order.leg == "entry" and order.state in _ENDED_UNFILLED and not position.quantity:
        return _abandoned(position, now)
    if order.leg != "protection" or order.state not in TERMINAL:
        return position
    if position.state == "closed" and not position.exit_reason:
        position = replace(position, exit_reason=order.reason)
    if position.stop_order_id == order.client_order_id:
        position = replace(position, stop_order_id="", stop_price=None)
    return position


def _abandoned(position: Position, now: float) -> Position:
    if position.state != "opening":
        return position
    return replace(position, state="abandoned", updated_at=now)


_ENDED_UNFILLED = frozenset({OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})


def settle_rejected(world: World, tenant: str, order: Order, position: Position, reason: str) -> Placed:
    """Store that the venue proved it has no such order; an entry's position is abandoned."""
    return _ended(world, tenant, order, position, OrderState.REJECTED, reason)


def settle_expired(world: World, tenant: str, order: Order, position: Position, reason: str) -> Placed:
    """Store that an order which never reached the venue is too old to be sent."""
    return _ended(world, tenant, order, position, OrderState.EXPIRED, reason)


def fetch(venue: Venue, order: Order, now: float) -> VenueOrder | None:
    """Look an order up by our id: None if the venue says that it does not know it."""
    try:
        return venue.fetch_order(order, now)
    except OrderNotFound:
        return None


def _adopt_earlier(world: World, venue: Venue, tenant: str, order: Order, position: Position) -> Placed:
    """A duplicate id proves that an earlier attempt was accepted: adopt that one."""
    try:
        seen = fetch(venue, order, world.now())
    except (VenueUnknown, VenueNotSent):
        seen = None
    if seen is None:
        unknown = moved(order, OrderState.UNKNOWN, world.now(), "duplicate id, not found yet")
        return _store(world, tenant, unknown, position)
    return settle(world, tenant, order, position, seen)


def _ended(
    world: World, tenant: str, order: Order, position: Position, state: OrderState, reason: str
) -> Placed:
    after = moved(order, state, world.now(), reason[:200])
    return _store(world, tenant, after, _after_end(position, after, world.now()))


def _store(world: World, tenant: str, order: Order, position: Position) -> Placed:
    records: Sequence[Record] = (order, position)
    order_after, position_after = world.records.commit(tenant, records)
    assert isinstance(order_after, Order)
    assert isinstance(position_after, Position)
    return Placed(order_after, position_after)
