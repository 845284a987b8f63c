"""Drawdowns of an equity curve: how deep, how long, from when to when; used by summary and the report."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.performance.inputs import Flags, Floats, Integers
from chalicelib.domain.performance.measure import Measure, measured, undefined

NO_POINTS = "no equity points"
NO_DRAWDOWN = "no drawdown"

_DEEPEST = (
    "max_drawdown_peak_at",
    "max_drawdown_trough_at",
    "max_drawdown_recovered_at",
    "max_drawdown_seconds",
)
_OVER_ALL = ("average_drawdown", "average_drawdown_seconds", "longest_drawdown_seconds")
DRAWDOWN_NAMES = ("max_drawdown", "max_drawdown_amount", "ulcer_index", "drawdowns", *_DEEPEST, *_OVER_ALL)


@dataclass(frozen=True, slots=True, eq=False)
class Drawdowns:
    """Every fall below an equity peak, columns `[drawdowns]` in time order; points are rows of the curve.

    `peak` is the last point at the high, `trough` the first of the lowest, `end` the first point back at the
    high or, where `recovered` is False, the last of the curve. `depth` is the fall / the high.
    """

    peak: Integers
    trough: Integers
    end: Integers
    recovered: Flags
    depth: Floats


def underwater(equity: Floats) -> Floats:
    """Return per point how far the equity is below its high so far, as a share of it: 0 at a high."""
    high = np.maximum.accumulate(equity)
    return (high - equity) / high


def drawdowns(equity: Floats) -> Drawdowns:
    """Return the drawdowns of `equity` `[points]`, which must start above 0."""
    below = underwater(equity)
    under = np.concatenate(([False], below > 0, [False]))
    peak = np.flatnonzero(under[1:] & ~under[:-1]) - 1
    end = np.flatnonzero(under[:-1] & ~under[1:])
    trough = np.array(
        [first + 1 + np.argmax(below[first + 1 : after]) for first, after in zip(peak, end, strict=True)],
        dtype=np.int64,
    )
    recovered = end < len(equity)
    return Drawdowns(peak, trough, np.minimum(end, len(equity) - 1), recovered, below[trough])


def max_drawdown(equity: Floats) -> Measure:
    """Return the deepest fall below a high, as a share of that high, 0 or above.

    As in empyrical, backtesting.py and NautilusTrader (negative there), LEAN, and freqtrade's
    `max_relative_drawdown`.
    """
    return measured(float(np.max(underwater(equity)))) if len(equity) else undefined(NO_POINTS)


def max_drawdown_amount(equity: Floats) -> Measure:
    """Return the largest fall below a high in quote currency (freqtrade `max_drawdown_abs`, LEAN
    `MaximumClosedTradeDrawdown`); it need not be the deepest as a share."""
    if not len(equity):
        return undefined(NO_POINTS)
    return measured(float(np.max(np.maximum.accumulate(equity) - equity)))


def ulcer_index(equity: Floats) -> Measure:
    """Return the root of the mean square of `underwater` (Martin and McCann, 1989), a share, not percent."""
    return measured(float(np.sqrt(np.mean(underwater(equity) ** 2)))) if len(equity) else undefined(NO_POINTS)


def drawdown_measures(time: Integers, equity: Floats) -> dict[str, Measure]:
    """Return depth, dates and durations of the drawdowns, times and durations in seconds.

    A duration runs from the peak to the recovery, or to the end of the curve where there is none; averages
    are over all drawdowns, the unrecovered one among them (as in backtesting.py).
    """
    found = drawdowns(equity)
    measures = {
        "max_drawdown": max_drawdown(equity),
        "max_drawdown_amount": max_drawdown_amount(equity),
        "ulcer_index": ulcer_index(equity),
        "drawdowns": Measure(float(len(found.depth))),
    }
    if not len(found.depth):
        return measures | dict.fromkeys(_DEEPEST + _OVER_ALL, undefined(NO_DRAWDOWN))
    seconds = time[found.end] - time[found.peak]
    over_all = (np.mean(found.depth), np.mean(seconds), np.max(seconds))
    named = zip(_OVER_ALL, (measured(float(value)) for value in over_all), strict=True)
    return measures | _deepest(time, found, seconds) | dict(named)


def _deepest(time: Integers, found: Drawdowns, seconds: Integers) -> dict[str, Measure]:
    row = int(np.argmax(found.depth))
    recovered = measured(float(time[found.end[row]]))
    values = (
        measured(float(time[found.peak[row]])),
        measured(float(time[found.trough[row]])),
        recovered if found.recovered[row] else undefined("not recovered by the end"),
        measured(float(seconds[row])),
    )
    return dict(zip(_DEEPEST, values, strict=True))
