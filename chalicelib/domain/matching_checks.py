"""What the paper exchange refuses, in the words of an exchange: rules of the market, and funds.

Reduce-only orders, as exchanges treat them: refused with nothing to reduce, else cut to the position; on
swaps they are exempt from the minimum notional. Swaps are one-way net positions at leverage 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.paper import FLAT, ZERO, PaperAccount, PaperOrder

FEE_DIGITS = Decimal("1e-8")
MAX_OPEN_ORDERS = 90
"""An account and all its open orders fit into one transaction of the ledger."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the exchange does not accept an order; `reason` is a stable word."""

    reason: str
    message: str


def _priced(order: PaperOrder, _: Market) -> bool:
    if order.type == "market":
        return order.price is None
    return order.price is not None and order.price > 0


Rule = Callable[[PaperOrder, Market], bool]

_RULES: tuple[tuple[str, str, Rule], ...] = (
    ("BAD_AMOUNT", "the quantity must be above 0", lambda order, _: order.quantity > 0),
    (
        "BAD_PRICE",
        "a limit order needs a price above 0, a market order none",
        _priced,
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
    missing = short_of_funds(account, order, quantity, price, resting, terms, tickers)
    return _refused("INSUFFICIENT_FUNDS", order, missing) if missing else None


def room_to_reduce(account: PaperAccount, order: PaperOrder, resting: Sequence[PaperOrder]) -> Decimal:
    """Return how much the order may take off the position; on spot what open sells hold is not free."""
    held = account.holdings.get(order.symbol, FLAT).quantity
    against = -held if order.side == "buy" else held
    if account.market_type == "spot" and order.side == "sell":
        against -= _open_sells(resting, order.symbol)
    return max(against, ZERO)


def short_of_funds(
    account: PaperAccount,
    order: PaperOrder,
    quantity: Decimal,
    price: Decimal,
    resting: Sequence[PaperOrder],
    terms: PaperTerms,
    tickers: Mapping[str, Ticker],
) -> str:
    """Return what the account lacks to trade `quantity` at `price`, or an empty text."""
    held = account.holdings.get(order.symbol, FLAT).quantity
    fee = fee_of(quantity, price, terms)
    if order.type == "limit":
        fee += FEE_DIGITS  # It may fill in two parts, and each part's fee is rounded up.
    if account.market_type == "swap":
        signed = quantity if order.side == "buy" else -quantity
        needed = max(abs(held + signed) - abs(held), ZERO) * price
        if not needed:
            return ""
        needed += fee
        free = _free_margin(account, tickers) - _held_back(account, resting, terms)
    elif order.side == "buy":
        needed, free = quantity * price + fee, account.cash - _held_back(account, resting, terms)
    else:
        needed, free = quantity, held - _open_sells(resting, order.symbol)
    return f"{needed.normalize():f} is needed, {free.normalize():f} is free" if needed > free else ""


def fee_of(quantity: Decimal, price: Decimal, terms: PaperTerms) -> Decimal:
    """Return the fee of a trade in quote currency, rounded up to 8 digits."""
    return (quantity * price * terms.fee_rate).quantize(FEE_DIGITS, ROUND_UP)


def _held_back(account: PaperAccount, resting: Sequence[PaperOrder], terms: PaperTerms) -> Decimal:
    """Money that open limit orders may still take; a market order's rest holds nothing, its price is open."""
    money = ZERO
    for order in resting:
        takes_money = account.market_type == "swap" or order.side == "buy"
        if order.price is not None and takes_money and not order.reduce_only:
            fee = fee_of(order.remaining, order.price, terms)
            money += order.remaining * order.price + fee
    return money


def _free_margin(account: PaperAccount, tickers: Mapping[str, Ticker]) -> Decimal:
    """Equity minus the notional of all positions (leverage 1)."""
    free = account.cash
    for symbol, holding in account.holdings.items():
        ticker = tickers.get(symbol)
        value = holding.quantity * ticker.last if ticker else holding.cost
        free += value - holding.cost - abs(value)
    return free


def _open_sells(resting: Sequence[PaperOrder], symbol: str) -> Decimal:
    sells = (order.remaining for order in resting if order.side == "sell" and order.symbol == symbol)
    return sum(sells, ZERO)


def _refused(reason: str, order: PaperOrder, text: str) -> Refusal:
    return Refusal(reason, f"order {order.client_order_id} on {order.symbol}: {text}")
