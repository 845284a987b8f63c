"""Binance's private USDT futures API: balances, positions, payments and the account's settings."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.binance_futures_rows import payment_row, position_row
from tests.fakes.binance_market import FAPI
from tests.fakes.binance_words import (
    FUTURES_REFUSALS,
    fixed,
    flag,
    listed,
    market_id,
    milliseconds,
    page,
    refuse,
    required,
    symbol_of,
    whole,
    within,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import MAINTENANCE, Position
from tests.fakes.core_values import Refused
from tests.fakes.wire import Call, Route

_MARGIN_REFUSALS = {
    "NOT_MODIFIED": (-4046, "No need to change margin type."),
    "HAS_ORDERS": (-4047, "Margin type cannot be changed if there exists open orders."),
    "HAS_POSITION": (-4048, "Margin type cannot be changed if there exists position."),
}
_DUAL_REFUSALS = {
    "NOT_MODIFIED": (-4059, "No need to change position side."),
    "HAS_ORDERS": (-4067, "Position side cannot be changed if there exists open orders."),
    "HAS_POSITION": (-4068, "Position side cannot be changed if there exists position."),
}
_DONE = {"code": 200, "msg": "success"}


class FuturesAccount:
    """The routes of balances, positions and settings."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange

    def routes(self) -> Iterable[Route]:
        table = (
            ("GET", "v2/account", "futures_account", self._account, 5),
            ("GET", "v3/account", "futures_account", self._account, 5),
            ("GET", "v2/positionRisk", "positions", self._positions(2), 5),
            ("GET", "v3/positionRisk", "positions", self._positions(3), 5),
            ("GET", "v1/symbolConfig", "symbol_settings", self._symbol_settings, 5),
            ("GET", "v1/leverageBracket", "leverage_brackets", self._brackets, 1),
            ("POST", "v1/leverage", "set_leverage", self._set_leverage, 1),
            ("POST", "v1/marginType", "set_margin_mode", self._set_margin_mode, 1),
            ("GET", "v1/positionSide/dual", "position_mode", self._dual, 30),
            ("POST", "v1/positionSide/dual", "set_position_mode", self._set_dual, 1),
            ("GET", "v1/income", "income", self._income, 30),
        )
        for method, path, name, handler, weight in table:
            yield Route(
                method=method,
                path=f"/fapi/{path}",
                name=name,
                handler=handler,
                weight=weight,
                private=True,
                trades=method == "POST",
                group="swap",
                host=FAPI,
            )

    def _account(self, call: Call) -> Any:
        account, price_of = call.owner, self._exchange.last
        total, unrealised = account.total("swap", "USDT"), account.unrealised(price_of)
        positions = sum(
            (account.position_margin(held, price_of(held.symbol)) for held in account.open_positions()),
            Decimal(0),
        )
        orders = account.order_margin()
        available = max(Decimal(0), account.available_margin("USDT", price_of))
        sums = {
            "initialMargin": positions + orders,
            "maintMargin": self._maintenance(call),
            "walletBalance": total,
            "unrealizedProfit": unrealised,
            "marginBalance": total + unrealised,
            "positionInitialMargin": positions,
            "openOrderInitialMargin": orders,
            "crossWalletBalance": total,
            "crossUnPnl": unrealised,
        }
        free = {"availableBalance": fixed(available), "maxWithdrawAmount": fixed(available)}
        now = milliseconds(self._exchange.now)
        return {
            **{f"total{name[0].upper()}{name[1:]}": fixed(amount) for name, amount in sums.items()},
            **free,
            "assets": [
                {
                    "asset": "USDT",
                    **{name: fixed(amount) for name, amount in sums.items()},
                    **free,
                    "marginAvailable": True,
                    "updateTime": now,
                }
            ],
            "positions": [
                position_row(self._exchange, account, held, 3) for held in account.open_positions()
            ],
        }

    def _maintenance(self, call: Call) -> Decimal:
        last = self._exchange.last
        held = call.owner.open_positions()
        return sum((abs(one.quantity) * last(one.symbol) * MAINTENANCE for one in held), Decimal(0))

    def _positions(self, version: int) -> Callable[[Call], Any]:
        """Return the handler of a version: 2 tells every symbol, 3 only those with positions or orders."""

        def positions(call: Call) -> Any:
            name = call.parameters.get("symbol")
            wanted = None if name is None else symbol_of(self._exchange, name, "swap")
            rows = []
            for listing in listed(self._exchange, "swap"):
                if wanted in (None, listing.symbol) and listing.symbol in self._exchange.prices:
                    held = self._sides(call, listing.symbol)
                    if (
                        version == 2
                        or any(one.quantity for one in held)
                        or self._has_orders(call, listing.symbol)
                    ):
                        rows += [position_row(self._exchange, call.owner, one, version) for one in held]
            return rows

        return positions

    def _sides(self, call: Call, symbol: str) -> list[Position]:
        account = call.owner
        if account.hedge:
            return [account.position(symbol, "long"), account.position(symbol, "short")]
        return [account.position(symbol, "both")]

    def _has_orders(self, call: Call, symbol: str) -> bool:
        return any(order.symbol == symbol for order in call.owner.open_orders("swap"))

    def _symbol_settings(self, call: Call) -> Any:
        account, name = call.owner, call.parameters.get("symbol")
        return [
            {
                "symbol": market_id(listing.symbol),
                "marginType": "ISOLATED"
                if account.margin_mode_of(listing.symbol) == "isolated"
                else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": account.leverage_of(listing.symbol),
                "maxNotionalValue": "10000000",
            }
            for listing in listed(self._exchange, "swap")
            if name in (None, market_id(listing.symbol))
        ]

    def _brackets(self, call: Call) -> Any:
        return [
            {
                "symbol": market_id(listing.symbol),
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": listing.max_leverage,
                        "notionalCap": 10_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": float(MAINTENANCE),
                        "cum": 0.0,
                    }
                ],
            }
            for listing in listed(self._exchange, "swap")
        ]

    def _set_leverage(self, call: Call) -> Any:
        name, _ = required(call, "symbol", "leverage")
        leverage = whole(call, "leverage", 0)
        done = self._exchange.set_leverage(call.owner, symbol_of(self._exchange, name, "swap"), leverage)
        # The same leverage once more is an ordinary success.
        if done is not None and done.reason != "NOT_MODIFIED":
            raise refuse(*FUTURES_REFUSALS[done.reason])
        return {"leverage": leverage, "maxNotionalValue": "10000000", "symbol": name}

    def _set_margin_mode(self, call: Call) -> Any:
        name, mode = required(call, "symbol", "marginType")
        if mode not in ("ISOLATED", "CROSSED"):
            raise refuse(-4045, "Invalid marginType.")
        symbol = symbol_of(self._exchange, name, "swap")
        wanted = self._exchange.set_margin_mode(
            call.owner, symbol, "isolated" if mode == "ISOLATED" else "cross"
        )
        return _answer(wanted, _MARGIN_REFUSALS)

    def _dual(self, call: Call) -> Any:
        return {"dualSidePosition": call.owner.hedge}

    def _set_dual(self, call: Call) -> Any:
        required(call, "dualSidePosition")
        return _answer(self._exchange.set_hedge(call.owner, flag(call, "dualSidePosition")), _DUAL_REFUSALS)

    def _income(self, call: Call) -> Any:
        name, kind = call.parameters.get("symbol"), call.parameters.get("incomeType")
        rows = [payment_row(payment) for payment in call.owner.payments if within(payment.time, call)]
        asked = [row for row in rows if name in (None, row["symbol"]) and kind in (None, row["incomeType"])]
        return page(asked, call, default=100)


def _answer(done: Refused | None, words: dict[str, tuple[int, str]]) -> Any:
    if done is not None:
        raise refuse(*words[done.reason])
    return _DONE
