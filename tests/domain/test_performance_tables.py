"""The tables beside the summary: returns by month and year, trades by symbol, strategy and exit reason."""

import pytest

from chalicelib.domain.performance import Measure, breakdowns, monthly_returns
from tests.domain.test_performance_summary import DAY, HOUR, hourly, trades, value


def test_monthly_table_compounds_to_the_years() -> None:
    start = 1_608_508_800  # 2020-12-21
    curve = hourly([1_000.0 + row for row in range(24 * 60)], start)
    years = monthly_returns(curve, capital=900.0)
    assert [year.year for year in years] == [2020, 2021]
    december, january, february = years[0].months[11], years[1].months[0], years[1].months[1]
    assert december is not None
    assert january is not None
    assert february is not None
    assert value(december) == pytest.approx((1_000 + 11 * 24 - 1) / 900 - 1)
    assert years[0].total == december
    assert value(january) == pytest.approx((1_000 + 42 * 24 - 1) / (1_000 + 11 * 24 - 1) - 1)
    assert value(years[1].total) == pytest.approx((1 + value(january)) * (1 + value(february)) - 1)
    assert years[1].months[2:] == (None,) * 10
    assert monthly_returns(hourly([])) == ()
    (march,) = monthly_returns(hourly([990.0, 1_010.0]), capital=1_000.0)  # its capital is from February
    assert value(march.total) == pytest.approx(0.01)
    first_alone = monthly_returns(hourly([1_000.0, 1_100.0], start + 11 * DAY - HOUR))
    assert [year.year for year in first_alone] == [2021]
    assert value(first_alone[0].total) == pytest.approx(0.1)


def test_breakdowns_add_up_and_are_sorted_by_profit() -> None:
    closed = trades([30.0, -10.0, 20.0, 4.0, -1.0])
    found = breakdowns(closed)
    assert [group.name for group in found["symbol"]] == ["BTC/USDT", "ETH/USDT"]
    assert [(group.trades, group.profit) for group in found["symbol"]] == [(3, 49.0), (2, -6.0)]
    assert value(found["symbol"][0].profit_factor) == 50.0
    assert value(found["symbol"][1].average_return) == pytest.approx(-0.003)
    assert [group.name for group in found["exit_reason"]] == ["take_profit", "stop_loss"]
    assert found["exit_reason"][0].profit_factor == Measure(None, "no losing trade")
    assert value(found["strategy"][0].win_rate) == pytest.approx(0.6)
    assert value(found["strategy"][0].average_seconds) == HOUR
    for groups in found.values():
        assert sum(group.trades for group in groups) == 5
        assert sum(group.profit for group in groups) == pytest.approx(43.0)
    assert breakdowns(trades([])) == {"symbol": (), "strategy": (), "exit_reason": ()}
