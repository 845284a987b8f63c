"""From a signal to an approved order or a refusal: the risk gate, the size, the intent. Pure."""

from dataclasses import dataclass

from chalicelib.domain import risk, sizing
from chalicelib.domain.approval import ApprovedOrder, approve_entry
from chalicelib.domain.ids import client_order_id, digest
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.replacing import replace
from chalicelib.domain.signal import Signal

APPROVED = "APPROVED"

_NO_SIZE = sizing.Size(sizing.ZERO)


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that does not trade: the stable reason code, and what the signal keeps of its checks."""

    code: str
    checks: tuple[str, ...] = ()
    adjustments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that passed every check, the position it belongs to, and the signal that asked for it."""

    approved: ApprovedOrder
    position: Position
    signal: Signal | None = None

    @property
    def order(self) -> Order:
        return self.approved.order


def decide_entry(context: risk.EntryContext, session_id: str, brief: bool = False) -> Approved | Refused:
    """Size an entry signal, judge it by every check, and make its intent.

    Ids depend on connection and signal only, so a repeated decision repeats them. `brief` leaves out what can
    only add further reasons to a refusal: its code is the same.
    """
    if brief and (code := risk.refusal(context, risk.BEFORE_SIZE)):
        return Refused(code)
    size = _size(context)
    sized = replace(context, quantity=size.quantity)
    found = () if brief else risk.findings(sized)
    checks, adjustments = risk.record(found), _adjustments(context, size)
    if found:
        return Refused(found[0].code, checks, adjustments)
    position = _added(sized) if context.held is not None else _opened(sized, session_id)
    approved = approve_entry(_order(sized, position), sized)
    if isinstance(approved, str):
        return Refused(approved, checks, adjustments)
    executed = replace(
        context.signal,
        status="executed",
        outcome=APPROVED,
        checks=checks,
        adjustments=adjustments,
        client_order_id=approved.order.client_order_id,
    )
    return Approved(approved, position, executed)


def _size(context: risk.EntryContext) -> sizing.Size:
    """Return the size by method, level and limits; none without the data that it takes."""
    market, price, equity, free = context.market, context.price, context.equity, context.free
    if market is None or price is None or equity is None or free is None:
        return _NO_SIZE
    return sizing.entry_size(
        sizing.SizeRequest(
            connection=context.connection,
            market=market,
            symbol=context.signal.symbol,
            price=price,
            equity=equity,
            free=free,
            positions=context.positions,
            evidence=context.evidence,
            factor=context.tier_factor * risk.FACTORS[context.level],
        )
    )


def _adjustments(context: risk.EntryContext, size: sizing.Size) -> tuple[str, ...]:
    """Return what made the size another one than the connection's position cost."""
    level, notes = context.level, size.notes
    if level != "LOW":
        notes = (*notes, f"risk {level} x{risk.FACTORS[level]}")
    if context.tier_factor != 1:
        notes = (*notes, f"tier x{context.tier_factor}")
    return notes


def _opened(context: risk.EntryContext, session_id: str) -> Position:
    signal, connection = context.signal, context.connection
    assert context.market is not None
    assert context.notional is not None
    return Position(
        position_id=f"pos-{digest(connection.connection_id, signal.signal_id)}",
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
        reserved=context.notional,
        session_id=session_id,
        step=context.market.amount_step,
    )


def _added(context: risk.EntryContext) -> Position:
    """Return the open position with one entry more; its exits stay as they are."""
    held = context.held
    assert held is not None
    assert context.notional is not None
    reserved = max(held.cost, held.reserved) + context.notional
    return replace(held, entries=held.entries + 1, reserved=reserved, updated_at=context.now)


def _order(context: risk.EntryContext, position: Position) -> Order:
    signal, connection = context.signal, context.connection
    return Order(
        client_order_id=client_order_id(connection.connection_id, signal.signal_id, "entry", 0),
        connection_id=connection.connection_id,
        symbol=signal.symbol,
        side=position.entry_side,
        type="market",
        quantity=context.quantity,
        price=None,
        reduce_only=False,
        leg="entry",
        position_id=position.position_id,
        signal_id=signal.signal_id,
        state=OrderState.INTENT,
        created_at=context.now,
        updated_at=context.now,
        correlation_id=signal.correlation_id,
        position_side=signal.direction if connection.position_mode == "hedge" else "both",
    )
