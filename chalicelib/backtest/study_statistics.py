"""Estimates with confidence intervals for the ladder's study: shares of sets, and ratios of daily sums."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
BLOCK_DAYS = 7
"""Longer than the longest time limit of the default preset at 1h (four days)."""

LEAST_BLOCKS = 4
RESAMPLES = 2000
_Z = 1.959963984540054
_TAILS = (100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % confidence interval; what is None has its reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def share(successes: int, trials: int, effect: float = 1.0) -> Estimate:
    """Return a share with its score interval (Wilson 1927), which also holds for 0 of many.

    `effect` is the design effect: dependent trials count as that many times fewer (Korn and Graubard 1998).
    """
    if not trials:
        return Estimate(None, reason="no sets")
    part, effective = successes / trials, trials / effect
    spread = _Z**2 / effective
    centre = (part + spread / 2) / (1 + spread)
    half = _Z * sqrt(part * (1 - part) / effective + spread / (4 * effective)) / (1 + spread)
    return Estimate(part, max(0.0, centre - half), min(1.0, centre + half))


def design_effect(successes: NDArray[np.bool_], clusters: NDArray[np.int64]) -> float | None:
    """Return the variance of a share, trials of one cluster being alike, over that of independent ones.

    The linearised variance of a ratio between clusters (Cochran 1977, section 9A.2); at least 1. None where
    it cannot be told: with one cluster, or if all trials or none succeeded.
    """
    _, places = np.unique(clusters, return_inverse=True)
    trials = np.bincount(places).astype(np.float64)
    part, number = float(successes.mean()) if len(successes) else 0.0, len(trials)
    if number < 2 or not 0 < part < 1:
        return None
    apart = np.bincount(places, successes) - part * trials
    clustered = number / (number - 1) * float(apart @ apart) / len(successes) ** 2
    return max(1.0, clustered / (part * (1 - part) / len(successes)))


def block_weights(days: int, random: np.random.Generator) -> Floats:
    """Return how often each resample draws each day, `[resamples, days]`: the circular block bootstrap.

    Blocks of consecutive days are drawn with replacement, the last day followed by the first (Politis and
    Romano 1992), until there are as many days as before or a few more. A day is drawn with all that happened
    on it: trades of one day share the market, and sets of one source share their entries, so that single
    trades, sets or symbols are far from independent. Within a block neighbouring days stay together as well,
    because positions are held over days.
    """
    blocks = -(-days // BLOCK_DAYS)
    starts = random.integers(days, size=(RESAMPLES, blocks, 1))
    drawn = (starts + np.arange(min(BLOCK_DAYS, days))) % days
    flat = drawn.reshape(RESAMPLES, -1) + days * np.arange(RESAMPLES)[:, None]
    return np.bincount(flat.ravel(), minlength=RESAMPLES * days).reshape(RESAMPLES, days).astype(np.float64)


def bootstrapped(
    statistic: Callable[[Floats], Floats], sums: Floats, weights: Floats, reason: str
) -> Estimate:
    """Return a statistic of daily sums `[days, columns]`, the first of which count trades, with its interval.

    `statistic` takes totals `[n, columns]` and gives `[n]`, NaN where undefined: then `reason` is told.
    If the trades are of less than `LEAST_BLOCKS` blocks' days, or more than one resample in twenty is
    undefined, there is no percentile interval. Days of few trades count less (Kish 1965: the squared sum of
    the numbers over the sum of their squares), since one busy week says no more for the quiet ones beside it.
    """
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    if not np.isfinite(value):
        return Estimate(None, reason=reason)
    counts = sums[:, 0]
    if counts.sum() ** 2 < LEAST_BLOCKS * BLOCK_DAYS * (counts @ counts):
        return Estimate(value, reason="too few days")
    drawn = statistic(weights @ sums)
    known = drawn[np.isfinite(drawn)]
    if len(known) < CONFIDENCE * len(drawn):
        return Estimate(value, reason="too few of the days count")
    low, high = np.percentile(known, _TAILS)
    return Estimate(value, float(low), float(high))
