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
    statistics,
)
from chalicelib.domain.ladder.book import Stretch, record, running_sums, stretch_of
from chalicelib.domain.ladder.history import present
from chalicelib.domain.ladder.judging import aged, judge, renew_holds
from chalicelib.domain.ladder.levels import LevelChange, LevelChanges, joined_changes
from chalicelib.domain.ladder.luck import deflated_sharpe, edges, expected_highest
from chalicelib.domain.ladder.returns import in_units
from chalicelib.domain.ladder.state import NEVER
from chalicelib.domain.signal import ExitProfile

HOUR = 3600
SOURCE = LEVEL_RULES["source"]
EXITS = ExitProfile(Decimal("0.02"), Decimal("0.01"))


def ladder_of(rules: LevelRules = SOURCE, symbols: Sequence[str] = ("A/USDT",)) -> Ladder:
    """Two sets per symbol: long and short."""
    return build_ladder(grid_sets(symbols, ("trend",), (EXITS,), HOUR), Terms(0, 0), rules)


def closed_by(
    state: LadderState, row: int, returns: Sequence[float], start: int, every: int
) -> tuple[Stretch, int]:
    """Positions that close one after the other from `start` on, and when the last does."""
    exited = start + every * np.arange(1, len(returns) + 1)
    rows, units = np.full(len(returns), row), in_units(np.array(returns))
    return stretch_of(state, rows, units, np.full(len(returns), start), exited), int(exited[-1])


def close(
    ladder: Ladder, state: LadderState, row: int, returns: Sequence[float], start: int = 0, every: int = HOUR
) -> int:
    """Record positions without judging the set by them. Return when the last closed."""
    if not returns:
        return start
    stretch, last = closed_by(state, row, returns, start, every)
    record(state, ladder.rules, stretch, running_sums(state, ladder.rules, stretch))
    return last


def earn(
    ladder: Ladder, state: LadderState, returns: Sequence[float], start: int = 0, every: int = HOUR
) -> tuple[int, list[LevelChange]]:
    """Record positions of the first set, judging it after each. Return when the last closed, and moves."""
    stretch, last = closed_by(state, 0, returns, start, every)
    sums = running_sums(state, ladder.rules, stretch)
    changes = told(ladder, judge(ladder, state, stretch, sums))
    record(state, ladder.rules, stretch, sums)
    return last, changes


def earn_last(
    ladder: Ladder, state: LadderState, returns: Sequence[float], start: int = 0, every: int = HOUR
) -> tuple[int, list[LevelChange]]:
    """Record positions of the first set and judge it after the last alone."""
    before = close(ladder, state, 0, returns[:-1], start, every)
    return earn(ladder, state, returns[-1:], before, every)


def told(ladder: Ladder, changes: Sequence[LevelChanges]) -> list[LevelChange]:
    return list(level_changes(ladder, joined_changes(changes)))


def numbers(ladder: Ladder, state: LadderState, now: int, last: int = 50) -> tuple[float, float, float]:
    found = statistics(ladder, state, np.array([0]), last, now)
    return float(found.profit_factor[0]), float(found.win_rate[0]), float(found.drawdown_hours[0])


def test_profit_factor_and_win_rate() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [0.03, -0.01, 0.01, -0.01])
    factor, rate, _ = numbers(ladder, state, now)
    assert factor == pytest.approx(2.0)
    assert rate == 0.5


def test_nothing_closed_is_nothing_proven() -> None:
    ladder = ladder_of()
    factor, rate, hours = numbers(ladder, empty_state(ladder), HOUR)
    assert isnan(factor)
    assert isnan(rate)
    assert hours == 0


@pytest.mark.parametrize(("wins", "expected"), [(9, nan), (10, inf)])
def test_profit_factor_without_a_loss_is_infinite_from_ten_wins(wins: int, expected: float) -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [0.01] * wins)
    assert numbers(ladder, state, now)[0] == pytest.approx(expected, nan_ok=True)


def test_only_losses_are_a_profit_factor_of_zero() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    assert numbers(ladder, state, close(ladder, state, 0, [-0.01] * 3))[:2] == (0.0, 0.0)


def test_statistics_roll_over_the_last_fifty() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [-0.02] * 7 + [0.02] * 25 + [-0.01] * 25)
    assert numbers(ladder, state, now)[:2] == (pytest.approx(2.0), 0.5)
    assert numbers(ladder, state, now, 30)[:2] == (pytest.approx(0.4), pytest.approx(1 / 6))
    found = statistics(ladder, state, np.array([0]), 50, now)
    assert (found.closed.tolist(), found.expectancy.tolist()) == ([57], [pytest.approx(0.005)])


def test_drawdown_time_runs_from_the_peak_to_the_recovery() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    # Peak at hour 1; below it at 2 and 3; back at the peak at 4; below at 5; above at 6.
    now = close(ladder, state, 0, [0.5, -0.25, 0.125, 0.125, -0.25, 0.5])
    assert numbers(ladder, state, now)[2] == pytest.approx((3 + 2) / 2)


def test_loss_at_the_start_counts_from_the_first_entry() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [-0.25, 0.25], start=10 * HOUR)
    assert now == 12 * HOUR
    assert numbers(ladder, state, now)[2] == 2


def test_unrecovered_drawdown_counts_to_now() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    close(ladder, state, 0, [0.5, -0.25, 0.5, -0.25])
    assert numbers(ladder, state, 20 * HOUR)[2] == pytest.approx((2 + 17) / 2)


def test_drawdown_at_the_start_of_the_window_counts_from_the_position_before_it() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [0.5, -0.25] + [0.0] * 48 + [0.25])
    # 51 positions: the window begins with the loss at hour 2, behind the win at hour 1, and ends at hour 51.
    assert numbers(ladder, state, now) == (1.0, pytest.approx(0.02), 50)
    assert numbers(ladder, state, now, 30) == (pytest.approx(nan, nan_ok=True), pytest.approx(1 / 30), 0)
    later = close(ladder, state, 0, [-0.25], start=now)
    # The loss at hour 2 has left the window; that at 52 is one hour old counted from the peak at 51.
    assert numbers(ladder, state, later)[2] == 1


def test_base_rises_after_ten_closed_positions() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now, changes = earn(ladder, state, [0.01] * 3 + [-0.01] * 6)
    assert changes == []
    now, (change,) = earn(ladder, state, [0.01], start=now)
    assert (change.before, change.after, change.cause, change.closed) == ("base", "main", "bar met", 10)
    assert change.set_id == "A/USDT|trend|long|tp0.02-sl0.01"
    assert change.profit_factor == pytest.approx(4 / 6)
    assert (change.win_rate, change.at) == (0.4, now)
    assert state.level.tolist() == [MAIN, BASE]
    assert state.level_since.tolist() == [now, 0]


def test_win_rate_counts_where_enabled() -> None:
    strict = replace(SOURCE, main=replace(SOURCE.main, win_rate=0.4))
    for rules, level in ((SOURCE, MAIN), (strict, BASE)):
        ladder = ladder_of(rules)
        state = empty_state(ladder)
        earn(ladder, state, [0.03] * 3 + [-0.01] * 7)
        assert state.level[0] == level


def test_one_level_per_closed_position() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    now = close(ladder, state, 0, [0.01] * 60)
    _, changes = earn(ladder, state, [0.01] * 3, start=now)
    assert [(change.after, change.closed) for change in changes] == [("main", 61), ("real", 62)]
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
        earn_last(ladder, state, returns, every=every)
        assert state.level[0] == level, (len(returns), every)


@pytest.mark.parametrize(("losses", "falls"), [(18, False), (19, True)])
def test_demotion_waits_for_the_hysteresis(losses: int, falls: bool) -> None:
    # The bar of main is 0.5, so the set falls under 0.45: 0.0816 / 0.18 = 0.453 stays, 0.0816 / 0.19 falls.
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = MAIN
    _, changes = earn_last(ladder, state, [0.0102] * 8 + [-0.01] * losses)
    assert [(c.before, c.after, c.cause) for c in changes] == (
        [("main", "base", "profit factor")] if falls else []
    )


def test_real_falls_by_one_level_only() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = REAL
    now = close(ladder, state, 0, [-0.01] * 50)
    _, changes = earn(ladder, state, [-0.01] * 3, start=now)
    assert [(change.after, change.closed) for change in changes] == [("main", 51), ("base", 52)]


def test_real_falls_as_an_unrecovered_drawdown_grows_old() -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = REAL
    now, changes = earn_last(ladder, state, [0.02] * 59 + [-0.01])
    assert changes == []
    # The peak was an hour before; 10 % more than 12 hours after it the bar is missed.
    last = now - HOUR + round(13.2 * HOUR)
    assert state.holds_until.tolist() == [last, NEVER]
    # Candles close at whole hours: the first one after that is the 14th after the peak.
    close_of = now - HOUR + 14 * HOUR
    assert aged(ladder, state, close_of - HOUR) == []
    assert state.holds_until.tolist() == [last, NEVER]
    later = state.copy()
    (change,) = told(ladder, aged(ladder, state, close_of))
    assert (change.after, change.cause, change.at) == ("main", "drawdown time", close_of)
    assert change.drawdown_hours == 14
    assert state.holds_until.tolist() == [NEVER, NEVER]
    # It comes out the same when the next position is known already.
    _, (first,) = earn(ladder, later, [0.02], start=close_of, every=3 * HOUR)
    assert replace(first, edge=0.0) == replace(change, edge=0.0)
    assert (later.level[0], later.closed[0]) == (MAIN, 61)


@pytest.mark.parametrize("recovered", [True, False])
def test_what_holds_until_when_follows_from_the_rings(recovered: bool) -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    state.level[0] = REAL
    earn_last(ladder, state, [0.02, -0.01] * 30 + [0.02] * recovered)
    found = state.holds_until.copy()
    state.holds_until[:] = NEVER
    renew_holds(ladder, state)
    assert state.holds_until.tolist() == found.tolist()
    assert (found[0] == NEVER) == recovered


def test_each_bar_has_a_window_of_its_own() -> None:
    rules = replace(SOURCE, main=Threshold(5, 1.0, window=5), real=Threshold(8, 1.0, window=8))
    ladder = ladder_of(rules)
    state = empty_state(ladder)
    now, changes = earn_last(ladder, state, [-0.05] * 3 + [0.02, 0.02, -0.01, -0.01, 0.02])
    assert [change.after for change in changes] == ["main"]
    now, (change,) = earn_last(ladder, state, [0.02] * 3, start=now)
    assert (change.after, change.profit_factor) == ("real", pytest.approx(6.0))
    state.level[0] = MAIN
    _, (change,) = earn_last(ladder, state, [-0.01] * 4, start=now)
    assert (change.after, change.profit_factor) == ("base", pytest.approx(0.5))


@pytest.mark.parametrize(
    ("win", "expected"),
    [
        (0.009, []),
        (0.0115, [(30, "main")]),
        (0.0125, [(30, "main")]),
        (0.02, [(30, "main"), (100, "real")]),
    ],
)
def test_prudent_asks_for_more(win: float, expected: list[tuple[int, str]]) -> None:
    # Of 0.0125 against -0.01 the profit factor is 1.25, but that may be luck: Sharpe 0.11, edge 0.80.
    ladder = ladder_of(LEVEL_RULES["prudent"])
    state, whole = empty_state(ladder), empty_state(ladder)
    seen, now = [], 0
    for value in [win, -0.01] * 60:
        now, changes = earn(ladder, state, [value], start=now, every=600)
        seen += [(change.closed, change.after) for change in changes]
    _, changes = earn(ladder, whole, [win, -0.01] * 60, every=600)
    assert seen == [(change.closed, change.after) for change in changes] == expected


def test_real_falls_when_its_edge_may_be_luck() -> None:
    ladder = ladder_of(replace(SOURCE, real=Threshold(30, 0.6, edge=0.95)))
    state = empty_state(ladder)
    state.level[0] = MAIN
    now, (change,) = earn_last(ladder, state, [0.02, -0.01] * 40)
    assert (change.after, change.edge > 0.95) == ("real", True)
    _, changes = earn(ladder, state, [-0.012, 0.01] * 60, start=now)
    assert (changes[0].after, changes[0].cause, 0.8 < changes[0].edge < 0.855) == ("main", "luck", True)


def test_the_deflated_sharpe_ratio_of_its_authors() -> None:
    # Bailey and Lopez de Prado (2014): annual Sharpe 2.5 in five years of 250 days, skew -3, kurtosis 10,
    # the best of 100 trials whose annual Sharpe ratios vary by 1/2: SR0 = 0.1132, DSR = 0.9004.
    sharpe, variance = 2.5 / 250**0.5, 0.5 / 250
    assert variance**0.5 * expected_highest(100) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(sharpe, -3, 10, 1250, 100, variance) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(sharpe, -3, 10, 1250, 46, variance) == pytest.approx(0.9505, abs=5e-4)


def test_one_trial_is_no_selection() -> None:
    assert expected_highest(1) == 0
    assert deflated_sharpe(0.0, 0.0, 3.0, 100, 1, 1 / 99) == 0.5


@pytest.mark.parametrize("returns", [[], [0.01], [0.01] * 30])
def test_returns_that_do_not_vary_prove_no_edge(returns: Sequence[float]) -> None:
    ladder = ladder_of()
    state = empty_state(ladder)
    close(ladder, state, 0, returns)
    assert np.isnan(edges(present(state, np.array([0])), 2)).all()


def real_ladder(factors: Sequence[float], symbols: Sequence[str]) -> tuple[Ladder, LadderState]:
    """All sets on real, 50 positions each in which every win is `factor` times every loss."""
    ladder = ladder_of(symbols=symbols)
    state = empty_state(ladder)
    state.level[:] = REAL
    for row, factor in enumerate(factors):
        state.closed_until = close(ladder, state, row, [0.01 * factor, -0.01] * 25)
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
    state.closed_until = close(ladder, state, 0, [0.005, -0.01] * 15, start=state.closed_until, every=60)
    assert numbers(ladder, state, state.closed_until)[0] > 0.6
    assert chosen(ladder, state, [0]) == []


def test_the_last_thirty_positions_must_hold_the_drawdown_bar() -> None:
    ladder, state = real_ladder([2.0], ("A/USDT",))
    assert chosen(ladder, state, [0]) == [(0, "long", 0)]
    state.closed_until += 400 * HOUR
    assert chosen(ladder, state, [0]) == []


def test_thresholds_are_those_of_the_design() -> None:
    prudent = LEVEL_RULES["prudent"]
    assert (SOURCE.main, SOURCE.real) == (Threshold(10, 0.5, 50), Threshold(50, 0.6, 50, None, 12.0))
    assert prudent.main == Threshold(30, 1.0, 50)
    assert prudent.real == Threshold(100, 1.2, 100, None, 12.0, 0.95)
    assert SOURCE.mirror == Threshold(30, 0.6, 30, None, 12.0)
    assert prudent.mirror == Threshold(30, 1.3, 30, None, 12.0)
    assert (SOURCE.kept, SOURCE.hysteresis) == (250, 0.10)
