"""Performance statistics equal empyrical's test values, in every case whose definition agrees.

Empyrical skips missing returns, so they are left out here, except for growth, where it counts their periods.
Its NaN is an undefined measure here, and so is its infinity (docs/statistics.md names that difference).
"""

import gzip
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.performance.benchmark import alpha, beta, information_ratio
from chalicelib.domain.performance.drawdowns import max_drawdown
from chalicelib.domain.performance.inputs import EquityCurve, Floats
from chalicelib.domain.performance.measure import Measure, measured, undefined
from chalicelib.domain.performance.monthly import monthly_returns
from chalicelib.domain.performance.returns import (
    compound_annual_growth,
    simple_returns,
    tail_ratio,
    total_return,
    volatility,
)
from chalicelib.domain.performance.risk_ratios import (
    calmar,
    downside_deviation,
    omega,
    rate_of_period,
    sharpe,
    sortino,
)
from tests.shared import shared_path

PERIODS = {"daily": 252.0, "weekly": 52.0, "monthly": 12.0, "yearly": 1.0}
SECONDS_PER_DAY = 86_400
DECIMALS = {"cum_returns_final": 4, "tail_ratio": 1}  # as empyrical's tests compare; 8 everywhere else
Case = dict[str, Any]


@cache
def cases() -> dict[str, list[Case]]:
    path = shared_path("golden/performance/empyrical/cases.json.gz")
    content: dict[str, list[Case]] = json.loads(gzip.decompress(path.read_bytes()))["cases"]
    return content


def numbers(values: list[Any]) -> Floats:
    return np.array([math.nan if value is None else float(value) for value in values])


def series(case: Case, name: str) -> Iterator[Floats]:
    """Yield the series of that name, or each column of the frame."""
    given = case[name]
    columns = [given["values"]] if given["type"] == "series" else list(given["columns"].values())
    yield from (numbers(column) for column in columns)


def first_day(case: Case, name: str) -> date:
    first = case[name].get("first")
    return datetime.fromisoformat(str(first)).date() if first else date(2000, 1, 30)


def rate(case: Case, name: str, returns: Floats) -> Floats:
    """Return a rate given as a number or a series, one per return."""
    given = case.get(name, 0.0)
    return numbers(given["values"]) if isinstance(given, dict) else np.full(len(returns), float(given))


def paired(case: Case, other: str) -> tuple[Floats, Floats]:
    """Return the returns and the other series of the days that have both."""
    returns, others = next(series(case, "returns")), next(series(case, other))
    if len(returns) and len(others) and len(returns) != len(others):
        shift = (first_day(case, other) - first_day(case, "returns")).days
        returns = returns[shift : shift + len(others)]
    shared = min(len(returns), len(others))
    returns, others = returns[:shared], others[:shared]
    present = ~(np.isnan(returns) | np.isnan(others))
    return returns[present], others[present]


def growth(case: Case) -> Measure:
    returns = next(series(case, "returns"))
    if not len(returns):
        return undefined("no returns")
    years = len(returns) / PERIODS[case["period"]]
    return compound_annual_growth(1.0, float(np.nanprod(1.0 + returns)), years)


def equity(case: Case) -> Floats:
    returns = next(series(case, "returns"))
    if not len(returns):
        return returns
    return np.cumprod(np.concatenate(([1.0], 1.0 + np.nan_to_num(returns))))


def negative(fall: Measure) -> Measure:
    """Return a drawdown with empyrical's sign."""
    return fall if fall.value is None else Measure(-fall.value)


def by_return(function: Callable[[Case, Floats], Measure]) -> Callable[[Case], list[Measure]]:
    """Apply to the returns of each column without its missing ones."""

    def call(case: Case) -> list[Measure]:
        return [function(case, returns[~np.isnan(returns)]) for returns in series(case, "returns")]

    return call


def with_rate(
    name: str, function: Callable[[Case, Floats, Floats], Measure]
) -> Callable[[Case], list[Measure]]:
    def call(case: Case) -> list[Measure]:
        found = []
        for returns in series(case, "returns"):
            rates = rate(case, name, returns)
            present = ~(np.isnan(returns) | np.isnan(rates))
            found.append(function(case, returns[present], rates[present]))
        return found

    return call


def final(case: Case) -> list[Measure]:
    curve, start = equity(case), float(case["starting_value"]) or 1.0
    if not len(curve):
        return [undefined("no returns")]
    gained = total_return(start, start * float(curve[-1]))
    if gained.value is None or not case["starting_value"]:
        return [gained]
    return [Measure(start * (1.0 + gained.value))]


def simple(case: Case) -> list[Measure]:
    with np.errstate(divide="ignore"):  # one series starts at a price of 0
        return [measured(float(value)) for value in simple_returns(next(series(case, "prices")))]


def ratio_of_gains(case: Case, returns: Floats, risk_free: Floats) -> Measure:
    return omega(returns, risk_free + rate_of_period(float(case["required_return"]), PERIODS["daily"]))


def excess(case: Case, returns: Floats, factor: Floats) -> Measure:
    return information_ratio(returns, factor, 1.0)


def alpha_and_beta(case: Case) -> list[Measure]:
    returns, market = paired(case, "benchmark")
    return [alpha(returns, market, PERIODS["daily"]), beta(returns, market)]


def by_calendar(case: Case) -> list[Measure]:
    """Return monthly or yearly returns of the equity that the series compounds to."""
    first, frequency = first_day(case, "returns"), case["returns"]["freq"]
    step = {"D": 1, "W-SUN": 7}[frequency]
    curve = equity(case)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() + SECONDS_PER_DAY
    time = int(start) + step * SECONDS_PER_DAY * np.arange(len(curve) - 1, dtype=np.int64)
    table = monthly_returns(EquityCurve(time, curve[1:], np.zeros(len(time))), capital=1.0)
    if case["convert_to"] == "yearly":
        return [year.total for year in table]
    return [month for year in table for month in year.months if month is not None]


ROWS: tuple[tuple[str, Callable[[Case], list[Measure]], int], ...] = (
    ("simple_returns", simple, 1007),
    ("cum_returns_final", final, 5),
    ("aggregate_returns", by_calendar, 7),
    ("max_drawdown", lambda case: [negative(max_drawdown(equity(case)))], 8),
    ("annual_ret", lambda case: [growth(case)], 3),
    ("cagr", lambda case: [growth(case)], 5),
    ("annual_volatility", by_return(lambda c, r: volatility(r, PERIODS[c["period"]])), 4),
    ("calmar", lambda case: [calmar(growth(case), max_drawdown(equity(case)))], 5),
    ("omega", with_rate("risk_free", ratio_of_gains), 8),
    ("sharpe_ratio", with_rate("risk_free", lambda _, r, f: sharpe(r, PERIODS["daily"], f)), 8),
    (
        "downside_risk",
        with_rate("required_return", lambda c, r, a: downside_deviation(r, PERIODS[c["period"]], a)),
        15,
    ),
    ("sortino", with_rate("required_return", lambda c, r, a: sortino(r, PERIODS[c["period"]], a)), 16),
    ("excess_sharpe", with_rate("factor_returns", excess), 5),
    ("alpha_beta", alpha_and_beta, 10),
    ("alpha", lambda case: [alpha(*paired(case, "benchmark"), PERIODS["daily"])], 5),
    ("beta", lambda case: [beta(*paired(case, "benchmark"))], 9),
    ("tail_ratio", by_return(lambda _, r: tail_ratio(r)), 4),
)
NOT_OURS: dict[str, Callable[[Case], bool]] = {
    # quarters and weeks are not in our table; a monthly series is indexed by month ends, not by days
    "aggregate_returns": lambda case: (
        case["convert_to"] in ("weekly", "quarterly") or case["returns"]["freq"] == "M"
    ),
    # a required return of -1000 % a year is no rate that compounds
    "omega": lambda case: case["required_return"] <= -1,
}


def expected_values(expected: Any) -> list[Any]:
    if isinstance(expected, dict):
        return list(expected["values"])
    return expected if isinstance(expected, list) else [expected]


@pytest.mark.parametrize(("name", "function", "at_least"), ROWS, ids=[row[0] for row in ROWS])
def test_values_equal_empyrical(name: str, function: Callable[[Case], list[Measure]], at_least: int) -> None:
    compared = 0
    for case in cases()[name]:
        if NOT_OURS.get(name, lambda _: False)(case):
            continue
        values = expected_values(case["expected"])
        found = function(case)
        assert len(found) == len(values)
        for ours, theirs in zip(found, values, strict=True):
            decimals = int(case.get("decimal_places", DECIMALS.get(name, 8)))
            if math.isfinite(float(theirs)):
                assert ours.value is not None, (case, ours.reason)
                assert ours.value == pytest.approx(float(theirs), abs=1.5 * 10**-decimals, rel=1e-9)
            else:
                assert ours.value is None
                assert ours.reason
            compared += 1
    assert compared >= at_least
