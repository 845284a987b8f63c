"""Performance statistics equal those of freqtrade's backtests, wherever the definition is the same.

Where it isn't, freqtrade's own formula is written out here and reproduces its figure: so docs/statistics.md
names the true difference.
"""

import gzip
import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.performance import breakdowns, summarise
from chalicelib.domain.performance.drawdowns import drawdown_measures, max_drawdown, max_drawdown_amount
from chalicelib.domain.performance.inputs import ClosedTrades, EquityCurve, Floats, Integers
from chalicelib.domain.performance.returns import compound_annual_growth, daily_equity
from chalicelib.domain.performance.trade_statistics import expectancy, expectancy_ratio, profit_factor
from tests.shared import shared_path

Result = dict[str, Any]
DAYS_PER_YEAR = 365
REAL = ("backtest-result-2023-08-03_11-34-59", "backtest-result-2023-08-17_11-04-34")
EXACT = 1e-9


def expected_values() -> Result:
    content: Result = json.loads(shared_path("golden/performance/freqtrade/expected_values.json").read_text())
    return content


def read(name: str) -> Result:
    """Return the first strategy's result."""
    content = json.loads(gzip.decompress(shared_path(f"golden/performance/{name}.json.gz").read_bytes()))
    results: list[Result] = list(content.get("strategy", content).values())
    return results[0]


def column(rows: list[Result], name: str, kind: type = float) -> Any:
    return np.array([row[name] for row in rows], dtype=kind)


def closed_trades(result: Result) -> ClosedTrades:
    """Return the trades in the order in which they closed."""
    rows = sorted(result["trades"], key=lambda row: row["close_timestamp"])
    quantity, entry, leave = (column(rows, name) for name in ("amount", "open_rate", "close_rate"))
    return ClosedTrades(
        symbol=tuple(row["pair"] for row in rows),
        strategy=(result["strategy_name"],) * len(rows),
        exit_reason=tuple(row["exit_reason"] for row in rows),
        direction=np.array([-1 if row.get("is_short") else 1 for row in rows], dtype=np.int8),
        opened_at=column(rows, "open_timestamp", int) // 1000,
        closed_at=column(rows, "close_timestamp", int) // 1000,
        quantity=quantity,
        entry_price=entry,
        exit_price=leave,
        profit=column(rows, "profit_abs"),
        fees=quantity * (entry * column(rows, "fee_open") + leave * column(rows, "fee_close")),
        net_return=column(rows, "profit_ratio"),
    )


def curve_of(result: Result, trades: ClosedTrades) -> EquityCurve:
    """Return the balance after each closed trade, from the start of the backtest on.

    Freqtrade counts a trade that closes at midnight to the day that begins, a curve to the one that ends.
    """
    equity = np.cumsum(np.concatenate(([float(result["starting_balance"])], trades.profit)))
    time = np.concatenate(([result["backtest_start_ts"] // 1000], trades.closed_at)) + 1
    return EquityCurve(time.astype(np.int64), equity, np.zeros(len(equity)))


def by_close(trades: ClosedTrades) -> tuple[Integers, Floats]:
    """Return the times at which trades closed and the profit of those that closed at each."""
    times, rows = np.unique(trades.closed_at, return_inverse=True)
    return times, np.bincount(rows, trades.profit)


def seconds(text: str) -> int:
    """Return the seconds of a duration such as "1 day, 5:57:00"."""
    days, _, clock = text.rpartition(", ")
    hours, minutes, rest = (int(part) for part in clock.split(":"))
    return int(days.split()[0] if days else 0) * 86_400 + 3_600 * hours + 60 * minutes + rest


def test_expectancy_equals_freqtrade() -> None:
    case = expected_values()["expectancy_case"]
    profit = np.array(case["profit_abs"], dtype=float)
    assert expectancy(profit).value == pytest.approx(case["expectancy"], rel=EXACT)
    assert expectancy_ratio(profit).value == pytest.approx(case["expectancy_ratio"], rel=1e-7)


def test_growth_equals_freqtrade() -> None:
    cases = expected_values()["cagr"]
    for case in cases:
        found = compound_annual_growth(case["start"], case["end"], case["days"] / DAYS_PER_YEAR)
        assert found.value == pytest.approx(case["expected"], abs=5e-5)
    assert len(cases) == 6


def test_drawdowns_equal_freqtrade() -> None:
    for case in expected_values()["max_drawdown"]:
        equity = np.cumsum(np.array([case["starting_balance"], *case["profits"]], dtype=float))
        if case.get("mode") == "largest relative":
            time = np.arange(len(equity), dtype=np.int64)
            found = drawdown_measures(time, equity)
            assert found["max_drawdown"].value == pytest.approx(case["relative"], rel=EXACT)
            assert found["max_drawdown_peak_at"].value == case["high_index"] + 1
            assert found["max_drawdown_trough_at"].value == case["low_index"] + 1
        else:
            assert max_drawdown_amount(equity).value == pytest.approx(case["abs"], rel=1e-6)
        if "mode" not in case:
            assert max_drawdown(equity).value == pytest.approx(case["relative"], rel=1e-7)


def test_result_equals_freqtrade() -> None:
    expected = expected_values()["backtest_result"]
    trades = closed_trades(read("freqtrade/backtest-result"))
    assert expectancy(trades.profit).value == pytest.approx(expected["expectancy"], rel=EXACT)
    assert expectancy_ratio(trades.profit).value == pytest.approx(expected["expectancy_ratio"], rel=EXACT)
    times, profit = by_close(trades)
    found = drawdown_measures(times, np.cumsum(profit))
    assert found["max_drawdown"].value == pytest.approx(expected["max_drawdown_relative"], abs=1e-8)
    for ours, theirs in (("peak", "high"), ("trough", "low")):
        at = found[f"max_drawdown_{ours}_at"].value
        assert at is not None
        assert datetime.fromtimestamp(at, UTC) == datetime.fromisoformat(expected[f"drawdown_{theirs}_date"])


FIELDS = {
    "trades": "total_trades",
    "wins": "wins",
    "losses": "losses",
    "draws": "draws",
    "win_rate": "winrate",
    "profit": "profit_total_abs",
    "total_return": "profit_total",
    "expectancy": "expectancy",
    "profit_factor": "profit_factor",
    "average_trade_return": "profit_mean",
    "longest_winning_streak": "max_consecutive_wins",
    "max_drawdown": "max_relative_drawdown",
    "max_drawdown_amount": "max_drawdown_abs",
    "start_equity": "starting_balance",
    "end_equity": "final_balance",
}
DURATIONS = {
    "average_trade_seconds": "holding_avg_s",
    "average_winning_trade_seconds": "winner_holding_avg_s",
    "average_losing_trade_seconds": "loser_holding_avg_s",
}


@pytest.mark.parametrize("name", REAL)
def test_summary_of_a_real_backtest_equals_freqtrade(name: str) -> None:
    result = read(f"freqtrade_real_backtests/dev/{name}")
    trades = closed_trades(result)
    summary = summarise(curve_of(result, trades), trades)
    for ours, theirs in FIELDS.items():
        assert summary[ours].value == pytest.approx(result[theirs], rel=EXACT), ours
    for ours, theirs in DURATIONS.items():  # printed to the minute
        assert summary[ours].value == pytest.approx(result[theirs], abs=60), ours
    for ours, theirs in (("peak", "start"), ("trough", "end")):
        at = summary[f"max_drawdown_{ours}_at"].value
        assert at is not None
        assert at - 1 == result[f"drawdown_{theirs}_ts"] / 1000
    years = result["backtest_days"] / DAYS_PER_YEAR
    grown = compound_annual_growth(result["starting_balance"], result["final_balance"], years)
    assert grown.value == pytest.approx(result["cagr"], rel=EXACT)


@pytest.mark.parametrize("name", REAL)
def test_daily_profits_of_a_real_backtest_equal_freqtrade(name: str) -> None:
    result = read(f"freqtrade_real_backtests/dev/{name}")
    curve = curve_of(result, closed_trades(result))
    profits = np.diff(daily_equity(curve.time, curve.equity))
    theirs = [profit for _, profit in result["daily_profit"]]
    assert profits == pytest.approx(theirs, abs=1e-8)
    assert len(profits) >= 30
    assert max(profits) == pytest.approx(result["backtest_best_day_abs"], abs=1e-8)
    assert min(profits) == pytest.approx(result["backtest_worst_day_abs"], abs=1e-8)


ALL = (
    "freqtrade/backtest-result",
    "freqtrade/backtest-result_multistrat",
    *(f"freqtrade_real_backtests/dev/{name}" for name in REAL),
)


@pytest.mark.parametrize("name", ALL)
def test_groups_equal_freqtrade(name: str) -> None:
    result = read(name)
    trades = closed_trades(result)
    groups = {group.name: group for group in breakdowns(trades)["symbol"]}
    compared = 0
    for row in result["results_per_pair"]:
        if row["key"] == "TOTAL":
            continue
        group = groups[row["key"]]
        assert group.trades == row["trades"]
        assert group.profit == pytest.approx(row["profit_total_abs"], rel=EXACT)
        assert group.average_return.value == pytest.approx(row["profit_mean"], rel=EXACT)
        assert group.win_rate.value == pytest.approx(row["wins"] / row["trades"], rel=EXACT)
        assert group.average_seconds.value == pytest.approx(seconds(row["duration_avg"]), abs=60)
        compared += 1
    assert compared == len(groups) >= 7
    if "profit_factor" in result:
        assert profit_factor(trades.profit).value == pytest.approx(result["profit_factor"], rel=EXACT)


def days_between(first: Integers, last: Integers) -> int:
    return max(1, int(last.max() - first.min()) // 86_400)


def freqtrade_ratios(trades: ClosedTrades, balance: float, days: int) -> tuple[float, float, float]:
    """Return freqtrade's Sharpe, Sortino and Calmar ratios.

    Profit a day (in percent for Calmar) over the deviation of the profits of all trades, of the losing ones,
    or the drawdown of the largest amount, all as shares of the starting balance, x sqrt(365).
    """
    profit = trades.profit
    per_day = profit.sum() / balance / days * math.sqrt(DAYS_PER_YEAR)
    equity = np.cumsum(np.concatenate(([balance], by_close(trades)[1])))
    high = np.maximum.accumulate(equity)
    lowest = int(np.argmax(high - equity))
    fall = float((high[lowest] - equity[lowest]) / high[lowest])
    losses = profit[profit < 0] / balance
    return per_day / np.std(profit / balance), per_day / np.std(losses), 100 * per_day / fall


def test_named_differences_reproduce_freqtrades_ratios() -> None:
    results = [read(f"freqtrade_real_backtests/dev/{name}") for name in REAL]
    for result in results:
        trades = closed_trades(result)
        found = freqtrade_ratios(trades, result["starting_balance"], result["backtest_days"])
        assert found == pytest.approx((result["sharpe"], result["sortino"], result["calmar"]), rel=1e-6)
    expected = expected_values()["backtest_result"]
    trades = closed_trades(read("freqtrade/backtest-result"))
    days = days_between(trades.opened_at, trades.closed_at)
    sharpe, sortino, calmar = freqtrade_ratios(trades, expected["starting_balance_for_ratios"], days)
    assert sharpe == pytest.approx(expected["sharpe"], rel=1e-6)
    assert sortino == pytest.approx(expected["sortino"], rel=1e-6)
    assert calmar == pytest.approx(expected["calmar"], rel=1e-6)


@pytest.mark.parametrize("name", REAL)
def test_named_differences_reproduce_freqtrades_counts(name: str) -> None:
    """Freqtrade's expectancy ratio is lower by the share of draws, and a draw prolongs a losing streak."""
    result = read(f"freqtrade_real_backtests/dev/{name}")
    trades = closed_trades(result)
    ours = expectancy_ratio(trades.profit).value
    assert ours is not None
    draws = result["draws"] / result["total_trades"]
    assert ours - draws == pytest.approx(result["expectancy_ratio"], rel=1e-6)
    longest = current = 0
    for profit in trades.profit:
        current = 0 if profit > 0 else current + 1
        longest = max(longest, current)
    assert longest == result["max_consecutive_losses"]
    assert len(trades.profit) >= 78
