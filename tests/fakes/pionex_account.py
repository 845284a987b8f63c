"""The futures account of the fake Pionex: balances, positions, leverage, modes and funding fees.

Also the base of both halves of futures: every call is private and weighs 5.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes.core_accounts import MAINTENANCE, Account, Position
from tests.fakes.core_values import PositionSide, Refused
from tests.fakes.pionex_words import (
    BadParameter,
    choice,
    known,
    milliseconds,
    period,
    query_number,
    required_number,
    text,
    wire_symbol,
)
from tests.fakes.wire import Call, Route

if TYPE_CHECKING:
    from tests.fakes.pionex import FakePionex

MODES = ("BUYSELL", "OPENCLOSE")
"""Position modes: one-way and hedge."""

_Answer = Callable[[Call], Any]


class FuturesBase:
    """What both halves of futures share."""

    def __init__(self, fake: "FakePionex") -> None:
        self._fake = fake

    def _symbol(self, call: Call) -> str:
        return self._fake.symbol(call.parameters.get("symbol"), "TRADE", "swap")

    def _optional_symbol(self, call: Call) -> str | None:
        return self._symbol(call) if call.parameters.get("symbol") else None

    def _get(self, path: str, name: str, handler: _Answer) -> Route:
        return self._route("GET", path, name, handler, trades=False)

    def _post(self, path: str, name: str, handler: _Answer) -> Route:
        return self._route("POST", path, name, handler, trades=True)

    def _delete(self, path: str, name: str, handler: _Answer) -> Route:
        return self._route("DELETE", path, name, handler, trades=True)

    def _route(self, method: str, path: str, name: str, handler: _Answer, trades: bool) -> Route:
        return Route(
            method=method,
            path=f"/uapi/v1/{path}",
            name=name,
            handler=lambda call: self._fake.checked(lambda: handler(call), "TRADE"),
            weight=5,
            private=True,
            trades=trades,
            group="private",
        )


class FuturesAccountRoutes(FuturesBase):
    """The account's half of futures."""

    def routes(self) -> tuple[Route, ...]:
        get, post = self._get, self._post
        return (
            get("account/balances", "balance", self.balances),
            get("account/detail", "account", self.detail),
            get("account/positions", "positions", self.positions),
            get("account/leverage", "leverage", self.leverage),
            post("account/leverage", "set_leverage", self.set_leverage),
            get("account/positionMode", "position_mode", self.position_mode),
            post("account/positionMode", "set_position_mode", self.set_position_mode),
            get("trade/isolatedMode", "margin_mode", self.margin_mode),
            post("trade/isolatedMode", "set_margin_mode", self.set_margin_mode),
            get("trade/fundingFee", "payments", self.funding),
        )

    def balances(self, call: Call) -> dict[str, Any]:
        rows = [
            {"coin": coin, "free": text(total - used), "frozen": text(used), "debts": "0"}
            for coin, total, used in self._wallet(call.owner)
        ]
        return {"balances": rows, "isolates": []}

    def detail(self, call: Call) -> dict[str, Any]:
        exchange, owner = self._fake.exchange, call.owner
        rows = [
            {
                "coin": coin,
                "assets": text(total),
                "free": text(total - used),
                "frozen": text(used),
                "available": text(owner.available_margin(coin, exchange.last)),
                "unrealizedPnL": text(owner.unrealised(exchange.last)),
                "debts": "0",
            }
            for coin, total, used in self._wallet(owner)
        ]
        return {"balances": rows, "positions": self.positions(call)["positions"]}

    def positions(self, call: Call) -> dict[str, Any]:
        wanted = self._optional_symbol(call)
        held = [row for row in call.owner.open_positions() if wanted in (None, row.symbol)]
        return {"positions": [self._position(call.owner, position) for position in held]}

    def leverage(self, call: Call) -> dict[str, Any]:
        symbol = self._symbol(call)
        return {"symbol": wire_symbol(symbol), "leverage": str(call.owner.leverage_of(symbol))}

    def set_leverage(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("symbol", "leverage"))
        symbol, leverage = self._symbol(call), required_number(call.parameters, "leverage")
        if leverage != int(leverage):
            raise BadParameter("leverage must be whole")
        self._changed(self._fake.exchange.set_leverage(call.owner, symbol, int(leverage)))
        return self.leverage(call)

    def position_mode(self, call: Call) -> dict[str, Any]:
        return {"positionMode": MODES[call.owner.hedge]}

    def set_position_mode(self, call: Call) -> None:
        known(call.parameters, ("positionMode",))
        hedge = choice(call.parameters, "positionMode", MODES) == "OPENCLOSE"
        self._changed(self._fake.exchange.set_hedge(call.owner, hedge))

    def margin_mode(self, call: Call) -> dict[str, Any]:
        symbol = self._symbol(call)
        return {"symbol": wire_symbol(symbol), "isolatedMode": call.owner.margin_mode_of(symbol).upper()}

    def set_margin_mode(self, call: Call) -> None:
        known(call.parameters, ("symbol", "isolatedMode"))
        isolated = choice(call.parameters, "isolatedMode", ("CROSS", "ISOLATED")) == "ISOLATED"
        mode: Literal["cross", "isolated"] = "isolated" if isolated else "cross"
        self._changed(self._fake.exchange.set_margin_mode(call.owner, self._symbol(call), mode))

    def funding(self, call: Call) -> dict[str, Any]:
        wanted, limit = self._optional_symbol(call), query_number(call.parameters, "limit", 100, 1, 200)
        within = period(call.parameters)
        paid = [
            payment
            for payment in call.owner.payments
            if payment.kind == "funding" and wanted in (None, payment.symbol) and within(payment.time)
        ]
        rows = [
            {
                "symbol": wire_symbol(payment.symbol),
                "isolatedMode": call.owner.margin_mode_of(payment.symbol).upper(),
                "fundingFee": text(payment.amount),
                "fundingCoin": payment.currency,
                "timestamp": milliseconds(payment.time),
            }
            for payment in reversed(paid[-limit:])
        ]
        return {"fundings": rows}

    def _position(self, owner: Account, position: Position) -> dict[str, Any]:
        mark = self._fake.exchange.last(position.symbol)
        return {
            "positionId": f"{wire_symbol(position.symbol)}-{position.side}",
            "symbol": wire_symbol(position.symbol),
            "isolatedMode": isolated_mode(owner, position.symbol, position.side),
            "positionSide": "LONG" if position.quantity > 0 else "SHORT",
            "netSize": text(position.quantity),
            "avgPrice": text(position.entry_price),
            "unrealizedPnL": text(position.unrealised(mark)),
            "markPrice": text(mark),
            "initialMargin": text(owner.position_margin(position, mark)),
            "maintMargin": text(abs(position.quantity) * mark * MAINTENANCE),
            "liquidationPrice": text(owner.liquidation_price(position)),
            "leverage": str(owner.leverage_of(position.symbol)),
            "createTime": milliseconds(position.opened),
            "updateTime": milliseconds(position.updated),
        }

    def _wallet(self, owner: Account) -> list[tuple[str, Decimal, Decimal]]:
        """Return coin, total and what margins hold of it."""
        last = self._fake.exchange.last
        held = sum(
            (owner.position_margin(row, last(row.symbol)) for row in owner.open_positions()), Decimal(0)
        )
        used = held + owner.order_margin()
        return [(coin, total, min(used, total)) for coin, total in sorted(owner.wallets["swap"].items())]

    def _changed(self, refused: Refused | None) -> None:
        if refused is not None and refused.reason != "NOT_MODIFIED":
            raise self._fake.refused(refused)


def isolated_mode(owner: Account, symbol: str, side: PositionSide) -> str:
    """Return the margin mode as orders and positions tell it."""
    return "CROSS" if owner.margin_mode_of(symbol) == "cross" else f"ISOLATED_{side.upper()}"
