"""Returns set against those of a benchmark, buy and hold: alpha, beta, tracking error; used by summary.

`returns` and `benchmark` are those of the same equal periods, `[periods]` each.
"""

import math

import numpy as np

from chalicelib.domain.performance.inputs import Floats
from chalicelib.domain.performance.measure import Measure, measured, undefined
from chalicelib.domain.performance.returns import TOO_FEW_RETURNS, compound_annual_growth, deviation

CONSTANT_BENCHMARK = "the benchmark doesn't vary"


def beta(returns: Floats, benchmark: Floats) -> Measure:
    """Return covariance with the benchmark / variance of the benchmark (as in empyrical, LEAN)."""
    if len(returns) < 2:
        return undefined(TOO_FEW_RETURNS)
    if deviation(benchmark) == 0:
        return undefined(CONSTANT_BENCHMARK)
    offset = benchmark - np.mean(benchmark)
    return measured(float(np.sum(offset * returns) / np.sum(offset**2)))


def alpha(
    returns: Floats, benchmark: Floats, periods_per_year: float, risk_free: Floats | float = 0.0
) -> Measure:
    """Return Jensen's alpha a year: the mean of what beta doesn't explain, compounded over a year.

    (1 + mean(r - rf - beta (b - rf))) ** periods per year - 1. Jensen (1968), The Performance of Mutual
    Funds; as in empyrical, NautilusTrader.
    """
    sensitivity = beta(returns, benchmark)
    if sensitivity.value is None:
        return sensitivity
    unexplained = float(np.mean(returns - risk_free - sensitivity.value * (benchmark - risk_free)))
    return compound_annual_growth(1.0, 1.0 + unexplained, 1.0 / periods_per_year)


def correlation(returns: Floats, benchmark: Floats) -> Measure:
    """Return Pearson's correlation of the two."""
    if len(returns) < 2:
        return undefined(TOO_FEW_RETURNS)
    if deviation(benchmark) == 0:
        return undefined(CONSTANT_BENCHMARK)
    if deviation(returns) == 0:
        return undefined("the returns don't vary")
    return measured(float(np.corrcoef(returns, benchmark)[0, 1]))


def tracking_error(returns: Floats, benchmark: Floats, periods_per_year: float, ddof: int = 1) -> Measure:
    """Return the standard deviation of the returns above the benchmark's x sqrt(periods per year) (LEAN)."""
    if len(returns) <= ddof:
        return undefined(TOO_FEW_RETURNS)
    return measured(deviation(returns - benchmark, ddof) * math.sqrt(periods_per_year))


def information_ratio(returns: Floats, benchmark: Floats | float, periods_per_year: float) -> Measure:
    """Return mean / standard deviation of the returns above the benchmark's, x sqrt(periods per year).

    Grinold and Kahn, Active Portfolio Management; empyrical `excess_sharpe` at 1 period a year.
    """
    active = returns - benchmark
    if len(active) < 2:
        return undefined(TOO_FEW_RETURNS)
    spread = deviation(active)
    if spread == 0:
        return undefined("the returns above the benchmark's don't vary")
    return measured(float(np.mean(active)) / spread * math.sqrt(periods_per_year))
