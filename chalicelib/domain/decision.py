"""From a signal to an approved order or a refusal: the risk gate, the size, the intent. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal

from chalicelib.domain import risk, sizing
from chalicelib.domain.ids import client_order_id, digest
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal

APPROVED = "APPROVED"


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that does not trade, with the stable reason code."""

    code: str


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that passed every check, the position it belongs to, and the signal that asked for it."""

    order: Order
    position: Position
    signal: Signal | None = None


def decide_entry(context: risk.EntryContext, session_id: str) -> Approved | Refused:
    """Judge an entry signal, size it, and make its intent; ids depend on connection and signal only."""
    code = risk.refusal(context, risk.BEFORE_SIZE)
    if code:
        return Refused(code)
    sized = replace(context, quantity=_quantity(context))
    code = risk.refusal(sized, risk.AFTER_SIZE)
    if code:
        return Refused(code)
    signal, connection = context.signal, context.connection
    position_id = f"pos-{digest(connection.connection_id, signal.signal_id)}"
    order_id = client_order_id(connection.connection_id, signal.signal_id, "entry", 0)
    position = Position(
        position_id=position_id,
        connection_id=connection.connection_id,
        symbol=signal.symbol,
        direction=signal.direction,
        state="opening",
        exits=signal.exits,
        source=signal.source,
        signal_id=signal.signal_id,
        opened_at=context.now,
        updated_at=context.now,
        correlation_id=signal.correlation_id,
        reserved=sized.quantity * _price(context),
        session_id=session_id,
    )
    order = Order(
        client_order_id=order_id,
        connection_id=connection.connection_id,
        symbol=signal.symbol,
        side=position.entry_side,
        type="market",
        quantity=sized.quantity,
        price=None,
        reduce_only=False,
        leg="entry",
        position_id=position_id,
        signal_id=signal.signal_id,
        state=OrderState.INTENT,
        created_at=context.now,
        updated_at=context.now,
        correlation_id=signal.correlation_id,
    )
    executed = replace(signal, status="executed", outcome=APPROVED, client_order_id=order_id)
    return Approved(order, position, executed)


def decide_exit(position: Position, reason: str, now: float, correlation_id: str) -> Approved:
    """Make the intent that closes all of a position; exits bypass every check but the venue's precision.

    Each deliberate new attempt has a new epoch, so a repeated decision repeats its order id.
    """
    order = Order(
        client_order_id=client_order_id(
            position.connection_id, position.position_id, "exit", position.exit_epoch
        ),
        connection_id=position.connection_id,
        symbol=position.symbol,
        side=position.exit_side,
        type="market",
        quantity=position.quantity,
        price=None,
        reduce_only=True,
        leg="exit",
        position_id=position.position_id,
        signal_id=position.signal_id,
        state=OrderState.INTENT,
        created_at=now,
        updated_at=now,
        correlation_id=correlation_id,
        reason=reason,
    )
    closing = replace(position, exit_epoch=position.exit_epoch + 1, exit_reason=reason, updated_at=now)
    return Approved(order, closing)


def _price(context: risk.EntryContext) -> Decimal:
    assert context.ticker is not None
    return context.ticker.ask if context.signal.direction == "long" else context.ticker.bid


def _quantity(context: risk.EntryContext) -> Decimal:
    assert context.market is not None
    assert context.equity is not None
    assert context.cash is not None
    return sizing.entry_quantity(
        context.connection,
        context.market,
        context.signal.symbol,
        _price(context),
        context.equity,
        context.cash,
        context.positions,
    )
