"""The summary of a run: on recorded candles against slow formulas, at its edges, and as JSON."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.performance import (
    ClosedTrades,
    Conventions,
    EquityCurve,
    Measure,
    summarise,
    to_plain,
)
from chalicelib.domain.performance.drawdowns import drawdowns
from chalicelib.domain.performance.returns import conditional_value_at_risk, daily_equity, value_at_risk
from chalicelib.domain.performance.trade_statistics import longest_streak
from tests.domain.ladder_candles import RECORDED, read_candles
from tests.shared import shared_path

DAY = 86_400
HOUR = 3_600
MIDNIGHT = 1_614_556_800  # 2021-03-01


def trades(profit: list[float], fees: float = 1.0) -> ClosedTrades:
    """Return trades of an hour each with an entry notional of 1,000, of two symbols in turn."""
    count = len(profit)
    opened = MIDNIGHT + HOUR * np.arange(count, dtype=np.int64)
    return ClosedTrades(
        symbol=tuple(("BTC/USDT", "ETH/USDT")[row % 2] for row in range(count)),
        strategy=("trend",) * count,
        exit_reason=tuple("take_profit" if one > 0 else "stop_loss" for one in profit),
        direction=np.ones(count, dtype=np.int8),
        opened_at=opened,
        closed_at=opened + HOUR,
        quantity=np.full(count, 10.0),
        entry_price=np.full(count, 100.0),
        exit_price=np.full(count, 100.0),
        profit=np.array(profit, dtype=float),
        fees=np.full(count, fees),
        net_return=np.array(profit, dtype=float) / 1_000.0,
    )


def hourly(equity: list[float], start: int = MIDNIGHT) -> EquityCurve:
    """Return a curve whose first candle opens at `start`."""
    time = start + HOUR * np.arange(1, len(equity) + 1, dtype=np.int64)
    return EquityCurve(time, np.array(equity, dtype=float), np.zeros(len(equity)))


def value(measure: Measure) -> float:
    assert measure.value is not None, measure.reason
    return measure.value


@pytest.fixture(scope="module")
def recorded() -> tuple[EquityCurve, np.ndarray]:
    """Return the curve of holding the first recorded symbol from 1,000 on, half of it at the market's risk,
    and the whole of the second one as benchmark."""
    candles = read_candles(shared_path(RECORDED), "1h", 3, 3_000)
    first, second = (close[np.isfinite(candles.close).all(axis=0)] for close in candles.close[:2])
    time = (candles.open_time + candles.timeframe)[np.isfinite(candles.close).all(axis=0)]
    equity = 500.0 + 500.0 * first / first[0]
    exposure = 1.0 - 500.0 / equity
    return EquityCurve(time, equity, exposure), 1_000.0 * second / second[0]


def slow_daily(curve: EquityCurve, values: np.ndarray) -> list[float]:
    """Return daily returns by looking at each second's last known equity before a midnight."""
    known, closes = values[0], [values[0]]
    midnight = (int(curve.time[1]) - 1) // DAY * DAY + DAY
    for time, equity in zip(curve.time[1:], values[1:], strict=True):
        while time > midnight:
            closes.append(known)
            midnight += DAY
        known = equity
    closes.append(known)
    return [after / before - 1 for before, after in pairwise(closes)]


def test_recorded_candles_give_the_textbook_formulas(recorded: tuple[EquityCurve, np.ndarray]) -> None:
    curve, market = recorded
    summary = summarise(curve, trades([10.0, -5.0]), market)
    returns, held = slow_daily(curve, curve.equity), slow_daily(curve, market)
    count = len(returns)
    mean = math.fsum(returns) / count
    variance = math.fsum((one - mean) ** 2 for one in returns) / (count - 1)
    downside = math.fsum(min(one, 0.0) ** 2 for one in returns) / count
    market_mean = math.fsum(held) / count
    covariance = math.fsum((a - mean) * (b - market_mean) for a, b in zip(returns, held, strict=True))
    beta = covariance / math.fsum((b - market_mean) ** 2 for b in held)
    years = (curve.time[-1] - curve.time[0]) / DAY / 365
    high, deepest, squares = 0.0, 0.0, 0.0
    for equity in curve.equity:
        high = max(high, equity)
        deepest = max(deepest, 1 - equity / high)
        squares += (1 - equity / high) ** 2
    growth = (curve.equity[-1] / curve.equity[0]) ** (1 / years) - 1
    expected = {
        "days": count,
        "total_return": curve.equity[-1] / curve.equity[0] - 1,
        "cagr": growth,
        "volatility": math.sqrt(variance * 365),
        "sharpe": mean / math.sqrt(variance) * math.sqrt(365),
        "sortino": mean / math.sqrt(downside) * math.sqrt(365),
        "omega": math.fsum(max(r, 0) for r in returns) / math.fsum(max(-r, 0) for r in returns),
        "max_drawdown": deepest,
        "calmar": growth / deepest,
        "ulcer_index": math.sqrt(squares / len(curve.equity)),
        "beta": beta,
        "alpha": (1 + mean - beta * market_mean) ** 365 - 1,
        "benchmark_return": market[-1] / market[0] - 1,
        "best_day": max(returns),
        "worst_day": min(returns),
        "average_exposure": math.fsum(curve.exposure) / len(curve.exposure),
        "turnover": 2 * 2_000.0 / (math.fsum(curve.equity) / len(curve.equity)),
    }
    assert count > 100
    for name, one in expected.items():
        assert value(summary[name]) == pytest.approx(one, rel=1e-9), name
    assert value(summary["max_drawdown_peak_at"]) < value(summary["max_drawdown_trough_at"])
    assert 0 < value(summary["value_at_risk"]) < value(summary["conditional_value_at_risk"])


def test_every_statistic_is_finite_or_says_why(recorded: tuple[EquityCurve, np.ndarray]) -> None:
    curve, market = recorded
    full = summarise(curve, trades([10.0, -5.0, 0.0, 3.0]), market)
    empty = hourly([])
    cases = (
        full,
        summarise(curve, trades([])),
        summarise(empty, trades([])),
        summarise(empty, trades([]), np.empty(0), capital=1_000.0),
        summarise(hourly([1_000.0]), trades([5.0]), np.array([1_000.0])),
        summarise(hourly([1_000.0] * 100), trades([0.0, 0.0]), np.full(100, 1_000.0)),
        summarise(hourly([1_000.0, 500.0, 0.0] * 20), trades([-500.0, -500.0])),
        summarise(hourly([0.0, 0.0]), trades([1.0])),
        summarise(hourly([1_000.0, -5.0] * 20), trades([1.0])),
        summarise(hourly([1.0, 1e300]), trades([1e300])),
    )
    for summary in cases:
        assert set(summary) == set(full)
        for name, one in summary.items():
            if one.value is None:
                assert one.reason, name
            else:
                assert math.isfinite(one.value), name
                assert not one.reason, name
        plain = to_plain(summary)
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert to_plain(full)["undefined"] == {"max_drawdown_recovered_at": "not recovered by the end"}


def test_undefined_names_its_reason() -> None:
    plain = to_plain(summarise(hourly([1_000.0, 1_010.0]), trades([10.0])))
    reasons = plain["undefined"]
    assert isinstance(reasons, dict)
    assert plain["sharpe"] is None
    assert reasons["sharpe"] == "fewer than 2 returns"
    assert reasons["value_at_risk"] == "fewer than 20 returns"
    assert reasons["profit_factor"] == "no losing trade"
    assert reasons["alpha"] == "no benchmark"
    assert reasons["max_drawdown_peak_at"] == reasons["calmar"] == "no drawdown"
    assert plain["max_drawdown"] == 0.0
    assert plain["win_rate"] == 1.0
    assert "win_rate" not in reasons


def test_an_account_without_equity_has_no_ratios() -> None:
    lost = [1_000.0] * 24 + [500.0] * 24 + [-5.0] * 24 + [20.0] * 24
    summary = summarise(hourly(lost), trades([-1_005.0]), np.full(96, 1_000.0))
    for name in ("sharpe", "volatility", "value_at_risk", "alpha"):
        assert summary[name] == Measure(None, "the equity fell to 0 or below")
    assert value(summary["max_drawdown"]) == pytest.approx(1.005)
    assert value(summarise(hourly(lost[:72]), trades([]))["cagr"]) == -1.0


def test_a_fee_in_the_first_candle_counts_from_the_capital() -> None:
    curve = hourly([990.0, 990.0, 1_001.0])
    summary = summarise(curve, trades([]), np.array([1_100.0, 1_100.0, 1_100.0]), capital=1_000.0)
    assert value(summary["total_return"]) == pytest.approx(0.001)
    assert value(summary["benchmark_return"]) == pytest.approx(0.1)
    assert value(summary["max_drawdown"]) == pytest.approx(0.01)
    assert value(summary["max_drawdown_peak_at"]) == MIDNIGHT
    assert value(summary["max_drawdown_recovered_at"]) == MIDNIGHT + 3 * HOUR
    assert value(summary["max_drawdown_seconds"]) == 3 * HOUR
    assert value(summarise(curve, trades([]))["total_return"]) == pytest.approx(11 / 990)


def test_a_day_ends_with_the_candle_that_closes_at_midnight() -> None:
    curve = hourly([100.0 + hour for hour in range(72)])
    assert daily_equity(curve.time, curve.equity).tolist() == [100.0, 123.0, 147.0, 171.0]
    hole = np.concatenate((np.arange(24), np.arange(48, 72)))
    assert daily_equity(curve.time[hole], curve.equity[hole]).tolist() == [100.0, 123.0, 123.0, 171.0]


def test_drawdowns_have_dates_and_durations() -> None:
    summary = summarise(hourly([100.0, 90.0, 95.0, 100.0, 110.0, 110.0, 88.0, 99.0]), trades([]))
    assert value(summary["drawdowns"]) == 2
    assert value(summary["max_drawdown"]) == pytest.approx(0.2)
    assert value(summary["max_drawdown_peak_at"]) == MIDNIGHT + 6 * HOUR
    assert value(summary["max_drawdown_trough_at"]) == MIDNIGHT + 7 * HOUR
    assert summary["max_drawdown_recovered_at"] == Measure(None, "not recovered by the end")
    assert value(summary["max_drawdown_seconds"]) == 2 * HOUR
    assert value(summary["longest_drawdown_seconds"]) == 3 * HOUR
    assert value(summary["average_drawdown_seconds"]) == 2.5 * HOUR
    assert value(summary["average_drawdown"]) == pytest.approx(0.15)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_drawdowns_are_those_found_step_by_step(steps: list[int]) -> None:
    equity = np.array(steps, dtype=float)
    expected, high, peak, inside = [], equity[0], 0, False
    for row, now in enumerate(steps):
        if now >= high:
            if inside:
                expected[-1][2:] = [row, True]
            high, peak, inside = now, row, False
        elif not inside:
            expected.append([peak, row, len(steps) - 1, False])
            inside = True
        elif now < steps[expected[-1][1]]:
            expected[-1][1] = row
    found = drawdowns(equity)
    columns = (found.peak, found.trough, found.end, found.recovered)
    assert [list(row) for row in zip(*(one.tolist() for one in columns), strict=True)] == expected
    assert found.depth == pytest.approx([1 - steps[t] / steps[p] for p, t, _, _ in expected])


def test_rates_of_the_year_become_rates_of_the_day(recorded: tuple[EquityCurve, np.ndarray]) -> None:
    curve, market = recorded
    plain = summarise(curve, trades([]), market)
    rates = Conventions(risk_free_rate=0.1, acceptable_return=0.1, sharpe_to_beat=1.0)
    raised = summarise(curve, trades([]), market, conventions=rates)
    day = 1.1 ** (1 / 365) - 1
    spread = value(plain["volatility"]) / math.sqrt(365)
    shift = day / spread * math.sqrt(365)
    assert value(raised["sharpe"]) == pytest.approx(value(plain["sharpe"]) - shift)
    for name in ("sortino", "omega", "probabilistic_sharpe"):
        assert value(raised[name]) < value(plain[name]), name
    assert value(raised["downside_deviation"]) > value(plain["downside_deviation"])
    harder = summarise(curve, trades([]), conventions=Conventions(sharpe_to_beat=1.0))
    assert value(harder["probabilistic_sharpe"]) < value(plain["probabilistic_sharpe"])
    assert value(raised["beta"]) == value(plain["beta"])


def test_value_at_risk_is_the_loss_of_the_worst_twentieth() -> None:
    returns = np.arange(-20, 21) / 1_000  # 41 returns: the quantile of 5 % is the third
    assert value(value_at_risk(returns)) == pytest.approx(0.018)
    assert value(conditional_value_at_risk(returns)) == pytest.approx(0.019)
    assert value(value_at_risk(returns + 0.1)) == pytest.approx(-0.082)
    assert value_at_risk(returns[:19]).value is None
    assert value(conditional_value_at_risk(returns[:40])) == pytest.approx(0.0195)  # two of 40, not three


def test_trade_statistics_of_a_small_list() -> None:
    summary = summarise(hourly([1_000.0, 1_001.0]), trades([30.0, -10.0, 0.0, -10.0, 20.0, 20.0]))
    assert value(summary["payoff_ratio"]) == pytest.approx(70 / 3 / 10)
    assert value(summary["expectancy"]) == pytest.approx(50 / 6)
    assert value(summary["expectancy_ratio"]) == pytest.approx(5 / 6)
    assert value(summary["kelly"]) == pytest.approx(0.5 - 0.5 / (7 / 3))
    assert (value(summary["longest_winning_streak"]), value(summary["longest_losing_streak"])) == (2, 1)
    deviation = np.std([30, -10, 0, -10, 20, 20], ddof=1)
    assert value(summary["system_quality_number"]) == pytest.approx(math.sqrt(6) * 50 / 6 / deviation)
    assert value(summary["fees"]) == 6.0
    assert longest_streak(np.zeros(0, dtype=bool)) == 0


def test_equal_returns_have_no_ratio_though_rounding_differs() -> None:
    equity = 1_000.0 * 1.001 ** np.arange(30)
    curve = EquityCurve(MIDNIGHT + DAY * np.arange(30, dtype=np.int64), equity, np.ones(30))
    summary = summarise(curve, trades([0.1 * 3, 0.3]))
    assert len(set((equity[1:] / equity[:-1]).tolist())) > 1
    assert summary["sharpe"] == Measure(None, "the returns don't vary")
    assert summary["system_quality_number"] == Measure(None, "the profits don't vary")
    assert value(summary["volatility"]) == 0.0
