"""Candles of many symbols on one time grid: the input of every indicator, strategy and ladder step."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import UsageError

Floats = NDArray[np.float64]

ANCHOR_BLOCK = 256
"""Bars per anchor block. A value at a bar is computed from the start of the block before the bar's own,
so live (256 to 511 bars), warm start and backtest see the same input and agree to the last bit."""

KEPT_BARS = 3 * ANCHOR_BLOCK
STALE_AFTER_INTERVALS = 2
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Candles:
    """Closed candles: prices `[symbols, bars]`, NaN where the exchange has none, on a grid without holes."""

    symbols: tuple[str, ...]
    timeframe: int
    open_time: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def bars(self) -> int:
        return len(self.open_time)

    @property
    def closed_until(self) -> int:
        """Epoch second at which the last bar closed; 0 without bars."""
        return int(self.open_time[-1]) + self.timeframe if self.bars else 0


def empty_candles(symbols: tuple[str, ...], timeframe: int, start: int = 0, bars: int = 0) -> Candles:
    """Return a block of NaN, `bars` long, whose first bar opens at `start`."""
    grid = start + timeframe * np.arange(bars, dtype=np.int64)
    return Candles(symbols, timeframe, grid, *(np.full((len(symbols), bars), np.nan) for _ in FIELDS))


def merge(older: Candles, newer: Candles, keep: int = KEPT_BARS) -> Candles:
    """Lay `newer` over `older` on one grid (symbols of both) and keep the last `keep` bars.

    A candle of `newer` replaces one of `older` at the same place; a missing one never erases.
    """
    if older.timeframe != newer.timeframe:
        raise UsageError(f"candles of {older.timeframe} s and of {newer.timeframe} s can't be merged")
    if not newer.bars:
        return replace(older)
    step = newer.timeframe
    symbols = older.symbols + tuple(s for s in newer.symbols if s not in set(older.symbols))
    end = max(older.closed_until, newer.closed_until)
    starts = [int(block.open_time[0]) for block in (older, newer) if block.bars]
    start = max(min(starts), end - keep * step)
    merged = empty_candles(symbols, step, start, (end - start) // step)
    row_of = {symbol: row for row, symbol in enumerate(symbols)}
    for block in (older, newer):
        if not block.bars:
            continue
        first = (int(block.open_time[0]) - start) // step
        skip = max(0, -first)
        if skip >= block.bars:
            continue
        rows = np.array([row_of[symbol] for symbol in block.symbols])
        columns = slice(first + skip, first + block.bars)
        present = ~np.isnan(block.close[:, skip:])
        for field in FIELDS:
            target = getattr(merged, field)
            target[rows, columns] = np.where(present, getattr(block, field)[:, skip:], target[rows, columns])
    return merged


def select(candles: Candles, symbols: tuple[str, ...]) -> Candles:
    """Return the rows of the given symbols, in their order; a symbol that is not there is a row of NaN."""
    if symbols == candles.symbols:
        return candles
    row_of = {symbol: row for row, symbol in enumerate(candles.symbols)}
    rows = np.array([row_of.get(symbol, -1) for symbol in symbols], dtype=np.int64)
    fields = []
    for field in FIELDS:
        values = getattr(candles, field)
        if len(candles.symbols):
            chosen = np.where((rows >= 0)[:, None], values[rows], np.nan)
        else:
            chosen = np.full((len(symbols), candles.bars), np.nan)
        fields.append(np.ascontiguousarray(chosen))
    return Candles(symbols, candles.timeframe, candles.open_time, *fields)


def between(candles: Candles, start: int, end: int) -> Candles:
    """Return a view of the bars that open from `start` on and close up to `end` (epoch seconds)."""
    grid = candles.open_time
    chosen = slice(np.searchsorted(grid, start), np.searchsorted(grid, end - candles.timeframe, side="right"))
    fields = (getattr(candles, field)[:, chosen] for field in FIELDS)
    return Candles(candles.symbols, candles.timeframe, grid[chosen], *fields)


def anchor_of(open_time: int, timeframe: int) -> int:
    """Return where the window of the bar that opens at `open_time` begins (epoch second)."""
    block = timeframe * ANCHOR_BLOCK
    return (open_time // block - 1) * block


def anchored(candles: Candles, open_time: int) -> Candles:
    """Return the window of the bar that opens at `open_time`: from its anchor up to and with that bar."""
    return between(candles, anchor_of(open_time, candles.timeframe), open_time + candles.timeframe)


def filled(candles: Candles) -> Candles:
    """Fill inner gaps for indicators: OHLC = close before the gap, volume 0. Leading NaN stay NaN."""
    rows, bars = np.nonzero(np.isnan(candles.close))
    if not rows.size:
        return candles
    # A gap is a run of missing bars of one symbol: it is filled from the bar before its first one.
    begins = np.ones(len(rows), dtype=np.bool_)
    begins[1:] = (rows[1:] != rows[:-1]) | (bars[1:] != bars[:-1] + 1)
    before = bars[begins][np.cumsum(begins) - 1] - 1
    inner = before >= 0
    rows, bars, before = rows[inner], bars[inner], before[inner]
    close = candles.close[rows, before]
    fields = {name: getattr(candles, name).copy() for name in FIELDS}
    for name, values in fields.items():
        values[rows, bars] = 0.0 if name == "volume" else close
    return Candles(candles.symbols, candles.timeframe, candles.open_time, **fields)


def last_close_time(candles: Candles) -> NDArray[np.int64]:
    """Return per symbol the epoch second at which its last existing candle closed; 0 if it has none."""
    present = ~np.isnan(candles.close)
    if not candles.bars:
        return np.zeros(len(candles.symbols), dtype=np.int64)
    last = candles.bars - 1 - np.argmax(present[:, ::-1], axis=1)
    return np.where(present.any(axis=1), candles.open_time[last] + candles.timeframe, 0)


def stale(candles: Candles, now: float) -> NDArray[np.bool_]:
    """Tell per symbol whether its last closed candle is older than two intervals."""
    return last_close_time(candles) < now - STALE_AFTER_INTERVALS * candles.timeframe
