"""A Pionex account in ccxt's words: balances, positions, leverage, margin and position mode, funding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadRequest, BadResponse, BadSymbol

from chalicelib.exchanges.pionex_parsing import PionexParsing
from chalicelib.exchanges.pionex_tables import FUNDING_PAGE
from chalicelib.exchanges.pionex_transport import (
    NO_PARAMETERS,
    Parameters,
    Row,
    one_of,
    refuse_parameters,
)

MARGIN_MODES = {"cross": "CROSS", "isolated": "ISOLATED"}


class PionexAccount(PionexParsing):
    """Money, positions and settings of the class `pionex`."""

    def fetch_balance(self, params: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        """Return the balance of the spot account, or with `type` swap of the futures account."""
        refuse_parameters(params, "type")
        kind = params.get("type", self.options["defaultType"])
        if kind not in ("spot", "swap"):
            raise BadRequest(f"{self.id} has balances of the types spot and swap, not of {kind}")
        self.load_markets()
        if kind == "spot":
            return self.parse_spot_balance(self.rows(self.ask("spot", "balances"), "balances"))
        reply = self.ask("swap", "account")
        return self.parse_swap_balance(self.data(reply), self.rows(reply, "balances"))

    def fetch_positions(
        self, symbols: Sequence[str] | None = None, params: Parameters = NO_PARAMETERS
    ) -> list[dict[str, Any]]:
        """Return the positions that are open, of these symbols or of all."""
        refuse_parameters(params)
        self.load_markets()
        markets = [self._swap(symbol) for symbol in symbols or ()]
        asked = {"symbol": markets[0]["id"]} if len(markets) == 1 else {}
        rows = self.rows(self.ask("swap", "positions", asked), "positions")
        found: list[dict[str, Any]] = self.parse_positions(rows, list(symbols) if symbols else None)
        return [position for position in found if position["contracts"]]

    def set_leverage(
        self, leverage: float, symbol: str | None = None, params: Parameters = NO_PARAMETERS
    ) -> Row:
        """Set the leverage of a symbol, both sides alike."""
        refuse_parameters(params)
        if leverage < 1 or leverage != int(leverage):
            raise BadRequest(f"{self.id} takes a whole leverage of 1 or more, not {leverage}")
        self.load_markets()
        body = {"symbol": self._swap(symbol)["id"], "leverage": str(int(leverage))}
        return self.ask("swap", "set_leverage", body)

    def fetch_leverage(self, symbol: str, params: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        """Return the leverage of a symbol."""
        refuse_parameters(params)
        self.load_markets()
        found = self.data(self.ask("swap", "leverage", {"symbol": self._swap(symbol)["id"]}))
        leverage = self.safe_number(found, "leverage")
        return {
            "info": found,
            "symbol": symbol,
            "marginMode": None,
            "longLeverage": leverage,
            "shortLeverage": leverage,
        }

    def set_margin_mode(
        self, margin_mode: str, symbol: str | None = None, params: Parameters = NO_PARAMETERS
    ) -> Row:
        """Set cross or isolated margin for a symbol."""
        refuse_parameters(params)
        if margin_mode not in MARGIN_MODES:
            raise BadRequest(f"{self.id} has the margin modes cross and isolated, not {margin_mode}")
        self.load_markets()
        body = {"symbol": self._swap(symbol)["id"], "isolatedMode": MARGIN_MODES[margin_mode]}
        return self.ask("swap", "set_margin_mode", body)

    def fetch_margin_mode(self, symbol: str, params: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        """Return whether the margin of a symbol is cross or isolated."""
        refuse_parameters(params)
        self.load_markets()
        found = self.data(self.ask("swap", "margin_mode", {"symbol": self._swap(symbol)["id"]}))
        modes = {pionex: ours for ours, pionex in MARGIN_MODES.items()}
        if found.get("isolatedMode") not in modes:
            raise BadResponse(f"{self.id} names the margin mode {found.get('isolatedMode')}")
        return {"info": found, "symbol": symbol, "marginMode": modes[found["isolatedMode"]]}

    def set_position_mode(
        self,
        hedged: bool,
        symbol: str | None = None,  # noqa: ARG002
        params: Parameters = NO_PARAMETERS,
    ) -> Row:
        """Set hedge mode (OPENCLOSE) or one-way mode (BUYSELL) of the whole account; `symbol` is ignored."""
        refuse_parameters(params)
        return self.ask("swap", "set_position_mode", {"positionMode": "OPENCLOSE" if hedged else "BUYSELL"})

    def fetch_position_mode(
        self,
        symbol: str | None = None,  # noqa: ARG002
        params: Parameters = NO_PARAMETERS,
    ) -> dict[str, Any]:
        """Return whether the account holds long and short of a symbol side by side."""
        refuse_parameters(params)
        found = self.data(self.ask("swap", "position_mode"))
        if found.get("positionMode") not in ("OPENCLOSE", "BUYSELL"):
            raise BadResponse(f"{self.id} names the position mode {found.get('positionMode')}")
        return {"info": found, "hedged": found["positionMode"] == "OPENCLOSE"}

    def fetch_funding_history(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[dict[str, Any]]:
        """Return funding payments, oldest first; a positive amount was received."""
        refuse_parameters(params)
        self.load_markets()
        asked = {"limit": FUNDING_PAGE, **({"symbol": self._swap(symbol)["id"]} if symbol else {})}
        rows = self.history("swap", "funding_fees", "fundings", asked, since, FUNDING_PAGE)
        payments = sorted(
            map(self.parse_income, rows), key=lambda payment: (payment["timestamp"], payment["id"])
        )
        return list(self.filter_by_symbol_since_limit(payments, symbol, since, limit))

    def parse_income(self, info: Row, market: Any = None) -> dict[str, Any]:
        """Return a funding payment. The exchange gives it no id: symbol, mode, moment and fee make one.

        The fee is among them because a hedged account pays for both sides of a symbol in the same moment.
        """
        stamp = self.safe_integer(info, "timestamp")
        return {
            "info": info,
            "id": f"{info['symbol']}-{info.get('isolatedMode', 'CROSS')}-{stamp}-{info['fundingFee']}",
            "symbol": self.safe_symbol(self.safe_string(info, "symbol"), market),
            "code": self.safe_currency_code(self.safe_string(info, "fundingCoin")),
            "timestamp": stamp,
            "datetime": self.iso8601(stamp),
            "amount": self.safe_number(info, "fundingFee"),
            "rate": self.safe_number(info, "fundingRate"),
        }

    def fetch_funding_rate(self, symbol: str, params: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        """Return the rate of the next funding, its time, and the mark and index prices."""
        refuse_parameters(params)
        self.load_markets()
        rows = self.rows(self.ask("swap", "indexes", {"symbol": self._swap(symbol)["id"]}), "indexes")
        rates = {rate["symbol"]: rate for rate in map(self.parse_funding_rate, rows)}
        return one_of(rates, symbol)

    def parse_funding_rate(self, contract: Row, market: Any = None) -> dict[str, Any]:
        """Return a funding rate: what Pionex calls the next one is ccxt's present one, still to be paid."""
        stamp, due = self.safe_integer(contract, "updateTime"), self.safe_integer(contract, "nextFundingTime")
        return {
            "info": contract,
            "symbol": self.safe_symbol(self.safe_string(contract, "symbol"), market),
            "markPrice": self.safe_number(contract, "markPrice"),
            "indexPrice": self.safe_number(contract, "indexPrice"),
            "interestRate": None,
            "estimatedSettlePrice": None,
            "timestamp": stamp,
            "datetime": self.iso8601(stamp),
            "fundingRate": self.safe_number(contract, "nextFundingRate"),
            "fundingTimestamp": due,
            "fundingDatetime": self.iso8601(due),
            "nextFundingRate": None,
            "nextFundingTimestamp": None,
            "nextFundingDatetime": None,
            "previousFundingRate": None,
            "previousFundingTimestamp": None,
            "previousFundingDatetime": None,
            "interval": None,
        }

    def _swap(self, symbol: str | None) -> Any:
        """Return the market of a swap; spot markets have no positions, leverage or funding."""
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} needs a symbol here")
        market = self.market(symbol)
        if not market["swap"]:
            raise BadSymbol(f"{self.id} has positions and funding on swaps only, not on {symbol}")
        return market
