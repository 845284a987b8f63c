"""Bybit's routes that change orders: create, amend, cancel, and the stops that belong to a position."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes import matching
from tests.fakes.bybit_words import (
    BAD_PARAMETER,
    Category,
    envelope,
    number_of,
    order_id,
    refuse,
    refuse_order,
    symbol_of,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account
from tests.fakes.core_values import (
    Direction,
    MarketType,
    Order,
    OrderType,
    PositionSide,
    Refused,
    Ticket,
    TimeInForce,
)
from tests.fakes.late_cancels import LateCancels
from tests.fakes.matching_checks import refusal
from tests.fakes.wire import Call, Route

_POSITION_SIDES: dict[str, PositionSide] = {"0": "both", "1": "long", "2": "short"}
_TIMES_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "GTC"}
_DIRECTIONS: dict[str, Direction] = {"1": "rising", "2": "falling"}
_ATTACHED = ("takeProfit", "stopLoss")


class Orders:
    """The handlers; parameters that they don't know are ignored, as the real exchange does."""

    def __init__(self, exchange: FakeExchange, late_cancels: LateCancels) -> None:
        self._exchange = exchange
        self._late_cancels = late_cancels

    def routes(self) -> Iterable[Route]:
        for path, name, handler in (
            ("/v5/order/create", "create_order", self.create),
            ("/v5/order/amend", "amend_order", self.amend),
            ("/v5/order/cancel", "cancel_order", self.cancel),
            ("/v5/order/cancel-all", "cancel_all", self.cancel_all),
        ):
            yield Route(
                method="POST", path=path, name=name, handler=handler, private=True, trades=True, group=name
            )

    def create(self, call: Call) -> Any:
        """Accept an order; the answer is a receipt with its ids and nothing else."""
        category, symbol = self._market(call)
        ticket = self._ticket(call.parameters, symbol)
        if ticket.reduce_only and ticket.type in ("market", "limit"):
            ticket = replace(ticket, quantity=self._reducing(call.owner, ticket))
        placed = self._exchange.place(call.owner, ticket)
        if isinstance(placed, Refused):
            refuse_order(self._exchange, placed, category, ticket)
        return self._receipt(placed)

    def cancel(self, call: Call) -> Any:
        """Cancel by id or by link; on spot only orders of the kind that the filter names are found."""
        category, order = self._named(call)
        if not order.is_open:
            refuse_order(self._exchange, Refused("NOT_OPEN"), category)
        self._late_cancels.ask(call.owner, order.id)
        return self._receipt(order)

    def cancel_all(self, call: Call) -> Any:
        """Cancel all open orders of a symbol, or of a whole category."""
        asked = call.parameters
        category = self._category(asked)
        wanted = symbol_of(self._exchange, category, asked["symbol"]) if asked.get("symbol") else None
        found = [
            order
            for order in call.owner.open_orders("spot" if category == "spot" else "swap")
            if wanted in (None, order.symbol) and _of_kind(order, asked.get("orderFilter"))
        ]
        for order in found:
            self._late_cancels.ask(call.owner, order.id)
        rows = [{"orderId": order_id(order), "orderLinkId": order.client_id} for order in found]
        return envelope({"list": rows, "success": "1"}, self._exchange.now)

    def amend(self, call: Call) -> Any:
        """Change price, quantity or trigger of an open order, and let it act again."""
        category, order = self._named(call)
        if not order.is_open:
            refuse_order(self._exchange, Refused("NOT_OPEN"), category)
        asked, old = call.parameters, order.ticket
        changed = replace(
            old,
            quantity=self._number(asked, "qty") or old.quantity,
            price=self._number(asked, "price") or old.price,
            trigger_price=self._number(asked, "triggerPrice") or old.trigger_price,
        )
        if changed == old:
            refuse(self._exchange.now, BAD_PARAMETER, "order not modified")
        if changed.quantity <= order.filled:
            refuse(self._exchange.now, 110064, "The modified quantity cannot be below the filled quantity.")
        self._check_amended(call.owner, order, changed, category)
        order.ticket, order.quantity, order.updated = changed, changed.quantity, self._exchange.now
        matching.enter(self._exchange, call.owner, order)
        return self._receipt(order)

    def _check_amended(self, owner: Account, order: Order, changed: Ticket, category: Category) -> None:
        """Refuse what a new order would be refused for; what the order itself holds is free for it."""
        order.status = "canceled"
        try:
            refused = refusal(self._exchange, owner, replace(changed, client_id=""))
        finally:
            order.status = "open"
        if refused is not None:
            refuse_order(self._exchange, refused, category, changed)

    def _ticket(self, asked: dict[str, Any], symbol: str) -> Ticket:
        for name in _ATTACHED:
            if asked.get(name):
                refuse(self._exchange.now, BAD_PARAMETER, f"{name} at an order is not simulated")
        market = self._choice(asked, "orderType", ("Market", "Limit")) == "Market"
        trigger = self._number(asked, "triggerPrice")
        kind: OrderType = ("stop" if market else "stop_limit") if trigger else "market" if market else "limit"
        ticket = Ticket(
            symbol=symbol,
            side="buy" if self._choice(asked, "side", ("Buy", "Sell")) == "Buy" else "sell",
            type=kind,
            quantity=self._number(asked, "qty") or Decimal(0),
            price=None if market else self._number(asked, "price"),
            trigger_price=trigger,
            client_id=str(asked.get("orderLinkId") or ""),
            time_in_force=_TIMES_IN_FORCE.get(str(asked.get("timeInForce", "GTC")), "GTC"),
            post_only=asked.get("timeInForce") == "PostOnly",
        )
        if not market and ticket.price is None:
            refuse(self._exchange.now, BAD_PARAMETER, "params error: price is required")
        return self._linear(asked, ticket) if ":" in symbol else self._spot(asked, ticket)

    def _linear(self, asked: dict[str, Any], ticket: Ticket) -> Ticket:
        direction = str(asked.get("triggerDirection", ""))
        if ticket.trigger_price is not None and direction not in ("1", "2"):
            refuse(self._exchange.now, BAD_PARAMETER, "TriggerDirection invalid")
        if not isinstance(asked.get("reduceOnly", False), bool):
            refuse(self._exchange.now, BAD_PARAMETER, "params error: reduceOnly must be a boolean")
        return replace(
            ticket,
            direction=_DIRECTIONS.get(direction) if ticket.trigger_price else None,
            reduce_only=asked.get("reduceOnly") is True,
            position_side=_POSITION_SIDES.get(str(asked.get("positionIdx", 0)), "both"),
        )

    def _spot(self, asked: dict[str, Any], ticket: Ticket) -> Ticket:
        """Read what only spot knows: quantities in quote currency, and triggers without direction.

        A market buy is by value unless `marketUnit` says `baseCoin`.
        """
        if ticket.trigger_price is not None:
            rises = ticket.trigger_price > self._exchange.last(ticket.symbol)
            ticket = replace(ticket, direction="rising" if rises else "falling")
        unit = asked.get("marketUnit") or ("quoteCoin" if ticket.side == "buy" else "baseCoin")
        if ticket.price is not None or unit == "baseCoin":
            return ticket
        if ticket.side == "buy":
            return replace(ticket, quantity=Decimal(0), cost=ticket.quantity)
        step = self._exchange.markets[ticket.symbol].amount_step
        return replace(
            ticket, quantity=matching.on_step(ticket.quantity / self._exchange.bid(ticket.symbol), step)
        )

    def _reducing(self, owner: Account, ticket: Ticket) -> Decimal:
        """Return what is left of a reduce-only quantity: never more than there is to close."""
        there = matching.reducible(owner, ticket)
        return min(ticket.quantity, there) if there else ticket.quantity

    def _named(self, call: Call) -> tuple[Category, Order]:
        category, _ = self._market(call)
        asked = call.parameters
        if asked.get("orderId"):
            order = self._exchange.order_by_id(call.owner, number_of(str(asked["orderId"])))
        elif asked.get("orderLinkId"):
            market: MarketType = "spot" if category == "spot" else "swap"
            order = self._exchange.order_by_client_id(call.owner, str(asked["orderLinkId"]), market)
        else:
            refuse(self._exchange.now, BAD_PARAMETER, "params error: orderId or orderLinkId is required")
        kind = asked.get("orderFilter", "Order") if category == "spot" else None
        if order is None or not _of_kind(order, kind):
            refuse_order(self._exchange, Refused("UNKNOWN_ORDER"), category)
        return category, order

    def _market(self, call: Call) -> tuple[Category, str]:
        category = self._category(call.parameters)
        symbol = symbol_of(self._exchange, category, str(call.parameters.get("symbol", "")))
        if symbol is None:
            refuse_order(self._exchange, Refused("BAD_SYMBOL"), category)
        return category, symbol

    def _category(self, asked: dict[str, Any]) -> Category:
        found: dict[str, Category] = {"spot": "spot", "linear": "linear"}
        if asked.get("category") not in found:
            refuse(self._exchange.now, BAD_PARAMETER, "Illegal category")
        return found[asked["category"]]

    def _choice(self, asked: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
        if asked.get(name) not in allowed:
            refuse(self._exchange.now, BAD_PARAMETER, f"params error: {name} invalid")
        return str(asked[name])

    def _number(self, asked: dict[str, Any], name: str) -> Decimal | None:
        try:
            value = Decimal(str(asked.get(name) or 0))
        except InvalidOperation:
            refuse(self._exchange.now, BAD_PARAMETER, f"params error: {name} invalid")
        return value or None

    def _receipt(self, order: Order) -> Any:
        return envelope({"orderId": order_id(order), "orderLinkId": order.client_id}, self._exchange.now)


def _of_kind(order: Order, kind: object) -> bool:
    """Tell whether an order is of a filter's kind; without a filter every order is."""
    if not kind:
        return True
    return order.conditional == (kind == "StopOrder")
