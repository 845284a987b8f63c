"""Level changes with the numbers that decided, and what is mirrored to the exchange; for ticks and backtests.

When sets change their level is in `judging`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.history import present
from chalicelib.domain.ladder.luck import edges
from chalicelib.domain.ladder.returns import sums
from chalicelib.domain.ladder.rules import Ladder, Threshold
from chalicelib.domain.ladder.sets import Rows, direction_name
from chalicelib.domain.ladder.state import LEVELS, REAL, LadderState
from chalicelib.domain.ladder.statistics import (
    Statistics,
    held_until,
    profit_factor,
    statistics,
    win_rate,
)
from chalicelib.domain.signal import Direction, ExitProfile

Cause = Literal["bar met", "profit factor", "win rate", "drawdown time", "luck"]
CAUSES: tuple[Cause, ...] = ("bar met", "profit factor", "win rate", "drawdown time", "luck")
BAR_MET, PROFIT_FACTOR, WIN_RATE, DRAWDOWN_TIME, LUCK = range(len(CAUSES))

Causes = NDArray[np.int8]


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
    expectancy: float
    drawdown_hours: float
    edge: float


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """Level changes as columns; `at` is when the candle closed, `cause` a row of CAUSES.

    `evidence` are the numbers over the window of the bar that decided, at that moment.
    """

    sets: Rows
    at: Rows
    before: NDArray[np.int8]
    after: NDArray[np.int8]
    cause: Causes
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


def reaches(ladder: Ladder, state: LadderState, rows: Rows, now: Rows, bar: Threshold) -> NDArray[np.bool_]:
    """Tell per row whether it reaches a bar at `now`; an unproven profit factor never does."""
    found = sums(state, ladder.rules, rows, bar.window)
    reached: NDArray[np.bool_] = (state.closed[rows] >= bar.positions) & (
        profit_factor(found) >= bar.profit_factor
    )
    if bar.win_rate is not None:
        reached &= win_rate(found) >= bar.win_rate
    if bar.drawdown_hours is not None:
        left = np.flatnonzero(reached)
        reached[left] = held_until(present(state, rows[left]), bar, 0.0) >= now[left]
    if bar.edge is not None:
        left = np.flatnonzero(reached)
        reached[left] = edges(present(state, rows[left]), len(ladder.sets)) >= bar.edge
    return reached


def mirrored(ladder: Ladder, state: LadderState, wanted: Rows) -> tuple[Mirrored, ...]:
    """Return which of the entries wanted at the last close should be mirrored to the exchange, by symbol.

    A set must be on real and its last positions must hold the mirror bar. Of several on one symbol, whatever
    their direction, the one with the best profit factor over these positions counts, then the first.
    """
    bar, now = ladder.rules.mirror, state.closed_until
    rows = wanted[state.level[wanted] == REAL]
    rows = rows[reaches(ladder, state, rows, np.full(len(rows), now), bar)]
    numbers = statistics(ladder, state, rows, bar.window, now)
    symbol = ladder.sets.symbol[rows]
    ranked = np.lexsort((rows, -numbers.profit_factor, symbol))
    first = np.unique(symbol[ranked], return_index=True)[1]
    return tuple(_mirrored(ladder, int(rows[place]), numbers, int(place)) for place in ranked[first])


def level_changes(ladder: Ladder, changes: LevelChanges) -> Iterator[LevelChange]:
    """Yield the changes as records for the audit log."""
    numbers = changes.evidence
    for place, row in enumerate(changes.sets):
        yield LevelChange(
            set_id=ladder.sets.set_id(int(row)),
            set_index=int(row),
            before=LEVELS[changes.before[place]],
            after=LEVELS[changes.after[place]],
            cause=CAUSES[changes.cause[place]],
            at=int(changes.at[place]),
            closed=int(numbers.closed[place]),
            profit_factor=float(numbers.profit_factor[place]),
            win_rate=float(numbers.win_rate[place]),
            expectancy=float(numbers.expectancy[place]),
            drawdown_hours=float(numbers.drawdown_hours[place]),
            edge=float(numbers.edge[place]),
        )


def joined_changes(parts: Sequence[LevelChanges]) -> LevelChanges:
    """Return level changes in the order in which they happened, those of one moment by set."""
    sets, at, before, after, cause = (
        np.concatenate([np.empty(0, dtype=kind), *(getattr(part, name) for part in parts)])
        for name, kind in (
            ("sets", np.int64),
            ("at", np.int64),
            ("before", np.int8),
            ("after", np.int8),
            ("cause", np.int8),
        )
    )
    order = np.lexsort((sets, at))
    evidence = {
        item.name: np.concatenate([np.empty(0), *(getattr(part.evidence, item.name) for part in parts)])[
            order
        ]
        for item in fields(Statistics)
    }
    evidence["closed"] = evidence["closed"].astype(np.int64)
    return LevelChanges(
        sets[order], at[order], before[order], after[order], cause[order], Statistics(**evidence)
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
