"""Reads of orders and trades on the fake OrangeX. Nothing can be looked up by its custom id."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Order, Trade
from tests.fakes.orangex_words import (
    CODES,
    CURRENCIES,
    choice,
    known,
    milliseconds,
    order_number,
    order_row,
    trade_row,
    whole,
)
from tests.fakes.wire import Call, Reply, Route, WireRefusal

if TYPE_CHECKING:
    from tests.fakes.orangex import FakeOrangex

_FOR_EVER = 2**62
_PAGE = ("count", "offset")
_SPAN = ("start_timestamp", "end_timestamp", "count", "sorting")


class ReadRoutes:
    """The reading half of trading."""

    def __init__(self, fake: "FakeOrangex") -> None:
        self._fake = fake

    def routes(self) -> Iterable[Route]:
        for method, name, handler in (
            ("get_order_state", "order", self.order),
            ("get_open_orders_by_instrument", "open_orders", self.open_by_instrument),
            ("get_open_orders_by_currency", "open_orders", self.open_by_currency),
            ("get_order_history_by_instrument", "closed_orders", self.history_by_instrument),
            ("get_order_history_by_currency", "closed_orders", self.history_by_currency),
            ("get_user_trades_by_order", "order_trades", self.trades_by_order),
            ("get_user_trades_by_instrument", "trades", self.trades_by_instrument),
            ("get_user_trades_by_currency", "trades", self.trades_by_currency),
        ):
            yield self._fake.private(method, name, handler)

    def order(self, call: Call) -> dict[str, Any]:
        """Return an order; of one that is too young, neither a result nor an error."""
        known(call.parameters, ("order_id",))
        order = call.owner.orders.get(order_number(call.parameters))
        if order is None:
            raise self._fake.error(CODES["UNKNOWN_ORDER"])
        if not self._fake.exchange.visible(order):
            raise WireRefusal(Reply({}))
        return _row(call.owner, order)

    def open_by_instrument(self, call: Call) -> list[dict[str, Any]]:
        known(call.parameters, ("instrument_name", "type"))
        symbol = self._symbol(call)
        return self._orders(call, lambda order: order.is_open and order.symbol == symbol)

    def open_by_currency(self, call: Call) -> list[dict[str, Any]]:
        known(call.parameters, ("currency", "kind", "type"))
        of = self._currency(call)
        return self._orders(call, lambda order: order.is_open and of(order.symbol))

    def history_by_instrument(self, call: Call) -> list[dict[str, Any]]:
        known(call.parameters, ("instrument_name", *_PAGE))
        symbol = self._symbol(call)
        return self._history(call, lambda order: order.symbol == symbol)

    def history_by_currency(self, call: Call) -> list[dict[str, Any]]:
        known(call.parameters, ("currency", "kind", *_PAGE))
        of = self._currency(call)
        return self._history(call, lambda order: of(order.symbol))

    def trades_by_order(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("order_id", *_SPAN))
        number = order_number(call.parameters)
        return self._trades(call, lambda trade: trade.order_id == number)

    def trades_by_instrument(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("instrument_name", *_SPAN))
        symbol = self._symbol(call)
        return self._trades(call, lambda trade: trade.symbol == symbol)

    def trades_by_currency(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("currency", "kind", *_SPAN))
        of = self._currency(call)
        return self._trades(call, lambda trade: of(trade.symbol))

    def _orders(self, call: Call, matches: Callable[[Order], bool]) -> list[dict[str, Any]]:
        """Return what can be seen of the account's orders, newest first."""
        found = self._fake.exchange.orders(call.owner, matches)
        return [_row(call.owner, order) for order in reversed(found)]

    def _history(self, call: Call, matches: Callable[[Order], bool]) -> list[dict[str, Any]]:
        """Return one page of finished orders: twenty, unless `count` says otherwise."""
        count, offset = whole(call.parameters, "count", 20), whole(call.parameters, "offset", 0)
        rows = self._orders(call, lambda order: not order.is_open and matches(order))
        return rows[offset : offset + count]

    def _trades(self, call: Call, matches: Callable[[Trade], bool]) -> dict[str, Any]:
        """Return one page of trades: the newest ten, unless `count` and `sorting` say otherwise."""
        within = _span(call.parameters)
        found = self._fake.exchange.trades(
            call.owner, lambda trade: within(milliseconds(trade.time)) and matches(trade)
        )
        ascending = choice(call.parameters, "sorting", ("asc", "desc", "default"), "default") == "asc"
        ordered = found if ascending else found[::-1]
        page = ordered[: whole(call.parameters, "count", 10)]
        rows = [trade_row(trade, call.owner.orders.get(trade.order_id)) for trade in page]
        return {"count": len(rows), "trades": rows, "has_more": len(page) < len(ordered)}

    def _symbol(self, call: Call) -> str:
        return self._fake.symbol(call.parameters.get("instrument_name"))

    def _currency(self, call: Call) -> Callable[[str], bool]:
        wanted = CURRENCIES[choice(call.parameters, "currency", CURRENCIES)]
        return lambda symbol: self._fake.exchange.markets[symbol].type == wanted


def _row(owner: Account, order: Order) -> dict[str, Any]:
    return order_row(order, owner.leverage_of(order.symbol))


def _span(parameters: Mapping[str, Any]) -> Callable[[int], bool]:
    """Return whether a moment lies within the asked period, both ends included."""
    start = whole(parameters, "start_timestamp", 0)
    end = whole(parameters, "end_timestamp", _FOR_EVER)
    return lambda moment: start <= moment <= end
