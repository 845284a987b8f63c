"""The prices of a backtest: those of the recorded feed, worked out for all candles at once; for its world."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles, Floats
from chalicelib.domain.market import Market, Ticker
from chalicelib.local.recorded_feed import RecordedFeed

Integers = NDArray[np.int64]

LOOKS_BACK = 2
"""Candles before the running one whose close may still be the last price."""

LARGEST_EXACT = 10**15
"""Below it every whole number of price steps has one double and one shortest text."""


class RecordedPrices:
    """A market feed that answers what the recorded one does, from a table where it can.

    The recorded feed looks for the last price at every question; here all are found in advance: within a
    candle that is its open, else the close of one of the two before. Bid and ask are whole price steps, so
    they are computed as integers. Where that could differ in the last digit, the recorded feed is asked.
    """

    def __init__(self, feed: RecordedFeed, spread: Decimal, start: int = 0) -> None:
        """Take a feed with its spread, a ratio of the price; the table begins at `start` (epoch second)."""
        self._feed = feed
        candles = feed.candles
        before = max(int(np.searchsorted(candles.open_time, start)) - LOOKS_BACK, 0)
        self._step, self._bars = candles.timeframe, candles.bars - before
        self._begin = int(candles.open_time[before])
        # The first candles have none before them in the table, unless there are none at all.
        self._first = LOOKS_BACK if before else 0
        self._rows = {symbol: row for row, symbol in enumerate(candles.symbols)}
        self._markets = dict(feed.markets(candles.symbols))
        self._last, self._age = _last_prices(candles.open[:, before:], candles.close[:, before:])
        steps = [market.price_step for market in self._markets.values()]
        self._bid, self._ask, self._known = _quotes(self._last, steps, spread)
        self._seen: dict[str, Ticker] = {}
        self._seen_bar = -1

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        """Return the trading rules; UsageError names a symbol that the data does not have."""
        try:
            return {symbol: self._markets[symbol] for symbol in symbols}
        except KeyError:
            return self._feed.markets(symbols)

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        """Return the candles that open at or after `since` and are closed at `now`."""
        return self._feed.closed_candles(symbols, timeframe, since, now)

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        """Return prices as of `now`; a symbol without any is left out."""
        bar = self._bar(now)
        if bar is None:
            return self._feed.tickers(symbols, now)
        if bar != self._seen_bar:
            self._seen, self._seen_bar = {}, bar
        seen = self._seen
        found: dict[str, Ticker] = {}
        for symbol in symbols:
            ticker = seen.get(symbol) or self._ticker(symbol, bar, now)
            if ticker is not None:
                found[symbol] = seen[symbol] = ticker
        return found

    def quotes(self, symbols: Sequence[str], now: float) -> list[tuple[int, int]] | None:
        """Return bid and ask of the tickers as of `now` in price steps; None if one has no price."""
        bar, found = self._bar(now), []
        for symbol in symbols:
            row = self._rows[symbol]
            if bar is not None and self._known.item(row, bar):
                found.append((self._bid.item(row, bar), self._ask.item(row, bar)))
                continue
            ticker, step = self.tickers((symbol,), now).get(symbol), self._markets[symbol].price_step
            if ticker is None:
                return None
            found.append((int(ticker.bid / step), int(ticker.ask / step)))
        return found

    def _bar(self, now: float) -> int | None:
        """Return the candle of the table that runs at `now`.

        None outside, and at the very second of an open: there the recorded feed looks further back.
        """
        passed = int(now) - self._begin
        bar = passed // self._step
        inside = self._first <= bar < self._bars
        return bar if inside and now > self._begin + bar * self._step else None

    def _ticker(self, symbol: str, bar: int, now: float) -> Ticker | None:
        row = self._rows.get(symbol)
        if row is None or not self._known.item(row, bar):
            return self._feed.tickers((symbol,), now).get(symbol)
        step = self._markets[symbol].price_step
        seen_at = self._begin + (bar - self._age.item(row, bar)) * self._step
        last = Decimal(str(self._last.item(row, bar)))
        bid, ask = self._bid.item(row, bar) * step, self._ask.item(row, bar) * step
        return Ticker(symbol, bid, ask, last, float(seen_at))


def _last_prices(opened: Floats, closed: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """Return the last price within each candle `[symbols, bars]`, and how many candles ago it was new.

    A close is new at the end of its candle: the last one counts as of this candle, that before as one ago.
    """
    last = opened.copy()
    age = np.zeros(last.shape, dtype=np.int8)
    for back in range(1, LOOKS_BACK + 1):
        missing = np.isnan(last[:, back:])
        last[:, back:][missing] = closed[:, :-back][missing]
        age[:, back:][missing] = back - 1
    return last, age


def _quotes(
    last: Floats, steps: Sequence[Decimal], spread: Decimal
) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Return bid and ask in price steps, and where they are known for certain, all `[symbols, bars]`.

    Not known is what has no price, what integers can't hold, and what divides without a rest: there the
    number of trailing zeros depends on how it was divided.
    """
    share, whole = (1 - spread / 2).as_integer_ratio()
    bid, ask = np.ones(last.shape, dtype=np.int64), np.ones(last.shape, dtype=np.int64)
    known = np.zeros(last.shape, dtype=np.bool_)
    for row, step in enumerate(steps):
        scale = float(1 / step)
        with np.errstate(invalid="ignore"):
            counted = np.rint(last[row] * scale)
            exact = (counted / scale == last[row]) & (counted < LARGEST_EXACT)
            exact &= counted * (2.0 * whole) < 2.0**62
        count = np.where(exact, counted, 0.0).astype(np.int64)
        below, above = count * share, count * (2 * whole - share)
        known[row] = exact & (below % whole != 0) & (above % whole != 0)
        bid[row], ask[row] = np.maximum(below // whole, 1), above // whole + 1
    return bid, ask, known
