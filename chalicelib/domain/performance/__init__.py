"""Performance statistics of an equity curve and its closed trades; used by backtest, reports and studies."""

from chalicelib.domain.performance.groups import Group, breakdowns
from chalicelib.domain.performance.inputs import ClosedTrades, EquityCurve
from chalicelib.domain.performance.measure import Measure
from chalicelib.domain.performance.monthly import YearReturns, monthly_returns
from chalicelib.domain.performance.summary import Conventions, summarise, to_plain

__all__ = [
    "ClosedTrades",
    "Conventions",
    "EquityCurve",
    "Group",
    "Measure",
    "YearReturns",
    "breakdowns",
    "monthly_returns",
    "summarise",
    "to_plain",
]
