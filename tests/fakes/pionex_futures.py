"""Futures trading of the fake Pionex: orders, which are asynchronous, and fills under `/uapi/v1/trade`."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Order, PositionSide, Refused, Side, Ticket, TimeInForce
from tests.fakes.matching import reducible
from tests.fakes.pionex_account import MODES, FuturesBase, isolated_mode
from tests.fakes.pionex_words import (
    BadParameter,
    choice,
    client_id,
    fill_row,
    flag,
    known,
    order_id,
    order_row,
    period,
    query_number,
    required_number,
    text,
)
from tests.fakes.wire import Call, Route

if TYPE_CHECKING:
    from tests.fakes.pionex import FakePionex

_ORDER = ("symbol", "side", "type", "clientOrderId", "positionSide", "size", "price", "reduceOnly")
_TYPES = ("LIMIT", "MARKET_QTY", "IOC", "FOK", "POSTONLY")
_SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
_TIMES: dict[str, TimeInForce] = {"IOC": "IOC", "FOK": "FOK"}
_POSITION_SIDES: dict[str, PositionSide] = {"BOTH": "both", "LONG": "long", "SHORT": "short"}


class FuturesRoutes(FuturesBase):
    """The trading half of futures."""

    def __init__(self, fake: "FakePionex") -> None:
        super().__init__(fake)
        self._asked_sizes: dict[int, Decimal] = {}

    def routes(self) -> tuple[Route, ...]:
        get, post, delete = self._get, self._post, self._delete
        return (
            post("trade/order", "create_order", self.create_order),
            post("trade/massOrder", "create_orders", self.create_orders),
            delete("trade/order", "cancel_order", self.cancel_order),
            delete("trade/allOrders", "cancel_all", self.cancel_all),
            get("trade/order", "order", self.order),
            get("trade/orderByClientOrderId", "order_by_client_id", self.by_client_id),
            get("trade/openOrders", "open_orders", self.open_orders),
            get("trade/historyOrders", "closed_orders", self.history),
            get("trade/fills", "trades", self.fills),
            get("trade/fillsByOrderId", "order_trades", self.fills_of_order),
        )

    # Orders

    def create_order(self, call: Call) -> dict[str, Any]:
        known(call.parameters, _ORDER)
        return {"orderId": self._place(call.owner, call.parameters).id}

    def create_orders(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("symbol", "orders"))
        orders = call.parameters.get("orders")
        if not isinstance(orders, list) or not 0 < len(orders) <= 20:
            raise BadParameter("orders must be a list of 1..20")
        for order in orders:
            choice(order, "type", ("LIMIT",))
        symbol = {"symbol": call.parameters.get("symbol")}
        placed = [self._place(call.owner, order | symbol) for order in orders]
        return {"orderIds": [{"orderId": order.id, "clientOrderId": order.client_id} for order in placed]}

    def cancel_order(self, call: Call) -> None:
        """Acknowledge a cancel, which is carried out when its moment comes."""
        known(call.parameters, ("symbol", "orderId"))
        symbol, asked = self._symbol(call), order_id(call.parameters, from_body=True)
        order = call.owner.orders.get(asked)
        if order is None or order.symbol != symbol or not self._fake.exchange.visible(order):
            raise self._fake.refused(Refused("UNKNOWN_ORDER", str(asked)))
        if not order.is_open:
            raise self._fake.refused(Refused("NOT_OPEN", str(asked)))
        self._fake.late_cancels.ask(call.owner, asked)

    def cancel_all(self, call: Call) -> None:
        known(call.parameters, ("symbol",))
        symbol = self._symbol(call)
        for order in call.owner.open_orders("swap"):
            if order.symbol == symbol:
                self._fake.late_cancels.ask(call.owner, order.id)

    def order(self, call: Call) -> dict[str, Any]:
        symbol, asked = self._symbol(call), order_id(call.parameters, from_body=False)
        found = self._fake.exchange.find(
            call.owner, lambda order: order.id == asked and order.symbol == symbol
        )
        return self._found(call.owner, found, str(asked))

    def by_client_id(self, call: Call) -> dict[str, Any]:
        symbol, asked = self._symbol(call), call.parameters.get("clientOrderId", "")
        since = self._fake.exchange.now - self._fake.lookup_seconds
        found = self._fake.exchange.find(
            call.owner,
            lambda order: (
                bool(asked) and order.client_id == asked and order.symbol == symbol and order.created > since
            ),
        )
        return self._found(call.owner, found, asked)

    def open_orders(self, call: Call) -> dict[str, Any]:
        wanted, limit = self._optional_symbol(call), query_number(call.parameters, "limit", 100, 1, 500)
        within = period(call.parameters)
        return self._listed(
            call, lambda order: order.is_open and _of(order, wanted) and within(order.created), limit
        )

    def history(self, call: Call) -> dict[str, Any]:
        wanted, limit = self._optional_symbol(call), query_number(call.parameters, "limit", 50, 1, 200)
        within = period(call.parameters)
        return self._listed(
            call, lambda order: not order.is_open and _of(order, wanted) and within(order.created), limit
        )

    # Fills

    def fills(self, call: Call) -> dict[str, Any]:
        symbol, limit = self._symbol(call), query_number(call.parameters, "limit", 100, 1, 200)
        within = period(call.parameters)
        found = self._fake.exchange.trades(
            call.owner, lambda trade: trade.symbol == symbol and within(trade.time)
        )
        return {"fills": [fill_row(trade) | {"feeType": "TRADING"} for trade in reversed(found[-limit:])]}

    def fills_of_order(self, call: Call) -> dict[str, Any]:
        symbol, asked = self._symbol(call), order_id(call.parameters, from_body=False)
        first = query_number(call.parameters, "fromId", 0)
        limit = query_number(call.parameters, "limit", 100, 1, 200)
        found = self._fake.exchange.trades(
            call.owner,
            lambda trade: trade.symbol == symbol and trade.order_id == asked and trade.id >= first,
        )
        return {"fills": [fill_row(trade) | {"feeType": "TRADING"} for trade in reversed(found[-limit:])]}

    # Internals

    def _place(self, account: Account, parameters: dict[str, Any]) -> Order:
        ticket = self._ticket(account, parameters)
        there = reducible(account, ticket) if ticket.reduce_only else ticket.quantity
        trimmed = min(ticket.quantity, there) or ticket.quantity
        order = self._fake.place(account, replace(ticket, quantity=trimmed))
        self._asked_sizes[order.id] = ticket.quantity
        return order

    def _ticket(self, account: Account, parameters: dict[str, Any]) -> Ticket:
        kind = choice(parameters, "type", _TYPES)
        reduce_only = flag(parameters, "reduceOnly")
        sides = ("LONG", "SHORT") if account.hedge else ("BOTH",)
        if account.hedge and reduce_only:
            raise BadParameter("reduceOnly must be false in hedge mode")
        return Ticket(
            symbol=self._fake.symbol(parameters.get("symbol"), "TRADE", "swap"),
            side=_SIDES[choice(parameters, "side", _SIDES)],
            type="market" if kind == "MARKET_QTY" else "limit",
            quantity=required_number(parameters, "size"),
            price=None if kind == "MARKET_QTY" else required_number(parameters, "price"),
            client_id=client_id(parameters),
            time_in_force=_TIMES.get(kind, "GTC"),
            post_only=kind == "POSTONLY",
            reduce_only=reduce_only,
            position_side=_POSITION_SIDES[choice(parameters, "positionSide", sides, "BOTH")],
        )

    def _found(self, owner: Account, order: Order | None, asked: str) -> dict[str, Any]:
        if order is None:
            raise self._fake.refused(Refused("UNKNOWN_ORDER", asked))
        return self._row(owner, order)

    def _listed(self, call: Call, matches: Callable[[Order], bool], limit: int) -> dict[str, Any]:
        found = self._fake.exchange.orders(call.owner, matches)
        return {"orders": [self._row(call.owner, order) for order in reversed(found[-limit:])]}

    def _row(self, owner: Account, order: Order) -> dict[str, Any]:
        ticket = order.ticket
        kind = "MARKET_QTY" if ticket.type == "market" else ticket.time_in_force.replace("GTC", "LIMIT")
        return {
            **order_row(order),
            "type": "POSTONLY" if ticket.post_only else kind,
            "positionMode": MODES[owner.hedge],
            "isolatedMode": isolated_mode(owner, order.symbol, ticket.position_side),
            "positionSide": ticket.position_side.upper(),
            "origSize": text(self._asked_sizes.get(order.id, order.quantity)),
            "reduceOnly": ticket.reduce_only,
        }


def _of(order: Order, symbol: str | None) -> bool:
    return ":" in order.symbol and symbol in (None, order.symbol)
