"""All performance statistics of one run by name; used by backtest, report and studies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.performance.benchmark import (
    alpha,
    beta,
    correlation,
    information_ratio,
    tracking_error,
)
from chalicelib.domain.performance.drawdowns import DRAWDOWN_NAMES, NO_POINTS, drawdown_measures
from chalicelib.domain.performance.inputs import ClosedTrades, EquityCurve, Floats
from chalicelib.domain.performance.measure import Measure, divided, measured, undefined
from chalicelib.domain.performance.returns import (
    SECONDS_PER_DAY,
    compound_annual_growth,
    conditional_value_at_risk,
    daily_equity,
    excess_kurtosis,
    simple_returns,
    skewness,
    tail_ratio,
    total_return,
    value_at_risk,
    volatility,
    with_start,
)
from chalicelib.domain.performance.risk_ratios import (
    calmar,
    downside_deviation,
    omega,
    probabilistic_sharpe,
    rate_of_period,
    sharpe,
    sortino,
)
from chalicelib.domain.performance.trade_statistics import trade_measures, traded_notional

NO_BENCHMARK = "no benchmark"
NO_EQUITY_LEFT = "the equity fell to 0 or below"


@dataclass(frozen=True, slots=True)
class Conventions:
    """What statistics assume: daily returns, so `days_per_year` of them; rates and the Sharpe ratio to beat
    are annual; `tail` is the share of days that value at risk, expected shortfall and tail ratio look at."""

    days_per_year: float = 365.0
    risk_free_rate: float = 0.0
    acceptable_return: float = 0.0
    sharpe_to_beat: float = 0.0
    tail: float = 0.05


ALL_YEAR = Conventions()


def summarise(
    curve: EquityCurve,
    trades: ClosedTrades,
    benchmark: Floats | None = None,
    *,
    capital: float | None = None,
    conventions: Conventions = ALL_YEAR,
) -> Mapping[str, Measure]:
    """Return every statistic of docs/statistics.md by its name.

    `benchmark` is the equity of buying and holding at the points of the curve. `capital` is the equity before
    the first point, from which the benchmark starts too; without it both start at their first points.
    """
    if not len(curve.time):
        nothing = dict.fromkeys(_CURVE_NAMES + _CAPITAL_NAMES + _BENCHMARK_NAMES, undefined(NO_POINTS))
        return nothing | trade_measures(trades)
    whole = curve if capital is None else with_start(curve, capital)
    held = benchmark
    if benchmark is not None and capital is not None:
        held = np.concatenate(([capital], benchmark))
    daily = daily_equity(whole.time, whole.equity)
    return {
        **_curve_measures(whole, daily, conventions),
        **_use_of_capital(curve, trades),
        **_benchmark_measures(whole, daily, held, conventions),
        **trade_measures(trades),
    }


def to_plain(summary: Mapping[str, Measure]) -> dict[str, float | dict[str, str] | None]:
    """Return the summary as JSON holds it: a number or null by name, and under `undefined` why it is null."""
    values: dict[str, float | dict[str, str] | None] = {name: one.value for name, one in summary.items()}
    return values | {"undefined": {name: one.reason for name, one in summary.items() if one.value is None}}


def _curve_measures(curve: EquityCurve, daily: Floats, conventions: Conventions) -> dict[str, Measure]:
    start, end = float(curve.equity[0]), float(curve.equity[-1])
    if start <= 0:
        return dict.fromkeys(_CURVE_NAMES, undefined("no equity at the start"))
    years = (curve.time[-1] - curve.time[0]) / SECONDS_PER_DAY / conventions.days_per_year
    growth = compound_annual_growth(start, end, float(years))
    falls = drawdown_measures(curve.time, curve.equity)
    return {
        "start_equity": measured(start),
        "end_equity": measured(end),
        "profit": measured(end - start),
        "total_return": total_return(start, end),
        "cagr": growth,
        "calmar": calmar(growth, falls["max_drawdown"]),
        **falls,
        **_daily_measures(daily, conventions),
    }


def _daily_measures(daily: Floats, conventions: Conventions) -> dict[str, Measure]:
    if np.any(daily <= 0):
        return dict.fromkeys(_DAILY_NAMES, undefined(NO_EQUITY_LEFT))
    returns, days = simple_returns(daily), conventions.days_per_year
    risk_free = rate_of_period(conventions.risk_free_rate, days)
    acceptable = rate_of_period(conventions.acceptable_return, days)
    to_beat = conventions.sharpe_to_beat / days**0.5
    extremes = (float(np.max(returns)), float(np.min(returns))) if len(returns) else None
    values = (
        Measure(float(len(returns))),
        volatility(returns, days),
        downside_deviation(returns, days, acceptable),
        sharpe(returns, days, risk_free),
        sortino(returns, days, acceptable),
        omega(returns, acceptable),
        probabilistic_sharpe(returns, to_beat, risk_free),
        skewness(returns),
        excess_kurtosis(returns),
        tail_ratio(returns, conventions.tail),
        value_at_risk(returns, conventions.tail),
        conditional_value_at_risk(returns, conventions.tail),
        measured(extremes[0]) if extremes else undefined(_NO_DAYS),
        measured(extremes[1]) if extremes else undefined(_NO_DAYS),
        divided(float(np.count_nonzero(returns > 0)), float(len(returns)), _NO_DAYS),
    )
    return dict(zip(_DAILY_NAMES, values, strict=True))


def _use_of_capital(curve: EquityCurve, trades: ClosedTrades) -> dict[str, Measure]:
    """Return how much of the time and of the equity was in the market, and how often it was turned over.

    Exposure in time as in backtesting.py. Turnover is the notional of all entries and exits / the average
    equity; a day's is that / the curve's days (LEAN reports a day's, of sales volume).
    """
    turned = divided(traded_notional(trades), float(np.mean(curve.equity)), "no equity on average")
    days = float(curve.time[-1] - curve.time[0]) / SECONDS_PER_DAY
    per_day = turned if turned.value is None else divided(turned.value, days, "no time passed")
    values = (
        measured(float(np.mean(curve.exposure > 0))),
        measured(float(np.mean(curve.exposure))),
        measured(float(np.max(curve.exposure))),
        turned,
        per_day,
    )
    return dict(zip(_CAPITAL_NAMES, values, strict=True))


def _benchmark_measures(
    curve: EquityCurve, daily: Floats, held: Floats | None, conventions: Conventions
) -> dict[str, Measure]:
    if held is None:
        return dict.fromkeys(_BENCHMARK_NAMES, undefined(NO_BENCHMARK))
    daily_held, days = daily_equity(curve.time, held), conventions.days_per_year
    if np.any(daily <= 0) or np.any(daily_held <= 0):
        return dict.fromkeys(_BENCHMARK_NAMES, undefined(NO_EQUITY_LEFT))
    returns, market = simple_returns(daily), simple_returns(daily_held)
    risk_free = rate_of_period(conventions.risk_free_rate, days)
    values = (
        total_return(float(held[0]), float(held[-1])),
        alpha(returns, market, days, risk_free),
        beta(returns, market),
        correlation(returns, market),
        tracking_error(returns, market, days),
        information_ratio(returns, market, days),
    )
    return dict(zip(_BENCHMARK_NAMES, values, strict=True))


_NO_DAYS = "no daily returns"
_DAILY_NAMES = (
    "days",
    "volatility",
    "downside_deviation",
    "sharpe",
    "sortino",
    "omega",
    "probabilistic_sharpe",
    "skew",
    "excess_kurtosis",
    "tail_ratio",
    "value_at_risk",
    "conditional_value_at_risk",
    "best_day",
    "worst_day",
    "day_win_rate",
)
_CURVE_NAMES = (
    "start_equity",
    "end_equity",
    "profit",
    "total_return",
    "cagr",
    "calmar",
    *DRAWDOWN_NAMES,
    *_DAILY_NAMES,
)
_CAPITAL_NAMES = ("exposure_time", "average_exposure", "max_exposure", "turnover", "daily_turnover")
_BENCHMARK_NAMES = (
    "benchmark_return",
    "alpha",
    "beta",
    "benchmark_correlation",
    "tracking_error",
    "information_ratio",
)
