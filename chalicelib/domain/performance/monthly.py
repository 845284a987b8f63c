"""The table of returns by calendar month and year; used by the backtest's report."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.performance.inputs import EquityCurve, Floats, Integers
from chalicelib.domain.performance.measure import Measure
from chalicelib.domain.performance.returns import days_of, total_return, with_start

_FIRST_YEAR = 1970
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class YearReturns:
    """Returns of one calendar year (UTC): in total and of its months from January, None where no point is."""

    year: int
    total: Measure
    months: tuple[Measure | None, ...]


def monthly_returns(curve: EquityCurve, capital: float | None = None) -> tuple[YearReturns, ...]:
    """Return the table of the curve, a row per year from its first point on.

    A month's return is its last equity / the last one before it - 1 (months compound to the year's total, as
    in empyrical `aggregate_returns`). The first month starts from `capital`, without it from the first point.
    """
    if not len(curve.time):
        return ()
    whole = curve if capital is None else with_start(curve, capital)
    months = days_of(whole.time).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    by_month = _closes(months, whole.equity)
    by_year = _closes(months // _MONTHS, whole.equity)
    return tuple(
        YearReturns(
            year=_FIRST_YEAR + year,
            total=total,
            months=tuple(by_month.get(year * _MONTHS + month) for month in range(_MONTHS)),
        )
        for year, total in by_year.items()
    )


def _closes(periods: Integers, equity: Floats) -> dict[int, Measure]:
    """Return per period the change from the last equity before it, in the first from its first equity.

    A first period that consists of the starting point alone has no return.
    """
    last = np.flatnonzero(np.concatenate((periods[1:] != periods[:-1], [True])))
    before = np.concatenate(([0], last[:-1]))
    return {
        int(periods[end]): total_return(float(equity[start]), float(equity[end]))
        for start, end in zip(before, last, strict=True)
        if end > start
    }
