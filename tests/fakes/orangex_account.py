"""Balances, positions and settings of the fake OrangeX."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes.core_accounts import Account, Position
from tests.fakes.core_values import Refused
from tests.fakes.orangex_words import CODES, BadParameter, choice, instrument, known, text
from tests.fakes.wire import Call, Route

if TYPE_CHECKING:
    from tests.fakes.orangex import FakeOrangex

_MARGIN_TYPES: dict[str, Literal["cross", "isolated"]] = {"cross": "cross", "isolate": "isolated"}
_ASSETS = ("PERPETUAL", "SPOT", "WALLET")


class AccountRoutes:
    """What an account has and how it is set."""

    def __init__(self, fake: "FakeOrangex") -> None:
        self._fake = fake

    def routes(self) -> Iterable[Route]:
        yield self._fake.private("get_assets_info", "balance", self.assets)
        yield self._fake.private("get_positions", "positions_that_are_never_told", self.no_positions)
        yield self._fake.private("get_user_position", "positions", self.position)
        yield self._fake.private("get_perpetual_user_config", "leverage", self.config)
        for method, name, handler in (
            ("adjust_perpetual_leverage", "set_leverage", self.set_leverage),
            ("adjust_perpetual_margin_type", "set_margin_mode", self.set_margin_type),
        ):
            yield self._fake.private(method, name, handler, trades=True)

    def assets(self, call: Call) -> dict[str, Any]:
        """Return the asked wallets; `asset_type` must be a list."""
        known(call.parameters, ("asset_type", "coin_type"))
        asked, coins = call.parameters.get("asset_type"), call.parameters.get("coin_type")
        if not isinstance(asked, list) or not set(asked) <= {*_ASSETS, "ALL"}:
            raise self._fake.error(1001)
        wallets = {"PERPETUAL": self._perpetual, "SPOT": self._spot, "WALLET": self._funding_wallet}
        return {
            name: wallet(call.owner, coins)
            for name, wallet in wallets.items()
            if name in asked or "ALL" in asked
        }

    def no_positions(self, call: Call) -> list[Any]:
        """Return what the documented method returned whatever was held: nothing."""
        return []

    def position(self, call: Call) -> list[dict[str, Any]]:
        """Return an instrument's positions, [] when flat."""
        known(call.parameters, ("instrument_name",))
        symbol = self._symbol(call)
        held = [row for row in call.owner.open_positions() if row.symbol == symbol]
        return [self._position(call.owner, row) for row in held]

    def config(self, call: Call) -> dict[str, Any]:
        known(call.parameters, ("instrument_name",))
        symbol = self._symbol(call)
        return {
            "margin_type": _margin_type(call.owner, symbol),
            "leverage": str(call.owner.leverage_of(symbol)),
        }

    def set_leverage(self, call: Call) -> str:
        known(call.parameters, ("instrument_name", "leverage"))
        leverage = call.parameters.get("leverage")
        if not isinstance(leverage, str) or not leverage.isdigit():
            raise BadParameter("leverage must be digits in a string")
        return self._changed(self._fake.exchange.set_leverage(call.owner, self._symbol(call), int(leverage)))

    def set_margin_type(self, call: Call) -> str:
        """Change the margin type, which needs the instrument to be flat and without orders."""
        known(call.parameters, ("instrument_name", "margin_type"))
        mode = _MARGIN_TYPES[choice(call.parameters, "margin_type", _MARGIN_TYPES)]
        return self._changed(self._fake.exchange.set_margin_mode(call.owner, self._symbol(call), mode))

    def _changed(self, refused: Refused | None) -> str:
        if refused is not None and refused.reason != "NOT_MODIFIED":
            raise self._fake.error(CODES[refused.reason])
        return "ok"

    def _symbol(self, call: Call) -> str:
        symbol = self._fake.symbol(call.parameters.get("instrument_name"))
        if ":" not in symbol:
            raise self._fake.error(5001)
        return symbol

    def _position(self, owner: Account, held: Position) -> dict[str, Any]:
        mark = self._fake.exchange.last(held.symbol)
        return {
            "instrument_name": instrument(held.symbol),
            "kind": "perpetual",
            "position_side": held.side.upper(),
            "size": text(held.quantity),
            "average_price": text(held.entry_price),
            "mark_price": text(mark),
            "margin_type": _margin_type(owner, held.symbol),
            "leverage": owner.leverage_of(held.symbol),
            "floating_profit_loss": text(held.unrealised(mark)),
            "liquid_price": text(owner.liquidation_price(held)),
        }

    def _perpetual(self, owner: Account, coins: list[str] | None) -> dict[str, Any]:
        last = self._fake.exchange.last
        wallet, unrealised = owner.total("swap", "USDT"), owner.unrealised(last)
        margins = {"cross": Decimal(0), "isolated": Decimal(0)}
        for row in owner.open_positions():
            margins[owner.margin_mode_of(row.symbol)] += owner.position_margin(row, last(row.symbol))
        available = text(max(Decimal(0), owner.available_margin("USDT", last)))
        return {
            "wallet_balance": text(wallet),
            "available_funds": available,
            "available_withdraw_funds": available,
            "total_margin_balance": text(wallet + unrealised),
            "total_upl": text(unrealised),
            "total_initial_margin_cross": text(margins["cross"]),
            "total_initial_margin_isolated": text(margins["isolated"]),
            "order_frozen": text(owner.order_margin()),
        }

    def _spot(self, owner: Account, coins: list[str] | None) -> dict[str, Any]:
        rows = [
            {
                "coin_type": coin,
                "available": text(owner.free(coin)),
                "freeze": text(owner.locked(coin)),
                "total": text(total),
            }
            for coin, total in sorted(owner.wallets["spot"].items())
            if not coins or coin in coins
        ]
        return {"details": rows}

    def _funding_wallet(self, owner: Account, coins: list[str] | None) -> dict[str, Any]:
        return {"details": []}


def _margin_type(owner: Account, symbol: str) -> str:
    return "cross" if owner.margin_mode_of(symbol) == "cross" else "isolate"
