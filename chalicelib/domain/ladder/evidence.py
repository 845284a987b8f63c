"""What speaks for and against each configuration set: its numbers, and what it lacks for the next level.

Called by the ladder's view.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from types import MappingProxyType
from typing import Literal

import numpy as np

from chalicelib.domain.ladder.returns import sums
from chalicelib.domain.ladder.rules import Floats, Ladder, LevelRules, Threshold
from chalicelib.domain.ladder.sets import Rows, direction_name, profile_name
from chalicelib.domain.ladder.state import BASE, LEVELS, MAIN, OPEN, REAL, LadderState
from chalicelib.domain.ladder.statistics import Statistics, profit_factor, statistics
from chalicelib.domain.signal import Direction

Goal = Literal["main", "real", "exchange"]

_GOALS: Mapping[int, Goal] = MappingProxyType({BASE: "main", MAIN: "real", REAL: "exchange"})
_DEMANDS: tuple[tuple[str, str, bool], ...] = (
    ("positions", "closed", True),
    ("profit_factor", "profit_factor", True),
    ("win_rate", "win_rate", True),
    ("drawdown_hours", "drawdown_hours", False),
    ("edge", "edge", True),
)
"""Each demand of a bar, the number it is about, and whether more is better."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One demand of the next level that a set misses; `has` None: nothing is proven yet."""

    demand: str
    needed: float
    has: float | None


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """The paper position that a set holds; `entered` is when its entry candle opened."""

    entered: int
    entry: float
    best: float


@dataclass(frozen=True, slots=True)
class SetEvidence:
    """One configuration set as it stands; numbers are None where nothing is proven.

    `goal` is what comes next: a level, or the exchange for a set on real, whose last positions must hold a
    bar of their own. `closed` counts all positions, `edge` is of all kept, the others are of the last
    `window`, which that bar asks about. A `profit_factor` without any loss is None and `lossless` says so.
    """

    set_id: str
    symbol: str
    strategy: str
    direction: Direction
    exits: str
    level: str
    level_since: int
    closed: int
    window: int
    profit_factor: float | None
    lossless: bool
    win_rate: float | None
    expectancy: float | None
    drawdown_hours: float | None
    edge: float | None
    position: OpenPosition | None
    goal: Goal
    lacks: tuple[Lack, ...]


def ranked(ladder: Ladder, state: LadderState, level: int | None) -> Rows:
    """Return the rows on a level (None: on any), best first.

    Higher levels come first, then higher profit factors, unproven ones last, then more closed positions.
    """
    parts = []
    for here in range(len(LEVELS)) if level is None else (level,):
        rows = np.flatnonzero(state.level == here)
        window = next_bar(ladder.rules, here).window
        factor = profit_factor(sums(state, ladder.rules, rows, window))
        factor[np.isnan(factor)] = -1.0
        parts.append(rows[np.lexsort((rows, -state.closed[rows], -factor))])
    best: Rows = np.concatenate(parts[::-1])
    return best


def evidence(ladder: Ladder, state: LadderState, rows: Rows) -> Iterator[SetEvidence]:
    """Yield the evidence of some sets, in their order, as of the last candle's close."""
    for row in rows.tolist():
        level = int(state.level[row])
        bar = next_bar(ladder.rules, level)
        one = np.array([row])
        numbers = statistics(ladder, state, one, bar.window, state.closed_until, edge=True)
        yield _of_set(ladder, state, row, numbers, bar)


def next_bar(rules: LevelRules, level: int) -> Threshold:
    """Return the bar of the next level; that of mirroring for real."""
    return (rules.main, rules.real, rules.mirror)[level]


def _of_set(ladder: Ladder, state: LadderState, row: int, numbers: Statistics, bar: Threshold) -> SetEvidence:
    sets, level = ladder.sets, int(state.level[row])
    return SetEvidence(
        set_id=sets.set_id(row),
        symbol=sets.symbols[sets.symbol[row]],
        strategy=sets.strategies[sets.strategy[row]],
        direction=direction_name(int(sets.direction[row])),
        exits=profile_name(sets.profiles[sets.profile[row]]),
        level=LEVELS[level],
        level_since=int(state.level_since[row]),
        closed=int(numbers.closed[0]),
        window=bar.window,
        profit_factor=_known(numbers.profit_factor),
        lossless=bool(numbers.profit_factor[0] == np.inf),
        win_rate=_known(numbers.win_rate),
        expectancy=_known(numbers.expectancy),
        drawdown_hours=_known(numbers.drawdown_hours),
        edge=_known(numbers.edge),
        position=_position(state, row),
        goal=_GOALS[level],
        lacks=tuple(_lacks(numbers, bar)),
    )


def _lacks(numbers: Statistics, bar: Threshold) -> Iterator[Lack]:
    for demand, number, more in _DEMANDS:
        needed = getattr(bar, demand)
        if needed is None:
            continue
        has = float(getattr(numbers, number)[0])
        # A number that is not proven (NaN) misses every demand.
        if not (has >= needed if more else has <= needed):
            yield Lack(demand, float(needed), None if isnan(has) else has)


def _known(column: Floats) -> float | None:
    value = float(column[0])
    return value if isfinite(value) else None


def _position(state: LadderState, row: int) -> OpenPosition | None:
    if state.status[row] < OPEN:
        return None
    return OpenPosition(int(state.entered[row]), float(state.entry[row]), float(state.best[row]))
