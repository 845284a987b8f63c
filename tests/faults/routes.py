"""How the scenarios' words are called on each exchange: routes, and its own words for what it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    """One exchange: routes by meaning, and the replies (status, body) of its errors."""

    create: str = "create_order"
    cancel: str = "cancel_order"
    positions: str = "positions"
    balance: Sequence[str] = ("balance",)
    lookups: Sequence[str] = ("open_orders", "closed_orders", "trades", "order")
    duplicate: tuple[int, Any] | None = None
    insufficient: tuple[int, Any] = (200, {})
    unclear: Sequence[tuple[int, Any]] = ()
    inside_200: tuple[int, Any] | None = None
    finds_absence: bool = True
    """False where nobody can prove that an order never came: it becomes a dead letter."""
    stamps_requests: bool = True
    """Whether each request bears its time, so that one that is sent late is refused."""


_UNAVAILABLE: Sequence[tuple[int, Any]] = ((503, "Service Unavailable"), (504, ""))


def _binance(**own: Any) -> Words:
    return Words(
        insufficient=(400, {"code": -2019, "msg": "Margin is insufficient."}),
        unclear=(
            (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
            (408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
            (400, {"code": -1006, "msg": "An unexpected response was received from the message bus."}),
            *_UNAVAILABLE,
        ),
        inside_200=(200, {"code": -1001, "msg": "Internal error."}),
        **own,
    )


def _pionex_words(**own: Any) -> Words:
    return Words(
        duplicate=(
            400,
            {"result": False, "code": "TRADE_REPEAT_CLIENT_ORDER_ID", "message": "x", "timestamp": 1},
        ),
        insufficient=(
            400,
            {"result": False, "code": "TRADE_NOT_ENOUGH_MONEY", "message": "x", "timestamp": 1},
        ),
        unclear=((500, {"result": False, "code": "INTERNAL", "message": "x", "timestamp": 1}), *_UNAVAILABLE),
        inside_200=(200, {"result": False, "code": "SOMETHING_NEW", "message": "x", "timestamp": 1}),
        lookups=("order_by_client_id", "open_orders", "closed_orders", "trades", "order"),
        **own,
    )


WORDS: Mapping[tuple[str, str], Words] = {
    ("binance", "swap"): _binance(
        create="futures_create_order",
        cancel="futures_cancel_order",
        balance=("futures_account",),
        lookups=("futures_fetch_order", "futures_open_orders", "futures_all_orders", "futures_my_trades"),
        duplicate=(400, {"code": -4116, "msg": "ClientOrderId is duplicated."}),
    ),
    ("binance", "spot"): _binance(
        positions="account",
        balance=("account",),
        lookups=("fetch_order", "open_orders", "all_orders", "my_trades"),
        duplicate=(400, {"code": -2010, "msg": "Duplicate order sent."}),
    ),
    ("bybit", "swap"): Words(
        duplicate=(200, {"retCode": 110072, "retMsg": "OrderLinkedID is duplicate", "result": {}, "time": 1}),
        insufficient=(200, {"retCode": 110007, "retMsg": "ab not enough", "result": {}, "time": 1}),
        unclear=((200, {"retCode": 10016, "retMsg": "Internal server error", "result": {}}), *_UNAVAILABLE),
        inside_200=(200, {"retCode": 10000, "retMsg": "Server Timeout", "result": {}, "time": 1}),
    ),
    ("bingx", "swap"): Words(
        duplicate=(200, {"code": 101481, "msg": "duplicate clientOrderId", "data": {}}),
        insufficient=(200, {"code": 101204, "msg": "Insufficient margin", "data": {}}),
        unclear=((200, {"code": 100500, "msg": "internal error", "data": {}}), *_UNAVAILABLE),
        inside_200=(200, {"code": 109500, "msg": "system busy", "data": {}}),
    ),
    ("pionex", "swap"): _pionex_words(balance=("account", "balance")),
    ("pionex", "spot"): _pionex_words(positions="balance", balance=("balance",)),
    ("orangex", "swap"): Words(
        insufficient=(200, {"id": "1", "jsonrpc": "2.0", "error": {"code": 5004, "message": "insufficient"}}),
        unclear=(
            (200, {"id": "1", "jsonrpc": "2.0", "error": {"code": 9999, "message": "x"}}),
            *_UNAVAILABLE,
        ),
        inside_200=(200, {"id": "1", "jsonrpc": "2.0", "error": {"code": 4242, "message": "new"}}),
        finds_absence=False,
        stamps_requests=False,
    ),
}


def words_of(exchange: str, market_type: str) -> Words:
    """Return the words of an exchange; spot's are those of its swaps where nothing else is said."""
    return WORDS.get((exchange, market_type)) or WORDS[exchange, "swap"]
