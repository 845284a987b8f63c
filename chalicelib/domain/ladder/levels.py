"""Promotion, demotion and mirroring of configuration sets, with the numbers that decided; used by the kernel.

The bars of `prudent` are thresholds only: they do not correct for the number of sets tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.rules import Ladder, LevelRules, Threshold
from chalicelib.domain.ladder.sets import Rows, direction_name
from chalicelib.domain.ladder.state import BASE, LEVELS, MAIN, REAL, LadderState
from chalicelib.domain.ladder.statistics import Statistics, recent_statistics, statistics
from chalicelib.domain.signal import Direction, ExitProfile

Cause = Literal["bar met", "profit factor", "win rate", "drawdown time"]
CAUSES: tuple[Cause, ...] = ("bar met", "profit factor", "win rate", "drawdown time")


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One promotion or demotion and its evidence at that moment; `at` is when the candle closed."""

    set_id: str
    set_index: int
    before: str
    after: str
    cause: Cause
    at: int
    closed: int
    profit_factor: float
    win_rate: float
    drawdown_hours: float


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """The level changes of one candle as columns; `cause` is a row of CAUSES."""

    sets: Rows
    before: NDArray[np.int8]
    after: NDArray[np.int8]
    cause: NDArray[np.int8]
    evidence: Statistics

    def __len__(self) -> int:
        return len(self.sets)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An entry that the exchange should get too, with the numbers of the set's last positions."""

    set_id: str
    set_index: int
    symbol_row: int
    direction: Direction
    exits: ExitProfile
    profit_factor: float
    drawdown_hours: float


def change_levels(rules: LevelRules, state: LadderState, rows: Rows, now: int) -> LevelChanges:
    """Move those of `rows` that earned or lost their level by one; return the moves with their evidence."""
    numbers = statistics(state, rows, now)
    level = state.level[rows]
    cause = np.zeros(len(rows), dtype=np.int8)
    earned = np.zeros(len(rows), dtype=np.bool_)
    for here, held, next_bar in (
        (BASE, None, rules.main),
        (MAIN, rules.main, rules.real),
        (REAL, rules.real, None),
    ):
        on_level = level == here
        if next_bar is not None:
            earned |= on_level & meets(numbers, next_bar)
        if held is not None:
            cause[on_level] = _missed(numbers, held, rules.hysteresis)[on_level]
    after = np.where(cause > 0, level - 1, level + earned).astype(np.int8)
    moved = np.flatnonzero(after != level)
    state.level[rows[moved]] = after[moved]
    state.level_since[rows[moved]] = now
    return LevelChanges(rows[moved], level[moved], after[moved], cause[moved], _take(numbers, moved))


def meets(numbers: Statistics, bar: Threshold) -> NDArray[np.bool_]:
    """Tell per row whether it reaches a bar; an unproven profit factor (NaN) never does."""
    reached: NDArray[np.bool_] = (numbers.closed >= bar.positions) & (
        numbers.profit_factor >= bar.profit_factor
    )
    if bar.win_rate is not None:
        reached &= numbers.win_rate >= bar.win_rate
    if bar.drawdown_hours is not None:
        reached &= numbers.drawdown_hours <= bar.drawdown_hours
    return reached


def due_for_drawdown(state: LadderState) -> NDArray[np.bool_]:
    """Tell which sets may fall from real by the mere passing of time: those in an unrecovered drawdown."""
    due: NDArray[np.bool_] = (state.level == REAL) & (state.underwater_since > 0)
    return due


def mirrored(ladder: Ladder, state: LadderState, wanted: Rows) -> tuple[Mirrored, ...]:
    """Return which of the entries wanted at the last close should be mirrored to the exchange, by symbol.

    A set must be on real and its last positions must hold the mirror bar. Of several on one symbol, whatever
    their direction, the one with the best profit factor over these positions counts, then the first.
    """
    rules = ladder.rules
    rows = wanted[state.level[wanted] == REAL]
    numbers = recent_statistics(state, rows, rules.recent, state.closed_until)
    holding = np.flatnonzero(meets(numbers, rules.mirror))
    rows, numbers = rows[holding], _take(numbers, holding)
    symbol = ladder.sets.symbol[rows]
    ranked = np.lexsort((rows, -numbers.profit_factor, symbol))
    first = np.unique(symbol[ranked], return_index=True)[1]
    return tuple(_mirrored(ladder, int(rows[place]), numbers, int(place)) for place in ranked[first])


def level_changes(ladder: Ladder, changes: LevelChanges, at: int) -> Iterator[LevelChange]:
    """Yield the changes as records for the audit log."""
    numbers = changes.evidence
    for place, row in enumerate(changes.sets):
        yield LevelChange(
            set_id=ladder.sets.set_id(int(row)),
            set_index=int(row),
            before=LEVELS[changes.before[place]],
            after=LEVELS[changes.after[place]],
            cause=CAUSES[changes.cause[place]],
            at=at,
            closed=int(numbers.closed[place]),
            profit_factor=float(numbers.profit_factor[place]),
            win_rate=float(numbers.win_rate[place]),
            drawdown_hours=float(numbers.drawdown_hours[place]),
        )


def _mirrored(ladder: Ladder, row: int, numbers: Statistics, place: int) -> Mirrored:
    sets = ladder.sets
    return Mirrored(
        set_id=sets.set_id(row),
        set_index=row,
        symbol_row=int(sets.symbol[row]),
        direction=direction_name(int(sets.direction[row])),
        exits=sets.profiles[sets.profile[row]],
        profit_factor=float(numbers.profit_factor[place]),
        drawdown_hours=float(numbers.drawdown_hours[place]),
    )


def _missed(numbers: Statistics, bar: Threshold, hysteresis: float) -> NDArray[np.int8]:
    """Return per row the cause (a row of CAUSES) by which it misses a bar widened by the hysteresis, or 0."""
    cause = np.zeros(len(numbers.closed), dtype=np.int8)
    if bar.drawdown_hours is not None:
        cause[numbers.drawdown_hours > bar.drawdown_hours * (1 + hysteresis)] = CAUSES.index("drawdown time")
    if bar.win_rate is not None:
        cause[numbers.win_rate < bar.win_rate * (1 - hysteresis)] = CAUSES.index("win rate")
    cause[numbers.profit_factor < bar.profit_factor * (1 - hysteresis)] = CAUSES.index("profit factor")
    return cause


def _take(numbers: Statistics, places: Rows) -> Statistics:
    return Statistics(
        numbers.closed[places],
        numbers.profit_factor[places],
        numbers.win_rate[places],
        numbers.drawdown_hours[places],
    )
