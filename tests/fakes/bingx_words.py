"""BingX's words: the envelope, error codes per route, ids, times, and names of markets and order states."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from tests.fakes.core_values import Order, OrderType, Reason, Refused, Ticket
from tests.fakes.wire import Reply, WireRefusal

_FIRST_ID = 1_900_000_000_000_000_000
"""Ids are long numbers, told as JSON numbers in orders and as text in trades."""

_BEIJING = timezone(timedelta(hours=8))

BAD_PARAMETER = 109400

CODES: dict[Reason, tuple[int, str]] = {
    "MARKET_CLOSED": (109418, "{symbol} is offline and cannot be ordered through the api"),
    "BAD_CLIENT_ID": (BAD_PARAMETER, "clientOrderID: This field must be 1 to 40 characters long."),
    "AMOUNT_STEP": (110425, "The order size does not meet the precision of {symbol}."),
    "MIN_AMOUNT": (101400, "The minimum order amount is {detail}."),
    "MAX_AMOUNT": (101209, "The maximum position value for this leverage is reached."),
    "PRICE_STEP": (110400, "The parameters submitted don't meet the requirement."),
    "PRICE_BAND": (101211, "Order price is outside the allowed range: {detail}"),
    "MIN_NOTIONAL": (
        101400,
        "Please ensure that the minimum nominal value of the order placed must be greater than 5u",
    ),
    "REDUCE_ONLY": (
        101290,
        "The Reduce Only order can only decrease the position and not be used to open a position. "
        "Please check your positions and open orders.",
    ),
    "POST_ONLY": (
        101215,
        "The Maker (Post Only) order ensures that the user always acts as a maker. If the order would "
        "immediately match with available orders in the market, it will be canceled.",
    ),
    "INSUFFICIENT_FUNDS": (101204, "Insufficient margin"),
    "BAD_LEVERAGE": (101414, "The leverage exceeds the limit of {symbol}."),
    "HAS_POSITION": (BAD_PARAMETER, "the account has positions or pending orders"),
    "HAS_ORDERS": (BAD_PARAMETER, "the account has positions or pending orders"),
}
"""What the exchange's refusals are called; those that depend on more are made in `refuse_order`."""

TYPES: dict[str, OrderType] = {
    "MARKET": "market",
    "LIMIT": "limit",
    "STOP_MARKET": "stop",
    "STOP": "stop_limit",
    "TAKE_PROFIT_MARKET": "stop",
    "TAKE_PROFIT": "stop_limit",
    "TRIGGER_MARKET": "stop",
    "TRIGGER_LIMIT": "stop_limit",
}

_TRIGGER_CODES = {
    ("STOP", "sell"): (110411, "Stop Loss price should be lower than the current price"),
    ("STOP", "buy"): (110412, "Stop Loss price should be greater than the current price"),
    ("TAKE_PROFIT", "sell"): (110413, "Take Profit price should be greater than the current price"),
    ("TAKE_PROFIT", "buy"): (110414, "Take Profit price should be lower than the current price"),
}


def answer(data: Any) -> dict[str, Any]:
    """Wrap data as most answers are, whose HTTP status is 200 whatever their code says."""
    return {"code": 0, "msg": "", "data": data}


def refuse(code: int, message: str) -> NoReturn:
    """End the call with an error code."""
    raise WireRefusal(Reply({"code": code, "msg": message, "data": {}}))


def refuse_order(refused: Refused, ticket: Ticket, kind: str, now: float) -> NoReturn:
    """End the call with what BingX calls the exchange's refusal of an order."""
    symbol = market_id(ticket.symbol)
    if refused.reason == "DUPLICATE":
        recent = refused.order is not None and now - refused.order.created < 1
        if recent:
            refuse(109201, "The same order number is only allowed to be submitted once within 1 second.")
        refuse(101481, "clientOrderID cannot be repeated")
    if refused.reason == "TRIGGERS_NOW":
        found = _TRIGGER_CODES.get((kind.removesuffix("_MARKET"), ticket.side))
        refuse(*(found or (110400, "The trigger price must differ from the current price")))
    if refused.reason == "REDUCE_ONLY" and not ticket.reduce_only:
        _refuse_close(refused)
    code, message = CODES[refused.reason]
    refuse(code, message.format(symbol=symbol, detail=refused.detail))


def _refuse_close(refused: Refused) -> NoReturn:
    """Refuse an order of hedge mode that closes more than there is."""
    if refused.detail.startswith("only 0 "):
        refuse(101205, "No position to close")
    refuse(110424, "The order size must be less than the available amount")


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at its end."""
    return f"{value.normalize():f}" if value else "0"


def decimals(step: Decimal) -> int:
    """Return how many digits after the point a step of 0.001 or the like means."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def number(asked: dict[str, Any], name: str) -> Decimal | None:
    """Read a number from the parameters; 0 and nothing are None."""
    try:
        return Decimal(str(asked.get(name) or 0)) or None
    except InvalidOperation:
        refuse(BAD_PARAMETER, f"{name}: Mismatch type float64 with value string")


def flag(asked: dict[str, Any], name: str) -> bool:
    return str(asked.get(name, "")).lower() == "true"


def market_id(symbol: str) -> str:
    """Return the name of a market, the same one for spot and swap: `BTC-USDT`."""
    return symbol.partition(":")[0].replace("/", "-")


def swap_symbol(name: str) -> str:
    """Return the unified symbol of a swap's name."""
    base, _, quote = name.partition("-")
    return f"{base}/{quote}:{quote}"


def wire_id(number: int) -> int:
    return _FIRST_ID + number


def number_of(asked: dict[str, Any], name: str = "orderId") -> int | None:
    """Return the exchange's number of the id that is asked for, None if none is."""
    text = str(asked.get(name, ""))
    if not text:
        return None
    if not text.isdigit():
        refuse(BAD_PARAMETER, f"{name}: Mismatch type int64 with value string")
    return int(text) - _FIRST_ID


def status_of(order: Order) -> str:
    """Return a swap order's state as BingX calls it."""
    if order.status == "open":
        if order.conditional:
            return "NEW"
        return "PARTIALLY_FILLED" if order.filled else "PENDING"
    if order.status == "filled":
        return "FILLED"
    failed = order.triggered and not order.filled and order.reason
    return "FAILED" if failed else "CANCELLED"


def milliseconds(moment: float) -> int:
    return round(moment * 1000)


def local_time(moment: float) -> str:
    """Return a trade's time as `filledTime`: Beijing's clock, and it says so."""
    local = datetime.fromtimestamp(moment, UTC).astimezone(_BEIJING)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}+0800"


def mislabelled_time(moment: float) -> str:
    """Return a trade's time as `filledTm`: Beijing's clock too, but it says that it is UTC."""
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(_BEIJING):%Y-%m-%dT%H:%M:%S}Z"
