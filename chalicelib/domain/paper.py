"""The paper exchange's books as values: one account per connection and its orders; stores keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from chalicelib.domain.market import MarketType
from chalicelib.domain.order import (
    TERMINAL,
    Fill,
    Order,
    OrderState,
    OrderType,
    Side,
    VenueOrder,
    filled_by,
)
from chalicelib.domain.replacing import replace
from chalicelib.domain.stored import Stored

ZERO = Decimal(0)
_COST_DIGITS = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class PaperHolding:
    """What an account holds of one symbol.

    `quantity` is signed (a short is negative), `cost` is the entry notional of it with the same sign, so that
    `quantity * price - cost` is the unrealised profit of either direction.
    """

    quantity: Decimal
    cost: Decimal


FLAT = PaperHolding(ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class PaperAccount(Stored):
    """One account; money in the connection's quote currency.

    `cash` is settled: spot trades move their notional, swap trades only profit and fees. `holdings` names
    only symbols that are not flat. `next_order` and `next_trade` number the ids that the venue gives out.
    `matched_until` is the epoch second up to which closed candles were matched with `open_orders` (client
    order ids, oldest first). `revision` 0 means that the account is not stored yet.
    """

    connection_id: str
    market_type: MarketType
    start_cash: Decimal
    cash: Decimal
    holdings: Mapping[str, PaperHolding] = field(default_factory=dict)
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    open_orders: tuple[str, ...] = ()
    next_order: int = 1
    next_trade: int = 1
    matched_until: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class PaperOrder(Stored):
    """One order that the paper exchange accepted, with its fills; kept for ever, so its id stays used."""

    client_order_id: str
    connection_id: str
    venue_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    state: OrderState
    created_at: float
    updated_at: float
    fills: tuple[Fill, ...] = ()
    revision: int = 0

    @property
    def filled(self) -> Decimal:
        return filled_by(self.fills)

    @property
    def remaining(self) -> Decimal:
        """Quantity that may still fill; 0 once the order has ended."""
        return ZERO if self.state in TERMINAL else self.quantity - self.filled


Committed = tuple[PaperAccount, tuple[PaperOrder, ...]]
"""An account and some of its orders."""


class PaperLedger(Protocol):
    """Where accounts and orders of the paper exchange are kept."""

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        """Read the account (strongly consistent); None if it never traded."""

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> Committed:
        """Write the account and the orders in one transaction and return both as stored.

        Each is written only if its stored revision is the one it carries (0: must not exist), and is stored
        with that revision + 1. Raises AlreadyExists when one that should be new is there, StaleWrite when a
        revision has moved; then nothing is written.
        """

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        """Read one order (strongly consistent)."""

    def orders(self, tenant: str, connection_id: str) -> tuple[PaperOrder, ...]:
        """Read all orders of an account (strongly consistent), oldest first."""

    def delete(self, tenant: str, connection_id: str) -> None:
        """Remove the account and its orders; nothing happens if there are none."""


def paper_order(order: Order, now: float) -> PaperOrder:
    """Return an order of ours as the exchange accepts it, not stored yet."""
    return PaperOrder(
        client_order_id=order.client_order_id,
        connection_id=order.connection_id,
        venue_order_id="",
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        price=order.price,
        reduce_only=order.reduce_only,
        state=OrderState.ACCEPTED,
        created_at=now,
        updated_at=now,
    )


def venue_order(order: PaperOrder) -> VenueOrder:
    """Return the order as the exchange reports it to its owner."""
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        symbol=order.symbol,
        side=order.side,
        state=order.state,
        quantity=order.quantity,
        fills=order.fills,
        filled=order.filled,
        type=order.type,
        price=order.price,
        reduce_only=order.reduce_only,
    )


def apply_fill(account: PaperAccount, fill: Fill) -> PaperAccount:
    """Book one fill: holding, cash, realised profit (before fees) and fees. The caller passes each fill once.

    A fill against the holding realises its share of the cost; what goes beyond flat opens the other
    direction. Always: cash + cost of holdings (spot), or cash (swap) = start_cash + realised - fees.
    """
    holding = account.holdings.get(fill.symbol, FLAT)
    signed = fill.quantity if fill.side == "buy" else -fill.quantity
    closing = min(fill.quantity, abs(holding.quantity)) if holding.quantity * signed < 0 else ZERO
    share = holding.cost
    if closing < abs(holding.quantity):
        share = (holding.cost * closing / abs(holding.quantity)).quantize(_COST_DIGITS)
    direction = 1 if signed > 0 else -1
    profit = -direction * closing * fill.price - share
    cost = holding.cost - share + direction * (fill.quantity - closing) * fill.price
    holdings = {symbol: held for symbol, held in account.holdings.items() if symbol != fill.symbol}
    if holding.quantity + signed:
        holdings[fill.symbol] = PaperHolding(holding.quantity + signed, cost)
    moved = profit if account.market_type == "swap" else -signed * fill.price
    return replace(
        account,
        cash=account.cash + moved - fill.fee,
        holdings=holdings,
        realised=account.realised + profit,
        fees=account.fees + fill.fee,
        next_trade=account.next_trade + 1,
    )
