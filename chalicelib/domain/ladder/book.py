"""Positions that sets closed in a stretch of time: their running sums, and their record in the rings.

Used by the kernel. All positions of a stretch are worked on at once: a window moves on from each to the next
by adding the new return and taking the oldest one away, and sums of whole numbers come out the same in any
order.
"""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.ladder.history import Moments
from chalicelib.domain.ladder.returns import Sums
from chalicelib.domain.ladder.rules import LevelRules
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import LadderState


@dataclass(frozen=True, slots=True)
class Stretch:
    """Positions closed in a stretch of time by (set, exited), and the sets that closed them.

    Columns of positions: `units` (see `returns`), `exited`, and `closed`: how many the set had closed then.
    Columns of sets: `sets`, `first` and `count` of their positions, `before`: how many they had closed until
    then, and `begun` (see `Moments`).
    """

    units: Rows
    exited: Rows
    closed: Rows
    sets: Rows
    first: Rows
    count: Rows
    before: Rows
    begun: Rows


def stretch_of(state: LadderState, sets: Rows, units: Rows, entered: Rows, exited: Rows) -> Stretch:
    """Return closed positions, given by (set, exited), as a stretch.

    `entered` is when the entry candle opened, `exited` when that of the exit closed (epoch seconds).
    """
    first = np.concatenate(([0], (sets[1:] != sets[:-1]).nonzero()[0] + 1))
    own = sets.take(first)
    count = np.diff(first, append=len(sets))
    before = state.closed.take(own)
    closed = np.arange(1, len(sets) + 1) + np.repeat(before - first, count)
    begun = np.where(before > 0, state.kept_since.take(own), entered.take(first))
    return Stretch(units, exited, closed, own, first, count, before, begun)


def moments(state: LadderState, stretch: Stretch, own: Rows, closed: Rows) -> Moments:
    """Return the moments at which some of the sets of a stretch had closed so many positions."""
    before = stretch.before.take(own)
    return Moments(
        state,
        stretch.sets.take(own),
        closed,
        stretch.begun.take(own),
        before,
        stretch.first.take(own) - before,
        stretch.units,
        stretch.exited,
    )


def running_sums(state: LadderState, rules: LevelRules, stretch: Stretch) -> list[Sums]:
    """Return the sums over each window of the rules at each position of a stretch."""
    units = stretch.units
    gain, won = np.maximum(units, 0), units > 0
    found = []
    for place, window in enumerate(rules.windows):
        gone = _gone(state, stretch, window)
        gone_gain = np.maximum(gone, 0)
        profit = gain - gone_gain
        found.append(
            Sums(
                np.minimum(stretch.closed, window),
                _running(stretch, state.gross_profit[place], profit),
                _running(stretch, state.gross_loss[place], profit - units + gone),
                _running(stretch, state.wins[place], np.subtract(won, gone > 0, dtype=np.int64)),
            )
        )
    return found


def record(state: LadderState, rules: LevelRules, stretch: Stretch, sums: list[Sums]) -> None:
    """Put the positions of a stretch into rings and sums."""
    own, kept = stretch.sets, rules.kept
    last = stretch.first + stretch.count - 1
    for place, found in enumerate(sums):
        state.gross_profit[place, own] = found.gross_profit.take(last)
        state.gross_loss[place, own] = found.gross_loss.take(last)
        state.wins[place, own] = found.wins.take(last)
    total = stretch.before + stretch.count
    state.kept_since[own] = _dropped(state, stretch, total - kept - 1)
    stays = stretch.closed > np.repeat(total - kept, stretch.count)
    chosen: Rows | slice = slice(None) if stays.all() else stays.nonzero()[0]
    at = (np.repeat(own * kept, stretch.count) + (stretch.closed - 1) % kept)[chosen]
    state.returns.reshape(-1)[at] = stretch.units[chosen]
    state.exited.reshape(-1)[at] = stretch.exited[chosen]
    state.closed[own] = total


def _gone(state: LadderState, stretch: Stretch, window: int) -> Rows:
    """Return the return that leaves the window with each position, 0 while it is not full."""
    gone = np.zeros(len(stretch.units), dtype=np.int64)
    full = (stretch.closed > window).nonzero()[0]
    if not len(full):
        return gone
    within = np.arange(len(gone)) - np.repeat(stretch.first, stretch.count)
    fresh = within.take(full) >= window
    gone[full[fresh]] = stretch.units[full[fresh] - window]
    older = full[~fresh]
    kept = state.returns.shape[1]
    slot = (stretch.closed.take(older) - 1 - window) % kept
    gone[older] = state.returns.reshape(-1)[np.repeat(stretch.sets, stretch.count).take(older) * kept + slot]
    return gone


def _running(stretch: Stretch, before: Rows, change: Rows) -> Rows:
    """Return what `before` (of all sets) has become with each position."""
    total = np.cumsum(change)
    first = stretch.first
    total += np.repeat(before.take(stretch.sets) - total.take(first) + change.take(first), stretch.count)
    return total


def _dropped(state: LadderState, stretch: Stretch, number: Rows) -> Rows:
    """Return when each set closed the position that its ring dropped last; what is known if none was."""
    kept, fresh = state.returns.shape[1], number - stretch.before
    within = stretch.exited.take(stretch.first + np.maximum(fresh, 0))
    ring = state.exited.reshape(-1).take(stretch.sets * kept + number % kept)
    return np.where(number < 0, stretch.begun, np.where(fresh >= 0, within, ring))
