"""Orders that make a position smaller: exits of all or part of it, and the stop at the venue. Pure.

They pass no risk check but the precision of the market. Each deliberate new attempt has a new epoch, so a
repeated decision repeats its order id.
"""

from decimal import Decimal

from chalicelib.domain.approval import approve_exit
from chalicelib.domain.decision import Approved
from chalicelib.domain.ids import client_order_id
from chalicelib.domain.market import floor_to_step
from chalicelib.domain.order import Leg, Order, OrderState, PositionSide
from chalicelib.domain.position import Position
from chalicelib.domain.replacing import replace

ONE = Decimal(1)


def decide_exit(
    position: Position,
    reason: str,
    now: float,
    correlation_id: str,
    share: Decimal = ONE,
    hedge: bool = False,
) -> Approved:
    """Make the intent that closes a position, or `share` of it; `hedge` where both directions may be held."""
    epoch, quantity = position.exit_epoch, leaving_quantity(position, share)
    order = _reducing(position, "exit", epoch, now, correlation_id, hedge, quantity, reason)
    if share == ONE:
        after = replace(position, exit_epoch=epoch + 1, updated_at=now, exit_reason=reason)
    else:
        after = replace(position, exit_epoch=epoch + 1, updated_at=now, taken=position.taken + 1)
    return Approved(approve_exit(order, position), after)


def leaving_quantity(position: Position, share: Decimal = ONE) -> Decimal:
    """Return the quantity that an exit of `share` may sell, rounded down to the market's step."""
    wanted = position.quantity * share
    return floor_to_step(wanted, position.step) if position.step else wanted


def decide_protection(
    position: Position, trigger: Decimal, reason: str, now: float, hedge: bool = False
) -> Approved:
    """Make the intent of a stop order at `trigger` for all of a position."""
    correlation_id = f"{position.correlation_id}/stop-{position.stop_epoch}"
    epoch, quantity = position.stop_epoch, leaving_quantity(position)
    order = _reducing(position, "protection", epoch, now, correlation_id, hedge, quantity, reason)
    order = replace(order, type="stop", trigger_price=trigger)
    after = replace(
        position,
        stop_epoch=epoch + 1,
        stop_order_id=order.client_order_id,
        stop_price=trigger,
        updated_at=now,
    )
    return Approved(approve_exit(order, position), after)


def _reducing(
    position: Position,
    leg: Leg,
    epoch: int,
    now: float,
    correlation_id: str,
    hedge: bool,
    quantity: Decimal,
    reason: str,
) -> Order:
    side: PositionSide = position.direction if hedge else "both"
    return Order(
        client_order_id=client_order_id(position.connection_id, position.position_id, leg, epoch),
        connection_id=position.connection_id,
        symbol=position.symbol,
        side=position.exit_side,
        type="market",
        quantity=quantity,
        price=None,
        reduce_only=True,
        leg=leg,
        position_id=position.position_id,
        signal_id=position.signal_id,
        state=OrderState.INTENT,
        created_at=now,
        updated_at=now,
        correlation_id=correlation_id,
        reason=reason,
        position_side=side,
    )
