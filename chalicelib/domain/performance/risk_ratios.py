"""Return set against risk: Sharpe, Sortino, Calmar, Omega, and the probability of a Sharpe; used by summary.

`returns` are those of equal periods. A rate beside them (risk-free, minimum acceptable) is that of one
period: `rate_of_period` turns one a year into it.
"""

import math

import numpy as np

from chalicelib.domain.performance.inputs import Floats
from chalicelib.domain.performance.measure import Measure, measured, undefined
from chalicelib.domain.performance.returns import (
    TOO_FEW_RETURNS,
    deviation,
    kurtosis,
    skewness,
)

NO_VARIATION = "the returns don't vary"


def rate_of_period(annual_rate: float, periods_per_year: float) -> float:
    """Return the rate of one period that compounds to `annual_rate` (above -1) in a year."""
    return float((1.0 + annual_rate) ** (1.0 / periods_per_year) - 1.0)


def sharpe(
    returns: Floats, periods_per_year: float, risk_free: Floats | float = 0.0, ddof: int = 1
) -> Measure:
    """Return mean / standard deviation of the returns above `risk_free`, x sqrt(periods per year).

    Sharpe (1994), The Sharpe Ratio; as in empyrical and NautilusTrader.
    """
    excess = returns - risk_free
    if len(excess) <= ddof:
        return undefined(TOO_FEW_RETURNS)
    spread = deviation(excess, ddof)
    if spread == 0:
        return undefined(NO_VARIATION)
    return measured(float(np.mean(excess)) / spread * math.sqrt(periods_per_year))


def downside_deviation(returns: Floats, periods_per_year: float, acceptable: Floats | float = 0.0) -> Measure:
    """Return the root of the mean square of the shortfalls below `acceptable`, x sqrt(periods per year).

    The mean runs over all returns, those above count as 0. Sortino and van der Meer (1991); as in empyrical.
    """
    if not len(returns):
        return undefined("no returns")
    shortfall = np.minimum(returns - acceptable, 0.0)
    return measured(math.sqrt(float(np.mean(shortfall**2))) * math.sqrt(periods_per_year))


def sortino(returns: Floats, periods_per_year: float, acceptable: Floats | float = 0.0) -> Measure:
    """Return annualised mean return above `acceptable` / annualised downside deviation (as in empyrical).

    Sortino and van der Meer (1991), Downside Risk.
    """
    if len(returns) < 2:
        return undefined(TOO_FEW_RETURNS)
    downside = downside_deviation(returns, periods_per_year, acceptable).value
    if not downside:
        return undefined("no return below the acceptable one")
    return measured(float(np.mean(returns - acceptable)) * periods_per_year / downside)


def omega(returns: Floats, threshold: Floats | float = 0.0) -> Measure:
    """Return the sum of the gains above `threshold` / the sum of the shortfalls below it.

    Keating and Shadwick (2002), A Universal Performance Measure; as in empyrical and NautilusTrader.
    """
    if len(returns) < 2:
        return undefined(TOO_FEW_RETURNS)
    excess = returns - threshold
    shortfall = float(np.sum(np.maximum(-excess, 0.0)))
    if shortfall <= 0:
        return undefined("no return below the threshold")
    return measured(float(np.sum(np.maximum(excess, 0.0))) / shortfall)


def calmar(annual_growth: Measure, max_drawdown: Measure) -> Measure:
    """Return compound annual growth / maximum drawdown (Young, 1991; as in empyrical, backtesting.py)."""
    if annual_growth.value is None:
        return annual_growth
    if not max_drawdown.value:
        return undefined("no drawdown")
    return measured(annual_growth.value / max_drawdown.value)


def sharpe_probability(
    observed: float, benchmark: float, returns: int, skew: float, kurtosis_of_returns: float
) -> Measure:
    """Return the probability that the true Sharpe ratio is above `benchmark` (PSR).

    Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2)) over n returns, with both ratios
    of one period (not annualised) and a kurtosis of 3 for the normal distribution. Bailey and Lopez de Prado
    (2012), The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2).
    """
    variance = 1.0 - skew * observed + (kurtosis_of_returns - 1.0) / 4.0 * observed**2
    if returns < 2:
        return undefined(TOO_FEW_RETURNS)
    if variance <= 0:
        return undefined("the variance of the Sharpe ratio isn't above 0")
    score = (observed - benchmark) * math.sqrt(returns - 1.0) / math.sqrt(variance)
    return measured(0.5 * (1.0 + math.erf(score / math.sqrt(2.0))))


def probabilistic_sharpe(
    returns: Floats, benchmark: float = 0.0, risk_free: Floats | float = 0.0, ddof: int = 1
) -> Measure:
    """Return `sharpe_probability` of the returns above `risk_free` with their population skew and kurtosis.

    `benchmark` is the Sharpe ratio of one period to beat.
    """
    excess = returns - risk_free
    observed = sharpe(excess, 1.0, ddof=ddof)
    skew, peakedness = skewness(excess), kurtosis(excess)
    if observed.value is None:
        return observed
    if skew.value is None or peakedness.value is None:
        return undefined(NO_VARIATION)
    return sharpe_probability(observed.value, benchmark, len(excess), skew.value, peakedness.value)
