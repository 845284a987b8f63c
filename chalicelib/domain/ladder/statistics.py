"""Rolling statistics of configuration sets, computed from their rings of returns; used by kernel and levels.

Sums always run over one set's returns from the oldest to the newest, so that they come out the same to the
last bit however many sets or candles are worked on at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.rules import Floats
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import LadderState

PROVEN_WINS = 10
SECONDS_PER_HOUR = 3600.0
_BLOCK = 1024  # rows at a time, so that a block's intermediate arrays stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of some sets at one moment, columns `[rows]`.

    `closed` counts all closed positions ever, the others are rolling. `profit_factor` is NaN while nothing is
    proven, `win_rate` NaN without positions; `drawdown_hours` is the average time from a peak of the equity
    (the running sum of returns) to its recovery, an unrecovered one counted until now, 0 without any.
    """

    closed: Rows
    profit_factor: Floats
    win_rate: Floats
    drawdown_hours: Floats


@dataclass(frozen=True, slots=True)
class _Window:
    """Sums over the last positions of some sets; `underwater_since` is 0 at an equity peak."""

    gross_profit: Floats
    gross_loss: Floats
    wins: Rows
    drawdown_seconds: Rows
    drawdowns: Rows
    underwater_since: Rows


def record(state: LadderState, rows: Rows, returns: Floats, closed_at: int) -> None:
    """Put one closed position per row into the rings and bring the statistics of these rows up to date."""
    kept = state.returns.shape[1]
    slot = state.closed[rows] % kept
    full = state.closed[rows] >= kept
    first = state.closed[rows] == 0
    since = np.where(first, state.entered[rows], state.window_since[rows])
    state.window_since[rows] = np.where(full, state.exited[rows, slot], since)
    state.returns[rows, slot] = returns
    state.exited[rows, slot] = closed_at
    state.closed[rows] += 1
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        window = _measure(state, block, kept)
        state.gross_profit[block] = window.gross_profit
        state.gross_loss[block] = window.gross_loss
        state.wins[block] = window.wins
        state.drawdown_seconds[block] = window.drawdown_seconds
        state.drawdowns[block] = window.drawdowns
        state.underwater_since[block] = window.underwater_since


def statistics(state: LadderState, rows: Rows, now: int) -> Statistics:
    """Return the statistics of `rows` over all positions kept, at `now` (epoch second)."""
    window = _Window(
        state.gross_profit[rows],
        state.gross_loss[rows],
        state.wins[rows],
        state.drawdown_seconds[rows],
        state.drawdowns[rows],
        state.underwater_since[rows],
    )
    return _statistics(window, state.closed[rows], state.returns.shape[1], now)


def recent_statistics(state: LadderState, rows: Rows, positions: int, now: int) -> Statistics:
    """Return the statistics of `rows` over their last `positions` (at most those kept), at `now`."""
    return _statistics(_measure(state, rows, positions), state.closed[rows], positions, now)


def profit_factor(gross_profit: Floats, gross_loss: Floats, wins: Rows) -> Floats:
    """Return gross profit / gross loss; without any loss infinite from 10 wins on, NaN (unproven) before."""
    lossless = np.where(wins >= PROVEN_WINS, np.inf, np.nan)
    return np.divide(gross_profit, gross_loss, out=lossless, where=gross_loss > 0)


def _statistics(window: _Window, closed: Rows, positions: int, now: int) -> Statistics:
    counted = np.minimum(closed, positions)
    win_rate = np.divide(window.wins, counted, out=np.full(len(closed), np.nan), where=counted > 0)
    unrecovered = window.underwater_since > 0
    seconds = window.drawdown_seconds + np.where(unrecovered, now - window.underwater_since, 0)
    drawdowns = window.drawdowns + unrecovered
    return Statistics(
        closed=closed,
        profit_factor=profit_factor(window.gross_profit, window.gross_loss, window.wins),
        win_rate=win_rate,
        drawdown_hours=seconds / SECONDS_PER_HOUR / np.maximum(drawdowns, 1),
    )


def _measure(state: LadderState, rows: Rows, positions: int) -> _Window:
    """Go through the last `positions` of each row, oldest first (axis 1).

    A ring that is not full holds zero returns before its first position: they change no sum and no peak.
    """
    kept = state.returns.shape[1]
    closed = state.closed[rows]
    first = rows * kept
    place = (closed - positions)[:, None] + np.arange(positions)
    place %= kept
    place += first[:, None]
    before = state.exited.ravel()[first + (closed - positions - 1) % kept]
    inside = (closed > positions) & (positions < kept)
    since = np.where(inside, before, state.window_since[rows])
    returns = state.returns.ravel()[place]
    times = np.maximum(state.exited.ravel()[place], since[:, None])
    completed, count, underwater = _drawdowns(returns, times, since)
    return _Window(
        gross_profit=_sequential_sum(np.maximum(returns, 0.0)),
        gross_loss=_sequential_sum(np.maximum(-returns, 0.0)),
        wins=np.count_nonzero(returns > 0, axis=1),
        drawdown_seconds=completed,
        drawdowns=count,
        underwater_since=underwater,
    )


def _sequential_sum(values: Floats) -> Floats:
    # ndarray.sum adds pairwise, in an order that depends on the shape; accumulate goes from left to right.
    total: Floats = np.add.accumulate(values, axis=1, out=values)[:, -1]
    return total


def _drawdowns(returns: Floats, times: NDArray[np.int64], since: Rows) -> tuple[Rows, Rows, Rows]:
    """Return seconds and number of recovered drawdowns, and the peak time of the unrecovered one (or 0)."""
    equity = np.add.accumulate(returns, axis=1)
    peak = np.maximum.accumulate(np.maximum(equity, 0.0), axis=1)
    at_peak = equity >= peak
    peak_time = np.maximum.accumulate(np.where(at_peak, times, since[:, None]), axis=1)
    recovered = at_peak[:, 1:] & ~at_peak[:, :-1]
    seconds = (times[:, 1:] - peak_time[:, :-1]) * recovered
    underwater = np.where(at_peak[:, -1], 0, peak_time[:, -1])
    return seconds.sum(axis=1), np.count_nonzero(recovered, axis=1), underwater
