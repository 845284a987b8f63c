"""OrangeX in ccxt's style (JSON-RPC over HTTPS), spot and USDT perpetuals; loaded by `ccxt_loader`.

Placing and cancelling only return receipts: what became of an order is known from later reads. The exchange
neither finds orders by the client's id nor is known to refuse a second one of the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccxt.base.decimal_to_precision import TICK_SIZE
from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadResponse,
    BadSymbol,
    ExchangeNotAvailable,
    NotSupported,
    OrderNotFound,
    PermissionDenied,
)

from chalicelib.exchanges.orangex_orders import OrangexRequests
from chalicelib.exchanges.orangex_public import TooManyCandles

ERRORS: Mapping[str, Any] = {
    "1000": NotSupported,
    "1001": BadRequest,
    "2033": PermissionDenied,
    "3401": BadRequest,
    "5001": BadSymbol,
    "5221": TooManyCandles,
    "8000": BadRequest,
    "9999": ExchangeNotAvailable,
    "10000": AuthenticationError,
}
"""All codes that are known. Any other becomes a bare ExchangeError, which proves nothing."""

TIMEFRAMES: Mapping[str, str] = {
    **{f"{minutes}m": str(minutes) for minutes in (1, 3, 5, 10, 15, 30)},
    **{f"{hours}h": str(hours * 60) for hours in (1, 2, 3, 4, 6, 12)},
    "1d": "1D",
}

ABILITIES = (
    "cancelAllOrders",
    "cancelOrder",
    "createOrder",
    "createPostOnlyOrder",
    "createReduceOnlyOrder",
    "createStopLossOrder",
    "createStopMarketOrder",
    "createStopOrder",
    "createTriggerOrder",
    "fetchBalance",
    "fetchClosedOrders",
    "fetchMarkets",
    "fetchMyTrades",
    "fetchOHLCV",
    "fetchOpenOrders",
    "fetchOrder",
    "fetchOrderBook",
    "fetchOrders",
    "fetchOrderTrades",
    "fetchPositions",
    "fetchTicker",
    "fetchTickers",
    "fetchTime",
    "setLeverage",
    "setMarginMode",
    "signIn",
    "spot",
    "swap",
)
INABILITIES = (
    "editOrder",
    "fetchBidsAsks",
    "fetchCurrencies",
    "fetchFundingHistory",
    "fetchFundingRate",
    "future",
    "margin",
    "option",
    "sandbox",
    "setPositionMode",
)


class orangex(OrangexRequests):  # noqa: N801
    """ccxt's unified methods for OrangeX. Params that are not named by a method are refused."""

    def describe(self) -> Any:
        """Return what ccxt asks of every exchange."""
        return self.deep_extend(
            super().describe(),
            {
                "id": "orangex",
                "name": "OrangeX",
                "version": "v1",
                "rateLimit": 200,
                "has": {**dict.fromkeys(ABILITIES, True), **dict.fromkeys(INABILITIES, False)},
                "timeframes": dict(TIMEFRAMES),
                "urls": {"api": {"rest": "https://api.orangex.com/api/v1"}, "www": "https://www.orangex.com"},
                "requiredCredentials": {"apiKey": True, "secret": True},
                "precisionMode": TICK_SIZE,
                "exceptions": {"exact": dict(ERRORS)},
                "options": {
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot", "swap"]},
                    "publicMethod": "POST",
                    "candles": "public",
                    "grantType": "client_credentials",
                    "accessToken": None,
                    "timeDifference": 0,
                    "spotMarketBuy": "limit",
                    "spotMarketBuySlack": "0.01",
                },
            },
        )

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002
        side: str,
        amount: Any,
        price: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Place an order; the result is a receipt: an id, and the order as it was asked for, fill unknown.

        NotSent if it failed before the order was sent. BadResponse if the receipt has no id: then nobody
        knows whether there is an order.
        """
        with self.preparing():
            self.load_markets()
            request = self.create_order_request(symbol, type, side, amount, price, params or {})
        result = self.private(side, request)
        told = result.get("order") if isinstance(result, Mapping) else None
        if not isinstance(told, Mapping):
            raise BadResponse(f"{self.id} answered {side} without an order")
        asked = {"direction": side, "order_type": type, "order_state": "open"}
        order = self.parse_order({**request, **asked, "order_id": told.get("order_id")}, self.market(symbol))
        return {**order, "info": told}

    def cancel_order(
        self,
        id: str | None,  # noqa: A002
        symbol: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask for an order's cancellation, by its id or, found among the open ones, by the client's.

        The result is a receipt without a state: the order stays open for some seconds and may still fill.
        """
        self.refuse_unknown("cancelOrder", params, {"clientOrderId"})
        with self.preparing():
            self.load_markets()
            order_id = self._open_id(symbol, params) if id is None else id
        told = self.private("cancel", {"order_id": order_id})
        market = self.market(symbol) if symbol else None
        return {**self.safe_order({"id": order_id, "symbol": symbol}, market), "info": told}

    def cancel_all_orders(self, symbol: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        """Ask for the cancellation of all open orders of a symbol; the exchange tells their number only."""
        self.refuse_unknown("cancelAllOrders", params, frozenset())
        with self.preparing():
            self.load_markets()
        market = self.market(symbol)
        count = self.private("cancel_all_by_instrument", {"instrument_name": market["id"]})
        return [{**self.safe_order({"symbol": symbol}, market), "info": count}]

    def _open_id(self, symbol: str | None, params: Mapping[str, Any] | None) -> str:
        wanted = self.named_client_id(params)
        order = self.open_order_of_client(symbol, wanted)
        if order is None:
            raise OrderNotFound(f"{self.id} has no open order {wanted} on {symbol}")
        return str(order["id"])
