"""The only way to an order that may be sent: venues take an ApprovedOrder, and it is made here alone."""

from typing import final

from chalicelib.domain import risk
from chalicelib.domain.order import UNPROVEN, Order
from chalicelib.domain.position import Position
from chalicelib.domain.risk import EntryContext

_SEAL = object()


@final
class ApprovedOrder:
    """An order that passed the checks of its kind. Made by the functions of this module only."""

    __slots__ = ("_order",)

    def __init__(self, order: Order, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("an approved order is made by the functions of domain.approval only")
        self._order = order

    @property
    def order(self) -> Order:
        return self._order

    def __repr__(self) -> str:
        return f"ApprovedOrder({self._order.client_order_id})"


def approve_entry(order: Order, context: EntryContext) -> ApprovedOrder | str:
    """Judge an entry by every check of the risk gate; return it approved, or the first failure's code."""
    code = risk.refusal(context)
    if code:
        return code
    signal = context.signal
    side = "buy" if signal.direction == "long" else "sell"
    wanted = (signal.symbol, side, context.quantity, "entry")
    if (order.symbol, order.side, order.quantity, order.leg) != wanted:
        raise ValueError(f"order {order.client_order_id} is not the entry that was judged")
    return ApprovedOrder(order, _SEAL)


def approve_exit(order: Order, position: Position) -> ApprovedOrder:
    """Approve an order that can only make a position smaller; exits pass no other check.

    ValueError for any other order: that is a bug, not an input.
    """
    reduces = order.side == position.exit_side and order.symbol == position.symbol and order.reduce_only
    if order.leg not in ("exit", "protection") or not reduces or order.quantity > position.quantity:
        raise ValueError(f"order {order.client_order_id} does not reduce {position.position_id}")
    return ApprovedOrder(order, _SEAL)


def approve_again(order: Order, now: float, entries_allowed: bool) -> ApprovedOrder | None:
    """Approve the same order once more after its absence was proved; None where an entry may not go out.

    An entry must be young still, and entries allowed now: the kill switch or a pause may have come since.
    """
    if order.state not in UNPROVEN:
        raise ValueError(f"order {order.client_order_id} is {order.state}: only the unproven are sent again")
    if order.leg == "entry" and (now - order.created_at > risk.ENTRY_TTL or not entries_allowed):
        return None
    return ApprovedOrder(order, _SEAL)
