"""Proof against luck: the deflated Sharpe ratio of a set's returns, given how many sets compete.

Bailey and Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting,
and Non-Normality", Journal of Portfolio Management 40 (5), 2014. Used by the levels.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from chalicelib.domain.ladder.history import Moments, in_blocks, last_units
from chalicelib.domain.ladder.returns import UNIT
from chalicelib.domain.ladder.rules import Floats
from chalicelib.domain.ladder.sets import Rows

_EULER_MASCHERONI = 0.5772156649015329


@cache
def expected_highest(trials: int) -> float:
    """Return the expected highest of `trials` independent standard normal values (their formula for SR0).

    `(1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))`, `g` the Euler-Mascheroni constant; 0 for one trial.
    """
    if trials < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    first, second = quantile(1 - 1 / trials), quantile(1 - 1 / (trials * math.e))
    return (1 - _EULER_MASCHERONI) * first + _EULER_MASCHERONI * second


def deflated_sharpe(
    sharpe: float, skew: float, kurtosis: float, count: int, trials: int, variance: float
) -> float:
    """Return the probability that a Sharpe ratio is better than the best of `trials` without skill.

    `sharpe` is per return (not annualised) over `count` returns, `kurtosis` 3 for a normal distribution,
    `variance` that of the trials' Sharpe ratios. `Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - skew SR +
    (kurtosis - 1) / 4 SR^2))`, `SR0 = sqrt(variance) expected_highest(trials)`. NaN where undefined.
    """
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe * sharpe
    if not spread > 0:
        return math.nan
    benchmark = math.sqrt(variance) * expected_highest(trials)
    score = (sharpe - benchmark) * math.sqrt(count - 1) / math.sqrt(spread)
    return (1 + math.erf(score / math.sqrt(2))) / 2


def edges(moments: Moments, trials: int) -> Floats:
    """Return the deflated Sharpe ratio over all returns kept at each moment, NaN without any variation.

    The variance of the trials is that of a Sharpe estimate without skill, 1 / (T - 1), instead of the one
    observed among the sets: so a set's edge depends on no other set, and needs nothing but its own returns.
    """
    found = np.full(len(moments), np.nan)
    for places, block in in_blocks(moments, moments.state.returns.shape[1]):
        for place, *numbers in zip(places.tolist(), *_central_moments(block), strict=True):
            count, mean, square, cube, fourth = (float(number) for number in numbers)
            if count > 1 and square > 0:
                sharpe = mean / math.sqrt(square * count / (count - 1))
                found[place] = deflated_sharpe(
                    sharpe, cube / square**1.5, fourth / square**2, int(count), trials, 1 / (count - 1)
                )
    return found


def _central_moments(moments: Moments) -> tuple[Rows, Floats, Floats, Floats, Floats]:
    """Return the number of returns kept, their mean, and their second to fourth central moments."""
    kept = moments.state.returns.shape[1]
    count = np.minimum(moments.closed, kept)
    returns = last_units(moments, kept)
    divisor = np.maximum(count, 1)
    mean = returns.sum(axis=1) / divisor
    columns = returns.shape[1]
    exists = np.arange(columns) >= columns - count[:, None]
    apart = np.where(exists, (returns - mean[:, None]) * UNIT, 0.0)
    square = apart * apart
    second, third, fourth = (
        _sequential_sum(power) / divisor for power in (square, square * apart, square * square)
    )
    return count, mean * UNIT, second, third, fourth


def _sequential_sum(values: Floats) -> Floats:
    # ndarray.sum adds pairwise, in an order that depends on the shape; accumulate goes from left to right.
    total: Floats = np.add.accumulate(values, axis=1)[:, -1]
    return total
