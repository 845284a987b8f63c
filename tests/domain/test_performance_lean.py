"""Performance statistics equal LEAN's test values, wherever the definition is the same."""

import csv
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.performance.benchmark import tracking_error
from chalicelib.domain.performance.drawdowns import max_drawdown_amount
from chalicelib.domain.performance.inputs import ClosedTrades, Floats
from chalicelib.domain.performance.measure import Measure
from chalicelib.domain.performance.returns import deviation, simple_returns, volatility
from chalicelib.domain.performance.risk_ratios import sharpe, sharpe_probability, sortino
from chalicelib.domain.performance.trade_statistics import trade_measures
from tests.shared import shared_path

Case = dict[str, Any]


def read(name: str) -> Any:
    return json.loads(shared_path(f"golden/performance/lean/{name}").read_text())


def column(rows: list[Case], name: str, kind: type = float) -> Any:
    return np.array([row[name] for row in rows], dtype=kind)


def closed_trades(rows: list[Case]) -> ClosedTrades:
    count = len(rows)
    quantity, entry = column(rows, "Quantity"), column(rows, "EntryPrice")
    profit = column(rows, "ProfitLoss")
    return ClosedTrades(
        symbol=tuple(row["Symbols"] for row in rows),
        strategy=("",) * count,
        exit_reason=("",) * count,
        direction=np.array([1 if row["Direction"] == "Long" else -1 for row in rows], dtype=np.int8),
        opened_at=60 * column(rows, "EntryTime_min", int),
        closed_at=60 * column(rows, "ExitTime_min", int),
        quantity=quantity,
        entry_price=entry,
        exit_price=column(rows, "ExitPrice"),
        profit=profit,
        fees=column(rows, "TotalFees"),
        net_return=profit / (quantity * entry),
    )


def gross(profit: Floats) -> Floats:
    """Return the running sum of the profits, from a start that no loss here can bring to 0."""
    return np.cumsum(np.concatenate(([1e6], profit)))


def named(name: str, sign: int = 1) -> Callable[[ClosedTrades], Measure]:
    return lambda trades: signed(trade_measures(trades)[name], sign)


def signed(measure: Measure, sign: int) -> Measure:
    return measure if measure.value is None else Measure(sign * measure.value)


def per_trade_sharpe(trades: ClosedTrades) -> Measure:
    """Return LEAN's ratio per trade: the system quality number without the root of the number of trades."""
    quality = trade_measures(trades)["system_quality_number"]
    return quality if quality.value is None else Measure(quality.value / math.sqrt(len(trades.profit)))


OURS: dict[str, Callable[[ClosedTrades], Measure]] = {
    "TotalNumberOfTrades": named("trades"),
    "NumberOfWinningTrades": named("wins"),
    "NumberOfLosingTrades": named("losses"),
    "TotalProfitLoss": lambda trades: Measure(float(trades.profit.sum())),
    "LargestProfit": named("best_trade"),
    "LargestLoss": named("worst_trade"),
    "AverageProfitLoss": named("expectancy"),
    "AverageProfit": named("average_win"),
    "AverageLoss": named("average_loss"),
    "AverageTradeDuration": named("average_trade_seconds"),
    "AverageWinningTradeDuration": named("average_winning_trade_seconds"),
    "AverageLosingTradeDuration": named("average_losing_trade_seconds"),
    "MaxConsecutiveWinningTrades": named("longest_winning_streak"),
    "MaxConsecutiveLosingTrades": named("longest_losing_streak"),
    "ProfitLossRatio": named("payoff_ratio"),
    "WinRate": named("win_rate"),
    "MaximumClosedTradeDrawdown": lambda trades: signed(max_drawdown_amount(gross(trades.profit)), -1),
    "ProfitLossStandardDeviation": lambda trades: Measure(deviation(trades.profit)),
    "ProfitFactor": named("profit_factor"),
    "SharpeRatio": per_trade_sharpe,
    "TotalFees": named("fees"),
}
# where there is no loss (or no win), LEAN writes 0 or 10 and we say that there is none
WRITTEN_FOR_UNDEFINED = (0.0, 10.0)
# LEAN's largest profit is 0 without a profit, ours the best trade; its largest loss likewise
NEEDS = {"LargestProfit": "NumberOfWinningTrades", "LargestLoss": "NumberOfLosingTrades"}


def test_trade_statistics_equal_lean() -> None:
    compared = undefined = 0
    for case in read("trade_statistics.json")["cases"]:
        trades, expected = closed_trades(case["trades"]), case["expected"]
        for name, function in OURS.items():
            if name in NEEDS and not expected[NEEDS[name]]:
                continue
            theirs = float(str(expected[name]).removesuffix("s"))
            ours = function(trades)
            if ours.value is None:
                assert theirs in WRITTEN_FOR_UNDEFINED, (case["name"], name, ours.reason)
                undefined += 1
            else:
                assert ours.value == pytest.approx(theirs, rel=1e-12), (case["name"], name)
                compared += 1
    assert compared == 117
    assert undefined == 7


@pytest.mark.parametrize("row", range(3))
def test_portfolio_statistics_equal_lean(row: int) -> None:
    golden = read("portfolio_statistics.json")
    returns, market = (np.array(golden[f"{name}_daily_returns"]) for name in ("algorithm", "benchmark"))
    case = golden["cases"][row]
    days = float(case["trading_days"])
    spread = volatility(returns, days).value
    assert spread == pytest.approx(case["annual_stdev"], rel=1e-12)
    assert spread is not None
    assert spread**2 == pytest.approx(case["annual_variance"], rel=1e-12)
    assert tracking_error(returns, market, days).value == pytest.approx(case["tracking_error"], rel=1e-12)


@pytest.mark.parametrize("row", range(3))
def test_sharpe_probability_equals_lean_with_its_moments(row: int) -> None:
    """LEAN puts moments adjusted for the sample into the formula, the kurtosis without the normal's 3, and
    asks for a Sharpe ratio of 1 a year."""
    golden = read("portfolio_statistics.json")
    returns = np.array(golden["algorithm_daily_returns"])
    case = golden["cases"][row]
    count = len(returns)
    offset = returns - returns.mean()
    variance = float(np.mean(offset**2))
    skew = float(np.mean(offset**3)) / variance**1.5 * math.sqrt(count * (count - 1)) / (count - 2)
    excess = float(np.mean(offset**4)) / variance**2 - 3
    adjusted = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * excess + 6)
    observed = sharpe(returns, 1.0).value
    assert observed is not None
    to_beat = 1 / math.sqrt(case["trading_days"])
    ours = sharpe_probability(observed, to_beat, count, skew, adjusted)
    assert ours.value == pytest.approx(case["probabilistic_sharpe"], rel=1e-12)


def table(name: str) -> list[dict[str, str]]:
    with shared_path(f"golden/performance/lean/{name}").open() as file:
        return list(csv.DictReader(file))


def closes(rows: list[dict[str, str]]) -> Floats:
    return np.array([float(row["close"]) for row in rows])


def test_rolling_sortino_equals_lean() -> None:
    rows, compared = table("spy_sortino.csv"), 0
    returns = simple_returns(closes(rows))
    for end, row in enumerate(rows):
        for acceptable, name in ((0.0, "sortino_rf_0_period_15"), (0.01, "sortino_rf_0.01_period_15")):
            if row[name]:
                ours = sortino(returns[end - 15 : end], 1.0, acceptable)
                assert ours.value == pytest.approx(float(row[name]), rel=1e-8)
                compared += 1
    assert compared == 124


def test_rolling_sharpe_equals_lean() -> None:
    """LEAN's indicator divides by the population's deviation."""
    rows, compared = table("spy_sr.txt"), 0
    returns = simple_returns(closes(rows))
    for end in range(
        10, len(rows) - 1
    ):  # the last row was printed with another close than it was computed from
        ours = sharpe(returns[end - 10 : end], 1.0, ddof=0)
        assert ours.value == pytest.approx(float(rows[end]["SR_10"]), rel=1e-8)
        compared += 1
    assert compared >= 66
