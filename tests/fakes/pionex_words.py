"""The words of the fake Pionex: error codes, symbols, numbers, parameters, orders and fills."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.core_values import Order, Reason, Trade

CODES: Mapping[Reason, str] = {
    "BAD_SYMBOL": "TRADE_INVALID_SYMBOL",
    "MARKET_CLOSED": "TRADE_OPERATION_DENIED",
    "BAD_CLIENT_ID": "TRADE_PARAMETER_ERROR",
    "DUPLICATE": "TRADE_REPEAT_CLIENT_ORDER_ID",
    "AMOUNT_STEP": "TRADE_SIZE_FILTER_DENIED",
    "MIN_AMOUNT": "TRADE_SIZE_FILTER_DENIED",
    "MAX_AMOUNT": "TRADE_SIZE_FILTER_DENIED",
    "PRICE_STEP": "TRADE_PRICE_FILTER_DENIED",
    "PRICE_BAND": "TRADE_PRICE_FILTER_DENIED",
    "MIN_NOTIONAL": "TRADE_AMOUNT_FILTER_DENIED",
    "POSITION_SIDE": "TRADE_PARAMETER_ERROR",
    "REDUCE_ONLY": "TRADE_OPERATION_DENIED",
    "INSUFFICIENT_FUNDS": "TRADE_NOT_ENOUGH_MONEY",
    "UNKNOWN_ORDER": "TRADE_ORDER_NOT_FOUND",
    "BAD_LEVERAGE": "TRADE_PARAMETER_ERROR",
    "HAS_POSITION": "TRADE_OPERATION_DENIED",
    "HAS_ORDERS": "TRADE_OPERATION_DENIED",
}
"""The documented code of each of the exchange's reasons."""

AUTHENTICATION = frozenset(
    {
        "APIKEY_LOST",
        "SIGNATURE_LOST",
        "INVALID_APIKEY",
        "INVALID_SIGNATURE",
        "INVALID_TIMESTAMP",
        "PERMISSION_DENIED",
    }
)
"""Codes that come as HTTP 401 where failures have a status of their own."""

CLIENT_ID = r"[a-zA-Z0-9-]{1,64}"


class BadParameter(Exception):
    """A parameter is missing, of the wrong kind, or out of range."""


def text(value: Decimal) -> str:
    """Return a number as a plain string without an exponent."""
    return format(value.normalize(), "f") if value else "0"


def milliseconds(moment: float) -> int:
    return round(moment * 1000)


def decimals(step: Decimal) -> int:
    """Return the decimal places of a step of ten."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def wire_symbol(symbol: str) -> str:
    """`BTC/USDT` is `BTC_USDT`, `BTC/USDT:USDT` is `BTC_USDT_PERP`."""
    pair = symbol.partition(":")[0].replace("/", "_")
    return f"{pair}_PERP" if ":" in symbol else pair


def known(parameters: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a body with fields that no documentation names."""
    if unknown := sorted(set(parameters) - set(names)):
        raise BadParameter(f"undocumented: {', '.join(unknown)}")


def number(parameters: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number that comes as a string; zero counts as absent, as the documentation says."""
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?", value):
        raise BadParameter(f"{name} must be a number in a string")
    try:
        return Decimal(value) or None
    except InvalidOperation as error:
        raise BadParameter(name) from error


def required_number(parameters: Mapping[str, Any], name: str) -> Decimal:
    found = number(parameters, name)
    if found is None:
        raise BadParameter(f"{name} is missing")
    return found


def query_number(
    parameters: Mapping[str, Any], name: str, default: int, low: int = 0, high: int | None = None
) -> int:
    """Return an integer of the query, the default where it is absent or zero."""
    value = str(parameters.get(name, "0"))
    if not value.isdigit():
        raise BadParameter(f"{name} must be an integer")
    found = int(value) or default
    if found < low or (high is not None and found > high):
        raise BadParameter(f"{name} must be in {low}..{high}")
    return found


def order_id(parameters: Mapping[str, Any], from_body: bool) -> int:
    """Return `orderId`: an integer in a JSON body, digits in a query."""
    value = parameters.get("orderId")
    if from_body:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadParameter("orderId must be an integer")
        return value
    if not isinstance(value, str) or not value.isdigit():
        raise BadParameter("orderId must be an integer")
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


def client_id(parameters: Mapping[str, Any]) -> str:
    """Return `clientOrderId`, empty where there is none; its characters are checked by the exchange."""
    given = parameters.get("clientOrderId", "")
    if not isinstance(given, str):
        raise BadParameter("clientOrderId must be a string")
    return given


def period(parameters: Mapping[str, Any]) -> Callable[[float], bool]:
    """Return whether a moment lies within the asked `startTime` and `endTime`, both included."""
    start = query_number(parameters, "startTime", 0)
    end = query_number(parameters, "endTime", 2**62)
    return lambda moment: start <= milliseconds(moment) <= end


def fill_row(trade: Trade) -> dict[str, Any]:
    """Return a fill as spot and futures have it."""
    return {
        "id": trade.id,
        "orderId": trade.order_id,
        "symbol": wire_symbol(trade.symbol),
        "side": trade.side.upper(),
        "role": "MAKER" if trade.maker else "TAKER",
        "price": text(trade.price),
        "size": text(trade.quantity),
        "fee": text(trade.fee),
        "feeCoin": trade.fee_currency,
        "timestamp": milliseconds(trade.time),
    }


def order_row(order: Order) -> dict[str, Any]:
    """Return what orders of spot and futures have in common; only OPEN and CLOSED are told apart."""
    ticket = order.ticket
    return {
        "orderId": order.id,
        "symbol": wire_symbol(order.symbol),
        "side": order.side.upper(),
        "price": text(ticket.price or Decimal(0)),
        "size": "0" if ticket.cost is not None else text(order.quantity),
        "amount": text(ticket.cost or Decimal(0)),
        "filledSize": text(order.filled),
        "filledAmount": text(order.filled_cost),
        "status": "OPEN" if order.is_open else "CLOSED",
        "clientOrderId": order.client_id,
        "source": "MANUAL" if order.external else "API",
        "createTime": milliseconds(order.created),
        "updateTime": milliseconds(order.updated),
    }
