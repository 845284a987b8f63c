"""Exchange positions: exact arithmetic from fills to average price and realised profit."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from chalicelib.domain.order import Fill, Side
from chalicelib.domain.signal import Direction, ExitProfile
from chalicelib.domain.stored import Stored

PositionState = Literal["opening", "open", "closed", "abandoned"]

_COST_DIGITS = Decimal("1e-12")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Position(Stored):
    """One position from its first intent to flat; `cost` is the entry notional of what is still open.

    `reserved` is the notional its entry was approved for; `realised` is before fees; `abandoned` means that
    its entry never filled.
    """

    position_id: str
    connection_id: str
    symbol: str
    direction: Direction
    state: PositionState
    exits: ExitProfile
    source: str
    signal_id: str
    opened_at: float
    updated_at: float
    correlation_id: str
    reserved: Decimal = ZERO
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    entry_price: Decimal = ZERO
    session_id: str = ""
    exit_epoch: int = 0
    exit_reason: str = ""
    closed_at: float | None = None
    revision: int = 0

    @property
    def entry_side(self) -> Side:
        return "buy" if self.direction == "long" else "sell"

    @property
    def exit_side(self) -> Side:
        return "sell" if self.direction == "long" else "buy"

    @property
    def sign(self) -> int:
        return 1 if self.direction == "long" else -1

    @property
    def signed_quantity(self) -> Decimal:
        return self.sign * self.quantity


def apply_fill(position: Position, fill: Fill) -> Position:
    """Fold one fill in. The caller passes each trade id once, with the order that counted it.

    Entry fills add to quantity and cost; exit fills realise `proceeds - share of cost`. The fill that reaches
    flat takes the whole remaining cost, so that at flat realised equals sales minus purchases exactly.
    """
    notional = fill.quantity * fill.price
    fees = position.fees + fill.fee
    if fill.side == position.entry_side:
        quantity = position.quantity + fill.quantity
        cost = position.cost + notional
        return replace(
            position,
            state="open",
            quantity=quantity,
            cost=cost,
            entry_price=cost / quantity,
            fees=fees,
            updated_at=fill.time,
        )
    remaining = position.quantity - fill.quantity
    share = position.cost
    if remaining > 0:
        share = (position.cost * fill.quantity / position.quantity).quantize(_COST_DIGITS)
    closed = remaining <= 0
    return replace(
        position,
        state="closed" if closed else position.state,
        quantity=max(remaining, ZERO),
        cost=position.cost - share,
        realised=position.realised + position.sign * (notional - share),
        fees=fees,
        updated_at=fill.time,
        closed_at=fill.time if closed else None,
    )


def unrealised(position: Position, price: Decimal) -> Decimal:
    """Return the profit of what is open at `price`, in quote currency, before fees."""
    return position.sign * (position.quantity * price - position.cost)
