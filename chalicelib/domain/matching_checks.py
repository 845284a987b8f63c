"""What the paper exchange refuses, in the words of an exchange: rules of the market, and funds.

Reduce-only orders, as exchanges treat them: refused with nothing to reduce, else cut to the position; on
swaps they are exempt from the minimum notional. Swaps are one-way net positions at leverage 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.paper import FLAT, ZERO, PaperAccount, PaperOrder

MAX_OPEN_ORDERS = 90
"""An account and all its open orders fit into one transaction of the ledger."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the exchange does not accept an order; `reason` is a stable word."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What open orders may still take: money for buys (spot) or entries (swap), quantity for spot sells."""

    money: Decimal
    sells: Mapping[str, Decimal]


Rule = Callable[[PaperOrder, Market], bool]

_RULES: tuple[tuple[str, str, Rule], ...] = (
    ("BAD_AMOUNT", "the quantity must be above 0", lambda order, _: order.quantity > 0),
    (
        "BAD_PRICE",
        "a limit order needs a price above 0, a market order none",
        lambda order, _: _priced(order),
    ),
    (
        "AMOUNT_STEP",
        "the quantity is not a multiple of the amount step",
        lambda order, market: order.quantity % market.amount_step == 0,
    ),
    (
        "PRICE_STEP",
        "the price is not a multiple of the price step",
        lambda order, market: order.price is None or order.price % market.price_step == 0,
    ),
    (
        "MIN_AMOUNT",
        "the quantity is below the minimum amount",
        lambda order, market: order.quantity >= market.min_amount,
    ),
    (
        "MAX_AMOUNT",
        "the quantity is above the maximum amount",
        lambda order, market: market.max_amount is None or order.quantity <= market.max_amount,
    ),
)


def refusal(
    account: PaperAccount,
    order: PaperOrder,
    market: Market,
    tickers: Mapping[str, Ticker],
    terms: PaperTerms,
    resting: Sequence[PaperOrder],
    taker_price: Decimal,
) -> Refusal | None:
    """Return why the order is not accepted, or None."""
    for reason, text, holds in _RULES:
        if not holds(order, market):
            return _refused(reason, order, text)
    if len(account.open_orders) >= MAX_OPEN_ORDERS:
        return _refused("TOO_MANY_ORDERS", order, f"{MAX_OPEN_ORDERS} orders are open already")
    quantity = order.quantity
    if order.reduce_only:
        quantity = min(quantity, room_to_reduce(account, order, resting))
        if quantity <= 0:
            return _refused("REDUCE_ONLY", order, "there is nothing to reduce")
    exempt = order.reduce_only and account.market_type == "swap"
    notional = quantity * (order.price or tickers[order.symbol].last)
    if notional < market.min_notional and not exempt:
        text = f"a notional of {notional} is below the minimum of {market.min_notional}"
        return _refused("MIN_NOTIONAL", order, text)
    price = order.price or taker_price
    fee = quantity * price * terms.fee_rate
    missing = short_of_funds(account, order, quantity, price, fee, committed(resting, terms), tickers)
    return _refused("INSUFFICIENT_FUNDS", order, missing) if missing else None


def room_to_reduce(account: PaperAccount, order: PaperOrder, resting: Sequence[PaperOrder]) -> Decimal:
    """Return how much the order may take off the position; on spot what open sells hold is not free."""
    held = account.holdings.get(order.symbol, FLAT).quantity
    against = -held if order.side == "buy" else held
    if account.market_type == "spot" and order.side == "sell":
        against -= _open_sells(resting).get(order.symbol, ZERO)
    return max(against, ZERO)


def committed(resting: Sequence[PaperOrder], terms: PaperTerms) -> Committed:
    """Add up what open orders hold back; a market order's rest holds back nothing, its price is not known."""
    rate = 1 + terms.fee_rate
    priced = [order for order in resting if order.price is not None and not order.reduce_only]
    spot_sell = {
        order.client_order_id for order in priced if order.side == "sell" and ":" not in order.symbol
    }
    money = sum(
        (
            order.remaining * (order.price or ZERO) * rate
            for order in priced
            if order.client_order_id not in spot_sell
        ),
        ZERO,
    )
    return Committed(money, _open_sells(resting))


def short_of_funds(
    account: PaperAccount,
    order: PaperOrder,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    others: Committed,
    tickers: Mapping[str, Ticker],
) -> str:
    """Return what is missing for the trade, or an empty text."""
    held = account.holdings.get(order.symbol, FLAT).quantity
    if account.market_type == "swap":
        signed = quantity if order.side == "buy" else -quantity
        needed = max(abs(held + signed) - abs(held), ZERO) * price
        if not needed:
            return ""
        needed += fee
        free = _free_margin(account, tickers) - others.money
    elif order.side == "buy":
        needed, free = quantity * price + fee, account.cash - others.money
    else:
        needed, free = quantity, held - others.sells.get(order.symbol, ZERO)
    return f"{needed.normalize():f} is needed, {free.normalize():f} is free" if needed > free else ""


def _free_margin(account: PaperAccount, tickers: Mapping[str, Ticker]) -> Decimal:
    """Equity minus the notional of all positions (leverage 1)."""
    free = account.cash
    for symbol, holding in account.holdings.items():
        ticker = tickers.get(symbol)
        value = holding.quantity * ticker.last if ticker else holding.cost
        free += value - holding.cost - abs(value)
    return free


def _open_sells(resting: Sequence[PaperOrder]) -> dict[str, Decimal]:
    sells: dict[str, Decimal] = {}
    for order in resting:
        if order.side == "sell":
            sells[order.symbol] = sells.get(order.symbol, ZERO) + order.remaining
    return sells


def _priced(order: PaperOrder) -> bool:
    if order.type == "market":
        return order.price is None
    return order.price is not None and order.price > 0


def _refused(reason: str, order: PaperOrder, text: str) -> Refusal:
    return Refusal(reason, f"order {order.client_order_id} on {order.symbol}: {text}")
