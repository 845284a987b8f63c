"""What one group of sets came to under one profile: who reached which level, and how they did afterwards.

The ladder's study puts these together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chalicelib.backtest.study_outcome import Outcome
from chalicelib.backtest.study_promotion import Comparison, after_promotion, first_promotions
from chalicelib.backtest.study_statistics import Estimate, design_effect, share
from chalicelib.domain.ladder import LEVELS, MAIN, REAL, LevelRules

_DAY = 86_400
_RESAMPLING = 1
"""Mixed into the seed of the intervals, so that these do not depend on how many placebos were drawn."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How many sets ever stood on a level or above; `judged` closed as many positions as it demands.

    `positions` closed and `days` since the first candle of the symbol are the medians of those that reached
    it, at that moment; None if none did.
    """

    level: str
    sets: int
    judged: int
    reached: int
    of_all: Estimate
    of_judged: Estimate
    positions: float | None
    days: float | None


@dataclass(frozen=True, slots=True)
class AfterPromotion:
    """One comparison and how it was made: level, whose sets, and which trades count."""

    level: str
    while_on_level: bool
    same_direction: bool
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Findings:
    """What one group of sets (`real` or `placebo`) came to under one profile."""

    profile: str
    group: str
    sets: int
    trades: int
    median_closed: float
    mean_return: float
    losing: float
    now_on: dict[str, int]
    reached: tuple[Reached, ...]
    afterwards: tuple[AfterPromotion, ...]


def findings(profile: str, group: str, rules: LevelRules, outcome: Outcome, seed: int) -> Findings:
    """Return what a group's outcome shows."""
    levels = np.bincount(outcome.level, minlength=len(LEVELS))
    returns = outcome.trades.net_return
    return Findings(
        profile=profile,
        group=group,
        sets=outcome.sets,
        trades=len(returns),
        median_closed=float(np.median(outcome.closed)),
        mean_return=float(returns.mean()) if len(returns) else 0.0,
        losing=float((returns < 0).mean()) if len(returns) else 0.0,
        now_on={name: int(count) for name, count in zip(LEVELS, levels, strict=True)},
        reached=reached(outcome, rules),
        afterwards=tuple(_afterwards(outcome, seed)),
    )


def reached(outcome: Outcome, rules: LevelRules) -> tuple[Reached, ...]:
    """Return who reached main, and real.

    Sets of one symbol are alike, so intervals take their design effect into account. It cannot be told where
    none or all reached a level: then that of the level below serves, which more reach.
    """
    found = []
    of_all = of_judged = 1.0
    for level, bar in ((MAIN, rules.main), (REAL, rules.real)):
        first, judged = first_promotions(outcome, level), outcome.closed >= bar.positions
        there = first.at <= outcome.ends
        of_all = design_effect(there, outcome.symbol) or of_all
        of_judged = design_effect(there[judged], outcome.symbol[judged]) or of_judged
        number = int(there.sum())
        found.append(
            Reached(
                level=LEVELS[level],
                sets=outcome.sets,
                judged=int(judged.sum()),
                reached=number,
                of_all=share(number, outcome.sets, of_all),
                of_judged=share(number, int(judged.sum()), of_judged),
                positions=float(np.median(first.closed[there])) if number else None,
                days=float(np.median((first.at - outcome.listed)[there])) / _DAY if number else None,
            )
        )
    return tuple(found)


def _afterwards(outcome: Outcome, seed: int) -> Iterator[AfterPromotion]:
    for level in (MAIN, REAL):
        for while_on_level, same_direction in ((False, False), (True, False), (False, True)):
            random = np.random.default_rng((seed, _RESAMPLING))
            compared = after_promotion(outcome, level, while_on_level, same_direction, random)
            yield AfterPromotion(LEVELS[level], while_on_level, same_direction, compared)
