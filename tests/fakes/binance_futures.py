"""Binance's private USDT futures API: orders, conditional orders of the Algo Service, and trades."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.binance_futures_rows import algo_row, order_row, regular_id, trade_row
from tests.fakes.binance_market import FAPI
from tests.fakes.binance_words import (
    FUTURES_REFUSALS,
    UNKNOWN_CANCEL,
    UNKNOWN_READ,
    flag,
    number,
    only,
    page,
    refuse,
    refused,
    required,
    symbol_of,
    whole,
    within,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Order, Refused, Ticket
from tests.fakes.wire import Call, Request, Route

_ORDER_PARAMETERS = (
    *("symbol", "side", "positionSide", "type", "timeInForce", "quantity", "reduceOnly", "price"),
    *("newClientOrderId", "newOrderRespType", "priceMatch", "selfTradePreventionMode", "goodTillDate"),
)
_ALGO_PARAMETERS = (
    *("algoType", "symbol", "side", "positionSide", "type", "timeInForce", "quantity", "price"),
    *("triggerPrice", "workingType", "priceMatch", "closePosition", "priceProtect", "reduceOnly"),
    *("clientAlgoId", "newOrderRespType", "selfTradePreventionMode", "goodTillDate"),
)

_NEEDED = {"LIMIT": ("timeInForce", "quantity", "price"), "MARKET": ("quantity",)}
_ALGO_NEEDED = {
    "STOP": ("quantity", "price", "triggerPrice"),
    "TAKE_PROFIT": ("quantity", "price", "triggerPrice"),
    "STOP_MARKET": ("triggerPrice",),
    "TAKE_PROFIT_MARKET": ("triggerPrice",),
}
_SIDES: dict[str, Any] = {"BOTH": "both", "LONG": "long", "SHORT": "short"}


class FuturesOrders:
    """The routes of orders and trades."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange

    def routes(self) -> Iterable[Route]:
        table = (
            ("POST", "order", "futures_create_order", self._create, 1, True),
            ("DELETE", "order", "futures_cancel_order", self._cancel, 1, True),
            ("GET", "order", "futures_fetch_order", self._order, 1, False),
            ("GET", "openOrders", "futures_open_orders", self._open_orders, _open_weight, False),
            ("DELETE", "allOpenOrders", "futures_cancel_all", self._cancel_all, 1, True),
            ("GET", "allOrders", "futures_all_orders", self._all_orders, 5, False),
            ("POST", "algoOrder", "futures_create_algo", self._create_algo, 1, True),
            ("DELETE", "algoOrder", "futures_cancel_algo", self._cancel_algo, 1, True),
            ("GET", "algoOrder", "futures_fetch_algo", self._algo, 1, False),
            ("GET", "openAlgoOrders", "futures_open_algos", self._open_algos, _open_weight, False),
            ("DELETE", "algoOpenOrders", "futures_cancel_all_algos", self._cancel_all_algos, 1, True),
            ("GET", "allAlgoOrders", "futures_all_algos", self._all_algos, 5, False),
            ("GET", "userTrades", "futures_my_trades", self._trades, 5, False),
        )
        for method, path, name, handler, weight, trades in table:
            yield Route(
                method=method,
                path=f"/fapi/v1/{path}",
                name=name,
                handler=handler,
                weight=weight,
                orders=int(method == "POST"),
                private=True,
                trades=trades,
                group="swap",
                host=FAPI,
            )

    # Orders

    def _create(self, call: Call) -> Any:
        only(call, _ORDER_PARAMETERS)
        _, _, kind = required(call, "symbol", "side", "type")
        if kind in _ALGO_NEEDED or kind == "TRAILING_STOP_MARKET":
            message = (
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
            raise refuse(-4120, message)
        if kind not in _NEEDED:
            raise refuse(-1116, "Invalid orderType.")
        required(call, *_NEEDED[kind])
        in_force = call.parameters.get("timeInForce", "GTC")
        order = self._placed(
            call,
            Ticket(
                **self._common(call, "newClientOrderId"),
                type="market" if kind == "MARKET" else "limit",
                time_in_force="GTC" if in_force == "GTX" else in_force,
                post_only=in_force == "GTX",
            ),
        )
        acknowledged = call.parameters.get("newOrderRespType", "ACK") == "ACK"
        return order_row(order, acknowledged)

    def _cancel(self, call: Call) -> Any:
        return self._ended(call, self._named(call, UNKNOWN_CANCEL))

    def _ended(self, call: Call, order: Order) -> Any:
        canceled = self._exchange.cancel(call.owner, order.id)
        if isinstance(canceled, Refused):
            raise refuse(*UNKNOWN_CANCEL)
        return order_row(canceled)

    def _cancel_all(self, call: Call) -> Any:
        return self._all_canceled(call, lambda order: regular_id(order) is not None)

    def _order(self, call: Call) -> Any:
        return order_row(self._named(call, UNKNOWN_READ))

    def _named(self, call: Call, unknown: tuple[int, str]) -> Order:
        """Return the order of `orderId` or `origClientOrderId`; conditional ones are not known here."""
        (name,) = required(call, "symbol")
        symbol = symbol_of(self._exchange, name, "swap")
        wanted, client_id = call.parameters.get("orderId"), call.parameters.get("origClientOrderId")
        if wanted is None and client_id is None:
            raise refuse(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        found = self._exchange.find(
            call.owner,
            lambda order: (
                order.symbol == symbol
                and regular_id(order) is not None
                and wanted in (None, str(regular_id(order)))
                and client_id in (None, order_row(order)["clientOrderId"])
            ),
        )
        if found is None:
            raise refuse(*unknown)
        return found

    def _open_orders(self, call: Call) -> Any:
        return [order_row(order) for order in self._open(call) if regular_id(order) is not None]

    def _all_orders(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol, first = symbol_of(self._exchange, name, "swap"), whole(call, "orderId", 0)
        found = self._exchange.orders(
            call.owner,
            lambda order: (
                order.symbol == symbol and (regular_id(order) or -1) >= first and within(order.created, call)
            ),
        )
        return page([order_row(order) for order in found], call)

    # Conditional orders

    def _create_algo(self, call: Call) -> Any:
        only(call, _ALGO_PARAMETERS)
        algo, _, side, kind = required(call, "algoType", "symbol", "side", "type")
        if algo != "CONDITIONAL" or kind not in _ALGO_NEEDED:
            raise refuse(-1116, "Invalid orderType.")
        required(call, *_ALGO_NEEDED[kind])
        closes = flag(call, "closePosition")
        if closes and ("quantity" in call.parameters or "reduceOnly" in call.parameters):
            raise refuse(-4136, "Target strategy invalid for orderType with closePosition true")
        if not closes:
            required(call, "quantity")
        stops = kind.startswith("STOP")
        order = self._placed(
            call,
            Ticket(
                **self._common(call, "clientAlgoId"),
                type="stop" if kind.endswith("MARKET") else "stop_limit",
                trigger_price=number(call, "triggerPrice"),
                direction="falling" if (side == "SELL") == stops else "rising",
                close_position=closes,
                time_in_force=call.parameters.get("timeInForce", "GTC"),
            ),
        )
        return algo_row(order, self._exchange)

    def _cancel_algo(self, call: Call) -> Any:
        order = self._named_algo(call, UNKNOWN_CANCEL)
        if order.triggered:
            raise refuse(*UNKNOWN_CANCEL)
        self._ended(call, order)
        return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def _cancel_all_algos(self, call: Call) -> Any:
        return self._all_canceled(call, lambda order: order.conditional)

    def _algo(self, call: Call) -> Any:
        return algo_row(self._named_algo(call, UNKNOWN_READ), self._exchange)

    def _named_algo(self, call: Call, unknown: tuple[int, str]) -> Order:
        wanted, client_id = call.parameters.get("algoId"), call.parameters.get("clientAlgoId")
        if wanted is None and client_id is None:
            raise refuse(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
        found = self._exchange.find(
            call.owner,
            lambda order: (
                _is_algo(order) and wanted in (None, str(order.id)) and client_id in (None, order.client_id)
            ),
        )
        if found is None:
            raise refuse(*unknown)
        return found

    def _open_algos(self, call: Call) -> Any:
        return [algo_row(order, self._exchange) for order in self._open(call) if order.conditional]

    def _all_algos(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol = symbol_of(self._exchange, name, "swap")
        found = self._exchange.orders(
            call.owner,
            lambda order: _is_algo(order) and order.symbol == symbol and within(order.created, call),
        )
        return page([algo_row(order, self._exchange) for order in found], call)

    # Trades

    def _trades(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol, first = symbol_of(self._exchange, name, "swap"), whole(call, "fromId", 0)
        wanted = call.parameters.get("orderId")
        found = self._exchange.trades(
            call.owner,
            lambda trade: (
                trade.symbol == symbol
                and trade.id >= first
                and wanted in (None, str(trade.order_id))
                and within(trade.time, call)
            ),
        )
        return page([trade_row(trade) for trade in found], call)

    # What both kinds of orders share

    def _common(self, call: Call, client_id: str) -> dict[str, Any]:
        name, side = required(call, "symbol", "side")
        symbol = symbol_of(self._exchange, name, "swap")
        if side not in ("BUY", "SELL"):
            raise refuse(-1117, "Invalid side.")
        if call.owner.hedge and "reduceOnly" in call.parameters:
            raise refuse(-1106, "Parameter 'reduceonly' sent when not required.")
        return {
            "symbol": symbol,
            "side": side.lower(),
            "quantity": number(call, "quantity") or Decimal(0),
            "price": number(call, "price"),
            "client_id": call.parameters.get(client_id, "") or f"made{self._exchange.next_id()}",
            "reduce_only": flag(call, "reduceOnly"),
            "position_side": _SIDES[call.parameters.get("positionSide", "BOTH")],
        }

    def _placed(self, call: Call, ticket: Ticket) -> Order:
        placed = self._exchange.place(call.owner, ticket)
        if isinstance(placed, Refused):
            raise refused(placed, FUTURES_REFUSALS, self._exchange.markets.get(ticket.symbol))
        return placed

    def _open(self, call: Call) -> list[Order]:
        name = call.parameters.get("symbol")
        symbol = None if name is None else symbol_of(self._exchange, name, "swap")
        return self._exchange.orders(
            call.owner,
            lambda order: order.is_open and ":" in order.symbol and symbol in (None, order.symbol),
        )

    def _all_canceled(self, call: Call, meant: Callable[[Order], bool]) -> Any:
        required(call, "symbol")
        for order in self._open(call):
            if meant(order):
                self._exchange.cancel(call.owner, order.id)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _is_algo(order: Order) -> bool:
    return ":" in order.symbol and order.ticket.type in ("stop", "stop_limit")


def _open_weight(request: Request) -> int:
    return 1 if "symbol" in request.parameters else 40
