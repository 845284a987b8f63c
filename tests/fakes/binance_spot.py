"""Binance's private spot API: orders, trades and balances of an account."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.binance_market import API, SPOT_TYPES
from tests.fakes.binance_spot_rows import balance, body, fill, names, read, trade_row
from tests.fakes.binance_words import (
    SPOT_REFUSALS,
    UNKNOWN_CANCEL,
    UNKNOWN_READ,
    milliseconds,
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
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
    *("stopPrice", "icebergQty", "newOrderRespType", "selfTradePreventionMode"),
)

_NEEDED = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "MARKET": (),
    "LIMIT_MAKER": ("quantity", "price"),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "TAKE_PROFIT": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
}


_KINDS: dict[str, Any] = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "STOP_LOSS": "stop",
    "TAKE_PROFIT": "stop",
    "STOP_LOSS_LIMIT": "stop_limit",
    "TAKE_PROFIT_LIMIT": "stop_limit",
}


class Spot:
    """The private spot routes."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange

    def routes(self) -> Iterable[Route]:
        table = (
            ("POST", "order", "create_order", self._create, 1, True),
            ("DELETE", "order", "cancel_order", self._cancel, 1, True),
            ("GET", "order", "fetch_order", self._order, 4, False),
            ("GET", "openOrders", "open_orders", self._open_orders, _open_weight, False),
            ("DELETE", "openOrders", "cancel_all", self._cancel_all, 1, True),
            ("GET", "allOrders", "all_orders", self._all_orders, 20, False),
            ("GET", "myTrades", "my_trades", self._trades, _trades_weight, False),
            ("GET", "account", "account", self._account, 20, False),
        )
        for method, path, name, handler, weight, trades in table:
            yield Route(
                method=method,
                path=f"/api/v3/{path}",
                name=name,
                handler=handler,
                weight=weight,
                orders=int(name == "create_order"),
                private=True,
                trades=trades,
                group="spot",
                host=API,
            )

    def _create(self, call: Call) -> Any:
        only(call, _ORDER_PARAMETERS)
        ticket = self._ticket(call)
        placed = self._exchange.place(call.owner, ticket)
        if isinstance(placed, Refused):
            raise refused(placed, SPOT_REFUSALS, self._exchange.markets.get(ticket.symbol))
        answer = call.parameters.get("newOrderRespType", "FULL" if ticket.type != "stop" else "ACK")
        head = {**names(placed), "transactTime": milliseconds(placed.created)}
        if answer == "ACK":
            return head
        fills = [fill(trade) for trade in placed.trades]
        return {**head, **body(placed), **({"fills": fills} if answer == "FULL" else {})}

    def _ticket(self, call: Call) -> Ticket:
        name, side, kind = required(call, "symbol", "side", "type")
        symbol = symbol_of(self._exchange, name, "spot")
        if kind not in SPOT_TYPES:
            raise refuse(-1116, "Invalid orderType.")
        if side not in ("BUY", "SELL"):
            raise refuse(-1117, "Invalid side.")
        required(call, *_NEEDED[kind])
        self._unneeded(call, kind)
        if kind == "MARKET" and "quoteOrderQty" not in call.parameters:
            required(call, "quantity")
        falls = (side == "SELL") == kind.startswith("STOP_LOSS")
        return Ticket(
            symbol=symbol,
            side="buy" if side == "BUY" else "sell",
            type=_KINDS[kind],
            quantity=number(call, "quantity") or Decimal(0),
            cost=number(call, "quoteOrderQty"),
            price=number(call, "price"),
            trigger_price=number(call, "stopPrice"),
            direction="falling" if falls else "rising",
            client_id=call.parameters.get("newClientOrderId", "") or f"made{self._exchange.next_id()}",
            time_in_force=call.parameters.get("timeInForce", "GTC"),
            post_only=kind == "LIMIT_MAKER",
        )

    def _unneeded(self, call: Call, kind: str) -> None:
        for name in ("timeInForce", "price", "stopPrice"):
            if name in call.parameters and name not in _NEEDED[kind]:
                raise refuse(-1106, f"Parameter '{name}' sent when not required.")

    def _cancel(self, call: Call) -> Any:
        order = self._named(call, UNKNOWN_CANCEL)
        canceled = self._exchange.cancel(call.owner, order.id)
        if isinstance(canceled, Refused):
            raise refuse(*UNKNOWN_CANCEL)
        return self._canceled(canceled)

    def _canceled(self, order: Order) -> dict[str, Any]:
        # The client id of a cancel is one of its own; the order's stands in origClientOrderId.
        return {
            **names(order),
            "origClientOrderId": order.client_id,
            "clientOrderId": f"cancel{order.id}",
            "transactTime": milliseconds(order.updated),
            **body(order),
        }

    def _cancel_all(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol = symbol_of(self._exchange, name, "spot")
        found = [order for order in call.owner.open_orders("spot") if order.symbol == symbol]
        if not found:
            raise refuse(*UNKNOWN_CANCEL)
        canceled = [self._exchange.cancel(call.owner, order.id) for order in found]
        return [self._canceled(order) for order in canceled if isinstance(order, Order)]

    def _order(self, call: Call) -> Any:
        return read(self._named(call, UNKNOWN_READ))

    def _named(self, call: Call, unknown: tuple[int, str]) -> Order:
        """Return the order of `orderId` or `origClientOrderId`, which must be of the symbol."""
        (name,) = required(call, "symbol")
        symbol = symbol_of(self._exchange, name, "spot")
        number_, client_id = call.parameters.get("orderId"), call.parameters.get("origClientOrderId")
        if number_ is None and client_id is None:
            raise refuse(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        wanted = None if number_ is None else whole(call, "orderId", 0)
        order = self._exchange.find(
            call.owner,
            lambda order: (
                order.symbol == symbol
                and wanted in (None, order.id)
                and (client_id is None or order.client_id == client_id)
            ),
        )
        if order is None:
            raise refuse(*unknown)
        return order

    def _open_orders(self, call: Call) -> Any:
        symbol = self._symbol(call)
        found = self._exchange.orders(
            call.owner,
            lambda order: order.is_open and ":" not in order.symbol and symbol in (None, order.symbol),
        )
        return [read(order) for order in found]

    def _all_orders(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol, first = symbol_of(self._exchange, name, "spot"), whole(call, "orderId", 0)
        found = self._exchange.orders(
            call.owner,
            lambda order: order.symbol == symbol and order.id >= first and within(order.created, call),
        )
        return page([read(order) for order in found], call)

    def _trades(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol, first = symbol_of(self._exchange, name, "spot"), whole(call, "fromId", 0)
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

    def _account(self, call: Call) -> Any:
        key = call.key
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "canTrade": bool(key and key.trade),
            "canWithdraw": bool(key and key.withdraw),
            "canDeposit": True,
            "updateTime": milliseconds(self._exchange.now),
            "accountType": "SPOT",
            "balances": [balance(call.owner, currency) for currency in call.owner.wallets["spot"]],
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def _symbol(self, call: Call) -> str | None:
        name = call.parameters.get("symbol")
        return None if name is None else symbol_of(self._exchange, name, "spot")


def _open_weight(request: Request) -> int:
    return 6 if "symbol" in request.parameters else 80


def _trades_weight(request: Request) -> int:
    return 5 if "orderId" in request.parameters else 20
