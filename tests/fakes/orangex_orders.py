"""Placing and cancelling on the fake OrangeX: receipts only, what happened is told by reads."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes.core_values import Direction, Listing, Order, OrderType, PositionSide, Refused, Side, Ticket
from tests.fakes.core_values import TimeInForce as Time
from tests.fakes.orangex_words import (
    CODES,
    CURRENCIES,
    MESSAGES,
    BadParameter,
    amount,
    choice,
    flag,
    known,
    order_id,
    order_number,
)
from tests.fakes.wire import Call, Route

if TYPE_CHECKING:
    from tests.fakes.orangex import FakeOrangex

LOWEST, HIGHEST = Decimal("0.5"), Decimal("1.5")
"""The rates of the order price band that instruments tell."""

_PERPETUAL_ONLY = (
    "reduce_only",
    "position_side",
    "condition_type",
    "trigger_price",
    "trigger_price_type",
    "market_amount_order",
)
_FIELDS = (
    "instrument_name",
    "amount",
    "type",
    "price",
    "time_in_force",
    "post_only",
    "custom_order_id",
    *_PERPETUAL_ONLY,
)
_TIMES: dict[str, Time] = {
    "good_til_cancelled": "GTC",
    "fill_or_kill": "FOK",
    "immediate_or_cancel": "IOC",
}
_SIDES: dict[str, PositionSide] = {"BOTH": "both", "LONG": "long", "SHORT": "short"}
_CONDITIONS = ("NORMAL", "STOP", "IF_TOUCHED")


class OrderRoutes:
    """The writing half of trading."""

    def __init__(self, fake: "FakeOrangex") -> None:
        self._fake = fake

    def routes(self) -> Iterable[Route]:
        for method, name, handler in (
            ("buy", "create_order", self.buy),
            ("sell", "create_order", self.sell),
            ("cancel", "cancel_order", self.cancel),
            ("cancel_all_by_instrument", "cancel_all", self.cancel_by_instrument),
            ("cancel_all_by_currency", "cancel_all", self.cancel_by_currency),
        ):
            yield self._fake.private(method, name, handler, trades=True)

    def buy(self, call: Call) -> dict[str, Any]:
        return self._receipt(call, "buy")

    def sell(self, call: Call) -> dict[str, Any]:
        return self._receipt(call, "sell")

    def cancel(self, call: Call) -> dict[str, Any]:
        """Acknowledge a cancel; whether it comes in time, a later read tells."""
        known(call.parameters, ("order_id",))
        order = call.owner.orders.get(order_number(call.parameters))
        if order is None or not self._fake.exchange.visible(order):
            raise self._fake.error(CODES["UNKNOWN_ORDER"])
        if order.is_open:
            self._fake.late_cancels.ask(call.owner, order.id)
        elif self._fake.cancel_of_finished == "error":
            raise self._fake.error(CODES["NOT_OPEN"])
        return {"order_id": order_id(order.id)}

    def cancel_by_instrument(self, call: Call) -> int:
        known(call.parameters, ("instrument_name",))
        symbol = self._fake.symbol(call.parameters.get("instrument_name"))
        return self._cancel_all(call, lambda order: order.symbol == symbol)

    def cancel_by_currency(self, call: Call) -> int:
        known(call.parameters, ("currency", "kind"))
        wanted = CURRENCIES[choice(call.parameters, "currency", CURRENCIES)]
        return self._cancel_all(call, lambda order: self._listing(order.symbol).type == wanted)

    def _cancel_all(self, call: Call, matches: Callable[[Order], bool]) -> int:
        orders = [order for order in call.owner.open_orders() if matches(order)]
        for order in orders:
            self._fake.late_cancels.ask(call.owner, order.id)
        return len(orders)

    def _receipt(self, call: Call, side: Side) -> dict[str, Any]:
        """Accept an order; the receipt has its id, an empty custom id, and no state."""
        ticket, exchange = self._ticket(call.parameters, side), self._fake.exchange
        self._check_reach(ticket)
        placed = exchange.place(call.owner, ticket)
        if isinstance(placed, Refused):
            if placed.reason not in self._fake.after_receipt:
                code = CODES[placed.reason]
                raise self._fake.error(code, f"{MESSAGES[code]} {placed.detail}")
            placed = exchange.place_rejected(call.owner, ticket, placed.reason)
        return {"order": {"order_id": order_id(placed.id), "custom_order_id": ""}}

    def _check_reach(self, ticket: Ticket) -> None:
        """Refuse a limit price that reaches too far to the other side."""
        last, price = self._fake.exchange.last(ticket.symbol), ticket.price
        if price is not None and ticket.side == "buy" and price > last * HIGHEST:
            raise self._fake.error(5013)
        if price is not None and ticket.side == "sell" and price < last * LOWEST:
            raise self._fake.error(5014)

    def _ticket(self, parameters: Mapping[str, Any], side: Side) -> Ticket:
        known(parameters, _FIELDS)
        listing = self._listing(self._fake.symbol(parameters.get("instrument_name")))
        if listing.type == "spot" and (unknown := set(_PERPETUAL_ONLY) & set(parameters)):
            raise BadParameter(f"only for perpetuals: {', '.join(sorted(unknown))}")
        limit = choice(parameters, "type", ("limit", "market"), "limit") == "limit"
        kind, trigger, direction = _condition(parameters, side, limit)
        asked = amount(parameters, "amount")
        by_cost = not limit and self._in_quote(parameters, listing, side)
        custom = parameters.get("custom_order_id", "")
        if not isinstance(custom, str):
            raise BadParameter("custom_order_id must be a string")
        return Ticket(
            symbol=listing.symbol,
            side=side,
            type=kind,
            quantity=Decimal(0) if by_cost else asked,
            cost=asked if by_cost else None,
            price=amount(parameters, "price") if limit else None,
            trigger_price=trigger,
            direction=direction,
            client_id=custom,
            time_in_force=_TIMES[choice(parameters, "time_in_force", _TIMES, "good_til_cancelled")],
            post_only=flag(parameters, "post_only"),
            reduce_only=flag(parameters, "reduce_only"),
            position_side=_SIDES[choice(parameters, "position_side", _SIDES, "BOTH")],
        )

    def _in_quote(self, parameters: Mapping[str, Any], listing: Listing, side: Side) -> bool:
        if listing.type == "spot":
            return side == "buy" and self._fake.spot_market_buy_in_quote
        return flag(parameters, "market_amount_order")

    def _listing(self, symbol: str) -> Listing:
        return self._fake.exchange.markets[symbol]


def _condition(
    parameters: Mapping[str, Any], side: Side, limit: bool
) -> tuple[OrderType, Decimal | None, Direction | None]:
    """Return the kind of order, its trigger, and for IF_TOUCHED the direction against that of a stop."""
    condition = choice(parameters, "condition_type", _CONDITIONS, "NORMAL")
    if condition == "NORMAL":
        return ("limit" if limit else "market"), None, None
    if str(parameters.get("trigger_price_type")) not in ("1", "2"):
        raise BadParameter("trigger_price_type must be 1 (mark) or 2 (last)")
    touched: Direction = "rising" if side == "sell" else "falling"
    direction = touched if condition == "IF_TOUCHED" else None
    return ("stop_limit" if limit else "stop"), amount(parameters, "trigger_price"), direction
