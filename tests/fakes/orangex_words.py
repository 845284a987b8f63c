"""The words of the fake OrangeX: instrument names, ids, error codes, parameters, orders and trades."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.fakes.core_values import Listing, MarketType, Order, Reason, Trade

FIRST_ORDER_ID = 77_409_325_600_000_000
"""Added to the exchange's numbers: real ids have seventeen digits, more than a float can hold."""

CUSTOM_ID = r"[\.A-Z\:/a-z0-9_-]{1,36}"

MESSAGES = {
    1000: "No service found",
    1001: "Bad requested",
    2033: "Access denied",
    5001: "Instrument does not exist.",
    5002: "Order does not exist.",
    5003: "Contract does not exist.",
    5004: "Order status error.",
    5007: "Order price tick size error.",
    5013: "Order price range is too high.",
    5014: "Order price range is too low.",
    5119: "Cannot be less than the minimum order value",
    5135: "The quantity is not valid",
    5221: "Too many candles",
    5903: "Place order fail.",
    5907: "Asset not enough",
    8000: "Request params not valid!",
    8107: "Request failed",
    9999: "System error, try later",
    10000: "Authentication Failure",
}
"""Codes that were seen on OrangeX, and those of BTCEX, whose interface it is, where nothing was seen."""

CODES: Mapping[Reason, int] = {
    "BAD_SYMBOL": 5001,
    "MARKET_CLOSED": 5003,
    "BAD_CLIENT_ID": 8000,
    "AMOUNT_STEP": 5135,
    "MIN_AMOUNT": 5135,
    "MAX_AMOUNT": 5135,
    "PRICE_STEP": 5007,
    "MIN_NOTIONAL": 5119,
    "POSITION_SIDE": 5998,
    "REDUCE_ONLY": 5903,
    "POST_ONLY": 5903,
    "INSUFFICIENT_FUNDS": 5907,
    "UNKNOWN_ORDER": 5002,
    "NOT_OPEN": 5004,
    "BAD_LEVERAGE": 8000,
    "HAS_POSITION": 8107,
    "HAS_ORDERS": 8107,
}

CURRENCIES: dict[str, MarketType] = {"PERPETUAL": "swap", "SPOT": "spot"}
"""What `currency` selects."""


class BadParameter(Exception):
    """A parameter is missing, of the wrong kind, or out of range."""


def text(value: Decimal) -> str:
    """Return a number as a plain string without an exponent."""
    return format(value.normalize(), "f") if value else "0"


def milliseconds(moment: float) -> int:
    return round(moment * 1000)


def instrument(symbol: str) -> str:
    """`BTC/USDT` is `BTC-USDT-SPOT`, `BTC/USDT:USDT` is `BTC-USDT-PERPETUAL`."""
    return f"{pair(symbol)}-{'PERPETUAL' if ':' in symbol else 'SPOT'}"


def pair(symbol: str) -> str:
    return symbol.partition(":")[0].replace("/", "-")


def market_data_name(symbol: str) -> str:
    """Return the name in tickers and candles, where spot has no suffix."""
    return instrument(symbol) if ":" in symbol else pair(symbol)


def kind(listing: Listing) -> str:
    return "perpetual" if listing.type == "swap" else "spot"


def order_id(number: int) -> str:
    """Return an order's id on the wire."""
    return str(FIRST_ORDER_ID + number)


def order_number(parameters: Mapping[str, Any]) -> int:
    """Return the exchange's number of the order that `order_id` names; 0 where it names none."""
    value = parameters.get("order_id")
    if not isinstance(value, str) or not value.isdigit():
        raise BadParameter("order_id must be digits in a string")
    return max(0, int(value) - FIRST_ORDER_ID)


def known(parameters: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse parameters that no documentation names."""
    if unknown := sorted(set(parameters) - set(names)):
        raise BadParameter(f"undocumented: {', '.join(unknown)}")


def amount(parameters: Mapping[str, Any], name: str) -> Decimal:
    """Return a positive number that must come as a string."""
    value = parameters.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?", value) or not Decimal(value):
        raise BadParameter(f"{name} must be a positive number in a string")
    return Decimal(value)


def whole(parameters: Mapping[str, Any], name: str, default: int) -> int:
    """Return an integer, in a string or not."""
    value = str(parameters.get(name, default))
    if not value.isdigit():
        raise BadParameter(f"{name} must be an integer")
    return int(value)


def choice(parameters: Mapping[str, Any], name: str, allowed: Iterable[str], default: str = "") -> str:
    value = parameters.get(name, default)
    if value not in tuple(allowed):
        raise BadParameter(f"{name} is {value!r}")
    return str(value)


def flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise BadParameter(f"{name} must be true or false")
    return value


def order_row(order: Order, leverage: int) -> dict[str, Any]:
    """Return an order as reads of orders tell it."""
    ticket = order.ticket
    state, error = _state(order)
    conditional = ticket.type in ("stop", "stop_limit")
    touched = conditional and ticket.direction is not None
    return {
        "order_id": order_id(order.id),
        "custom_order_id": order.client_id,
        "order_state": state,
        "error_code": error,
        "instrument_name": instrument(order.symbol),
        "kind": "perpetual" if ":" in order.symbol else "spot",
        "direction": order.side,
        "amount": text(order.quantity if ticket.cost is None or ":" in order.symbol else ticket.cost),
        "price": "-1" if ticket.price is None else text(ticket.price),
        "filled_amount": text(order.filled),
        "average_price": text(order.average),
        "order_type": "limit" if ticket.price is not None else "market",
        "time_in_force": ticket.time_in_force,
        "post_only": ticket.post_only,
        "reduce_only": ticket.reduce_only,
        "condition_type": ("IF_TOUCHED" if touched else "STOP") if conditional else "NORMAL",
        "trigger_price": text(ticket.trigger_price or Decimal(0)),
        "stop_loss_price": "0",
        "take_profit_price": "0",
        "position_side": ticket.position_side.upper(),
        "leverage": leverage,
        "source": "web" if order.external else "api",
        "creation_timestamp": milliseconds(order.created),
        "last_update_timestamp": milliseconds(order.updated),
    }


def trade_row(trade: Trade, order: Order | None) -> dict[str, Any]:
    """Return one of the account's trades."""
    priced = order is not None and order.ticket.price is not None
    return {
        "trade_id": str(trade.id),
        "order_id": order_id(trade.order_id),
        "instrument_name": instrument(trade.symbol),
        "direction": trade.side,
        "amount": text(trade.quantity),
        "price": text(trade.price),
        "fee": text(trade.fee),
        "fee_coin_type": trade.fee_currency,
        "role": "maker" if trade.maker else "taker",
        "order_type": "limit" if priced else "market",
        "self_trade": False,
        "timestamp": milliseconds(trade.time),
    }


def _state(order: Order) -> tuple[str, int]:
    """Return state and error code; what ends by itself is canceled too, and 5998 is no rejection."""
    codes: Mapping[str, int] = {str(reason): code for reason, code in CODES.items()}
    if order.status == "expired":
        return "canceled", 0
    if order.status == "rejected":
        code = codes[order.reason]
        return ("canceled" if code == CODES["POSITION_SIDE"] else "rejected"), code
    return order.status, 0
