"""The statistics of a backtest as cards and as a table, in words and units; used by write.py."""

from collections.abc import Mapping
from html import escape

from chalicelib.backtest.page.tables import signed, table
from chalicelib.backtest.page.text import amount, count, duration, label, moment, percent, undefined
from chalicelib.domain.performance.measure import Measure

HEADLINES = (
    ("total_return", "Return"),
    ("cagr", "CAGR"),
    ("sharpe", "Sharpe ratio"),
    ("max_drawdown", "Max drawdown"),
    ("profit_factor", "Profit factor"),
    ("win_rate", "Win rate"),
    ("trades", "Trades"),
    ("fees", "Fees"),
)
"""The statistics at the top of the page."""

MISSING = Measure(None, "not among the statistics of this backtest")

_GAINS = frozenset({"total_return", "cagr", "benchmark_return"})
_RATIOS = _GAINS | {
    "max_drawdown",
    "average_drawdown",
    "ulcer_index",
    "volatility",
    "downside_deviation",
    "probabilistic_sharpe",
    "value_at_risk",
    "conditional_value_at_risk",
    "best_day",
    "worst_day",
    "day_win_rate",
    "exposure_time",
    "average_exposure",
    "max_exposure",
    "alpha",
    "tracking_error",
    "win_rate",
    "kelly",
    "average_trade_return",
}
_COUNTS = frozenset(
    {
        "days",
        "drawdowns",
        "trades",
        "wins",
        "losses",
        "draws",
        "longest_winning_streak",
        "longest_losing_streak",
    }
)
_IN_WORDS = {"cagr": "CAGR", "sharpe": "Sharpe ratio", "sortino": "Sortino ratio", "calmar": "Calmar ratio"}


def shown(name: str, value: float) -> str:
    """Return the value of a statistic as text, in the unit that belongs to its name."""
    if name.endswith("_at"):
        return moment(value)
    if name.endswith("_seconds"):
        return duration(value)
    if name in _RATIOS:
        return percent(value)
    return count(value) if name in _COUNTS else amount(value)


def in_words(name: str) -> str:
    """Return the name of a statistic in words, escaped; a duration without the unit it is kept in."""
    return _IN_WORDS.get(name) or label(name.removesuffix("_seconds") + _unit(name))


def _unit(name: str) -> str:
    return "_duration" if name.endswith("_seconds") else ""


def cards(summary: Mapping[str, Measure]) -> str:
    """Return the headline numbers as HTML: a dash with its reason where one is undefined."""
    return "".join(
        f"<div><dt>{escape(title)}</dt><dd>{_headline(name, summary.get(name, MISSING))}</dd></div>"
        for name, title in HEADLINES
    )


def _headline(name: str, measure: Measure) -> str:
    if measure.value is None:
        return undefined(measure)
    text = shown(name, measure.value)
    return signed(measure.value, text) if name in _GAINS else text


def statistics_table(summary: Mapping[str, Measure]) -> str:
    """Return all statistics: in words, the value, the name in the files of the report, why undefined."""
    rows = [
        (
            in_words(name),
            undefined(measure) if measure.value is None else shown(name, measure.value),
            f"<code>{escape(name)}</code>",
            escape(measure.reason),
        )
        for name, measure in summary.items()
    ]
    return table(("Statistic", "Value", "Name in report.json", "Undefined because"), rows, "All statistics")
