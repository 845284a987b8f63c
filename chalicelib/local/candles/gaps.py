"""What a run should know of its candles before it begins: gaps, late starts, early ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.timeframes import timeframe_name
from chalicelib.local.candles.tables import as_moment

MOST_LINES = 8
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a symbol lacks: gaps between its candles, and when it begins or ends inside the period.

    `longest` is in candles, `longest_at` its first missing open time; `begins` and `ends` are epoch seconds,
    None where the symbol has the period's first or last candle.
    """

    count: int
    missing: int
    longest: int
    longest_at: int
    begins: int | None
    ends: int | None


@dataclass(frozen=True, slots=True)
class DataReport:
    """The symbols that lack something, in order of the candles; `timeframe` in seconds."""

    timeframe: int
    symbols: int
    gaps: dict[str, Gaps]


def data_report(candles: Candles, start: int | None = None, end: int | None = None) -> DataReport:
    """Return what the candles lack from `start` to `end` (epoch seconds; without: all of them)."""
    if candles.bars:
        first = int(candles.open_time[0]) if start is None else start
        candles = between(candles, first, candles.closed_until if end is None else end)
    found = {symbol: _gaps(candles, row) for row, symbol in enumerate(candles.symbols)}
    return DataReport(
        candles.timeframe,
        len(candles.symbols),
        {symbol: gaps for symbol, gaps in found.items() if gaps is not None},
    )


def describe(report: DataReport) -> list[str]:
    """Return the lines to print: symbols with the same gaps share one, at most `MOST_LINES` and a rest."""
    alike: dict[Gaps, list[str]] = {}
    for symbol, gaps in report.gaps.items():
        alike.setdefault(gaps, []).append(symbol)
    lines = [f"{_names(symbols, report)}: {_text(gaps, report)}" for gaps, symbols in alike.items()]
    if len(lines) <= MOST_LINES:
        return lines
    rest = sum(len(symbols) for symbols in list(alike.values())[MOST_LINES:])
    return [*lines[:MOST_LINES], f"and {rest} more symbols with gaps of their own"]


def _gaps(candles: Candles, row: int) -> Gaps | None:
    present = np.flatnonzero(~np.isnan(candles.close[row]))
    if not present.size:
        start = int(candles.open_time[0]) if candles.bars else 0
        return Gaps(0, candles.bars, candles.bars, start, None, start) if candles.bars else None
    missing = np.diff(present) - 1
    holes = np.flatnonzero(missing)
    first, last = int(present[0]), int(present[-1])
    begins = int(candles.open_time[first]) if first else None
    ends = int(candles.open_time[last]) + candles.timeframe if last < candles.bars - 1 else None
    if not holes.size and begins is None and ends is None:
        return None
    longest = int(np.argmax(missing)) if holes.size else 0
    after = int(candles.open_time[present[longest]]) + candles.timeframe
    return Gaps(
        count=int(holes.size),
        missing=int(missing.sum()),
        longest=int(missing[longest]) if holes.size else 0,
        longest_at=after if holes.size else 0,
        begins=begins,
        ends=ends,
    )


def _names(symbols: Sequence[str], report: DataReport) -> str:
    if len(symbols) > 1 and len(symbols) == report.symbols:
        return f"all {len(symbols)} symbols"
    named = ", ".join(symbols[:_NAMED])
    return named if len(symbols) <= _NAMED else f"{named} and {len(symbols) - _NAMED} more"


def _text(gaps: Gaps, report: DataReport) -> str:
    parts = []
    if gaps.begins is not None:
        parts.append(f"begins {as_moment(gaps.begins)}")
    if gaps.count:
        name = timeframe_name(report.timeframe)
        parts.append(
            f"{gaps.missing} of its {name} candles missing in {gaps.count} gap{'s'[: gaps.count > 1]}, "
            f"the longest {gaps.longest} from {as_moment(gaps.longest_at)}"
        )
    if gaps.ends is not None:
        parts.append(f"no candles from {as_moment(gaps.ends)} on")
    return "; ".join(parts)
