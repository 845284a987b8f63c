"""BingX's swap orders: place, cancel, look up, open and ended ones, and the two lists of trades."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.fakes import matching
from tests.fakes.bingx_rows import bare_trade, complete_trade, order_row, receipt
from tests.fakes.bingx_words import (
    BAD_PARAMETER,
    TYPES,
    answer,
    flag,
    milliseconds,
    number,
    number_of,
    refuse,
    refuse_order,
    swap_symbol,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Direction, Order, PositionSide, Refused, Ticket, TimeInForce, Trade
from tests.fakes.wire import Call, Route

_POSITION_SIDES: dict[str, PositionSide] = {"BOTH": "both", "LONG": "long", "SHORT": "short"}
_TIMES_IN_FORCE: dict[str, TimeInForce] = {"IOC": "IOC", "FOK": "FOK"}
_DAYS = 86_400_000


class Orders:
    """The handlers; all parameters are in the query, whatever the method."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self._kinds: dict[int, str] = {}
        """The type of each order as it was asked for: two of ours can be four of theirs."""
        self.unknown_order = {"GET": (80016, "order does not exist"), "DELETE": (109414, "order not exist")}
        """What an unknown order is called; newer documentation says 109421 for both."""

    def routes(self) -> Iterable[Route]:
        order = "/openApi/swap/v2/trade/order"
        trading: tuple[tuple[str, str, str, Callable[[Call], Any]], ...] = (
            ("POST", order, "create_order", self.create),
            ("DELETE", order, "cancel_order", self.cancel),
            ("DELETE", "/openApi/swap/v2/trade/allOpenOrders", "cancel_all", self.cancel_all),
        )
        reading: tuple[tuple[str, str, str, Callable[[Call], Any]], ...] = (
            ("GET", order, "order", self.order),
            ("GET", "/openApi/swap/v2/trade/openOrders", "open_orders", self.open_orders),
            ("GET", "/openApi/swap/v2/trade/allOrders", "closed_orders", self.ended_orders),
            ("GET", "/openApi/swap/v1/trade/fullOrder", "all_orders", self.all_orders),
            ("GET", "/openApi/swap/v2/trade/fillHistory", "trades", self.fill_history),
            ("GET", "/openApi/swap/v2/trade/allFillOrders", "all_fill_orders", self.all_fill_orders),
        )
        for method, path, name, handler in trading + reading:
            yield Route(
                method=method,
                path=path,
                name=name,
                handler=handler,
                private=True,
                trades=method != "GET",
                group=name,
            )

    def create(self, call: Call) -> Any:
        """Accept an order; the answer says what was asked for, and of market orders how they were filled."""
        asked = call.parameters
        ticket = self._ticket(asked)
        self._check_position(call.owner, asked, ticket)
        placed = self._exchange.place(call.owner, ticket)
        if isinstance(placed, Refused):
            refuse_order(placed, ticket, str(asked["type"]), self._exchange.now)
        self._kinds[placed.id] = str(asked["type"])
        return answer({"order": receipt(placed, asked)})

    def order(self, call: Call) -> Any:
        return answer({"order": self._row(self._named(call, "GET"))})

    def cancel(self, call: Call) -> Any:
        """Cancel an open order; one that has ended does not exist any more, in words of its own."""
        order = self._named(call, "DELETE")
        if isinstance(self._exchange.cancel(call.owner, order.id), Refused):
            refuse(80018, "order is already filled, The order doesn't exist")
        return answer({"order": self._row(order)})

    def cancel_all(self, call: Call) -> Any:
        wanted = self._symbol(call.parameters)
        found = [order for order in call.owner.open_orders("swap") if wanted in (None, order.symbol)]
        for order in found:
            self._exchange.cancel(call.owner, order.id)
        return answer({"success": [self._row(order) for order in found], "failed": None})

    def open_orders(self, call: Call) -> Any:
        wanted = self._symbol(call.parameters)
        found = self._orders(call.owner, lambda order: order.is_open and wanted in (None, order.symbol))
        return answer({"orders": [self._row(order) for order in found]})

    def ended_orders(self, call: Call) -> Any:
        return self._history(call, lambda order: not order.is_open)

    def all_orders(self, call: Call) -> Any:
        return self._history(call, _any)

    def fill_history(self, call: Call) -> Any:
        """Return complete trades of at most a week, newest first."""
        asked = call.parameters
        if not asked.get("symbol"):
            refuse(BAD_PARAMETER, "symbol: This field is required.")
        found = self._trades(call, 7)
        size, page = int(asked.get("pageSize") or 50), int(asked.get("pageIndex") or 1)
        rows = found[::-1][(page - 1) * size : page * size]
        return answer({"fill_history_orders": [complete_trade(row) for row in rows], "total": len(found)})

    def all_fill_orders(self, call: Call) -> Any:
        """Return trades of at most a month without ids and sides, as the older list does."""
        if call.parameters.get("tradingUnit") not in ("COIN", "CONT"):
            refuse(BAD_PARAMETER, "tradingUnit: This field is required.")
        rows = self._trades(call, 30)[::-1]
        return answer(
            {"fill_orders": [bare_trade(row, call.owner.orders[row.order_id].client_id) for row in rows]}
        )

    def _ticket(self, asked: dict[str, Any]) -> Ticket:
        kind, side = str(asked.get("type")), str(asked.get("side"))
        if kind not in TYPES or side not in ("BUY", "SELL"):
            refuse(BAD_PARAMETER, f"type or side: {kind} {side} is not supported")
        if asked.get("stopLoss") or asked.get("takeProfit"):
            refuse(BAD_PARAMETER, "stopLoss and takeProfit at an order are not simulated")
        symbol = self._symbol(asked)
        if symbol is None:
            refuse(BAD_PARAMETER, "symbol: This field is required.")
        ticket = Ticket(
            symbol=symbol,
            side="buy" if side == "BUY" else "sell",
            type=TYPES[kind],
            quantity=number(asked, "quantity") or Decimal(0),
            price=number(asked, "price") if TYPES[kind] in ("limit", "stop_limit") else None,
            trigger_price=number(asked, "stopPrice") if TYPES[kind] in ("stop", "stop_limit") else None,
            client_id=str(asked.get("clientOrderID", "")).lower(),
            time_in_force=_TIMES_IN_FORCE.get(str(asked.get("timeInForce")), "GTC"),
            post_only=asked.get("timeInForce") == "PostOnly",
            reduce_only=flag(asked, "reduceOnly"),
            close_position=flag(asked, "closePosition"),
            position_side=_POSITION_SIDES.get(str(asked.get("positionSide", "LONG")), "both"),
        )
        self._check_complete(ticket)
        return replace(ticket, direction=self._direction(kind, ticket))

    def _check_complete(self, ticket: Ticket) -> None:
        if not ticket.quantity and not ticket.close_position:
            refuse(80014, "parameter quantity is must")
        if ticket.type in ("limit", "stop_limit") and ticket.price is None:
            refuse(BAD_PARAMETER, "price: This field is required.")
        if ticket.type in ("stop", "stop_limit") and ticket.trigger_price is None:
            refuse(BAD_PARAMETER, "stopPrice: This field is required.")

    def _direction(self, kind: str, ticket: Ticket) -> Direction | None:
        """Return on which way of the price a stop triggers: TRIGGER types take what leads to their price."""
        if ticket.trigger_price is None:
            return None
        if kind.startswith("TRIGGER"):
            return "rising" if ticket.trigger_price > self._exchange.last(ticket.symbol) else "falling"
        return "falling" if (ticket.side == "sell") == kind.startswith("STOP") else "rising"

    def _check_position(self, owner: Account, asked: dict[str, Any], ticket: Ticket) -> None:
        """Refuse what does not fit the position mode, and stops that have nothing to reduce.

        In one-way mode a stop that is not reduce-only needs no position: it opens one when it triggers.
        """
        if owner.hedge and ticket.position_side == "both":
            refuse(
                BAD_PARAMETER, "In the Hedge mode, the 'PositionSide' field can only be set to LONG or SHORT."
            )
        if owner.hedge and "reduceOnly" in asked:
            refuse(BAD_PARAMETER, "In the Hedge mode, the 'ReduceOnly' field can not be filled.")
        if not owner.hedge and ticket.position_side != "both":
            refuse(BAD_PARAMETER, "In the One-way mode, the 'PositionSide' field can only be set to BOTH.")
        if ticket.type not in ("stop", "stop_limit") or matching.reducible(owner, ticket):
            return
        if ticket.reduce_only:
            refuse_order(Refused("REDUCE_ONLY"), ticket, "", self._exchange.now)
        if owner.hedge and not str(asked["type"]).startswith("TRIGGER"):
            refuse(80017, "position not exist")

    def _named(self, call: Call, method: str) -> Order:
        asked = call.parameters
        symbol, order_number = self._symbol(asked), number_of(asked)
        if symbol is None or (order_number is None and not asked.get("clientOrderID")):
            refuse(BAD_PARAMETER, "symbol and orderId or clientOrderID: one of these fields is required.")
        if order_number is not None:
            found = self._exchange.order_by_id(call.owner, order_number)
        else:
            client_id = str(asked["clientOrderID"]).lower()
            found = self._exchange.order_by_client_id(call.owner, client_id, "swap")
        if found is None or found.symbol != symbol:
            refuse(*self.unknown_order[method])
        return found

    def _symbol(self, asked: dict[str, Any]) -> str | None:
        name = str(asked.get("symbol", ""))
        if name and swap_symbol(name) not in self._exchange.markets:
            refuse(109425, f"{name} not exist, please verify it in api: /openApi/swap/v2/quote/contracts")
        return swap_symbol(name) if name else None

    def _orders(self, owner: Account, wanted: Callable[[Order], bool]) -> list[Order]:
        """Return the swap orders that are wanted, newest first."""
        return self._exchange.orders(owner, lambda order: ":" in order.symbol and wanted(order))[::-1]

    def _history(self, call: Call, wanted: Callable[[Order], bool]) -> Any:
        asked, now = call.parameters, milliseconds(self._exchange.now)
        symbol, after = self._symbol(asked), number_of(asked)
        until = int(asked.get("endTime") or now)
        since = int(asked.get("startTime") or until - 7 * _DAYS)
        if until - since > 7 * _DAYS:
            refuse(80014, "the query range is more than seven days")
        found = self._orders(
            call.owner,
            lambda order: (
                symbol in (None, order.symbol)
                and since <= milliseconds(order.created) <= until
                and (after is None or order.id >= after)
                and wanted(order)
            ),
        )
        rows = [self._row(order) for order in found[: min(1000, int(asked.get("limit") or 500))]]
        return answer({"orders": rows})

    def _trades(self, call: Call, days: int) -> list[Trade]:
        asked = call.parameters
        if not asked.get("startTs") or not asked.get("endTs"):
            refuse(BAD_PARAMETER, "Invalid parameters, err:startTs: This field is required.")
        since, until = int(asked["startTs"]), int(asked["endTs"])
        if until - since > days * _DAYS:
            refuse(BAD_PARAMETER, f"the query range is more than {days} days")
        symbol, of_order = self._symbol(asked), number_of(asked)
        last = int(asked.get("lastFillId") or 0)
        return self._exchange.trades(
            call.owner,
            lambda trade: (
                ":" in trade.symbol
                and symbol in (None, trade.symbol)
                and since <= milliseconds(trade.time) <= until
                and of_order in (None, trade.order_id)
                and trade.id > last
            ),
        )

    def _row(self, order: Order) -> dict[str, Any]:
        return order_row(order, self._kinds.get(order.id) or order.ticket.type.upper())


def _any(_: Order) -> bool:
    return True
