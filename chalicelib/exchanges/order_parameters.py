"""From an order of ours to what the exchange is sent; called by the venue before each order.

Refuses before anything is sent: what is not on the exchange's allow-list would be ignored there without a
word (a trailing stop without its distance is a plain market order), and what breaks the trading rules would
cost a call to be told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from chalicelib.errors import VenueRejected

if TYPE_CHECKING:
    from chalicelib.domain.market import Market, MarketType
    from chalicelib.domain.order import Order
    from chalicelib.exchanges.quirk_types import Quirks


@dataclass(frozen=True, slots=True)
class Wish:
    """The arguments of a ccxt-style `create_order`; numbers are exact decimal texts."""

    symbol: str
    type: str
    side: str
    amount: str
    price: str | None
    params: Mapping[str, Any]


def wish_of(order: Order, market: Market, quirks: Quirks, last: Decimal | None = None) -> Wish:
    """Return what to send for an order; VenueRejected if it must not be sent at all.

    `last` is the last price, for market buys that the exchange wants as an amount of quote currency: what
    fills then differs from the quantity by as much as the price has moved since.
    """
    _check_rules(order, market)
    _check_sides(order, market, quirks)
    params = _parameters(order, market, quirks, last)
    allowed = quirks.order_parameters.get((market.type, order.type), frozenset())
    unknown = sorted(set(params) - allowed)
    if unknown:
        _refuse(
            f"{quirks.exchange} does not take {', '.join(unknown)} with a {order.type} order", "NOT_SUPPORTED"
        )
    return Wish(
        symbol=order.symbol,
        type="limit" if order.type == "limit" else "market",
        side=order.side,
        amount=text_of(order.quantity),
        price=text_of(order.price) if order.type == "limit" and order.price is not None else None,
        params=params,
    )


def buys_by_cost(order: Order, market_type: MarketType, quirks: Quirks) -> bool:
    """Tell whether the exchange takes an amount of quote currency for this order."""
    return order.type == "market" and order.side == "buy" and market_type in quirks.cost_buys


def text_of(value: Decimal) -> str:
    """Return a decimal as exchanges read it: no exponent, no zeros at the end."""
    return f"{value.normalize():f}"


def _parameters(order: Order, market: Market, quirks: Quirks, last: Decimal | None) -> dict[str, Any]:
    params: dict[str, Any] = {"clientOrderId": order.client_order_id}
    if market.type == "swap":
        # Also where the exchange could do without: an exit that comes too late must not open the other side.
        if order.reduce_only or order.type == "stop":
            params["reduceOnly"] = True
        if order.position_side != "both":
            params["hedged"] = True
    if order.post_only:
        params["postOnly"] = True
    if order.type == "stop" and order.trigger_price is not None:
        # Direction follows from the side: a sell triggers as the price falls, a buy as it rises.
        params["stopLossPrice"] = text_of(order.trigger_price)
        params.update(quirks.stop_parameters)
    if buys_by_cost(order, market.type, quirks):
        params["cost"] = _cost(order, market, last)
    return params


def _cost(order: Order, market: Market, last: Decimal | None) -> str:
    price = order.price or last
    if not price:
        _refuse(f"a market buy of {order.symbol} needs a last price, and there is none", "REJECTED")
    cost = order.quantity * price
    return text_of(cost - cost % market.price_step)


def _check_rules(order: Order, market: Market) -> None:
    """Refuse what the trading rules forbid; nothing is rounded here, books and venue must name one figure."""
    quantity, price = order.quantity, order.price if order.type == "limit" else order.trigger_price
    if not quantity.is_finite() or quantity <= 0 or quantity % market.amount_step:
        _refuse(f"{quantity} {market.base} is no multiple of the step {market.amount_step}", "INVALID_ORDER")
    if quantity < market.min_amount:
        _refuse(f"{quantity} {market.base} is below the minimum {market.min_amount}", "INVALID_ORDER")
    if market.max_amount is not None and quantity > market.max_amount:
        _refuse(f"{quantity} {market.base} is above the maximum {market.max_amount}", "INVALID_ORDER")
    if order.type != "market" and (price is None or not price.is_finite() or price <= 0):
        _refuse(f"a {order.type} order needs a price", "INVALID_ORDER")
    if order.type == "market" or price is None:
        return
    if price % market.price_step:
        _refuse(f"price {price} is no multiple of the tick {market.price_step}", "INVALID_ORDER")
    if quantity * price < market.min_notional and not order.reduce_only:
        _refuse(f"{quantity * price} {market.quote} is below {market.min_notional}", "INVALID_ORDER")


def _check_sides(order: Order, market: Market, quirks: Quirks) -> None:
    if not quirks.takes_client_id(order.client_order_id):
        _refuse(f"{quirks.exchange} does not take the id {order.client_order_id!r}", "NOT_SUPPORTED")
    if (market.type, order.type) not in quirks.order_parameters:
        _refuse(f"{quirks.exchange} has no {order.type} orders on {market.type} markets", "NOT_SUPPORTED")
    if order.type == "stop" and not order.reduce_only:
        _refuse("a stop that opens a position is not supported: stops are for exits", "NOT_SUPPORTED")
    if order.position_side == "both":
        return
    if market.type == "spot" or not quirks.hedge:
        _refuse(f"{quirks.exchange} holds no two sides of {order.symbol} at once", "NOT_SUPPORTED")
    # Which side is meant follows from side and reduce-only at the exchange: they must not contradict ours.
    opens = order.side == ("buy" if order.position_side == "long" else "sell")
    if opens == order.reduce_only:
        _refuse(f"{order.side} does not fit a {order.position_side} position side", "INVALID_ORDER")


def _refuse(text: str, reason: str) -> NoReturn:
    raise VenueRejected(text, reason)
