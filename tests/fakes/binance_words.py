"""Binance's words: error replies, number formats, symbols and candle intervals, and reading of parameters."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Listing, MarketType, Order, Reason, Refused
from tests.fakes.wire import Call, Reply, WireRefusal

INTERVALS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "8h": 28800,
    "12h": 43200,
    "1d": 86400,
    "1w": 604800,
}

UNKNOWN_CANCEL = (-2011, "Unknown order sent.")
UNKNOWN_READ = (-2013, "Order does not exist.")

SPOT_REFUSALS: Mapping[Reason, tuple[int, str]] = {
    "BAD_SYMBOL": (-1121, "Invalid symbol."),
    "MARKET_CLOSED": (-2010, "Market is closed."),
    "BAD_CLIENT_ID": (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    "DUPLICATE": (-2010, "Duplicate order sent."),
    "AMOUNT_STEP": (-1013, "Filter failure: LOT_SIZE"),
    "MIN_AMOUNT": (-1013, "Filter failure: LOT_SIZE"),
    "MAX_AMOUNT": (-1013, "Filter failure: LOT_SIZE"),
    "PRICE_STEP": (-1013, "Filter failure: PRICE_FILTER"),
    "PRICE_BAND": (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "MIN_NOTIONAL": (-1013, "Filter failure: NOTIONAL"),
    "POST_ONLY": (-2010, "Order would immediately match and take."),
    "TRIGGERS_NOW": (-2010, "Stop price would trigger immediately."),
    "INSUFFICIENT_FUNDS": (-2010, "Account has insufficient balance for requested action."),
}

FUTURES_REFUSALS: Mapping[Reason, tuple[int, str]] = {
    "BAD_SYMBOL": (-1121, "Invalid symbol."),
    "MARKET_CLOSED": (-4108, "Symbol is not in trading status."),
    "BAD_CLIENT_ID": (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; "
        r"legal range is '^[\.A-Z\:/a-z0-9_-]{1,36}$'.",
    ),
    "DUPLICATE": (-4116, "ClientOrderId is duplicated."),
    "AMOUNT_STEP": (-1111, "Precision is over the maximum defined for this asset."),
    "MIN_AMOUNT": (-4003, "Quantity less than or equal to zero."),
    "MAX_AMOUNT": (-4005, "Quantity greater than max quantity."),
    "PRICE_STEP": (-4014, "Price not increased by tick size."),
    "PRICE_BAND": (-4016, "Limit price can't be higher than the multiplier cap or lower than its floor."),
    "MIN_NOTIONAL": (
        -4164,
        "Order's notional must be no smaller than {minimum} (unless you choose reduce only).",
    ),
    "POSITION_SIDE": (-4061, "Order's position side does not match user's setting."),
    "REDUCE_ONLY": (-2022, "ReduceOnly Order is rejected."),
    "POST_ONLY": (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    "TRIGGERS_NOW": (-2021, "Order would immediately trigger."),
    "INSUFFICIENT_FUNDS": (-2019, "Margin is insufficient."),
    "BAD_LEVERAGE": (-4028, "Leverage is not valid"),
}


def refuse(code: int, message: str, status: int = 400) -> WireRefusal:
    """Return the error that ends a call: `{"code": ..., "msg": ...}`."""
    return WireRefusal(Reply({"code": code, "msg": message}, status))


def refused(reason: Refused, words: Mapping[Reason, tuple[int, str]], listing: Listing | None) -> WireRefusal:
    """Translate a refusal of the exchange into Binance's code and message."""
    code, message = words[reason.reason]
    minimum = str(listing.min_notional) if listing else ""
    return refuse(code, message.replace("{minimum}", minimum))


def market_id(symbol: str) -> str:
    """Return `BTCUSDT` for `BTC/USDT` and for `BTC/USDT:USDT`."""
    return symbol.partition(":")[0].replace("/", "")


def listed(exchange: FakeExchange, market: MarketType) -> list[Listing]:
    return [listing for listing in exchange.markets.values() if listing.type == market]


def symbol_of(exchange: FakeExchange, name: str, market: MarketType) -> str:
    """Return the unified symbol of an id; -1121 if there is none."""
    for listing in listed(exchange, market):
        if market_id(listing.symbol) == name:
            return listing.symbol
    raise refuse(-1121, "Invalid symbol.")


def required(call: Call, *names: str) -> tuple[str, ...]:
    """Return parameters that must be there; -1102 names the first that is not."""
    for name in names:
        if not call.parameters.get(name):
            message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            raise refuse(-1102, message)
    return tuple(call.parameters[name] for name in names)


def only(call: Call, allowed: Iterable[str]) -> None:
    """Refuse parameters that the route does not read."""
    signing = {"timestamp", "recvWindow", "signature"}
    read = [name for name in call.parameters if name in signing or name in set(allowed)]
    if len(read) != len(call.parameters):
        sent = len(call.parameters)
        message = f"Not all sent parameters were read; read '{len(read)}' parameter(s) but was sent '{sent}'."
        raise refuse(-1104, message)


def number(call: Call, name: str) -> Decimal | None:
    """Return a parameter as a plain decimal number; -1100 for anything else, None if it is not sent."""
    text = call.parameters.get(name)
    if text is None:
        return None
    legal = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
    if not re.match(legal, text):
        raise refuse(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise refuse(-1100, f"Illegal characters found in parameter '{name}'.") from None


def whole(call: Call, name: str, default: int) -> int:
    """Return a parameter as a whole number."""
    value = number(call, name)
    return default if value is None else int(value)


def flag(call: Call, name: str) -> bool:
    """Return a parameter `true` or `false`; -1102 for anything else."""
    text = call.parameters.get(name, "false")
    if text not in ("true", "false"):
        raise refuse(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return bool(text == "true")


def milliseconds(moment: float) -> int:
    return round(moment * 1000)


def fixed(value: Decimal, places: int = 8) -> str:
    """Write a number with a fixed number of decimals."""
    return f"{value:.{places}f}"


def by_step(value: Decimal, step: Decimal) -> str:
    """Write a number with as many decimals as the step has."""
    return fixed(value, max(0, -int(step.normalize().as_tuple().exponent)))


def status_of(order: Order) -> str:
    """Return Binance's word for where an order stands."""
    if order.is_open:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return order.status.upper()


def page(rows: list[Any], call: Call, default: int = 500, largest: int = 1000) -> list[Any]:
    """Cut a list (oldest first) to `limit` rows: the first ones from a start on, else the latest ones."""
    limit = min(whole(call, "limit", default), largest)
    from_start = "startTime" in call.parameters or "fromId" in call.parameters
    return rows[:limit] if from_start else rows[-limit:]


def within(moment: float, call: Call) -> bool:
    """Tell whether a time lies between `startTime` and `endTime`, where they are sent."""
    start, end = whole(call, "startTime", 0), whole(call, "endTime", 1 << 62)
    return start <= milliseconds(moment) <= end
