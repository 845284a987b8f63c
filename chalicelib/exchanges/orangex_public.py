"""Public market data of OrangeX: clock, markets, prices, candles, order book; used by `orangex`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadResponse,
    BadSymbol,
    NotSupported,
)

from chalicelib.exchanges.orangex_parsing import (
    KINDS,
    OrangexParsing,
    full_name,
    milliseconds_of,
    rows_of,
)

CANDLES = 1500
"""Most candles of one request, and how many of the newest the exchange gives at all where it counts."""

_TYPES: Mapping[str, str] = {"spot": "spot", "swap": "swap", "linear": "swap"}
_NONE: frozenset[str] = frozenset()


class TooManyCandles(BadRequest):  # type: ignore[misc]
    """Code 5221: the candles asked for lie further back than the exchange gives."""


class OrangexPublic(OrangexParsing):
    """Methods that need no key, except candles where the public method is closed."""

    def fetch_time(self, params: Mapping[str, Any] | None = None) -> int | None:
        """Return the exchange's clock in milliseconds, from the time stamp of a ping's reply."""
        self.refuse_unknown("fetchTime", params, _NONE)
        reply = self.request("public/ping", ["public"], self.options["publicMethod"], {})
        time = milliseconds_of(reply.get("usOut"))
        if time is None:
            raise BadResponse(f"{self.id} answered a ping without its time")
        return time

    def fetch_markets(self, params: Mapping[str, Any] | None = None) -> list[Any]:
        """Fetch the instruments of `options.fetchMarkets.types`, one request per type."""
        self.refuse_unknown("fetchMarkets", params, _NONE)
        wanted = dict.fromkeys(_TYPES[name] for name in self.options["fetchMarkets"]["types"])
        markets = []
        for kind in (KINDS[name] for name in wanted):
            rows = rows_of(self.public("get_instruments", {"currency": kind}), "instruments")
            markets += [self.parse_market(row) for row in rows if _is_named(row, kind)]
        return markets

    def fetch_ticker(self, symbol: str, params: Mapping[str, Any] | None = None) -> Any:
        """Fetch the prices of one symbol."""
        tickers = self.fetch_tickers([symbol], params)
        if symbol not in tickers:
            raise BadSymbol(f"{self.id} has no prices of {symbol}")
        return tickers[symbol]

    def fetch_tickers(
        self, symbols: Sequence[str] | None = None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Fetch prices, all symbols of a type in one request; without symbols `params.type`, or both."""
        self.refuse_unknown("fetchTickers", params, {"type"})
        self.load_markets()
        wanted = self.market_symbols(symbols)
        named = (params or {}).get("type")
        types: Iterable[str] = KINDS if named is None else (named,)
        if wanted is not None:
            types = dict.fromkeys(self.market(symbol)["type"] for symbol in wanted)
        found: dict[str, Any] = {}
        for name in types:
            for row in rows_of(self.public("tickers", {"currency": self.kind_of(name)}), "tickers"):
                market = self._listed(row)
                if market is not None and (wanted is None or market["symbol"] in wanted):
                    found[market["symbol"]] = self.parse_ticker(row, market)
        return found

    def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Fetch bids and asks; the exchange gives 50 levels where `limit` is None."""
        self.refuse_unknown("fetchOrderBook", params, _NONE)
        self.load_markets()
        request: dict[str, Any] = {"instrument_name": self.market(symbol)["id"]}
        if limit is not None:
            request["depth"] = limit
        book = self.public("get_order_book", request)
        for side in ("bids", "asks"):
            rows_of(book, side)
        parsed = self.parse_order_book(book, symbol, milliseconds_of(book.get("timestamp")))
        parsed["nonce"] = self.safe_integer(book, "version")
        return parsed

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch candles from `since` (ms) on, or the newest; more than 1,500 in several requests.

        Periods without trades may be missing. Where the exchange says that `since` lies too far back, the
        oldest candles it gives come instead.
        """
        self.refuse_unknown("fetchOHLCV", params, _NONE)
        self.load_markets()
        market = self.market(symbol)
        if timeframe not in self.timeframes:
            raise BadRequest(f"{self.id} has no candles of {timeframe}")
        seconds = self.parse_timeframe(timeframe)
        count = limit or CANDLES
        now = self.milliseconds() // 1000
        start = now // seconds * seconds - (count - 1) * seconds if since is None else -(-since // 1000)
        rows: list[Any] = []
        for offset in range(0, count, CANDLES):
            if start > now:
                break
            size = min(CANDLES, count - offset)
            page = self._candles(market, timeframe, start, size)
            rows += [row for row in page if _opening(row) >= start]
            start = max([start + size * seconds, *(_opening(row) + seconds for row in page)])
        return list(self.parse_ohlcvs(rows, market, timeframe, since, limit))

    def kind_of(self, market_type: str | None) -> str:
        """Return the exchange's word for a market type; None is `options.defaultType`."""
        name = market_type or self.options["defaultType"]
        if name not in _TYPES:
            raise BadRequest(f"{self.id} has spot and swap, not {name}")
        return KINDS[_TYPES[name]]

    def _candles(self, market: Any, timeframe: str, start: int, count: int) -> list[Any]:
        """Return at most `count` candles from epoch second `start` on, or the oldest there are."""
        seconds = self.parse_timeframe(timeframe)
        request = {
            # Candles of spot markets are filed under the name without -SPOT.
            "instrument_name": market["id"].removesuffix("-SPOT"),
            "resolution": self.timeframes[timeframe],
            "start_timestamp": start,
            "end_timestamp": start + count * seconds - 1,
        }
        try:
            return rows_of(self._chart(request), "candles")
        except TooManyCandles:
            now = self.milliseconds() // 1000
            oldest = now // seconds * seconds - (CANDLES - 1) * seconds
            if start >= oldest:
                raise
        return rows_of(
            self._chart(
                {**request, "start_timestamp": oldest, "end_timestamp": oldest + count * seconds - 1}
            ),
            "candles",
        )

    def _chart(self, request: Mapping[str, Any]) -> Any:
        """Ask the public method, and the one with a token where that is closed; remembers which it was."""
        method = "get_tradingview_chart_data"
        if self.options["candles"] != "private":
            try:
                return self.public(method, request)
            except (NotSupported, AuthenticationError):
                if not self.apiKey:
                    raise
        result = self.private(method, request)
        self.options["candles"] = "private"
        return result

    def _listed(self, row: Mapping[str, Any]) -> Any:
        found = self.markets_by_id.get(full_name(str(row.get("instrument_name"))))
        return found[0] if found else None


def _is_named(row: Mapping[str, Any], kind: str) -> bool:
    """Tell whether an instrument's name has the form COIN-QUOTE-KIND; no others can be named in return."""
    parts = str(row.get("instrument_name")).split("-")
    return len(parts) == 3 and all(parts) and parts[2] == kind


def _opening(candle: Mapping[str, Any]) -> int:
    """Return the epoch second at which a candle opens."""
    time = milliseconds_of(candle.get("tick"))
    if time is None:
        raise BadResponse("orangex told of a candle without its time")
    return time // 1000
