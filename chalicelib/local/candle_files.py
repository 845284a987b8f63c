"""Reads recorded candles from a directory of files, one per symbol and timeframe; called by `cts run`.

Which files there are is in `chalicelib.local.candles.formats`. Files are refused rather than repaired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import ANCHOR_BLOCK, FIELDS, Candles, Floats, empty_candles
from chalicelib.domain.market import MarketType
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.local.candles.formats import find_files, place, read_table, timeframes_of
from chalicelib.local.candles.tables import as_moment
from chalicelib.local.symbols import by_prominence, unknown_symbol

LONGEST_GAP = 2 * ANCHOR_BLOCK
"""Bars that may be missing in a row: with more, the window of a bar would hold no candle at all."""


@dataclass(frozen=True, slots=True)
class _File:
    """The parsed candles of one symbol: open times in seconds, and the five values per candle."""

    path: Path
    symbol: str
    open_time: NDArray[np.int64]
    values: Floats


@dataclass(frozen=True, slots=True)
class _Period:
    """The asked period in epoch seconds; a missing end is the data's own."""

    start: int | None
    end: int | None

    def inside(self, first: int, last: int) -> tuple[int, int]:
        return (first if self.start is None else self.start, last if self.end is None else self.end)


def read_candles(
    directory: Path,
    timeframe: str,
    symbols: Sequence[str] | int,
    start: int | None = None,
    end: int | None = None,
    market_type: MarketType = "spot",
) -> Candles:
    """Read the candles of the symbols, on one grid with NaN where a file has none.

    `symbols` as a number takes that many: the best-known first, those with data in the period only.
    `start` and `end` (epoch seconds) are checked against the data; what is recorded before and after them is
    returned as well (warm-up before the start, the price at the end). Raises UsageError.
    """
    step = timeframe_seconds(timeframe)
    files = candle_files(directory, timeframe, market_type)
    period = _Period(start, end)
    if isinstance(symbols, int):
        chosen = _first_usable(files, symbols, step, period, timeframe)
    else:
        for symbol in symbols:
            if symbol not in files:
                raise unknown_symbol(symbol, files, f"{directory} ({timeframe})")
        chosen = [_read(files[symbol], symbol, step) for symbol in dict.fromkeys(symbols)]
        for file in chosen:
            if problem := _unusable(file, step, period):
                raise UsageError(problem)
    return _on_one_grid(chosen, step, period)


def candle_files(directory: Path, timeframe: str, market_type: MarketType = "spot") -> dict[str, Path]:
    """Return the files of a timeframe by unified symbol; UsageError if there is none."""
    if not directory.is_dir():
        raise UsageError(
            f"{directory} is not a directory: name one with files like BTCUSDT-{timeframe}.csv.gz"
        )
    found = find_files(directory, timeframe, market_type)
    if not found:
        others = [name for name in timeframes_of(directory) if name != timeframe]
        remedy = f"it has {', '.join(others)}" if others else f"expected e.g. BTCUSDT-{timeframe}.csv.gz"
        raise UsageError(f"{directory} has no {timeframe} candles: {remedy}")
    return found


def _first_usable(
    files: dict[str, Path], count: int, step: int, period: _Period, timeframe: str
) -> list[_File]:
    if count < 1:
        raise UsageError(f"{count} symbols cannot be traded: ask for at least 1")
    by_quote: dict[str, list[str]] = {}
    for symbol in files:
        by_quote.setdefault(symbol.partition("/")[2], []).append(symbol)
    # One account has one quote currency, so a number means symbols of the commonest one.
    candidates = max(by_quote.values(), key=len)
    usable: list[_File] = []
    for symbol in by_prominence(candidates):
        file = _read(files[symbol], symbol, step)
        if not _unusable(file, step, period):
            usable.append(file)
        if len(usable) == count:
            return usable
    if not usable:
        raise UsageError(_unusable(_read(files[candidates[0]], candidates[0], step), step, period))
    raise UsageError(
        f"only {len(usable)} of {len(candidates)} symbols have {timeframe} candles all through that period, "
        f"{count} were asked for: use --symbols {len(usable)}"
    )


def _unusable(file: _File, step: int, period: _Period) -> str:
    """Return why a file does not serve the period, or an empty text."""
    grid = file.open_time
    first, last = int(grid[0]), int(grid[-1]) + step
    start, end = period.inside(first, last)
    if period.end is None and start >= last:
        return (
            f"{file.path}: no candles from {as_moment(start)} on: "
            f"the file has {as_moment(first)} to {as_moment(last)}"
        )
    if start >= end:
        return f"the period from {as_moment(start)} to {as_moment(end)} is empty: let it start before it ends"
    if start >= last or end <= first:
        return (
            f"{file.path}: no candles between {as_moment(start)} and {as_moment(end)}: "
            f"the file has {as_moment(first)} to {as_moment(last)}"
        )
    bounds = np.append(grid, max(end, last))
    gap_starts, gap_ends = np.maximum(bounds[:-1] + step, start), np.minimum(bounds[1:], end)
    too_long = np.flatnonzero(gap_ends - gap_starts > LONGEST_GAP * step)
    if not too_long.size:
        return ""
    at = int(too_long[0])
    hole = f"no candles from {as_moment(int(gap_starts[at]))} to {as_moment(int(gap_ends[at]))}"
    return (
        f"{file.path}, {place(file.path, at)}: {hole}, "
        f"more than {LONGEST_GAP} bars: choose another period or leave {file.symbol} out"
    )


def _on_one_grid(files: list[_File], step: int, period: _Period) -> Candles:
    first = min(int(file.open_time[0]) for file in files)
    last = max(int(file.open_time[-1]) for file in files) + step
    start, end = period.inside(first, last)
    if start < first or end > last:
        raise UsageError(
            f"the period from {as_moment(start)} to {as_moment(end)} is outside the data: "
            f"use --from {as_moment(first)} or later and --to {as_moment(last)} or earlier"
        )
    candles = empty_candles(tuple(file.symbol for file in files), step, first, (last - first) // step)
    for row, file in enumerate(files):
        places = (file.open_time - first) // step
        begin, end = int(places[0]), int(places[-1]) + 1
        # Without a gap in the file its candles lie side by side.
        columns = slice(begin, end) if end - begin == len(places) else places
        for number, field in enumerate(FIELDS):
            getattr(candles, field)[row, columns] = file.values[:, number]
    return candles


def _read(path: Path, symbol: str, step: int) -> _File:
    table = read_table(path, step)
    return _File(path, symbol, table.open_time, table.values)
