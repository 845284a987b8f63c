"""Exchange positions: exact arithmetic from fills to average price and realised profit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from chalicelib.domain.market import split_symbol
from chalicelib.domain.order import Fill, Side
from chalicelib.domain.replacing import replace
from chalicelib.domain.signal import Direction, ExitProfile
from chalicelib.domain.stored import Stored, sparse
from chalicelib.domain.venue import Funding

PositionState = Literal["opening", "open", "closed", "abandoned"]

_COST_DIGITS = Decimal("1e-12")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Position(Stored):
    """One position from its first intent to flat; `cost` is the entry notional of what is still open.

    `reserved` is the notional its entries were approved for; `realised` is before fees and funding;
    `abandoned` means that its entry never filled. `fees` are in quote currency; fees in a currency without a
    known price are kept in `other_fees` by currency. `funding` is what was received, negative if paid.
    `excess` is what exits sold beyond the position: the venue holds that much the other way round. `dust` is
    what was left below `step`, the market's amount step, and can't be sold. `stop_order_id` names the stop
    that rests at the venue, `stop_price` where; `stop_epoch` and `exit_epoch` number the attempts, `taken`
    the partial exits.
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
    other_fees: Mapping[str, Decimal] = sparse(factory=dict)
    funding: Decimal = sparse(ZERO)
    funded_until: float = sparse(0.0)
    excess: Decimal = sparse(ZERO)
    dust: Decimal = sparse(ZERO)
    step: Decimal = sparse(ZERO)
    entries: int = sparse(1)
    taken: int = sparse(0)
    stop_order_id: str = sparse("")
    stop_price: Decimal | None = sparse(None)
    stop_epoch: int = sparse(0)
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


def apply_fill(position: Position, fill: Fill, fee_price: Decimal | None = None) -> Position:
    """Fold one fill in. The caller passes each trade id once, with the order that counted it.

    Entry fills add to quantity and cost; exit fills realise `proceeds - share of cost`. The fill that reaches
    flat takes the whole remaining cost, so that at flat realised equals sales minus purchases exactly. A fee
    in base currency changes what is held: it counts as that much sold, or not bought, at the fill's price.
    `fee_price` is the price in quote currency of a fee in any third currency.
    """
    base, quote, market_type = split_symbol(position.symbol)
    fees = _with_fee(position, fill, base, quote, fee_price)
    in_base = fill.fee if fill.fee_currency == base and market_type == "spot" else ZERO
    if fill.side == position.entry_side:
        return _entered(position, fill.quantity - in_base, fill, fees)
    return _left(position, fill.quantity + in_base, fill, fees)


_Fees = tuple[Decimal, Mapping[str, Decimal]]
"""`fees` and `other_fees` of a position."""


def _entered(position: Position, quantity: Decimal, fill: Fill, fees: _Fees) -> Position:
    """Add to a position; one that was given up or closed is open again."""
    held = position.quantity + quantity
    cost = position.cost + quantity * fill.price
    return replace(
        position,
        state="open",
        quantity=held,
        cost=cost,
        entry_price=cost / held if held else fill.price,
        fees=fees[0],
        other_fees=fees[1],
        updated_at=fill.time,
        closed_at=None,
    )


def _left(position: Position, quantity: Decimal, fill: Fill, fees: _Fees) -> Position:
    """Take from a position: what goes beyond it is `excess`, what is left below a step is `dust`."""
    closing = min(quantity, position.quantity)
    remaining = position.quantity - closing
    closed = remaining <= 0 or remaining < position.step
    share = position.cost
    if not closed:
        share = (position.cost * closing / position.quantity).quantize(_COST_DIGITS)
    return replace(
        position,
        state="closed" if closed else position.state,
        quantity=ZERO if closed else remaining,
        cost=position.cost - share,
        realised=position.realised + position.sign * (closing * fill.price - share),
        excess=position.excess + quantity - closing,
        dust=position.dust + (remaining if closed else ZERO),
        fees=fees[0],
        other_fees=fees[1],
        updated_at=fill.time,
        closed_at=fill.time if closed else None,
    )


def _with_fee(position: Position, fill: Fill, base: str, quote: str, fee_price: Decimal | None) -> _Fees:
    """Add a fee: in quote currency where its price is known, else by its currency."""
    price = {quote: Decimal(1), base: fill.price}.get(fill.fee_currency, fee_price)
    if not fill.fee:
        return position.fees, position.other_fees
    if price is not None:
        return position.fees + fill.fee * price, position.other_fees
    others = {**position.other_fees}
    others[fill.fee_currency] = others.get(fill.fee_currency, ZERO) + fill.fee
    return position.fees, others


def apply_funding(position: Position, payments: Iterable[Funding]) -> Position:
    """Add the payments that came after those counted already; each moment of a symbol has one."""
    fresh = [
        paid for paid in payments if paid.symbol == position.symbol and paid.time > position.funded_until
    ]
    if not fresh:
        return position
    total = sum((paid.amount for paid in fresh), position.funding)
    return replace(position, funding=total, funded_until=max(paid.time for paid in fresh))


def unrealised(position: Position, price: Decimal) -> Decimal:
    """Return the profit of what is open at `price`, in quote currency, before fees."""
    return position.sign * (position.quantity * price - position.cost)
