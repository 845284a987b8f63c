"""What anybody may ask of Pionex: markets, tickers, candles and order books, in ccxt's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ccxt.base.errors import BadRequest

from chalicelib.exchanges.pionex_tables import (
    DEPTH_MOST,
    KINDS,
    KLINES_KEPT,
    KLINES_PAGE,
    PIONEX_TYPES,
    MarketKind,
)
from chalicelib.exchanges.pionex_transport import (
    NO_PARAMETERS,
    Parameters,
    PionexTransport,
    Row,
    one_of,
    refuse_parameters,
)

SWAP_FEES = {"taker": 0.0005, "maker": 0.0002}
TICKER_FIGURES = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "last": "close",
    "bid": "bidPrice",
    "bidVolume": "bidSize",
    "ask": "askPrice",
    "askVolume": "askSize",
    "baseVolume": "volume",
    "quoteVolume": "amount",
}


class PionexMarkets(PionexTransport):
    """The public half of the class `pionex`. Numbers stay strings until the last step."""

    def parse_market(self, market: Row) -> dict[str, Any]:
        """Return a market: `BTC_USDT` is the spot market BTC/USDT, `BTC_USDT_PERP` the swap BTC/USDT:USDT."""
        base_id = self.safe_string(market, "baseCurrency")
        quote_id = self.safe_string(market, "quoteCurrency")
        base, quote = self.safe_currency_code(base_id), self.safe_currency_code(quote_id)
        swap = market.get("type") == "PERP" or "contractType" in market or market["symbol"].endswith("_PERP")
        own = self._swap_rules(market) if swap else self._spot_rules(market)
        settled = {"settle": quote, "settleId": quote_id, "contractSize": 1.0} if swap else {}
        return dict(
            self.safe_market_structure(
                {
                    "id": market["symbol"],
                    "symbol": f"{base}/{quote}:{quote}" if swap else f"{base}/{quote}",
                    "base": base,
                    "quote": quote,
                    "baseId": base_id,
                    "quoteId": quote_id,
                    "type": "swap" if swap else "spot",
                    "spot": not swap,
                    "margin": False,
                    "swap": swap,
                    "future": False,
                    "option": False,
                    "contract": swap,
                    "linear": True if swap else None,
                    "inverse": False if swap else None,
                    "subType": "linear" if swap else None,
                    "marginModes": {"cross": swap, "isolated": swap},
                    "info": market,
                    **settled,
                    **own,
                }
            )
        )

    def _spot_rules(self, market: Row) -> dict[str, Any]:
        """Steps are decimal places; selling at market has limits of its own; the ceiling is a ratio."""
        return {
            "active": self.safe_bool(market, "enable"),
            "precision": {
                "amount": self.parse_number(self.parse_precision(self.safe_string(market, "basePrecision"))),
                "price": self.parse_number(self.parse_precision(self.safe_string(market, "quotePrecision"))),
                "cost": self.parse_number(self.parse_precision(self.safe_string(market, "amountPrecision"))),
            },
            "limits": {
                "amount": self._range(market, "minTradeSize", "maxTradeSize"),
                "market": self._range(market, "minTradeDumping", "maxTradeDumping"),
                "price": {"min": None, "max": None},
                "cost": {"min": self.safe_number(market, "minAmount"), "max": None},
                "leverage": {"min": None, "max": None},
            },
        }

    def _swap_rules(self, market: Row) -> dict[str, Any]:
        """Steps are named outright; where they are not, the decimal places say the same."""
        amount_step = self.safe_string(market, "baseStep") or self.parse_precision(
            self.safe_string(market, "basePrecision")
        )
        price_step = self.safe_string(market, "quoteStep") or self.parse_precision(
            self.safe_string(market, "quotePrecision")
        )
        enabled = self.safe_bool(market, "enable", True)
        return {
            "active": enabled and self.safe_string(market, "status", "TRADING") == "TRADING",
            "precision": {
                "amount": self.parse_number(amount_step),
                "price": self.parse_number(price_step),
            },
            "limits": {
                "amount": self._range(market, "minSizeLimit", "maxSizeLimit", "minTradeSize", "maxTradeSize"),
                "market": self._range(
                    market, "minSizeMarket", "maxSizeMarket", "minTradeDumping", "maxTradeDumping"
                ),
                "price": {"min": None, "max": None},
                "cost": {"min": self.safe_number(market, "minNotional"), "max": None},
                "leverage": {"min": None, "max": None},
            },
            **SWAP_FEES,
        }

    def _range(
        self, row: Row, least: str, most: str, other_least: str = "", other_most: str = ""
    ) -> dict[str, float | None]:
        return {
            "min": self.safe_number_2(row, least, other_least),
            "max": self.safe_number_2(row, most, other_most),
        }

    def parse_ticker(self, ticker: Row, market: Any = None) -> dict[str, Any]:
        """Return a ticker of a row of tickers, of book tickers, or of both in one."""
        found = self.safe_market(self.safe_string(ticker, "symbol"), market)
        stamp = self.safe_integer_2(ticker, "time", "timestamp")
        return dict(
            self.safe_ticker(
                {
                    "symbol": found["symbol"],
                    "timestamp": stamp,
                    "datetime": self.iso8601(stamp),
                    **{name: self._figure(ticker, key) for name, key in TICKER_FIGURES.items()},
                    "info": ticker,
                },
                found,
            )
        )

    def _figure(self, row: Row, key: str) -> str | None:
        """Return a figure as it was written; None if it is no number, on which ccxt would choke."""
        text: str | None = self.safe_string(row, key)
        return None if self.parse_number(text) is None else text

    def parse_ohlcv(self, ohlcv: Any, market: Any = None) -> list[float | None]:  # noqa: ARG002
        """Return open time (ms), open, high, low, close, volume in base currency."""
        fields = ("open", "high", "low", "close", "volume")
        return [
            self.safe_integer(ohlcv, "time"),
            *(self.safe_number(ohlcv, field) for field in fields),
        ]

    def fetch_markets(self, params: Parameters = NO_PARAMETERS) -> list[dict[str, Any]]:
        """Return the markets of the kinds that `options.fetchMarkets.types` names (spot, linear)."""
        refuse_parameters(params)
        wanted = self.options["fetchMarkets"]["types"]
        found: list[dict[str, Any]] = []
        for kind in KINDS:
            if kind in wanted or (kind == "swap" and "linear" in wanted):
                reply = self.ask(kind, "symbols", {"type": PIONEX_TYPES[kind]})
                self.adopt_clock(reply)
                found += [self.parse_market(row) for row in self.rows(reply, "symbols")]
        return found

    def fetch_ticker(self, symbol: str, params: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        """Return the ticker of one symbol, with bid and ask."""
        return one_of(self.fetch_tickers([symbol], params), symbol)

    def fetch_tickers(
        self, symbols: Sequence[str] | None = None, params: Parameters = NO_PARAMETERS
    ) -> dict[str, dict[str, Any]]:
        """Return tickers with bid and ask, two requests per market kind; without symbols of `defaultType`."""
        return self._prices(("tickers", "book_tickers"), symbols, params)

    def fetch_bids_asks(
        self, symbols: Sequence[str] | None = None, params: Parameters = NO_PARAMETERS
    ) -> dict[str, dict[str, Any]]:
        """Return best bids and asks alone, one request per market kind."""
        return self._prices(("book_tickers",), symbols, params)

    def _prices(
        self, names: Iterable[str], symbols: Sequence[str] | None, params: Parameters
    ) -> dict[str, dict[str, Any]]:
        refuse_parameters(params)
        self.load_markets()
        found: dict[str, dict[str, Any]] = {}
        for kind, markets in self._by_kind(symbols).items():
            asked = {"symbol": markets[0]["id"]} if len(markets) == 1 else {"type": PIONEX_TYPES[kind]}
            wanted = {market["id"] for market in markets}
            merged: dict[str, Row] = {}
            for name in names:
                for row in self.rows(self.ask(kind, name, asked), "tickers"):
                    if not wanted or row["symbol"] in wanted:
                        merged[row["symbol"]] = {**row, **merged.get(row["symbol"], {})}
            found |= {ticker["symbol"]: ticker for ticker in map(self.parse_ticker, merged.values())}
        return found

    def _by_kind(self, symbols: Sequence[str] | None) -> dict[MarketKind, list[Any]]:
        """Group symbols by market kind; without any, `defaultType` and no market in particular."""
        if symbols is None:
            return {"swap" if self.options["defaultType"] == "swap" else "spot": []}
        groups: dict[MarketKind, list[Any]] = {}
        for symbol in symbols:
            market = self.market(symbol)
            groups.setdefault("swap" if market["swap"] else "spot", []).append(market)
        return groups

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[list[float | None]]:
        """Return candles oldest first: the first `limit` that open at or after `since` (ms), or the latest.

        The exchange reads backwards from an end, 500 at a time: the end is set `limit` candles after `since`.
        """
        refuse_parameters(params)
        if timeframe not in self.timeframes:
            raise BadRequest(f"{self.id} has no candles of {timeframe}: {', '.join(self.timeframes)}")
        self.load_markets()
        market = self.market(symbol)
        wanted = min(limit or KLINES_PAGE, KLINES_KEPT)
        step = self.parse_timeframe(timeframe) * 1000
        end = None if since is None else -(-since // step) * step + wanted * step - 1
        rows = self._klines(market, self.timeframes[timeframe], since, end, wanted)
        candles = sorted(self.parse_ohlcv(row) for row in rows.values())
        if since is None:
            return candles[-wanted:]
        return [candle for candle in candles if since <= (candle[0] or 0) <= (end or 0)]

    def _klines(
        self, market: Any, interval: str, since: int | None, end: int | None, wanted: int
    ) -> dict[int, Row]:
        """Read candles backwards from `end` (ms, the latest without) until `since` or `wanted` is reached."""
        kind: MarketKind = "swap" if market["swap"] else "spot"
        found: dict[int, Row] = {}
        for _ in range(-(-wanted // KLINES_PAGE) + 1):
            missing = min(KLINES_PAGE, wanted - len(found))
            asked = {"symbol": market["id"], "interval": interval, "limit": missing}
            rows = self.rows(
                self.ask(kind, "klines", asked if end is None else {**asked, "endTime": end}), "klines"
            )
            fresh = {int(row["time"]): row for row in rows}
            if not fresh.keys() - found.keys():
                break
            found |= fresh
            oldest = min(found)
            if len(found) >= wanted or (since is not None and oldest <= since):
                break
            end = oldest - 1
        return found

    def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Parameters = NO_PARAMETERS
    ) -> dict[str, Any]:
        """Return bids and asks, best first, at most 1000 of each."""
        refuse_parameters(params)
        self.load_markets()
        market = self.market(symbol)
        asked = {"symbol": market["id"], **({"limit": min(limit, DEPTH_MOST)} if limit else {})}
        book = self.data(self.ask("swap" if market["swap"] else "spot", "depth", asked))
        return dict(self.parse_order_book(book, market["symbol"], self.safe_integer(book, "updateTime")))
