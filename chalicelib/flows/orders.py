"""Placing and settling orders: intent first, then the venue, then what the venue proved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.decision import Approved
from chalicelib.domain.order import Order, OrderState, VenueOrder, adopt, moved, unseen_fills
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.records import Fence, Record
from chalicelib.errors import (
    AlreadyExists,
    DuplicateClientOrderId,
    OrderNotFound,
    VenueError,
    VenueNotSent,
    VenueRejected,
    VenueUnknown,
)
from chalicelib.flows.world import Venue, World

MAX_LOOKUP_MISSES = 2
"""How often the venue must deny knowledge of an order before its absence counts as proved."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one approved order."""

    order: Order
    position: Position


def store_intent(world: World, tenant: str, approved: Approved, fence: Fence) -> Approved:
    """Store order, position and signal in one transaction before anything is sent.

    Raises AlreadyExists when an earlier delivery stored the same intent, StaleWrite when the lease is lost.
    """
    records: list[Record] = [approved.order, approved.position]
    if approved.signal:
        records.append(approved.signal)
    stored = world.records.commit(tenant, records, fence)
    order, position = stored[0], stored[1]
    assert isinstance(order, Order)
    assert isinstance(position, Position)
    return replace(approved, order=order, position=position)


def place(world: World, venue: Venue, tenant: str, approved: Approved, fence: Fence) -> Placed | None:
    """Store the intent, send it once, store the answer; None if an earlier delivery had it already.

    What the venue does not prove leaves the order UNKNOWN for reconciliation, which looks before it sends.
    """
    try:
        stored = store_intent(world, tenant, approved, fence)
    except AlreadyExists:
        return None
    return send(world, venue, tenant, stored.order, stored.position)


def send(world: World, venue: Venue, tenant: str, order: Order, position: Position) -> Placed:
    """Send a stored intent and store what the venue answered."""
    now = world.now()
    try:
        seen = venue.create_order(order, now)
    except DuplicateClientOrderId:
        return _adopt_earlier(world, venue, tenant, order, position)
    except VenueRejected as error:
        world.metrics.count("orders_rejected", reason=error.reason)
        return settle_rejected(world, tenant, order, position, f"{error.reason}: {error}")
    except VenueNotSent as error:
        # Provably not executed, and stored as an intent: reconciliation sends it when the venue is back.
        unsent = replace(order, reason=f"not sent: {error}"[:200], updated_at=now)
        return _store(world, tenant, unsent, position)
    except VenueError as error:
        unknown = replace(moved(order, OrderState.UNKNOWN, now), reason=str(error)[:200])
        world.metrics.count("orders_unknown")
        return _store(world, tenant, unknown, position)
    return settle(world, tenant, order, position, seen)


def settle(world: World, tenant: str, order: Order, position: Position, seen: VenueOrder) -> Placed:
    """Adopt what the venue says of an order and fold its new fills into the position, in one transaction."""
    fresh = unseen_fills(order, seen.fills)
    after = adopt(order, seen, world.now())
    for fill in fresh:
        position = apply_fill(position, fill)
    if after.filled > after.quantity:
        world.metrics.count("overfills")
    if after.leg == "entry" and not after.filled and after.state in _ENDED_UNFILLED:
        position = replace(position, state="abandoned", updated_at=world.now())
    if after == order:
        return Placed(order, position)
    world.metrics.count("fills", len(fresh))
    return _store(world, tenant, after, position)


_ENDED_UNFILLED = frozenset({OrderState.CANCELED, OrderState.EXPIRED})


def settle_rejected(world: World, tenant: str, order: Order, position: Position, reason: str) -> Placed:
    """Store that the venue proved it has no such order; an entry's position is abandoned."""
    return _ended(world, tenant, order, position, OrderState.REJECTED, reason)


def settle_expired(world: World, tenant: str, order: Order, position: Position, reason: str) -> Placed:
    """Store that an order which never reached the venue is too old to be sent."""
    return _ended(world, tenant, order, position, OrderState.EXPIRED, reason)


def fetch(venue: Venue, order: Order, now: float) -> VenueOrder | None:
    """Look an order up by our id: None if the venue says that it does not know it."""
    try:
        return venue.fetch_order(order.client_order_id, order.symbol, now)
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
    now = world.now()
    if order.leg == "entry" and position.state == "opening":
        position = replace(position, state="abandoned", updated_at=now)
    return _store(world, tenant, moved(order, state, now, reason[:200]), position)


def _store(world: World, tenant: str, order: Order, position: Position) -> Placed:
    records: Sequence[Record] = (order, position)
    order_after, position_after = world.records.commit(tenant, records)
    assert isinstance(order_after, Order)
    assert isinstance(position_after, Position)
    return Placed(order_after, position_after)
