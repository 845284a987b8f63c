"""Recorded candles as a market feed at virtual time: what a replay of `cts run --data` trades on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from chalicelib.domain.candles import FIELDS, STALE_AFTER_INTERVALS, Candles, Floats, select
from chalicelib.domain.market import Market, Ticker, split_symbol
from chalicelib.errors import UsageError
from chalicelib.local.symbols import unknown_symbol

MIN_NOTIONAL = Decimal(10)
STEP_VALUE = Decimal("0.01")
"""One amount step is worth less than this in quote currency."""

MOST_DECIMALS = 12
_EVERY = 64
_PRICES = ("open", "high", "low", "close")


class RecordedFeed:
    """A market feed over candles in memory; pure in `now`, so it may be shared."""

    def __init__(self, candles: Candles, spread: Decimal) -> None:
        """Take candles on one grid and the spread between bid and ask as a ratio of the price."""
        self._candles = candles
        self._spread = spread
        self._rows = {symbol: row for row, symbol in enumerate(candles.symbols)}
        self._markets: dict[str, Market] = {}

    @property
    def candles(self) -> Candles:
        """All recorded candles."""
        return self._candles

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        """Return trading rules read off the data: the price step is the finest decimal seen."""
        return {symbol: self._market(symbol) for symbol in symbols}

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        """Return the candles that open at or after `since` and are closed at `now`."""
        recorded = self._candles
        if timeframe != recorded.timeframe:
            text = f"the recorded candles are of {recorded.timeframe} s, not of {timeframe} s"
            raise UsageError(f"{text}: give the connection the timeframe of the data")
        for symbol in symbols:
            self._row(symbol)
        first = int(np.searchsorted(recorded.open_time, since))
        last = max(first, int(np.searchsorted(recorded.open_time, now - timeframe, side="right")))
        fields = {field: getattr(recorded, field)[:, first:last] for field in FIELDS}
        window = replace(recorded, open_time=recorded.open_time[first:last], **fields)
        return select(window, tuple(symbols))

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        """Return prices as of `now`: the open of the running candle, else the last close.

        A symbol whose last candle closed more than two intervals ago is left out.
        """
        found = ((symbol, self._last(self._row(symbol), now)) for symbol in symbols)
        return {symbol: self._ticker(symbol, *seen) for symbol, seen in found if seen}

    def _last(self, row: int, now: float) -> tuple[float, float] | None:
        """Return the latest price and the second it is of."""
        recorded = self._candles
        step = recorded.timeframe
        bar = int(np.searchsorted(recorded.open_time, now, side="right")) - 1
        if bar >= 0 and now < recorded.open_time[bar] + step and not np.isnan(recorded.open[row, bar]):
            return float(recorded.open[row, bar]), float(recorded.open_time[bar])
        oldest = now - STALE_AFTER_INTERVALS * step
        while bar >= 0 and recorded.open_time[bar] + step >= oldest:
            if recorded.open_time[bar] + step <= now and not np.isnan(recorded.close[row, bar]):
                return float(recorded.close[row, bar]), float(recorded.open_time[bar] + step)
            bar -= 1
        return None

    def _ticker(self, symbol: str, price: float, time: float) -> Ticker:
        return paper_ticker(self._market(symbol), Decimal(str(price)), self._spread, time)

    def _market(self, symbol: str) -> Market:
        row = self._row(symbol)
        if symbol not in self._markets:
            prices = [getattr(self._candles, field)[row] for field in _PRICES]
            self._markets[symbol] = market_of(symbol, np.concatenate(prices))
        return self._markets[symbol]

    def _row(self, symbol: str) -> int:
        if symbol not in self._rows:
            raise unknown_symbol(symbol, self._rows, "the recorded data")
        return self._rows[symbol]


def market_of(symbol: str, prices: Floats) -> Market:
    """Derive trading rules from prices (NaN left out): steps are powers of ten."""
    base, quote, market_type = split_symbol(symbol)
    present = prices[~np.isnan(prices)]
    price_step = Decimal(1).scaleb(-_decimals(present))
    amount_step = amount_step_for(Decimal(str(float(present.max()))) if present.size else Decimal(1))
    return Market(symbol, base, quote, market_type, amount_step, price_step, amount_step, MIN_NOTIONAL)


def amount_step_for(price: Decimal) -> Decimal:
    """Return the largest power of ten, at most 1, that is worth less than 0.01 quote at this price."""
    step = Decimal(1)
    while step * price >= STEP_VALUE:
        step = step.scaleb(-1)
    return step


def paper_ticker(market: Market, last: Decimal, spread: Decimal, time: float) -> Ticker:
    """Return a ticker with half the spread on either side of `last`, widened to whole price steps."""
    half = spread / 2
    step = market.price_step
    down = (last * (1 - half) / step).to_integral_value("ROUND_FLOOR") * step
    up = (last * (1 + half) / step).to_integral_value("ROUND_CEILING") * step
    return Ticker(market.symbol, bid=max(down, step), ask=up, last=last, time=time)


def _decimals(prices: Floats) -> int:
    """Return how many decimals the prices have; exact, because a price is the double nearest to its text."""
    rest = prices
    # A few of them rule out the first numbers of decimals for all.
    few = _decimals(prices[::_EVERY]) if prices.size > _EVERY else 0
    for decimals in range(few, MOST_DECIMALS):
        rest = rest[np.round(rest, decimals) != rest]
        if not rest.size:
            return decimals
    return MOST_DECIMALS
