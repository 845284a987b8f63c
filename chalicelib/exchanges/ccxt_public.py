"""Public market data of real exchanges through ccxt: closed candles, tickers and trading rules."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from chalicelib.domain.market import Market, MarketType, Ticker
from chalicelib.domain.timeframes import timeframe_name
from chalicelib.errors import Retryable, UsageError
from chalicelib.exchanges.ccxt_loader import load_exchange_class as load_exchange_class
from chalicelib.exchanges.ccxt_values import lay, market_of, middle_of, ticker_of
from chalicelib.exchanges.pace import Pace
from chalicelib.exchanges.public_client import public_client as _new_client
from chalicelib.exchanges.public_client import translated
from chalicelib.exchanges.quirks import QUIRKS, quirks_of

if TYPE_CHECKING:
    from chalicelib.domain.candles import Candles

EXCHANGES = tuple(QUIRKS)
REQUESTS_PER_SECOND = {exchange: quirks.requests_per_second for exchange, quirks in QUIRKS.items()}

RULES_SECONDS, RULES_AGAIN_SECONDS = 3600.0, 60.0
"""How old trading rules may get (containers live for hours, exchanges change steps and listings), and when
they are asked for again if the exchange did not tell."""

RULES_PARAMETERS: Mapping[tuple[str, MarketType], Mapping[str, str]] = {
    ("binance", "spot"): {"showPermissionSets": "false"},
}
"""With each market Binance names the hundred groups of accounts that may trade it: half of a container's
memory, and nobody here reads them."""

BOOKS_TELL: frozenset[tuple[str, MarketType]] = frozenset({("binance", "swap")})
"""Where best bids and asks are asked for alone: Binance's futures tickers have none, so that prices would
take two requests, the other one eight times as heavy. The middle stands in for the last price."""

LIGHT_PAGE, FULL_PAGE = 99, 1000
"""Candles per request: up to 99 cost the least weight, a first fetch takes all that one request can give."""

FETCH_SECONDS = 30.0
"""What is not begun by then waits for the next fetch, the symbols named last: a tick has less than a minute,
and Pionex allows a request a second."""

_log = logging.getLogger("cts.exchanges")
_THREADS = 4
MARKET_TYPES: tuple[MarketType, ...] = ("spot", "swap")


class PublicFeed:
    """The market feed of one exchange. Shared between threads; clients are made when first needed."""

    def __init__(
        self,
        exchange: str,
        prepare: Callable[[Any], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        testnet: bool = False,
    ) -> None:
        """Take an exchange of `EXCHANGES`; `prepare` gets each new ccxt client (adapters, addresses).

        `testnet`: the prices and rules of its test network, by which orders there are judged.
        """
        self._quirks = quirks_of(exchange)
        if testnet and not self._quirks.testnet:
            raise UsageError(f"{exchange} has no test network")
        self._testnet = testnet
        self._exchange = exchange
        self._prepare = prepare
        self._clock = clock
        self._pace = Pace(REQUESTS_PER_SECOND[exchange], sleep, clock)
        self._lock = threading.Lock()
        self._clients: dict[MarketType, Any] = {}
        self._rules_due: dict[MarketType, float] = {}
        self._rules_read: dict[MarketType, float] = {}
        self._absent: set[str] = set()

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        """Return the trading rules; UsageError names a symbol that the exchange does not trade."""
        return {symbol: market_of(self._known(symbol), self._exchange) for symbol in symbols}

    def rules_client(self, market_type: MarketType) -> Any:
        """Return the ccxt client that holds the trading rules; venues share them."""
        return self._client(market_type)

    def wait(self, weight: int) -> None:
        """Wait for the next free moment of this address; Retryable while the exchange holds it off."""
        self._pace.wait(weight)

    def hold(self, seconds: float | None = None) -> None:
        """Let no request of this address through for so long, or for a while."""
        self._pace.hold(seconds)

    def outdated(self, market_type: MarketType) -> None:
        """Read the trading rules anew at the next question, at most once a minute: orders were refused."""
        with self._lock:
            read = self._rules_read.get(market_type)
            if read is not None:
                self._rules_due[market_type] = max(self._clock(), read + RULES_AGAIN_SECONDS)

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        """Fetch the candles that open at or after `since` and are closed at `now`; gaps stay NaN.

        A symbol that is not traded here has gaps only: many connections share a fetch, and what one of them
        misspelt, or what was delisted, must not stop the others. So has one whose turn did not come within
        `FETCH_SECONDS`: its last candle stays old. Raises Retryable if any other cannot be read.
        """
        from chalicelib.domain.candles import empty_candles

        start = -(-since // timeframe) * timeframe
        end = int(now) // timeframe * timeframe
        candles = empty_candles(tuple(symbols), timeframe, start, max(0, (end - start) // timeframe))
        if not candles.bars or not symbols:
            return candles
        traded = self._traded(symbols)
        until = self._clock() + FETCH_SECONDS

        def history(symbol: str) -> list[list[float]]:
            return self._history(symbol, timeframe, start, end) if self._clock() < until else []

        with ThreadPoolExecutor(_THREADS) as pool:
            pages = pool.map(history, traded)
            for symbol, rows in zip(traded, pages, strict=True):
                lay(candles, candles.symbols.index(symbol), rows)
        return candles

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        """Fetch the latest prices in one request per market type; a symbol without any is left out."""
        found: dict[str, Ticker] = {}
        traded = self._traded(symbols)
        for market_type in MARKET_TYPES:
            wanted = [symbol for symbol in traded if _type_of(symbol) == market_type]
            if wanted:
                found.update(self._tickers(market_type, wanted, now))
        return {symbol: found[symbol] for symbol in symbols if symbol in found}

    def _tickers(self, market_type: MarketType, symbols: list[str], now: float) -> dict[str, Ticker]:
        client = self._client(market_type)
        if (self._exchange, market_type) in BOOKS_TELL:
            books = self._call(client.fetch_bids_asks, symbols)
            told = {symbol: ticker for symbol in symbols if (ticker := middle_of(symbol, books, now))}
            if len(told) == len(symbols):
                return told
        seen = self._call(client.fetch_tickers, symbols)
        if any(not seen.get(symbol, {}).get("bid") for symbol in symbols) and client.has.get("fetchBidsAsks"):
            books = self._call(client.fetch_bids_asks, symbols)
            for symbol, book in books.items():
                prices = {side: book[side] for side in ("bid", "ask") if book.get(side)}
                seen.setdefault(symbol, {}).update(prices)
        return {symbol: ticker for symbol in symbols if (ticker := ticker_of(symbol, seen.get(symbol), now))}

    def _history(self, symbol: str, timeframe: int, start: int, end: int) -> list[list[float]]:
        """Fetch page after page until the last closed candle; each page starts after the one before."""
        client, name = self._client(_type_of(symbol)), timeframe_name(timeframe)
        if name not in client.timeframes:
            raise UsageError(f"{self._exchange} has no candles of {name}: use {', '.join(client.timeframes)}")
        rows: list[list[float]] = []
        at = start
        while at < end:
            missing = (end - at) // timeframe
            limit = missing if missing <= LIGHT_PAGE else min(missing, FULL_PAGE)
            page = self._call(client.fetch_ohlcv, symbol, name, at * 1000, limit)
            fresh = [row for row in page if at <= row[0] // 1000 < end]
            if not fresh:
                break
            rows.extend(fresh)
            at = int(fresh[-1][0]) // 1000 + timeframe
        return rows

    def _traded(self, symbols: Sequence[str]) -> list[str]:
        """Return the symbols that are traded now; others are told in the log, once until they come back."""
        traded = [symbol for symbol in symbols if self._rules(symbol) is not None]
        absent = set(symbols) - set(traded)
        for symbol in sorted(absent - self._absent):
            _log.warning("%s does not trade %s: it has no candles and no prices", self._exchange, symbol)
        self._absent = self._absent - set(traded) | absent
        return traded

    def _known(self, symbol: str) -> Mapping[str, Any]:
        market = self._rules(symbol)
        if market is None:
            raise UsageError(f"{self._exchange} does not trade {symbol!r}: use symbols such as BTC/USDT")
        return market

    def _rules(self, symbol: str) -> Mapping[str, Any] | None:
        market = self._client(_type_of(symbol)).markets.get(symbol)
        return None if market is None or market.get("active") is False else dict(market)

    def _client(self, market_type: MarketType) -> Any:
        """Return the client of a market type, its trading rules not older than an hour if that can be had."""
        with self._lock:
            if market_type not in self._clients:
                client = _new_client(self._exchange, market_type)
                if self._testnet:
                    client.set_sandbox_mode(True)
                client.fetch2 = self._paced(client.fetch2)
                if self._prepare:
                    self._prepare(client)
                self._load_rules(client, market_type)
                self._clients[market_type] = client
                self._rules_due[market_type] = self._clock() + RULES_SECONDS
            elif self._clock() >= self._rules_due[market_type]:
                self._rules_due[market_type] = self._clock() + self._renewed(market_type)
            return self._clients[market_type]

    def _load_rules(self, client: Any, market_type: MarketType) -> None:
        parameters = RULES_PARAMETERS.get((self._exchange, market_type), {})
        self._call(client.load_markets, True, dict(parameters))
        self._rules_read[market_type] = self._clock()

    def _renewed(self, market_type: MarketType) -> float:
        """Load the trading rules again, keep those of before if they can't be had; return for how long."""
        try:
            self._load_rules(self._clients[market_type], market_type)
        except Retryable:
            return RULES_AGAIN_SECONDS
        return RULES_SECONDS

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        with translated(self._exchange, self._pace, getattr(method, "__self__", None)):
            return method(*arguments)

    def _paced(self, fetch: Callable[..., Any]) -> Callable[..., Any]:
        """Let each request wait for its turn: one question may take several of them, of different weights."""

        def waited(
            path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
        ) -> Any:
            name = api if isinstance(api, str) else api[0]
            declared = (config or {}).get("cost", 1)
            self._pace.wait(self._quirks.weight(name, method, path, params or {}, declared))
            return fetch(path, api, method, params or {}, config or {})

        return waited


def reachable(exchange: str, timeout: float = 3.0, prepare: Callable[[Any], None] | None = None) -> bool:
    """Tell within `timeout` seconds whether the exchange's public API answers.

    The question is asked in a thread of its own, because a look-up of the host's name may hang for longer
    than any timeout of the HTTP client.
    """
    answered = threading.Event()

    def ask() -> None:
        with translated(exchange, None):
            client = _new_client(exchange, "spot")
            client.timeout = int(timeout * 1000)
            if prepare:
                prepare(client)
            client.fetch_time()
            answered.set()

    thread = threading.Thread(target=_quietly, args=(ask,), daemon=True)
    thread.start()
    thread.join(timeout)
    return answered.is_set()


def _quietly(call: Callable[[], None]) -> None:
    """Run a question whose only answer is whether it succeeded."""
    try:
        call()
    except (Retryable, UsageError):
        return


def _type_of(symbol: str) -> MarketType:
    return "swap" if ":" in symbol else "spot"
