"""Returns of an equity curve: per day, in total, a year, and how they are distributed; used by summary.

Crypto trades on every day of the year, so a curve with a point per candle is resampled to its last point of
each UTC day, and everything that is annualised counts these daily returns, 365 to a year.
"""

import math

import numpy as np

from chalicelib.domain.performance.inputs import EquityCurve, Floats, Integers
from chalicelib.domain.performance.measure import Measure, measured, undefined

SECONDS_PER_DAY = 86_400
RETURN_RESOLUTION = 1e-14  # a return is a quotient of two floats: what differs by less is rounding

TOO_FEW_RETURNS = "fewer than 2 returns"


def with_start(curve: EquityCurve, capital: float) -> EquityCurve:
    """Return the curve with `capital` in front, one candle before its first point, so that fees paid in the
    first candle count."""
    step = int(curve.time[1] - curve.time[0]) if len(curve.time) > 1 else 0
    return EquityCurve(
        time=np.concatenate(([curve.time[0] - step], curve.time)),
        equity=np.concatenate(([capital], curve.equity)),
        exposure=np.concatenate(([0.0], curve.exposure)),
    )


def days_of(time: Integers) -> Integers:
    """Return the UTC day (days since 1970) of each point; one at midnight ends the day before."""
    return (time - 1) // SECONDS_PER_DAY


def daily_equity(time: Integers, equity: Floats) -> Floats:
    """Return the first equity, then the last one of each UTC day; a day without points keeps the one before.

    The first and the last day count as days even where the curve covers a part of them. A first point that
    ends a day is where that day ended, not a day of its own.
    """
    if not len(time):
        return np.empty(0)
    days = days_of(time[1:])
    if not len(days):
        return equity[:1].copy()
    calendar = np.arange(days[0], days[-1] + 1)
    last = np.searchsorted(days, calendar, side="right")
    return np.concatenate((equity[:1], equity[last]))


def simple_returns(values: Floats) -> Floats:
    """Return value / value before - 1, one fewer than `values`, all of which must be above 0."""
    return values[1:] / values[:-1] - 1.0


def total_return(start: float, end: float) -> Measure:
    """Return end / start - 1 (empyrical `cum_returns_final`, freqtrade `profit_total`)."""
    if start <= 0:
        return undefined("no equity at the start")
    return measured(end / start - 1.0)


def compound_annual_growth(start: float, end: float, years: float) -> Measure:
    """Return (end / start) ** (1 / years) - 1, the compound annual growth rate (CAGR).

    The same in freqtrade, LEAN (years of 365 days) and empyrical (years = returns / periods per year).
    """
    if start <= 0:
        return undefined("no equity at the start")
    if years <= 0:
        return undefined("no time passed")
    if end <= 0:
        return Measure(-1.0)
    exponent = math.log(end / start) / years
    if exponent > 700:  # exp() leaves the floating-point range just above
        return undefined("too large: the curve is too short to be annualised")
    return measured(math.exp(exponent) - 1.0)


def deviation(values: Floats, ddof: int = 1, resolution: float = RETURN_RESOLUTION) -> float:
    """Return the standard deviation with `ddof`, exactly 0 where the values differ by rounding alone."""
    if len(values) <= ddof or np.ptp(values) <= resolution:
        return 0.0
    return float(np.std(values, ddof=ddof))


def volatility(returns: Floats, periods_per_year: float, ddof: int = 1) -> Measure:
    """Return the standard deviation of the returns x sqrt(periods per year) (empyrical, LEAN, Nautilus)."""
    if len(returns) <= ddof:
        return undefined(TOO_FEW_RETURNS)
    return measured(deviation(returns, ddof) * math.sqrt(periods_per_year))


def skewness(values: Floats) -> Measure:
    """Return the skew m3 / m2**1.5 of central population moments (Fisher-Pearson g1, scipy's default)."""
    return _standardised_moment(values, 3)


def kurtosis(values: Floats) -> Measure:
    """Return the kurtosis m4 / m2**2 of central population moments: 3 for a normal distribution, not 0."""
    return _standardised_moment(values, 4)


def excess_kurtosis(values: Floats) -> Measure:
    """Return the kurtosis less the 3 of a normal distribution (scipy's default)."""
    raw = kurtosis(values)
    return raw if raw.value is None else measured(raw.value - 3.0)


def _standardised_moment(values: Floats, order: int) -> Measure:
    if len(values) < 2:
        return undefined(TOO_FEW_RETURNS)
    spread = deviation(values, ddof=0)
    if spread == 0:
        return undefined("the returns don't vary")
    return measured(float(np.mean(((values - np.mean(values)) / spread) ** order)))


def value_at_risk(returns: Floats, tail: float = 0.05) -> Measure:
    """Return the historical value at risk: minus the `tail` quantile of the returns, linearly interpolated.

    Above 0 means a loss. The quantile of empyrical `value_at_risk` and NautilusTrader, sign turned.
    """
    if len(returns) * tail < 1:
        return undefined(_too_few_for(tail))
    return measured(-float(np.quantile(returns, tail)))


def conditional_value_at_risk(returns: Floats, tail: float = 0.05) -> Measure:
    """Return the historical expected shortfall: minus the mean of the worst returns.

    These are the lowest floor((n - 1) x tail) + 1 of n returns, as in empyrical
    `conditional_value_at_risk`, sign turned. Above 0 means a loss.
    """
    if len(returns) * tail < 1:
        return undefined(_too_few_for(tail))
    worst = int((len(returns) - 1) * tail) + 1
    return measured(-float(np.mean(np.sort(returns)[:worst])))


def tail_ratio(returns: Floats, tail: float = 0.05) -> Measure:
    """Return |quantile 1 - tail| / |quantile tail| of the returns (empyrical `tail_ratio`)."""
    if not len(returns):
        return undefined("no returns")
    low, high = np.quantile(returns, (tail, 1.0 - tail))
    if low == 0:
        return undefined("the low quantile is 0")
    return measured(abs(float(high)) / abs(float(low)))


def _too_few_for(tail: float) -> str:
    return f"fewer than {math.ceil(1 / tail)} returns"
