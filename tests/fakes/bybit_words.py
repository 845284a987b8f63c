"""Bybit's words: the v5 envelope, return codes, ids, and which market an order of a category means."""

import uuid
from decimal import Decimal
from typing import Any, Literal, NoReturn

from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Order, Reason, Refused, Ticket
from tests.fakes.wire import Reply, WireRefusal

Category = Literal["spot", "linear"]

_SPOT_ID = 1_900_000_000_000_000_000
"""Spot orders have long numbers as ids, linear ones have UUIDs."""

BAD_PARAMETER, BAD_TIME, BAD_KEY, BAD_SIGNATURE, NO_PERMISSION = 10001, 10002, 10003, 10004, 10005
TOO_MANY, NO_ROUTE, EXPIRED_KEY = 10006, 10017, 33004

LINEAR_CODES: dict[Reason, tuple[int, str]] = {
    "BAD_SYMBOL": (BAD_PARAMETER, "Not supported symbols"),
    "MARKET_CLOSED": (110074, "This contract is not live"),
    "BAD_CLIENT_ID": (BAD_PARAMETER, "params error: OrderLinkID illegal"),
    "DUPLICATE": (110072, "OrderLinkedID is duplicate"),
    "AMOUNT_STEP": (BAD_PARAMETER, "Qty invalid"),
    "MIN_AMOUNT": (BAD_PARAMETER, "The number of contracts exceeds minimum limit allowed"),
    "MAX_AMOUNT": (BAD_PARAMETER, "The number of contracts exceeds maximum limit allowed: too large"),
    "PRICE_STEP": (BAD_PARAMETER, "Price invalid"),
    "PRICE_BAND": (110003, "Order price exceeds the allowable range."),
    "MIN_NOTIONAL": (110094, "Order does not meet minimum order value 5USDT"),
    "POSITION_SIDE": (BAD_PARAMETER, "position idx not match position mode"),
    "REDUCE_ONLY": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "INSUFFICIENT_FUNDS": (110007, "ab not enough for new order"),
    "UNKNOWN_ORDER": (110001, "order not exists or too late to cancel"),
    "NOT_OPEN": (110001, "order not exists or too late to cancel"),
    "BAD_LEVERAGE": (110013, "cannot set leverage gt maxLeverage by risk limit"),
    "HAS_POSITION": (110024, "You have an existing position, so the position mode cannot be switched."),
    "HAS_ORDERS": (110028, "You have existing open orders, so the position mode cannot be switched."),
}
"""What linear orders and positions are refused with; conditions of triggers have codes of their own."""

SPOT_CODES: dict[Reason, tuple[int, str]] = {
    "BAD_SYMBOL": (170121, "Invalid symbol."),
    "MARKET_CLOSED": (170151, "This trading pair is not open yet."),
    "BAD_CLIENT_ID": (170130, "Data sent for parameter 'orderLinkId' is not valid."),
    "DUPLICATE": (170141, "Duplicate clientOrderId"),
    "AMOUNT_STEP": (170137, "Order quantity has too many decimals."),
    "MIN_AMOUNT": (170136, "Order quantity exceeded lower limit."),
    "MAX_AMOUNT": (170135, "Order quantity exceeded upper limit."),
    "PRICE_STEP": (170134, "Order price has too many decimals."),
    "PRICE_BAND": (170193, "Buy order price cannot be higher than the price limit."),
    "MIN_NOTIONAL": (170140, "Order value exceeded lower limit."),
    "INSUFFICIENT_FUNDS": (170131, "Insufficient balance."),
    "UNKNOWN_ORDER": (170213, "Order does not exist."),
    "NOT_OPEN": (170213, "Order does not exist."),
    "TRIGGERS_NOW": (170130, "Data sent for parameter 'triggerPrice' is not valid."),
}


def envelope(result: Any, now: float, code: int = 0, message: str = "OK") -> dict[str, Any]:
    """Wrap a result as every v5 answer is, whose HTTP status is 200 whatever its code says."""
    return {
        "retCode": code,
        "retMsg": message,
        "result": result,
        "retExtInfo": {},
        "time": int(now * 1000),
    }


def refuse(now: float, code: int, message: str) -> NoReturn:
    """End the call with a return code."""
    raise WireRefusal(Reply(envelope({}, now, code, message)))


def refuse_order(
    exchange: FakeExchange, refused: Refused, category: Category, ticket: Ticket | None = None
) -> NoReturn:
    """End the call with the code that this category has for what the exchange says."""
    codes = SPOT_CODES if category == "spot" else LINEAR_CODES
    code, message = codes.get(refused.reason) or _trigger_code(refused, ticket)
    refuse(exchange.now, code, message)


def _trigger_code(refused: Refused, ticket: Ticket | None) -> tuple[int, str]:
    """Return the code of a conditional order whose condition holds already, by its direction."""
    trigger, _, last = refused.detail.partition(" against ")
    if ticket is not None and ticket.triggers_on == "rising":
        return 110092, f"expect Rising, but trigger_price[{trigger}] <= current[{last}]??LastPrice"
    return 110093, f"expect Falling, but trigger_price[{trigger}] >= current[{last}]??LastPrice"


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at its end."""
    return f"{value.normalize():f}" if value else "0"


def milliseconds(moment: float) -> str:
    return str(round(moment * 1000))


def market_id(symbol: str) -> str:
    """Return the name of a market, the same one for spot and swap: `BTCUSDT`."""
    return symbol.partition(":")[0].replace("/", "")


def category_of(symbol: str) -> Category:
    return "linear" if ":" in symbol else "spot"


def symbol_of(exchange: FakeExchange, category: str, name: str) -> str | None:
    """Return the unified symbol of a market's name in a category, None if it is not traded."""
    for symbol in exchange.markets:
        if market_id(symbol) == name and category_of(symbol) == category:
            return symbol
    return None


def order_id(order: Order) -> str:
    return number_to_id(order.symbol, order.id)


def number_to_id(symbol: str, number: int) -> str:
    """Return the id on the wire of an order or trade."""
    return str(_SPOT_ID + number) if category_of(symbol) == "spot" else str(uuid.UUID(int=number << 64))


def number_of(order_id: str) -> int:
    """Return the exchange's number of an id on the wire; -1 for what is none."""
    try:
        return uuid.UUID(order_id).int >> 64 if "-" in order_id else int(order_id) - _SPOT_ID
    except ValueError:
        return -1
