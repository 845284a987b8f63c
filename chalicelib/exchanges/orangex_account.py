"""Balance, positions and settings of an OrangeX account; used by `orangex`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadRequest, BadResponse, NotSupported
from ccxt.base.precise import Precise

from chalicelib.exchanges.orangex_parsing import KINDS, milliseconds_of, rows_of
from chalicelib.exchanges.orangex_public import OrangexPublic

MARGIN_MODES: Mapping[str, str] = {"cross": "cross", "isolate": "isolated"}
"""The exchange's words for margin modes: ccxt's."""

_NONE: frozenset[str] = frozenset()


class OrangexAccount(OrangexPublic):
    """What an account holds, and how its perpetuals are set."""

    def fetch_balance(self, params: Mapping[str, Any] | None = None) -> Any:
        """Fetch the balance of `params.type` (swap or spot; `options.defaultType` otherwise)."""
        self.refuse_unknown("fetchBalance", params, {"type"})
        kind = self.kind_of((params or {}).get("type"))
        return self.parse_balance(self.private("get_assets_info", {"asset_type": [kind]}))

    def fetch_positions(
        self, symbols: Sequence[str] | None = None, params: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Fetch the open positions of the given symbols, one request each; flat ones are left out.

        The exchange's list of all positions stays empty whatever is open, so the symbols must be named.
        """
        self.refuse_unknown("fetchPositions", params, _NONE)
        if not symbols:
            raise ArgumentsRequired(f"{self.id} fetchPositions() needs the symbols")
        with self.preparing():
            self.load_markets()
        return [position for symbol in symbols for position in self._positions(symbol)]

    def set_leverage(self, leverage: int, symbol: str, params: Mapping[str, Any] | None = None) -> Any:
        """Set the leverage of a perpetual."""
        self.refuse_unknown("setLeverage", params, _NONE)
        market = self._perpetual(symbol)
        if int(leverage) != leverage or leverage < 1:
            raise BadRequest(f"{self.id} setLeverage() takes whole numbers from 1, not {leverage}")
        request = {"instrument_name": market["id"], "leverage": str(int(leverage))}
        return {"info": self.private("adjust_perpetual_leverage", request)}

    def set_margin_mode(self, margin_mode: str, symbol: str, params: Mapping[str, Any] | None = None) -> Any:
        """Set `cross` or `isolated` on a perpetual; asks first, so that what is set stays untouched.

        The exchange refuses a change while there are orders or positions, also one that changes nothing.
        """
        self.refuse_unknown("setMarginMode", params, _NONE)
        words = {mode: word for word, mode in MARGIN_MODES.items()}
        if margin_mode not in words:
            raise BadRequest(f"{self.id} setMarginMode() takes cross or isolated, not {margin_mode}")
        name = {"instrument_name": self._perpetual(symbol)["id"]}
        config = self.private("get_perpetual_user_config", name)
        if self.safe_string_lower(config, "margin_type") == words[margin_mode]:
            return {"info": config}
        request = {**name, "margin_type": words[margin_mode]}
        return {"info": self.private("adjust_perpetual_margin_type", request)}

    def set_position_mode(
        self,
        hedged: bool,  # noqa: ARG002
        symbol: str | None = None,  # noqa: ARG002
        params: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Raise NotSupported: no method of the API sets it; each order names its side instead."""
        raise NotSupported(f"{self.id} has no way to set the position mode: set it on the exchange's site")

    def _perpetual(self, symbol: str) -> Any:
        with self.preparing():
            self.load_markets()
        market = self.market(symbol)
        if not market["swap"]:
            raise NotSupported(f"{self.id} has such a setting for perpetuals only, not for {symbol}")
        return market

    def _positions(self, symbol: str) -> list[Any]:
        """Return a symbol's positions: two in hedge mode, none if the exchange says [] and only then."""
        market = self.market(symbol)
        if not market["swap"]:
            raise NotSupported(f"{self.id} has positions on perpetuals only, not on {symbol}")
        result = self.private("get_user_position", {"instrument_name": market["id"]})
        rows = [result] if isinstance(result, Mapping) else rows_of(result, "positions")
        positions = [self.parse_position(row, market) for row in rows]
        return [
            position for position in positions if not Precise.string_equals(str(position["contracts"]), "0")
        ]

    def parse_position(self, position: Mapping[str, Any], market: Any = None) -> Any:
        """Parse a row of `/private/get_user_position`.

        In hedge mode the position's side decides; in one-way mode (BOTH, or nothing) the size's sign does.
        """
        market = self.market_of(position, market)
        size = self.safe_string(position, "size")
        if size is None:
            raise BadResponse(f"{self.id} told of a position without a size")
        side = self.safe_string_lower(position, "position_side")
        if side not in ("long", "short"):
            side = "short" if Precise.string_lt(size, "0") else "long"
        contracts, entry = Precise.string_abs(size), self.price_of(position, "average_price")
        mark = self.price_of(position, "mark_price")
        timestamp = milliseconds_of(position.get("timestamp"))
        return self.safe_position(
            {
                "symbol": market["symbol"],
                "timestamp": timestamp,
                "datetime": self.iso8601(timestamp),
                "side": side,
                "contracts": self.parse_number(contracts),
                "contractSize": self.parse_number("1"),
                "entryPrice": self.parse_number(entry),
                "markPrice": self.parse_number(mark),
                "notional": self.parse_number(Precise.string_mul(contracts, mark or entry)),
                "leverage": self.safe_number(position, "leverage"),
                "unrealizedPnl": self.safe_number(position, "floating_profit_loss"),
                "initialMargin": self.safe_number(position, "initial_margin"),
                "maintenanceMargin": self.safe_number(position, "maintenance_margin"),
                "liquidationPrice": self.parse_number(self.price_of(position, "liquid_price")),
                # Not told; ccxt's structure has the keys all the same.
                **dict.fromkeys(("collateral", "maintenanceMarginPercentage", "marginRatio", "percentage")),
                "marginMode": MARGIN_MODES.get(self.safe_string_lower(position, "margin_type") or ""),
                "hedged": self.safe_string_upper(position, "position_side") in ("LONG", "SHORT"),
                "info": position,
            }
        )

    def parse_balance(self, response: Mapping[str, Any]) -> Any:
        """Parse a reply of `/private/get_assets_info` of one kind; BadResponse if that kind is missing.

        PERPETUAL: the total is the settled wallet, without unrealised profit.
        """
        balance: dict[str, Any] = {"info": response}
        if KINDS["swap"] in response:
            wallet = response[KINDS["swap"]]
            total, free = (
                self.safe_string(wallet, "wallet_balance"),
                self.safe_string(wallet, "available_funds"),
            )
            if total is None or free is None:
                raise BadResponse(f"{self.id} told of a wallet without its balance")
            # Unrealised profit may be used too, then there is more free than settled.
            used = Precise.string_max("0", Precise.string_sub(total, free))
            balance["USDT"] = {"total": total, "free": free, "used": used}
        elif KINDS["spot"] in response:
            for coin in rows_of(response[KINDS["spot"]], "details"):
                balance[self.safe_currency_code(self.safe_string(coin, "coin_type"))] = {
                    "free": self.safe_string(coin, "available"),
                    "used": self.safe_string(coin, "freeze"),
                    "total": self.safe_string(coin, "total"),
                }
        else:
            raise BadResponse(f"{self.id} answered without the balance that was asked for")
        return self.safe_balance(balance)
