"""Rolling statistics of configuration sets, computed from their rings of returns; used by levels and callers.

All sums are of whole numbers, so that they come out the same however many sets or candles are worked on at
once; where decimals must be added (see `luck`), it is done from the oldest position to the newest.
"""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.ladder.history import Moments, in_blocks, last_positions, present, reached_at
from chalicelib.domain.ladder.luck import edges
from chalicelib.domain.ladder.returns import UNITS, Sums, ring_sums, sums
from chalicelib.domain.ladder.rules import Floats, Ladder, Threshold
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import NEVER, LadderState

PROVEN_WINS = 10
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of some sets at one moment, columns `[rows]`.

    `closed` counts all closed positions ever, the others are those of a window of the last ones.
    `profit_factor` is NaN while nothing is proven; `win_rate` and `expectancy` (the mean net return) are NaN
    without positions; `drawdown_hours` is the average time from a peak of the equity (the running sum of
    returns) to its recovery, an unrecovered one counted until now, 0 without any. `edge` is the deflated
    Sharpe ratio over all positions kept (see `luck`), NaN where it was not asked for.
    """

    closed: Rows
    profit_factor: Floats
    win_rate: Floats
    expectancy: Floats
    drawdown_hours: Floats
    edge: Floats


@dataclass(frozen=True, slots=True)
class Drawdowns:
    """Drawdowns of some sets in a window: seconds and number of recovered ones; the peak before an open one.

    `underwater_since` is 0 at an equity peak.
    """

    seconds: Rows
    count: Rows
    underwater_since: Rows


def statistics(
    ladder: Ladder, state: LadderState, rows: Rows, window: int, now: int | Rows, edge: bool = False
) -> Statistics:
    """Return the statistics of `rows` over their last `window` positions.

    `now` is an epoch second, or one for each row; `window` is at most what is kept; `edge` says whether to
    work that out, too.
    """
    found, moments = sums(state, ladder.rules, rows, window), present(state, rows)
    edges_ = edges(moments, len(ladder.sets)) if edge else np.full(len(rows), np.nan)
    return _statistics(moments.closed, found, drawdowns(moments, window), now, edges_)


def past_statistics(moments: Moments, window: int, now: Rows, edge: Floats) -> Statistics:
    """Return the statistics of sets as they were at some moments, when it was `now`; `edge` is taken over."""
    found = ring_sums(moments, window)
    return _statistics(moments.closed, found, drawdowns(moments, window), now, edge)


def _statistics(closed: Rows, found: Sums, fallen: Drawdowns, now: int | Rows, edge: Floats) -> Statistics:
    counted = np.maximum(found.counted, 1)
    unrecovered = fallen.underwater_since > 0
    seconds = fallen.seconds + np.where(unrecovered, now - fallen.underwater_since, 0)
    mean = (found.gross_profit - found.gross_loss) / (counted * UNITS)
    return Statistics(
        closed=closed,
        profit_factor=profit_factor(found),
        win_rate=win_rate(found),
        expectancy=np.where(found.counted > 0, mean, np.nan),
        drawdown_hours=seconds / (SECONDS_PER_HOUR * np.maximum(fallen.count + unrecovered, 1)),
        edge=edge,
    )


def profit_factor(found: Sums) -> Floats:
    """Return gross profit / gross loss; without any loss infinite from 10 wins on, NaN (unproven) before."""
    ratio = found.gross_profit / np.maximum(found.gross_loss, 1)
    lossless = np.flatnonzero(found.gross_loss == 0)
    ratio[lossless] = np.where(found.wins.take(lossless) >= PROVEN_WINS, np.inf, np.nan)
    return ratio


def win_rate(found: Sums) -> Floats:
    """Return the share of positions with a profit, NaN without positions."""
    rate = found.wins / np.maximum(found.counted, 1)
    rate[found.counted == 0] = np.nan
    return rate


def drawdowns(moments: Moments, window: int) -> Drawdowns:
    """Return the drawdowns of sets in the window of the last positions at some moments."""
    seconds, count, underwater = np.zeros((3, len(moments)), dtype=np.int64)
    for places, block in in_blocks(moments, window):
        seconds[places], count[places], underwater[places] = _drawdowns(block, window)
    return Drawdowns(seconds, count, underwater)


def held_until(moments: Moments, bar: Threshold, slack: float) -> Rows:
    """Return the last second at which each row holds a bar of drawdown time widened by the ratio `slack`.

    NEVER stands for always, also without such a demand; see `holding`.
    """
    if bar.drawdown_hours is None:
        return np.full(len(moments), NEVER)
    return holding(drawdowns(moments, bar.window), bar.drawdown_hours, slack)


def holding(found: Drawdowns, hours: float, slack: float) -> Rows:
    """Return the last second at which the average of drawdowns is at most `hours` widened by `slack`.

    NEVER stands for always, -1 for not at all. The average holds while its sum is at most the limit (in
    whole seconds) times the number of drawdowns, and only the unrecovered one grows, second by second.
    """
    limit = round(hours * SECONDS_PER_HOUR * (1 + slack))
    open_ = found.underwater_since > 0
    left = limit * (found.count + open_) - found.seconds
    closed_only: Rows = np.where(left >= 0, NEVER, -1)
    return np.where(open_, found.underwater_since + left, closed_only)


def _drawdowns(moments: Moments, window: int) -> tuple[Rows, Rows, Rows]:
    """Return seconds and number of recovered drawdowns, and the peak time of the unrecovered one (or 0).

    Time is spent at a peak (from one position at the peak to a next one there) or in a drawdown. What comes
    before a set's first position are zero returns: they change no sum and no peak.
    """
    since = reached_at(moments, window)
    units, exited = last_positions(moments, window)
    columns = units.shape[1]
    times = np.empty((len(moments), columns + 1), dtype=np.int64)
    times[:, 0] = since
    np.maximum(exited, since[:, None], out=times[:, 1:])
    equity = np.add.accumulate(units, axis=1)
    at_peak = np.ones(times.shape, dtype=np.bool_)
    np.greater_equal(equity, np.maximum.accumulate(np.maximum(equity, 0), axis=1), out=at_peak[:, 1:])
    between = (times[:, 1:] - times[:, :-1]) * (at_peak[:, 1:] & at_peak[:, :-1])
    last = columns - at_peak[:, ::-1].argmax(axis=1)
    peak_time = times[np.arange(len(times)), last]
    count = np.count_nonzero(at_peak[:, 1:] > at_peak[:, :-1], axis=1)
    underwater = np.where(last < columns, peak_time, 0)
    return peak_time - since - between.sum(axis=1), count, underwater
