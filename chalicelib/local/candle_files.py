"""Reads recorded candles from a directory of CSV files, one per symbol and timeframe; called by `cts run`.

A file is `BASEQUOTE-timeframe.csv` or `.csv.gz` with the header `timestamp_ms,open,high,low,close,volume`,
one candle per line, its timestamp the open time in UTC. Files are refused rather than repaired.
"""

import gzip
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, Floats, empty_candles
from chalicelib.domain.market import MarketType
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.local.symbols import by_prominence, unified_symbol, unknown_symbol

HEADER = "timestamp_ms,open,high,low,close,volume"
COLUMNS = 6
LONGEST_GAP = 2 * ANCHOR_BLOCK
"""Bars that may be missing in a row: with more, the window of a bar would hold no candle at all."""


@dataclass(frozen=True, slots=True)
class _File:
    """The parsed candles of one symbol: open times in seconds, and the five values per candle."""

    path: Path
    symbol: str
    open_time: np.ndarray[tuple[int], np.dtype[np.int64]]
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
        raise UsageError(f"{directory} is not a directory: name one with BASEQUOTE-{timeframe}.csv.gz files")
    step_suffixes = (f"-{timeframe}.csv.gz", f"-{timeframe}.csv")
    found: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        for suffix in step_suffixes:
            name = path.name.removesuffix(suffix)
            symbol = unified_symbol(name, market_type) if name != path.name else None
            if symbol:
                found[symbol] = path
    if not found:
        others = sorted({part for path in directory.iterdir() if (part := _timeframe_of(path))})
        remedy = f"it has {', '.join(others)}" if others else f"expected e.g. BTCUSDT-{timeframe}.csv.gz"
        raise UsageError(f"{directory} has no {timeframe} candles: {remedy}")
    return found


def _timeframe_of(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.removesuffix(".csv").rpartition("-")[2] if name.endswith(".csv") and "-" in name else ""


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
        return f"{file.path}: no candles from {_iso(start)} on: the file has {_iso(first)} to {_iso(last)}"
    if start >= end:
        return f"the period from {_iso(start)} to {_iso(end)} is empty: let it start before it ends"
    if start >= last or end <= first:
        return (
            f"{file.path}: no candles between {_iso(start)} and {_iso(end)}: "
            f"the file has {_iso(first)} to {_iso(last)}"
        )
    bounds = np.append(grid, max(end, last))
    gap_starts, gap_ends = np.maximum(bounds[:-1] + step, start), np.minimum(bounds[1:], end)
    too_long = np.flatnonzero(gap_ends - gap_starts > LONGEST_GAP * step)
    if not too_long.size:
        return ""
    at = int(too_long[0])
    hole = f"no candles from {_iso(int(gap_starts[at]))} to {_iso(int(gap_ends[at]))}"
    return (
        f"{file.path}, line {at + 2}: {hole}, "
        f"more than {LONGEST_GAP} bars: choose another period or leave {file.symbol} out"
    )


def _on_one_grid(files: list[_File], step: int, period: _Period) -> Candles:
    first = min(int(file.open_time[0]) for file in files)
    last = max(int(file.open_time[-1]) for file in files) + step
    start, end = period.inside(first, last)
    if start < first or end > last:
        raise UsageError(
            f"the period from {_iso(start)} to {_iso(end)} is outside the data: "
            f"use --from {_iso(first)} or later and --to {_iso(last)} or earlier"
        )
    candles = empty_candles(tuple(file.symbol for file in files), step, first, (last - first) // step)
    for row, file in enumerate(files):
        columns = (file.open_time - first) // step
        for number, field in enumerate(("open", "high", "low", "close", "volume")):
            getattr(candles, field)[row, columns] = file.values[:, number]
    return candles


def _read(path: Path, symbol: str, step: int) -> _File:
    text = _content(path)
    header, _, body = text.partition(b"\n")
    if header.strip().decode(errors="replace") != HEADER:
        raise UsageError(f"{path}, line 1: the header must be {HEADER}")
    if not body.strip():
        raise UsageError(f"{path}: the file has no candles: record some or remove it")
    try:
        table = np.loadtxt(io.BytesIO(body), delimiter=",", comments=None, ndmin=2)
        sound = table.shape[1] == COLUMNS and _sound(table, step)
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(_first_fault(path, body.decode(errors="replace"), step))
    return _File(path, symbol, (table[:, 0] // 1000).astype(np.int64), table[:, 1:])


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({error}): copy it again") from error


def _sound(table: Floats, step: int) -> bool:
    """Tell whether every row is a candle on the grid, later than the one before."""
    times, open_, high, low, close, volume = table.T
    return bool(
        np.isfinite(table).all()
        and (low > 0).all()
        and (volume >= 0).all()
        and (high >= np.maximum(open_, close)).all()
        and (low <= np.minimum(open_, close)).all()
        and (times >= 0).all()
        and (times % (step * 1000) == 0).all()
        and (np.diff(times) > 0).all()
    )


def _first_fault(path: Path, body: str, step: int) -> str:
    """Find the first bad line the slow way and say what is wrong with it."""
    previous = -1.0
    for number, line in enumerate(body.split("\n"), start=2):
        if not line.strip():
            continue
        problem, previous = _line_fault(line, previous, step)
        if problem:
            return f"{path}, line {number}: {problem}"
    return f"{path}: the file is not a table of candles: record it again"


def _line_fault(line: str, previous: float, step: int) -> tuple[str, float]:
    """Return what is wrong with a line (empty: nothing), and its timestamp."""
    fields = line.strip().split(",")
    if len(fields) != COLUMNS:
        return f"{len(fields)} values instead of {COLUMNS}: repair or remove the line", previous
    values: list[float] = []
    for name, field in zip(HEADER.split(","), fields, strict=True):
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            return f"{name} is {field!r}: it must be a finite number, not negative", previous
        values.append(value)
    time, open_, high, low, close, _ = values
    if not low:
        return "a price is 0: repair or remove the line", time
    if high < low:
        return f"high {high} is below low {low}: repair or remove the line", time
    for name, value in (("open", open_), ("close", close)):
        if not low <= value <= high:
            return f"{name} {value} is outside low {low} to high {high}: repair or remove the line", time
    if time % (step * 1000):
        return f"timestamp {fields[0]} is not a multiple of {step} s: is it another timeframe?", time
    if time == previous:
        return f"timestamp {fields[0]} is there twice: remove one of the lines", time
    if time < previous:
        return f"timestamp {fields[0]} is before the line above: sort the file by time", time
    return "", time


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").replace("T00:00:00Z", "")
