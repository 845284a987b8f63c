"""Bybit's routes that read orders and executions: realtime, history, executions."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.fakes.bybit_rows import execution_row, funding_row, order_row, order_status
from tests.fakes.bybit_words import BAD_PARAMETER, category_of, envelope, number_of, refuse, symbol_of
from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Order, Payment, Trade
from tests.fakes.wire import Call, Route

RECENT = 500
"""How many ended orders of a category the realtime route still knows."""

_WEEK, _DAY = 7 * 86_400.0, 86_400.0

Row = TypeVar("Row", Order, Trade | Payment)


class Lookups:
    """The handlers. Pages are short unless the caller asks for longer ones, and rows come newest first."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self._forgotten: set[int] = set()
        self.stop_kinds: dict[int, str] = {}
        """Orders that belong to a position's take profit or stop loss."""

    def routes(self) -> Iterable[Route]:
        for path, name, handler in (
            ("/v5/order/realtime", "open_orders", self.realtime),
            ("/v5/order/history", "closed_orders", self.history),
            ("/v5/execution/list", "trades", self.executions),
        ):
            yield Route(method="GET", path=path, name=name, handler=handler, private=True, group=name)

    def restart(self) -> None:
        """Forget ended orders in the realtime route, as after a release of the exchange's own software."""
        for account in self._exchange.accounts.values():
            self._forgotten |= {order.id for order in account.orders.values() if not order.is_open}

    def realtime(self, call: Call) -> Any:
        """Return open orders; by id, or with `openOnly` 1, also those that ended lately."""
        asked = call.parameters
        category = self._category(asked)
        by_id = self._by_id(asked)
        if category == "linear" and not by_id and not any(asked.get(key) for key in _SCOPES):
            refuse(self._exchange.now, BAD_PARAMETER, "Missing some parameters: symbol or settleCoin")
        ended = str(asked.get("openOnly", "0")) == "1"

        def wanted(order: Order) -> bool:
            if category_of(order.symbol) != category or not (
                order.is_open or order.id not in self._forgotten
            ):
                return False
            return by_id(order) if by_id else order.is_open != ended and self._within(order, asked, category)

        found = self._exchange.orders(call.owner, wanted)
        return self._page(asked, category, found[-RECENT:])

    def history(self, call: Call) -> Any:
        """Return ended orders of a week; those that ended without a fill disappear after a day."""
        asked = call.parameters
        category = self._category(asked)
        by_id = self._by_id(asked)
        since, until = self._window(asked)

        def wanted(order: Order) -> bool:
            if order.is_open or category_of(order.symbol) != category or not since <= order.created <= until:
                return False
            if not order.filled and order.updated < self._exchange.now - _DAY:
                return False
            if asked.get("orderStatus") not in (None, "", order_status(order)):
                return False
            return by_id(order) if by_id else self._within(order, asked, category)

        return self._page(asked, category, self._exchange.orders(call.owner, wanted))

    def executions(self, call: Call) -> Any:
        """Return trades, and funding payments unless `execType` asks for one kind."""
        asked, exchange = call.parameters, self._exchange
        category = self._category(asked)
        since, until = self._window(asked)
        orders, by_id = call.owner.orders, self._by_id(asked)
        rows: list[Trade | Payment] = []
        if asked.get("execType") in (None, "", "Trade"):
            rows += exchange.trades(
                call.owner,
                lambda trade: (
                    by_id(orders[trade.order_id]) if by_id else self._within(trade, asked, category)
                ),
            )
        if asked.get("execType") in (None, "", "Funding") and not by_id:
            paid = [payment for payment in call.owner.payments if payment.kind == "funding"]
            rows += [payment for payment in paid if self._within(payment, asked, category)]
        found = [row for row in sorted(rows, key=lambda row: row.id) if since <= row.time <= until]
        page, cursor = self._cut(asked, found, 50, 100)
        shown = [
            funding_row(row)
            if isinstance(row, Payment)
            else execution_row(exchange, orders[row.order_id], row)
            for row in page
        ]
        return envelope({"category": category, "list": shown, "nextPageCursor": cursor}, exchange.now)

    def _by_id(self, asked: dict[str, Any]) -> Callable[[Order], bool] | None:
        """Return what an id asks for: the exchange's own before the owner's, and both before all else."""
        if asked.get("orderId"):
            number = number_of(str(asked["orderId"]))
            return lambda order: order.id == number
        if asked.get("orderLinkId"):
            link = str(asked["orderLinkId"])
            return lambda order: order.client_id == link
        return None

    def _within(self, row: Order | Trade | Payment, asked: dict[str, Any], category: str) -> bool:
        """Tell whether a row is of the category, the symbol or coins, and the kind that are asked for."""
        listing = self._exchange.markets[row.symbol]
        if asked.get("symbol"):
            if symbol_of(self._exchange, category, asked["symbol"]) != row.symbol:
                return False
        elif (listing.base, listing.quote) != (
            asked.get("baseCoin", listing.base),
            asked.get("settleCoin", listing.quote),
        ):
            return False
        kind = asked.get("orderFilter")
        if isinstance(row, Order) and kind:
            return category_of(row.symbol) == category and row.conditional == (kind == "StopOrder")
        return category_of(row.symbol) == category

    def _window(self, asked: dict[str, Any]) -> tuple[float, float]:
        """Return the seconds that a query covers: never more than a week, the last one by default."""
        since, until = (int(asked[name]) / 1000 if asked.get(name) else None for name in _TIMES)
        if since is not None and until is not None and until - since > _WEEK:
            refuse(self._exchange.now, BAD_PARAMETER, "The time range between start and end exceeds 7 days")
        if since is None:
            until = self._exchange.now if until is None else until
            return until - _WEEK, until
        return since, since + _WEEK if until is None else until

    def _page(self, asked: dict[str, Any], category: str, found: list[Order]) -> Any:
        page, cursor = self._cut(asked, found, 20, 50)
        rows = [order_row(self._exchange, order, self.stop_kinds.get(order.id, "")) for order in page]
        return envelope({"category": category, "list": rows, "nextPageCursor": cursor}, self._exchange.now)

    def _cut(self, asked: dict[str, Any], found: list[Row], default: int, most: int) -> tuple[list[Row], str]:
        """Return a page and where the next one starts, which is told as long as this one has any rows."""
        limit = min(most, int(asked.get("limit") or default))
        place = re.search(r"\d+", str(asked.get("cursor") or "").replace("%3D", "="))
        start = int(place.group()) if place else 0
        page = found[::-1][start : start + limit]
        return page, f"page_args%3D{start + len(page)}%26" if page else ""

    def _category(self, asked: dict[str, Any]) -> str:
        category = str(asked.get("category", ""))
        if category not in ("spot", "linear", "inverse", "option"):
            refuse(self._exchange.now, BAD_PARAMETER, "Illegal category")
        return category


_SCOPES = ("symbol", "baseCoin", "settleCoin")
_TIMES = ("startTime", "endTime")
