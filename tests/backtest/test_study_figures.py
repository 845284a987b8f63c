"""The figures of the ladder's study from trades and promotions made by hand: comparisons and intervals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalicelib.backtest.study_findings import reached
from chalicelib.backtest.study_outcome import ChangeColumns, Outcome, TradeColumns, together
from chalicelib.backtest.study_promotion import after_promotion, first_promotions
from chalicelib.backtest.study_skill import PACES, Planted, power
from chalicelib.backtest.study_statistics import (
    BLOCK_DAYS,
    RESAMPLES,
    block_weights,
    bootstrapped,
    design_effect,
    share,
)
from chalicelib.domain.ladder import LEVEL_RULES, MAIN, REAL

DAY = 86_400


def outcome(
    trades: list[tuple[int, int, float]],
    changes: list[tuple[int, int, int]],
    days: int,
    directions: tuple[int, ...] = (1, 1),
) -> Outcome:
    """Trades as (set, day, net return), changes as (set, day, level after), from day 0 on."""
    sets, entered, returns = (np.array(column) for column in zip(*trades, strict=True))
    moved = np.array(changes, dtype=np.int64).reshape(-1, 3)
    return Outcome(
        begins=0,
        ends=days * DAY,
        closed=np.bincount(sets, minlength=len(directions)),
        symbol=np.arange(len(directions)),
        listed=np.zeros(len(directions), dtype=np.int64),
        recorded=np.full(len(directions), days * DAY),
        direction=np.array(directions, dtype=np.int8),
        level=np.zeros(len(directions), dtype=np.int8),
        trades=TradeColumns(sets, entered * DAY, returns.astype(float)),
        changes=ChangeColumns(
            moved[:, 0],
            moved[:, 1] * DAY,
            np.arange(1, len(moved) + 1),
            np.zeros(len(moved), np.int8),
            moved[:, 2].astype(np.int8),
        ),
    )


def compared(given: Outcome, level: int = MAIN, on_level: bool = False, direction: bool = False) -> Any:
    return after_promotion(given, level, on_level, direction, np.random.default_rng(0))


def test_trades_after_promotion_are_compared_with_others_of_the_same_days() -> None:
    given = outcome(
        # Set 0 is promoted on day 2. Day 3: 0.04 and 0.02 against 0.01; day 4: 0.0 against mean 0.05.
        [
            (0, 1, 9.0),
            (0, 3, 0.04),
            (0, 3, 0.02),
            (1, 3, 0.01),
            (0, 4, 0.0),
            (1, 4, 0.10),
            (1, 4, 0.0),
            (1, 5, 9.0),
            (0, 6, 5.0),
        ],
        [(0, 2, MAIN)],
        days=8,
    )
    found = compared(given)
    assert (found.sets, found.days, found.left_out) == (1, 2, 1)
    assert (found.promoted.trades, found.others.trades) == (3, 3)
    assert found.promoted.mean_return.value == pytest.approx(0.06 / 3)
    # Two trades' worth of day 3 (0.01 each), one of day 4 (0.05).
    assert found.others.mean_return.value == pytest.approx((2 * 0.01 + 0.05) / 3)
    assert found.difference.value == pytest.approx((0.06 - 0.07) / 3)
    assert found.promoted.win_rate.value == pytest.approx(2 / 3)
    assert found.others.win_rate.value == pytest.approx((2 + 0.5) / 3)
    assert found.promoted.profit_factor.reason
    assert found.difference.low is None
    assert "too few days" in found.difference.reason


def test_a_trade_at_the_moment_of_promotion_counts_as_promoted_and_nobody_on_real_is_said() -> None:
    given = outcome([(0, 2, 0.01), (1, 2, 0.03)], [(0, 2, MAIN)], days=3)
    assert compared(given).promoted.trades == 1
    none = compared(given, REAL)
    assert none.sets == none.promoted.trades == 0
    assert none.difference.value is None
    assert none.difference.reason == "none promoted"


def test_after_a_fall_trades_count_only_where_wished() -> None:
    given = outcome(
        [(0, 2, 0.01), (1, 2, 0.0), (0, 5, -0.01), (1, 5, 0.0), (0, 7, 0.02), (1, 7, 0.0)],
        [(0, 6, MAIN), (0, 1, MAIN), (0, 4, 0)],
        days=8,
    )
    assert compared(given).promoted.mean_return.value == pytest.approx(0.02 / 3)
    assert compared(given, on_level=True).promoted.mean_return.value == pytest.approx(0.03 / 2)


def test_long_and_short_trades_may_be_kept_apart() -> None:
    given = outcome(
        [(0, 2, 0.05), (1, 2, 0.04), (2, 2, -0.04)], [(0, 1, MAIN)], days=3, directions=(1, 1, -1)
    )
    assert compared(given).others.mean_return.value == pytest.approx(0.0)
    assert compared(given, direction=True).others.mean_return.value == pytest.approx(0.04)


def test_first_promotions_of_joined_outcomes() -> None:
    one = outcome([(0, 1, 0.0)], [(0, 2, REAL), (0, 1, MAIN)], days=3)
    both = together([one, one])
    assert both.sets == 4
    assert first_promotions(both, MAIN).at[[0, 2]].tolist() == [DAY, DAY]
    assert first_promotions(both, MAIN).closed.tolist() == [2, 0, 2, 0]
    assert first_promotions(both, REAL).at[[0, 2]].tolist() == [2 * DAY, 2 * DAY]
    assert (first_promotions(both, MAIN).at[[1, 3]] > both.ends).all()


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_the_score_interval(successes: int, trials: int, low: float, high: float) -> None:
    found = share(successes, trials)
    assert found.value == successes / trials
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_sets_of_one_symbol_count_as_few_where_they_are_alike() -> None:
    clusters = np.repeat(np.arange(10), 5)
    # Whole clusters succeed or fail: variance 10/9 x 10 x 2.5^2 / 50^2 against 0.25 / 50.
    assert design_effect(clusters < 5, clusters) == pytest.approx(5 * 10 / 9)
    assert design_effect(np.arange(50) % 5 < 2, clusters) == 1.0
    assert design_effect(np.zeros(50, dtype=bool), clusters) is None
    assert design_effect(np.arange(50) < 20, np.zeros(50, dtype=int)) is None
    assert share(0, 10_000, 100.0) == share(0, 100)
    dependent, independent = share(25, 50, 5.0), share(25, 50)
    assert dependent.value == independent.value == 0.5
    assert dependent.high is not None
    assert independent.high is not None
    assert dependent.high - 0.5 > 1.9 * (independent.high - 0.5)


def test_who_reached_a_level_is_judged_by_symbols_and_nobody_as_on_the_level_below() -> None:
    given = outcome(
        [(row, 1, 0.01) for row in range(40) for _ in range(30)],
        [(row, row + 2, MAIN) for row in range(20)],
        days=60,
        directions=(1,) * 40,
    )
    given = replace(given, symbol=np.arange(40) // 10, listed=np.full(40, DAY))
    main, top = reached(given, LEVEL_RULES["prudent"])
    assert (main.sets, main.judged, main.reached) == (40, 40, 20)
    # Two of four symbols with all their ten sets: as if 40 / (10 x 4/3) sets were seen.
    assert main.of_all == share(20, 40, 10 * 4 / 3)
    assert main.days == pytest.approx(2 + 9.5 - 1)
    assert main.positions == 10.5
    assert (top.judged, top.reached, top.positions, top.days) == (0, 0, None, None)
    assert top.of_all.high == pytest.approx(share(0, 3).high)
    assert top.of_judged.reason == "no sets"


def test_a_busy_week_among_quiet_ones_gives_no_interval() -> None:
    counts = np.ones(150)
    counts[70:77] = 500.0
    sums = np.column_stack((counts, counts * 0.01))
    weights = block_weights(150, np.random.default_rng(1))
    busy = bootstrapped(lambda t: t[:, 1] / t[:, 0], sums, weights, "")
    assert busy.low is None
    assert "too few days" in busy.reason
    even = bootstrapped(lambda t: t[:, 1] / t[:, 0], np.ones((150, 2)), weights, "")
    assert even.low == even.high == 1.0


def test_sets_with_skill_are_told_by_how_fast_they_trade() -> None:
    counts = {0: 50, 1: 150, 2: 450, 3: 40}
    given = outcome(
        [(row, 3, 0.01) for row, count in counts.items() for _ in range(count)],
        [(1, 5, REAL), (2, 6, REAL)],
        days=50,
        directions=(1,) * 4,
    )
    skilled = Planted(None, np.zeros(4, dtype=np.int64))  # type: ignore[arg-type]
    _, ((one),) = power(skilled, given, "source", LEVEL_RULES["source"])
    assert [pace.least for pace in one.paces] == list(PACES)
    # One and three positions a day, and nine; 40 positions are too few for real.
    assert [(pace.judged, pace.reached) for pace in one.paces] == [(1, 0), (1, 1), (0, 0), (1, 1)]


def test_blocks_of_days_stay_together_and_every_day_is_drawn_alike() -> None:
    weights = block_weights(150, np.random.default_rng(1))
    assert weights.shape == (RESAMPLES, 150)
    assert (weights.sum(axis=1) == 154).all()
    assert weights.mean(axis=0) == pytest.approx(154 / 150, abs=0.15)
    together_ = np.corrcoef(weights[:, 70], weights[:, 71])[0, 1]
    assert together_ == pytest.approx(1 - 1 / BLOCK_DAYS, abs=0.05)
    assert abs(np.corrcoef(weights[:, 70], weights[:, 70 + BLOCK_DAYS])[0, 1]) < 0.1


def test_intervals_hold_the_truth_as_often_as_they_say_although_days_depend_on_each_other() -> None:
    random = np.random.default_rng(2)
    held = wide = 0
    for _ in range(100):
        # Trades of a day share its shock, and a shock fades over days.
        shocks = np.convolve(random.normal(size=303), [0.6, 0.3, 0.1], mode="valid")
        counts = random.integers(5, 50, size=len(shocks)).astype(float)
        sums = np.column_stack((counts, counts * shocks))
        found = bootstrapped(lambda t: t[:, 1] / t[:, 0], sums, block_weights(len(sums), random), "")
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
        wide += found.high - found.low > 0.05
    assert 0.85 <= held / 100 <= 0.99
    assert wide == 100
