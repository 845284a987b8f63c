"""Takes the ladder over closed candles: one for the live step, thousands for warm start, backtest and study.

Sets do not depend on each other, nor do most stretches of a set's time (see `lanes`), so that candles are
worked from trade to trade, many at once, instead of from candle to candle. What comes out is the same to the
last bit however the candles are cut into calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.candles import Candles
from chalicelib.domain.ladder.levels import LevelChanges, joined_changes
from chalicelib.domain.ladder.market import LONGEST_PASS, Signs, market_of
from chalicelib.domain.ladder.rules import Ladder
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import OPEN, LadderState, empty_state
from chalicelib.domain.ladder.trades import (
    Entries,
    Trades,
    entries_since,
    in_order,
    joined_entries,
    joined_trades,
)
from chalicelib.domain.ladder.waves import Pass, run_pass
from chalicelib.errors import UsageError

_SIGNALS_PER_PASS = 1 << 22
"""Cells of `[sources, symbols, bars]` in one pass: bounds its memory where there are many sources."""

_WARM_BARS = 128  # of one pass: bounds the trades held in memory at once


@dataclass(frozen=True, slots=True)
class Advanced:
    """What the candles of one call did, the first of which opened at `since`.

    `wanted` are the sets told at the close of the last one to enter at the next open (see `levels.mirrored`);
    those told earlier, whose symbol has had no candle since, are not among them again. `held` are the
    positions open at the end, `dropped` those that a break in the series ended: they count nowhere.
    """

    state: LadderState
    since: int
    trades: Trades
    held: Entries
    dropped: Entries
    changes: LevelChanges
    wanted: Rows

    @property
    def entries(self) -> Entries:
        """The positions entered, ended again or not, by (entered, set)."""
        return entries_since(self.trades, (self.held, self.dropped), self.since)


def advance(ladder: Ladder, state: LadderState, candles: Candles, signals: Signs) -> Advanced:
    """Step over those of `candles` that close after the state, in place, and return what that did.

    `signals` is `[sources, symbols, bars]` on the grid of `candles`, whose symbols must be the ladder's:
    +1 long, -1 short, 0 none, decided at the bar's close; those on a missing or zero-volume candle are not
    counted. Raises UsageError, with the state untouched, if a shape is wrong or the first bar to step over
    is not the next one of the grid.
    """
    first = _first_bar(ladder, state, candles, signals)
    trades: list[Trades] = []
    changes: list[LevelChanges] = []
    dropped: list[Entries] = []
    wanted: list[Rows] = []
    for work in _passes(ladder, state, candles, signals, first, LONGEST_PASS):
        trades.append(in_order(work.trades, candles.timeframe))
        changes += work.changes
        dropped += work.dropped
        wanted = work.wanted
    return Advanced(
        state=state,
        since=int(candles.open_time[first]) if first < candles.bars else state.closed_until,
        trades=joined_trades(trades),
        held=_held(state),
        dropped=joined_entries(dropped),
        changes=joined_changes(changes),
        wanted=np.sort(np.concatenate([np.empty(0, np.int64), *wanted])),
    )


def _passes(
    ladder: Ladder, state: LadderState, candles: Candles, signals: Signs, first: int, longest: int
) -> Iterator[Pass]:
    """Take the state over the bars from `first` on, pass by pass, and yield what each has found."""
    cells = max(1, len(ladder.sets.strategies) * len(candles.symbols))
    stride = max(1, min(longest, _SIGNALS_PER_PASS // cells))
    for begin in range(first, candles.bars, stride):
        end = min(begin + stride, candles.bars)
        market = market_of(candles, signals, begin, end, state.last_close, trailing=bool(ladder.trails.any()))
        work = Pass(ladder, state, market)
        run_pass(work)
        yield work


def _held(state: LadderState) -> Entries:
    rows = np.flatnonzero(state.status >= OPEN)
    return Entries(rows, state.entered[rows], state.entry[rows])


def warm_start(ladder: Ladder, candles: Candles, signals: Signs) -> LadderState:
    """Return the state after all candles, from the beginning, without keeping the trades in memory."""
    state = empty_state(ladder)
    first = _first_bar(ladder, state, candles, signals)
    for work in _passes(ladder, state, candles, signals, first, _WARM_BARS):
        work.trades.clear()
    return state


def _first_bar(ladder: Ladder, state: LadderState, candles: Candles, signals: Signs) -> int:
    """Return the first bar to step over, after checking that everything fits."""
    if candles.symbols != ladder.sets.symbols or candles.timeframe != ladder.sets.timeframe:
        raise UsageError("candles of other symbols or of another timeframe than the ladder's")
    if signals.shape != (len(ladder.sets.strategies), len(candles.symbols), candles.bars):
        raise UsageError(f"signals of shape {signals.shape} do not fit the ladder and its candles")
    first = int(np.searchsorted(candles.open_time, state.closed_until))
    if first < candles.bars and state.closed_until:
        opens = int(candles.open_time[first])
        if opens != state.closed_until:
            raise UsageError(f"the ladder needs the bar that opens at {state.closed_until}, not {opens}")
    return first
