"""What the Pionex API is made of, as data: routes with their weights, error codes, candle intervals.

Sources: the exchange's OpenAPI specifications for spot and futures; read by the class `pionex`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadSymbol,
    DuplicateOrderId,
    InsufficientFunds,
    InvalidNonce,
    InvalidOrder,
    OperationRejected,
    OrderNotFound,
    PermissionDenied,
)

MarketKind = Literal["spot", "swap"]
KINDS: tuple[MarketKind, ...] = ("spot", "swap")
PIONEX_TYPES: Mapping[MarketKind, str] = MappingProxyType({"spot": "SPOT", "swap": "PERP"})

BAN_SECONDS = 60.0
"""How long nobody may call after a 429; every call in that time makes it ten seconds longer."""

WINDOW_WEIGHT, WINDOW_SECONDS = 10, 1.25
"""Ten weight units a second are allowed. The window is wider by a quarter, because requests do not arrive as
far apart as they were sent."""


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API: method, path, what it weighs against the limit, whether it is signed."""

    method: str
    path: str
    weight: int
    private: bool = True


def _public(path: str, weight: int) -> Route:
    return Route("GET", f"api/v1/{path}", weight, private=False)


def _spot(method: str, path: str, weight: int) -> Route:
    return Route(method, f"api/v1/{path}", weight)


def _swap(method: str, path: str) -> Route:
    return Route(method, f"uapi/v1/{path}", 5)


ROUTES: Mapping[MarketKind, Mapping[str, Route]] = MappingProxyType(
    {
        "spot": MappingProxyType(
            {
                "symbols": _public("common/symbols", 5),
                "klines": _public("market/klines", 1),
                "depth": _public("market/depth", 1),
                "tickers": _public("market/tickers", 1),
                "book_tickers": _public("market/bookTickers", 1),
                "balances": _spot("GET", "account/balances", 1),
                "create_order": _spot("POST", "trade/order", 1),
                "cancel_order": _spot("DELETE", "trade/order", 1),
                "cancel_all_orders": _spot("DELETE", "trade/allOrders", 1),
                "order": _spot("GET", "trade/order", 1),
                "order_by_client_id": _spot("GET", "trade/orderByClientOrderId", 1),
                "open_orders": _spot("GET", "trade/openOrders", 5),
                "orders": _spot("GET", "trade/allOrders", 5),
                "fills": _spot("GET", "trade/fills", 5),
                "order_fills": _spot("GET", "trade/fillsByOrderId", 5),
            }
        ),
        "swap": MappingProxyType(
            {
                "symbols": _public("common/symbols", 5),
                "klines": _public("market/klines", 5),
                "depth": _public("market/depth", 5),
                "tickers": _public("market/tickers", 5),
                "book_tickers": _public("market/bookTicker", 5),
                "indexes": _public("market/indexes", 5),
                "account": _swap("GET", "account/detail"),
                "positions": _swap("GET", "account/positions"),
                "leverage": _swap("GET", "account/leverage"),
                "set_leverage": _swap("POST", "account/leverage"),
                "position_mode": _swap("GET", "account/positionMode"),
                "set_position_mode": _swap("POST", "account/positionMode"),
                "margin_mode": _swap("GET", "trade/isolatedMode"),
                "set_margin_mode": _swap("POST", "trade/isolatedMode"),
                "create_order": _swap("POST", "trade/order"),
                "cancel_order": _swap("DELETE", "trade/order"),
                "cancel_all_orders": _swap("DELETE", "trade/allOrders"),
                "order": _swap("GET", "trade/order"),
                "order_by_client_id": _swap("GET", "trade/orderByClientOrderId"),
                "open_orders": _swap("GET", "trade/openOrders"),
                "orders": _swap("GET", "trade/historyOrders"),
                "fills": _swap("GET", "trade/fills"),
                "order_fills": _swap("GET", "trade/fillsByOrderId"),
                "funding_fees": _swap("GET", "trade/fundingFee"),
            }
        ),
    }
)

HISTORY_PAGES = 20
"""How many pages of orders, trades or payments are read before the question is refused as too wide."""

FILLS_PAGE: Mapping[MarketKind, int] = MappingProxyType({"spot": 100, "swap": 200})
ORDERS_PAGE = FUNDING_PAGE = 200
OPEN_ORDERS_PAGE = 500
KLINES_PAGE, KLINES_KEPT = 500, 10_000
DEPTH_MOST = 1000

TIMEFRAMES: Mapping[str, str] = MappingProxyType(
    {
        "1m": "1M",
        "5m": "5M",
        "15m": "15M",
        "30m": "30M",
        "1h": "60M",
        "4h": "4H",
        "8h": "8H",
        "12h": "12H",
        "1d": "1D",
    }
)
"""Pionex writes a minute as M: ccxt's `1M`, a month, is not among them and must not slip through."""

EXACT_ERRORS: Mapping[str, type[Exception]] = MappingProxyType(
    {
        "APIKEY_LOST": AuthenticationError,
        "SIGNATURE_LOST": AuthenticationError,
        "INVALID_APIKEY": AuthenticationError,
        "INVALIE_APIKEY": AuthenticationError,
        "INVALID_SIGNATURE": AuthenticationError,
        "APIKEY_EXPIRED": AuthenticationError,
        "IP_NOT_WHITELISTED": PermissionDenied,
        "PERMISSION_DENIED": PermissionDenied,
        "INVALID_TIMESTAMP": InvalidNonce,
        "TRADE_INVALID_SYMBOL": BadSymbol,
        "TRADE_INVAILD_SYMBOL": BadSymbol,
        "MARKET_INVALID_SYMBOL": BadSymbol,
        "TRADE_PARAMETER_ERROR": BadRequest,
        "MARKET_PARAMETER_ERROR": BadRequest,
        "MARKET_INVALID_TIME": BadRequest,
        "TRADE_NOT_ENOUGH_MONEY": InsufficientFunds,
        "TRADE_PRICE_FILTER_DENIED": InvalidOrder,
        "TRADE_SIZE_FILTER_DENIED": InvalidOrder,
        "TRADE_AMOUNT_FILTER_DENIED": InvalidOrder,
        "TRADE_REPEAT_CLIENT_ORDER_ID": DuplicateOrderId,
        "TRADE_OPEN_ORDER_EXCEED_LIMIT": OperationRejected,
        "TRADE_OPERATION_DENIED": OperationRejected,
        "TRADE_ORDER_NOT_FOUND": OrderNotFound,
    }
)
"""Codes and what they mean, misspelt ones included: the exchange's own documents spell some in two ways."""

_SUPPORTED = (
    "spot swap cancelAllOrders cancelOrder cancelOrderWithClientOrderId createMarketBuyOrderWithCost "
    "createMarketOrder createOrder createPostOnlyOrder createReduceOnlyOrder fetchBalance fetchBidsAsks "
    "fetchClosedOrders fetchFundingHistory fetchFundingRate fetchLeverage fetchMarginMode fetchMarkets "
    "fetchMyTrades fetchOHLCV fetchOpenOrders fetchOrder fetchOrderBook fetchOrderTrades "
    "fetchOrderWithClientOrderId fetchOrders fetchPositionMode fetchPositions fetchTicker fetchTickers "
    "fetchTime setLeverage setMarginMode setPositionMode"
)
_NOT_SUPPORTED = (
    "CORS margin future option createStopLimitOrder createStopLossOrder createStopMarketOrder "
    "createStopOrder createTakeProfitOrder createTrailingAmountOrder createTrailingPercentOrder "
    "createTriggerOrder editOrder fetchCurrencies fetchTrades sandbox withdraw"
)

DESCRIPTION: Mapping[str, Any] = MappingProxyType(
    {
        "id": "pionex",
        "name": "Pionex",
        "version": "v1",
        "rateLimit": 1000 * WINDOW_SECONDS / WINDOW_WEIGHT,
        "has": {
            **dict.fromkeys(_SUPPORTED.split(), True),
            **dict.fromkeys(_NOT_SUPPORTED.split(), False),
        },
        "timeframes": dict(TIMEFRAMES),
        "urls": {
            "api": {"rest": "https://api.pionex.com"},
            "www": "https://www.pionex.com",
            "doc": ["https://pionex-doc.gitbook.io/apidocs"],
        },
        # The exchange's ordinary tier; no route tells an account's own.
        "fees": {"trading": {"tierBased": False, "percentage": True, "taker": 0.0005, "maker": 0.0005}},
        "exceptions": {"exact": dict(EXACT_ERRORS), "broad": {}},
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot", "linear"]},
            "adjustForTimeDifference": False,
            "timeDifference": 0,
            "timeSymbol": "BTC_USDT",
            "createMarketBuyOrderRequiresPrice": True,
        },
    }
)
