"""Statistics, promotion, demotion and mirroring on lists of returns made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf, isnan, nan

import numpy as np
import pytest

from chalicelib.domain.ladder import (
    BASE,
    LEVEL_RULES,
    MAIN,
    REAL,
    Ladder,
    LadderState,
    LevelRules,
    Terms,
    Threshold,
    build_ladder,
    counts_by_level,
    empty_state,
    grid_sets,
    level_changes,
    mirrored,
    recent_statistics,
    statistics,
)
from chalicelib.domain.ladder.levels import LevelChange, change_levels, due_for_drawdown
from chalicelib.domain.ladder.statistics import record
from chalicelib.domain.signal import ExitProfile

HOUR = 3600
SOURCE = LEVEL_RULES["source"]
EXITS = ExitProfile(Decimal("0.02"), Decimal("0.01"))


def ladder_of(rules: LevelRules = SOURCE, symbols: Sequence[str] = ("A/USDT",)) -> Ladder:
    """Two sets per symbol: long and short."""
    return build_ladder(grid_sets(symbols, ("trend",), (EXITS,), HOUR), Terms(0, 0), rules)


def close(state: LadderState, row: int, returns: Sequence[float], start: int = 0, every: int = HOUR) -> int:
    """Record positions that close every hour after `start`; the first entered at `start`. Return the last."""
    for number, value in enumerate(returns, 1):
        if not state.closed[row]:
            state.entered[row] = start
        record(state, np.array([row]), np.array([value]), start + number * every)
    return start + len(returns) * every


def judge(ladder: Ladder, state: LadderState, now: int, rows: Sequence[int] = (0,)) -> list[LevelChange]:
    changes = change_levels(ladder.rules, state, np.array(rows), now)
    return list(level_changes(ladder, changes, now))


def numbers(state: LadderState, now: int, last: int = 50) -> tuple[float, float, float]:
    found = recent_statistics(state, np.array([0]), last, now)
    return float(found.profit_factor[0]), float(found.win_rate[0]), float(found.drawdown_hours[0])


def test_profit_factor_and_win_rate() -> None:
    state = empty_state(ladder_of())
    now = close(state, 0, [0.03, -0.01, 0.01, -0.01])
    factor, rate, _ = numbers(state, now)
    assert factor == pytest.approx(2.0)
    assert rate == 0.5


def test_nothing_closed_is_nothing_proven() -> None:
    factor, rate, hours = numbers(empty_state(ladder_of()), HOUR)
    assert isnan(factor)
    assert isnan(rate)
    assert hours == 0


@pytest.mark.parametrize(("wins", "expected"), [(9, nan), (10, inf)])
def test_profit_factor_without_a_loss_is_infinite_from_ten_wins(wins: int, expected: float) -> None:
    state = empty_state(ladder_of())
    now = close(state, 0, [0.01] * wins)
    assert numbers(state, now)[0] == pytest.approx(expected, nan_ok=True)


def test_only_losses_are_a_profit_factor_of_zero() -> None:
    state = empty_state(ladder_of())
    assert numbers(state, close(state, 0, [-0.01] * 3))[:2] == (0.0, 0.0)


def test_statistics_roll_over_the_last_fifty() -> None:
    state = empty_state(ladder_of())
    now = close(state, 0, [-0.02] * 7 + [0.02] * 25 + [-0.01] * 25)
    assert numbers(state, now)[:2] == (pytest.approx(2.0), 0.5)
    assert numbers(state, now, 30)[:2] == (pytest.approx(0.4), pytest.approx(1 / 6))
    assert statistics(state, np.array([0]), now).closed.tolist() == [57]


def test_drawdown_time_runs_from_the_peak_to_the_recovery() -> None:
    state = empty_state(ladder_of())
    # Peak at hour 1; below it at 2 and 3; back at the peak at 4; below at 5; above at 6.
    now = close(state, 0, [0.5, -0.25, 0.125, 0.125, -0.25, 0.5])
    assert numbers(state, now)[2] == pytest.approx((3 + 2) / 2)


def test_loss_at_the_start_counts_from_the_first_entry() -> None:
    state = empty_state(ladder_of())
    now = close(state, 0, [-0.25, 0.25], start=10 * HOUR)
    assert now == 12 * HOUR
    assert numbers(state, now)[2] == 2


def test_unrecovered_drawdown_counts_to_now() -> None:
    state = empty_state(ladder_of())
    close(state, 0, [0.5, -0.25, 0.5, -0.25])
    assert numbers(state, 20 * HOUR)[2] == pytest.approx((2 + 17) / 2)


def test_drawdown_at_the_start_of_the_window_counts_from_the_position_before_it() -> None:
    state = empty_state(ladder_of())
    now = close(state, 0, [0.5, -0.25] + [0.0] * 48 + [0.25])
    # 51 positions: the window begins with the loss at hour 2, behind the win at hour 1, and ends at hour 51.
    assert numbers(state, now) == (1.0, pytest.approx(0.02), 50)
    assert numbers(state, now, 30) == (pytest.approx(nan, nan_ok=True), pytest.approx(1 / 30), 0)
    later = close(state, 0, [-0.25], start=now)
    # The loss at hour 2 has left the window; that at 52 is one hour old counted from the peak at 51.
    assert numbers(state, later)[2] == 1


def test_base_rises_after_ten_closed_positions() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(state, 0, [0.01] * 3 + [-0.01] * 6)
    assert judge(ladder, state, now) == []
    now = close(state, 0, [0.01], start=now)
    (change,) = judge(ladder, state, now)
    assert (change.before, change.after, change.cause, change.closed) == ("base", "main", "bar met", 10)
    assert change.set_id == "A/USDT|trend|long|tp0.02-sl0.01"
    assert change.profit_factor == pytest.approx(4 / 6)
    assert (change.win_rate, change.at) == (0.4, now)
    assert state.level.tolist() == [MAIN, BASE]
    assert state.level_since.tolist() == [now, 0]


def test_win_rate_counts_where_enabled() -> None:
    strict = replace(SOURCE, main=replace(SOURCE.main, win_rate=0.4))
    for rules, level in ((SOURCE, MAIN), (strict, BASE)):
        state = empty_state(ladder_of(rules))
        now = close(state, 0, [0.03] * 3 + [-0.01] * 7)
        judge(ladder_of(rules), state, now)
        assert state.level[0] == level


def test_one_level_per_closed_position() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(state, 0, [0.01] * 60)
    assert [change.after for change in judge(ladder, state, now)] == ["main"]
    assert [change.after for change in judge(ladder, state, now)] == ["real"]
    assert judge(ladder, state, now) == []
    assert counts_by_level(state) == {"base": 1, "main": 0, "real": 1}


def test_real_asks_for_fifty_positions_and_short_drawdowns() -> None:
    ladder = ladder_of()
    for returns, every, level in (
        ([0.02, -0.01] * 24 + [0.02], HOUR, MAIN),
        ([0.02, -0.01] * 25, HOUR, REAL),
        ([0.02, -0.01] * 25, 7 * HOUR, MAIN),
    ):
        state = empty_state(ladder)
        state.level[0] = MAIN
        now = close(state, 0, returns, every=every)
        judge(ladder, state, now)
        assert state.level[0] == level, (len(returns), every)


@pytest.mark.parametrize(("losses", "falls"), [(18, False), (19, True)])
def test_demotion_waits_for_the_hysteresis(losses: int, falls: bool) -> None:
    # The bar of main is 0.5, so the set falls under 0.45: 0.0816 / 0.18 = 0.453 stays, 0.0816 / 0.19 falls.
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = MAIN
    now = close(state, 0, [0.0102] * 8 + [-0.01] * losses)
    changes = judge(ladder, state, now)
    assert [(c.before, c.after, c.cause) for c in changes] == (
        [("main", "base", "profit factor")] if falls else []
    )


def test_real_falls_by_one_level_only() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = REAL
    now = close(state, 0, [-0.01] * 50)
    assert [change.after for change in judge(ladder, state, now)] == ["main"]
    assert [change.after for change in judge(ladder, state, now)] == ["base"]
    assert judge(ladder, state, now) == []


def test_real_falls_as_an_unrecovered_drawdown_grows_old() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = REAL
    now = close(state, 0, [0.02] * 59 + [-0.01])
    assert due_for_drawdown(state).tolist() == [True, False]
    limit = now - HOUR + round(13.2 * HOUR)
    assert judge(ladder, state, limit) == []
    (change,) = judge(ladder, state, limit + 1)
    assert (change.after, change.cause) == ("main", "drawdown time")
    assert change.drawdown_hours > 13.2


@pytest.mark.parametrize(
    ("win", "expected"),
    [(0.009, []), (0.0115, [(30, "main")]), (0.0125, [(30, "main"), (100, "real")])],
)
def test_prudent_asks_for_more(win: float, expected: list[tuple[int, str]]) -> None:
    ladder = ladder_of(LEVEL_RULES["prudent"])
    state = empty_state(ladder)
    seen, now = [], 0
    for value in [win, -0.01] * 60:
        now = close(state, 0, [value], start=now, every=600)
        seen += [(change.closed, change.after) for change in judge(ladder, state, now)]
    assert seen == expected


def real_ladder(factors: Sequence[float], symbols: Sequence[str]) -> tuple[Ladder, LadderState]:
    """All sets on real, 50 positions each in which every win is `factor` times every loss."""
    ladder = ladder_of(symbols=symbols)
    state = empty_state(ladder)
    state.level[:] = REAL
    for row, factor in enumerate(factors):
        state.closed_until = close(state, row, [0.01 * factor, -0.01] * 25)
    return ladder, state


def chosen(ladder: Ladder, state: LadderState, wanted: Sequence[int]) -> list[tuple[int, str, int]]:
    found = mirrored(ladder, state, np.array(wanted, dtype=np.int64))
    assert all(row.exits == EXITS and row.set_id == ladder.sets.set_id(row.set_index) for row in found)
    return [(row.symbol_row, row.direction, row.set_index) for row in found]


def test_the_best_set_of_each_symbol_is_mirrored() -> None:
    ladder, state = real_ladder([1.5, 2.0, 3.0, 3.0], ("A/USDT", "B/USDT"))
    assert chosen(ladder, state, [0, 1, 2, 3]) == [(0, "short", 1), (1, "long", 2)]
    assert chosen(ladder, state, [0, 3]) == [(0, "long", 0), (1, "short", 3)]
    assert chosen(ladder, state, []) == []


def test_only_sets_on_real_are_mirrored() -> None:
    ladder, state = real_ladder([1.5, 2.0], ("A/USDT",))
    state.level[:] = (REAL, MAIN)
    assert chosen(ladder, state, [0, 1]) == [(0, "long", 0)]


def test_the_last_thirty_positions_must_hold_the_bar() -> None:
    ladder, state = real_ladder([2.0], ("A/USDT",))
    state.closed_until = close(state, 0, [0.005, -0.01] * 15, start=state.closed_until, every=60)
    assert statistics(state, np.array([0]), state.closed_until).profit_factor[0] > 0.6
    assert chosen(ladder, state, [0]) == []


def test_the_last_thirty_positions_must_hold_the_drawdown_bar() -> None:
    ladder, state = real_ladder([2.0], ("A/USDT",))
    assert chosen(ladder, state, [0]) == [(0, "long", 0)]
    state.closed_until += 400 * HOUR
    assert chosen(ladder, state, [0]) == []


def test_thresholds_are_those_of_the_design() -> None:
    prudent = LEVEL_RULES["prudent"]
    assert (SOURCE.main, SOURCE.real) == (Threshold(10, 0.5), Threshold(50, 0.6, None, 12.0))
    assert (prudent.main, prudent.real) == (Threshold(30, 1.0), Threshold(100, 1.2, None, 12.0))
    assert (SOURCE.mirror.positions, prudent.mirror.profit_factor, SOURCE.hysteresis) == (30, 1.3, 0.10)
