"""Recorded candles and simple signals for the ladder's tests and bench."""

from pathlib import Path

import numpy as np
import talib

from chalicelib.domain.candles import Candles, Floats, filled
from chalicelib.domain.timeframes import TIMEFRAMES

RECORDED = "data/ohlcv/binance_spot"


def read_candles(folder: Path, timeframe: str, symbols: int, bars: int) -> Candles:
    """Read `bars` of the first `symbols` files onto one grid that ends where half of the files do.

    What a file lacks is NaN.
    """
    files = sorted(folder.glob(f"*-{timeframe}.csv.gz"))[:symbols]
    tables = [np.loadtxt(file, delimiter=",", skiprows=1) for file in files]
    seconds = TIMEFRAMES[timeframe]
    end = int(sorted(table[-1, 0] for table in tables)[len(tables) // 2]) // 1000 + seconds
    start = end - bars * seconds
    fields = np.full((5, len(tables), bars), np.nan)
    for row, table in enumerate(tables):
        columns = (table[:, 0].astype(np.int64) // 1000 - start) // seconds
        inside = (columns >= 0) & (columns < bars)
        fields[:, row, columns[inside]] = table[inside, 1:].T
    names = tuple(file.name.split("USDT-")[0] + "/USDT" for file in files)
    return Candles(names, seconds, start + seconds * np.arange(bars), *fields)


def cross_signals(candles: Candles, fast: int, slow: int) -> np.ndarray:
    """Return `[symbols, bars]`: +1 where the fast EMA crosses over the slow one, -1 where under it."""
    closes = filled(candles).close
    signals = np.zeros(closes.shape, dtype=np.int8)
    for row, close in enumerate(closes):
        started = int(np.argmax(~np.isnan(close)))
        gap = talib.EMA(close[started:], fast) - talib.EMA(close[started:], slow)
        above = gap > 0
        crossed = above[1:] != above[:-1]
        known = ~np.isnan(gap[:-1])
        signals[row, started + 1 :] = np.where(crossed & known, np.where(above[1:], 1, -1), 0)
    return signals


def redenominated(candles: Candles, seed: int) -> Candles:
    """Return candles in which every other symbol is quoted in other units from some bars on.

    Most of the steps break its series, one of 4 and one of 1/4 do not.
    """
    random = np.random.default_rng(seed)
    factor = np.ones(candles.close.shape)
    for row in range(0, len(candles.symbols), 2):
        for bar in random.integers(1, candles.bars, size=4):
            factor[row, bar:] *= random.choice((1000.0, 0.001, 6.0, 0.15, 4.0, 0.25))
    opens, high, low, close = (getattr(candles, name) * factor for name in ("open", "high", "low", "close"))
    names, timeframe, times = candles.symbols, candles.timeframe, candles.open_time
    return Candles(names, timeframe, times, opens, high, low, close, candles.volume)


def damaged(candles: Candles, seed: int) -> Candles:
    """Return candles with late listings, missing candles (single and in runs), zero volume and gap opens."""
    random = np.random.default_rng(seed)
    opens, high, low, close, volume = (
        getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")
    )
    shape = close.shape
    gaps = random.random(shape) < 0.02
    opens[gaps] *= random.choice((0.97, 0.99, 1.01, 1.03), size=int(gaps.sum()))
    high, low = np.maximum(high, opens), np.minimum(low, opens)
    volume[random.random(shape) < 0.05] = 0.0
    missing = random.random(shape) < 0.01
    for row in range(shape[0]):
        begin = int(random.integers(shape[1]))
        missing[row, begin : begin + int(random.integers(1, 30))] = True
        if row % 3 == 2:
            missing[row, : int(random.integers(shape[1] // 2))] = True
    fields: list[Floats] = [np.where(missing, np.nan, f) for f in (opens, high, low, close, volume)]
    return Candles(candles.symbols, candles.timeframe, candles.open_time, *fields)
