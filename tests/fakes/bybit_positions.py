"""Bybit's routes of positions: the list, their settings, and the stops that belong to a position."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from tests.fakes.bybit_rows import POSITION_INDEX, position_row
from tests.fakes.bybit_words import (
    BAD_PARAMETER,
    LINEAR_CODES,
    envelope,
    plain,
    refuse,
    refuse_order,
    symbol_of,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Position
from tests.fakes.core_values import Order, PositionSide, Refused, Ticket
from tests.fakes.wire import Call, Route

_MARGIN_MODES: dict[str, Literal["cross", "isolated"]] = {
    "REGULAR_MARGIN": "cross",
    "ISOLATED_MARGIN": "isolated",
}
_STOPS = {"stopLoss": "StopLoss", "takeProfit": "TakeProfit"}


class Positions:
    """The handlers; `stop_kinds` is told which orders belong to a position."""

    def __init__(self, exchange: FakeExchange, stop_kinds: dict[int, str]) -> None:
        self._exchange = exchange
        self._stop_kinds = stop_kinds

    def routes(self) -> Iterable[Route]:
        yield Route(
            method="GET",
            path="/v5/position/list",
            name="positions",
            handler=self.positions,
            private=True,
            group="positions",
        )
        changes: tuple[tuple[str, str, Callable[[Call], Any]], ...] = (
            ("/v5/position/set-leverage", "set_leverage", self.set_leverage),
            ("/v5/position/switch-mode", "set_position_mode", self.switch_mode),
            ("/v5/account/set-margin-mode", "set_margin_mode", self.set_margin_mode),
            ("/v5/position/trading-stop", "trading_stop", self.trading_stop),
        )
        for path, name, handler in changes:
            yield Route(
                method="POST", path=path, name=name, handler=handler, private=True, trades=True, group=name
            )

    def positions(self, call: Call) -> Any:
        """Return a symbol's positions, flat ones too; by settlement coin only those that are not flat."""
        asked, owner = call.parameters, call.owner
        self._drop_stops_of_flat(owner)
        if asked.get("symbol"):
            symbol = self._swap(asked)
            sides: tuple[PositionSide, ...] = ("long", "short") if owner.hedge else ("both",)
            found = [owner.position(symbol, side) for side in sides]
        elif asked.get("settleCoin"):
            markets = self._exchange.markets
            found = [
                held for held in owner.open_positions() if markets[held.symbol].quote == asked["settleCoin"]
            ]
        else:
            refuse(self._exchange.now, BAD_PARAMETER, "Missing some parameters: symbol or settleCoin")
        rows = [self._position(owner, position) for position in found]
        limit = min(200, int(asked.get("limit") or 20))
        return self._answer({"category": "linear", "list": rows[:limit], "nextPageCursor": ""})

    def set_leverage(self, call: Call) -> Any:
        asked = call.parameters
        symbol = self._swap(asked)
        if asked.get("buyLeverage") != asked.get("sellLeverage"):
            refuse(self._exchange.now, BAD_PARAMETER, "buy leverage must equal to sell leverage")
        leverage = int(Decimal(str(asked["buyLeverage"])))
        self._settled(
            self._exchange.set_leverage(call.owner, symbol, leverage), 110043, "leverage not modified"
        )
        return self._answer({})

    def switch_mode(self, call: Call) -> Any:
        """Set the position mode, here of all symbols at once whichever is named."""
        asked = call.parameters
        if not asked.get("symbol") and not asked.get("coin"):
            refuse(self._exchange.now, BAD_PARAMETER, "Missing some parameters: symbol or coin")
        if asked.get("mode") not in (0, 3):
            refuse(self._exchange.now, BAD_PARAMETER, "mode invalid")
        changed = self._exchange.set_hedge(call.owner, asked["mode"] == 3)
        self._settled(changed, 110025, "Position mode is not modified")
        return self._answer({})

    def set_margin_mode(self, call: Call) -> Any:
        """Set the margin mode of the whole account: no symbol has one of its own."""
        mode = _MARGIN_MODES.get(call.parameters.get("setMarginMode", ""))
        if mode is None:
            refuse(self._exchange.now, BAD_PARAMETER, "setMarginMode invalid")
        if call.owner.default_margin_mode == mode:
            refuse(self._exchange.now, 110026, "Cross/isolated margin mode is not modified")
        call.owner.default_margin_mode = mode
        return self._answer({"reasons": []})

    def trading_stop(self, call: Call) -> Any:
        """Set a position's stop loss and take profit; they end with the position."""
        asked, owner = call.parameters, call.owner
        symbol = self._swap(asked)
        indices = {str(index): side for side, index in POSITION_INDEX.items()}
        position = owner.position(symbol, indices.get(str(asked.get("positionIdx", 0)), "both"))
        self._drop_stops_of_flat(owner)
        if not position.quantity:
            refuse(self._exchange.now, BAD_PARAMETER, "can not set tp/sl/ts for zero position")
        if asked.get("trailingStop"):
            refuse(self._exchange.now, BAD_PARAMETER, "trailing stops are not simulated")
        for name, kind in _STOPS.items():
            if asked.get(name):
                self._set_stop(owner, position, kind, asked, Decimal(str(asked[name])))
        return self._answer({})

    def _set_stop(
        self, owner: Account, position: Position, kind: str, asked: dict[str, Any], price: Decimal
    ) -> None:
        partial = asked.get("tpslMode") == "Partial"
        size = asked.get("slSize" if kind == "StopLoss" else "tpSize")
        for order in self._stops(owner, position):
            if not partial and self._stop_kinds[order.id] == kind:
                self._exchange.cancel(owner, order.id)
        if not price:
            return
        long = position.quantity > 0
        ticket = Ticket(
            symbol=position.symbol,
            side="sell" if long else "buy",
            type="stop",
            trigger_price=price,
            direction="falling" if long == (kind == "StopLoss") else "rising",
            position_side=position.side,
            close_position=True,
        )
        if partial and size:
            ticket = replace(ticket, quantity=Decimal(str(size)), close_position=False, reduce_only=True)
        placed = self._exchange.place(owner, ticket)
        if isinstance(placed, Refused):
            refuse(self._exchange.now, BAD_PARAMETER, f"{kind} set for the position is on the wrong side")
        self._stop_kinds[placed.id] = f"Partial{kind}" if partial else kind

    def _stops(self, owner: Account, position: Position) -> list[Order]:
        return [
            order
            for order in owner.open_orders("swap")
            if order.id in self._stop_kinds
            and (order.symbol, order.ticket.position_side) == (position.symbol, position.side)
        ]

    def _drop_stops_of_flat(self, owner: Account) -> None:
        for position in owner.positions.values():
            for order in self._stops(owner, position) if not position.quantity else ():
                self._exchange.cancel(owner, order.id)

    def _position(self, owner: Account, position: Position) -> dict[str, Any]:
        prices = {
            name: plain(order.ticket.trigger_price)
            for order in self._stops(owner, position)
            for name, kind in _STOPS.items()
            if order.ticket.trigger_price is not None and self._stop_kinds[order.id] == kind
        }
        return position_row(self._exchange, owner, position) | prices

    def _settled(self, refused: Refused | None, same_code: int, same_message: str) -> None:
        if refused is None:
            return
        if refused.reason in LINEAR_CODES:
            refuse_order(self._exchange, refused, "linear")
        refuse(self._exchange.now, same_code, same_message)

    def _swap(self, asked: dict[str, Any]) -> str:
        symbol = symbol_of(self._exchange, "linear", str(asked.get("symbol", "")))
        if asked.get("category") != "linear" or symbol is None:
            refuse_order(self._exchange, Refused("BAD_SYMBOL"), "linear")
        return symbol

    def _answer(self, result: Any) -> Any:
        return envelope(result, self._exchange.now)
