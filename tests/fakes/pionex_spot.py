"""Spot trading of the fake Pionex: `/api/v1/account` and `/api/v1/trade`."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Order, OrderType, Refused, Side, Ticket
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

BUY_CEILING, SELL_FLOOR = Decimal("1.1"), Decimal("0.9")
"""How far from the last price a limit order may reach to the other side."""
MAX_MARKET_SELL = Decimal(100)
PLACES = Decimal("0.00000001")

_ORDER = ("symbol", "side", "type", "clientOrderId", "size", "price", "amount", "IOC")


class SpotRoutes:
    """The spot half of a `FakePionex`."""

    def __init__(self, fake: "FakePionex") -> None:
        self._fake = fake

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/trade"
        return (
            self._route("GET", "/api/v1/account/balances", "balance", self.balances),
            self._route("POST", f"{path}/order", "create_order", self.create_order, trades=True),
            self._route("POST", f"{path}/massOrder", "create_orders", self.create_orders, trades=True),
            self._route("DELETE", f"{path}/order", "cancel_order", self.cancel_order, trades=True),
            self._route("DELETE", f"{path}/allOrders", "cancel_all", self.cancel_all, trades=True),
            self._route("GET", f"{path}/order", "order", self.order),
            self._route("GET", f"{path}/orderByClientOrderId", "order_by_client_id", self.by_client_id),
            self._route("GET", f"{path}/openOrders", "open_orders", self.open_orders, 5),
            self._route("GET", f"{path}/allOrders", "closed_orders", self.all_orders, 5),
            self._route("GET", f"{path}/fills", "trades", self.fills, 5),
            self._route("GET", f"{path}/fillsByOrderId", "order_trades", self.fills_of_order, 5),
        )

    def balances(self, call: Call) -> dict[str, Any]:
        owner = call.owner
        rows = []
        for coin, total in sorted(owner.wallets["spot"].items()):
            if total:
                free, frozen = owner.free(coin), owner.locked(coin)
                rows.append({"coin": coin, "free": _places(free), "frozen": _places(frozen)})
        return {"balances": rows}

    def create_order(self, call: Call) -> dict[str, Any]:
        known(call.parameters, _ORDER)
        return _receipt(self._place(call.owner, call.parameters))

    def create_orders(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("symbol", "orders"))
        orders = call.parameters.get("orders")
        if not isinstance(orders, list) or not 0 < len(orders) <= 20:
            raise BadParameter("orders must be a list of 1..20")
        for order in orders:
            choice(order, "type", ("LIMIT",))
        symbol = {"symbol": call.parameters.get("symbol")}
        return {"orderIds": [_receipt(self._place(call.owner, order | symbol)) for order in orders]}

    def cancel_order(self, call: Call) -> None:
        known(call.parameters, ("symbol", "orderId"))
        symbol, asked = self._symbol(call), order_id(call.parameters, from_body=True)
        order = call.owner.orders.get(asked)
        if order is None or order.symbol != symbol:
            raise self._fake.refusal("TRADE_ORDER_NOT_FOUND", str(asked))
        if isinstance(canceled := self._fake.exchange.cancel(call.owner, asked), Refused):
            raise self._fake.refused(canceled)

    def cancel_all(self, call: Call) -> None:
        known(call.parameters, ("symbol",))
        symbol = self._symbol(call)
        for order in call.owner.open_orders("spot"):
            if order.symbol == symbol:
                self._fake.exchange.cancel(call.owner, order.id)

    def order(self, call: Call) -> dict[str, Any]:
        asked = order_id(call.parameters, from_body=False)
        found = self._fake.exchange.order_by_id(call.owner, asked)
        if found is None or self._fake.exchange.markets[found.symbol].type != "spot":
            raise self._fake.refusal("TRADE_ORDER_NOT_FOUND", str(asked))
        return _row(found)

    def by_client_id(self, call: Call) -> dict[str, Any]:
        asked = call.parameters.get("clientOrderId", "")
        found = self._fake.exchange.order_by_client_id(call.owner, asked, "spot") if asked else None
        if found is None:
            raise self._fake.refusal("TRADE_ORDER_NOT_FOUND", asked)
        return _row(found)

    def open_orders(self, call: Call) -> dict[str, Any]:
        symbol = self._symbol(call)
        found = self._fake.exchange.orders(call.owner, lambda order: order.symbol == symbol and order.is_open)
        return {"orders": [_row(order) for order in reversed(found)]}

    def all_orders(self, call: Call) -> dict[str, Any]:
        symbol, limit = self._symbol(call), query_number(call.parameters, "limit", 50, 1, 200)
        within = period(call.parameters)
        found = self._fake.exchange.orders(
            call.owner, lambda order: order.symbol == symbol and within(order.created)
        )
        return {"orders": [_row(order) for order in reversed(found[-limit:])]}

    def fills(self, call: Call) -> dict[str, Any]:
        symbol, within = self._symbol(call), period(call.parameters)
        found = self._fake.exchange.trades(
            call.owner, lambda trade: trade.symbol == symbol and within(trade.time)
        )
        return {"fills": [fill_row(trade) for trade in reversed(found[-100:])]}

    def fills_of_order(self, call: Call) -> dict[str, Any]:
        asked = order_id(call.parameters, from_body=False)
        first = query_number(call.parameters, "fromId", 0)
        found = self._fake.exchange.trades(
            call.owner,
            lambda trade: trade.order_id == asked and trade.id >= first and ":" not in trade.symbol,
        )
        return {"fills": [fill_row(trade) for trade in reversed(found)]}

    def _route(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        name: str,
        handler: Callable[[Call], Any],
        weight: int = 1,
        trades: bool = False,
    ) -> Route:
        return Route(
            method=method,
            path=path,
            name=name,
            handler=lambda call: self._fake.checked(lambda: handler(call), "TRADE"),
            weight=weight,
            private=True,
            trades=trades,
            group="private",
        )

    def _symbol(self, call: Call) -> str:
        return self._fake.symbol(call.parameters.get("symbol"), "TRADE", "spot")

    def _place(self, account: Account, parameters: Mapping[str, Any]) -> Order:
        symbol = self._fake.symbol(parameters.get("symbol"), "TRADE", "spot")
        ticket = _ticket(symbol, parameters)
        self._check_reach(ticket)
        if sum(order.symbol == symbol for order in account.open_orders("spot")) >= self._fake.max_open_orders:
            raise self._fake.refusal("TRADE_OPEN_ORDER_EXCEED_LIMIT")
        return self._fake.place(account, ticket)

    def _check_reach(self, ticket: Ticket) -> None:
        last = self._fake.exchange.last(ticket.symbol)
        if ticket.price is None:
            if ticket.quantity > MAX_MARKET_SELL:
                raise self._fake.refusal("TRADE_SIZE_FILTER_DENIED", f"{ticket.quantity} > maxTradeDumping")
        elif ticket.side == "buy" and ticket.price > last * BUY_CEILING:
            raise self._fake.refusal("TRADE_PRICE_FILTER_DENIED", "above buyCeiling")
        elif ticket.side == "sell" and ticket.price < last * SELL_FLOOR:
            raise self._fake.refusal("TRADE_PRICE_FILTER_DENIED", "below sellFloor")


def _ticket(symbol: str, parameters: Mapping[str, Any]) -> Ticket:
    side: Side = "buy" if choice(parameters, "side", ("BUY", "SELL")) == "BUY" else "sell"
    kind: OrderType = "limit" if choice(parameters, "type", ("LIMIT", "MARKET")) == "LIMIT" else "market"
    by_cost = kind == "market" and side == "buy"
    return Ticket(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=Decimal(0) if by_cost else required_number(parameters, "size"),
        cost=required_number(parameters, "amount") if by_cost else None,
        price=required_number(parameters, "price") if kind == "limit" else None,
        client_id=client_id(parameters),
        time_in_force="IOC" if flag(parameters, "IOC") and kind == "limit" else "GTC",
    )


def _receipt(order: Order) -> dict[str, Any]:
    return {"orderId": order.id, "clientOrderId": order.client_id}


def _row(order: Order) -> dict[str, Any]:
    base, quote = order.symbol.split("/")
    trades = [trade for trade in order.trades if not trade.echo]
    coin = trades[-1].fee_currency if trades else (base if order.side == "buy" else quote)
    fee = sum((trade.fee for trade in trades), Decimal(0))
    return {
        **order_row(order),
        "type": "LIMIT" if order.ticket.type == "limit" else "MARKET",
        "fee": text(fee),
        "feeCoin": coin,
        "IOC": order.ticket.time_in_force == "IOC",
    }


def _places(amount: Decimal) -> str:
    return format(amount.quantize(PLACES, ROUND_DOWN), "f")
