"""Bricks, runs and the four step indications: against a plain loop, by hand, and causal to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import Floats, filled
from chalicelib.domain.indications.conditions import (
    KINDS,
    Activity,
    Indication,
    active,
    check_k,
    direction,
    measure_conditions,
    move,
    optimal,
    volatility_ratio,
)
from chalicelib.domain.indications.steps import StepPath, step_path
from chalicelib.domain.strategies.base import Window, window_of
from chalicelib.errors import Rejected
from tests.domain.ladder_candles import RECORDED, read_candles
from tests.shared import shared_path

KS = (3, 5, 8, 13, 21)


def plain_runs(closes: list[float], step_size: float) -> tuple[list[int], list[int]]:
    """Return run and previous run after every bar, one symbol, as the definition reads."""
    runs, previous_runs = [], []
    level: float | None = None
    run = previous = 0
    for close in closes:
        if not np.isnan(close):
            exact = np.log(close) / np.log1p(step_size)
            level = float(np.rint(exact)) if level is None else level
            bricks = int(np.trunc(exact - level))
            level += bricks
            if bricks and bricks * run > 0:
                run += bricks
            elif bricks:
                previous, run = run, bricks
        runs.append(run)
        previous_runs.append(previous)
    return runs, previous_runs


def closes(moves: list[list[int]], step_size: float = 0.001) -> Floats:
    """Return closes that move by whole steps; a quarter step on top keeps them off the grid's levels."""
    rows = []
    for row in moves:
        level, quarter, exact = 1000, 0.0, []
        for steps in row:
            level, quarter = level + steps, float(np.sign(steps)) * 0.25 or quarter
            exact.append(level + quarter)
        rows.append(exact)
    return np.exp(np.array(rows) * np.log1p(step_size))


def every_bar(close: Floats) -> np.ndarray:
    return np.ones(close.shape, dtype=np.bool_)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.0002, 0.001, 0.01]),
    missing=st.floats(0.0, 0.5),
    step_size=st.sampled_from([0.0005, 0.001, 0.02]),
)
def test_runs_equal_the_plain_loop(seed: int, spread: float, missing: float, step_size: float) -> None:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, spread, size=(4, 120)), axis=1))
    close[rng.random(close.shape) < missing] = np.nan
    close[3] = np.nan
    path = step_path(close, step_size)
    for row in range(4):
        run, previous = plain_runs(close[row].tolist(), step_size)
        assert path.run[row].tolist() == run
        assert path.previous_run[row].tolist() == previous


def test_runs_by_hand() -> None:
    path = step_path(closes([[0, 2, 1, 0, -4, -1, 6]]))
    assert path.run.tolist() == [[0, 2, 3, 3, -4, -5, 6]]
    assert path.previous_run.tolist() == [[0, 0, 0, 0, 3, 3, -5]]
    assert path.length.tolist() == [[0, 2, 3, 3, 4, 5, 6]]
    assert path.turned_length.tolist() == [[0, 0, 0, 0, 3, 3, 5]]
    assert path.sign.tolist() == [[0, 1, 1, 1, -1, -1, 1]]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (2, 1)])
def test_paths_of_few_symbols_and_bars(shape: tuple[int, int]) -> None:
    path = step_path(np.ones(shape))
    assert path.run.shape == path.previous_run.shape == shape
    assert not path.run.any()


def test_paths_that_begin_at_different_bars_meet() -> None:
    candles = filled(read_candles(shared_path(RECORDED), "1h", 6, 600))
    whole, late = step_path(candles.close), step_path(np.ascontiguousarray(candles.close[:, 200:]))
    assert (whole.run[:, 300:] == late.run[:, 100:]).all()
    assert (whole.previous_run[:, 300:] == late.previous_run[:, 100:]).all()


def test_move_is_a_continuation_of_k_steps() -> None:
    close = closes([[0, 2, 1, 3, -1, -2, -5]])
    found = move(step_path(close), 3, every_bar(close))
    assert found.direction.tolist() == [[0, 0, 1, 1, 0, -1, -1]]
    assert found.strength.tolist() == [[0.0, 0.0, 0.5, 1.0, 0.0, 0.5, 1.0]]
    assert (found.kind, found.k, found.direction.dtype) == ("move", 3, np.int8)


def test_direction_is_a_reversal_of_k_steps_after_k_steps() -> None:
    close = closes([[0, 2, 1, -2, -1, -9, 3, 1]])
    found = direction(step_path(close), 3, every_bar(close))
    assert found.direction.tolist() == [[0, 0, 0, 0, -1, -1, 1, 1]]
    np.testing.assert_allclose(found.strength, [[0, 0, 0, 0, 0.5, 0.5, 0.5, 4 / 6]])


@pytest.mark.parametrize("k", [2, 31])
def test_k_outside_its_range_is_refused(k: int) -> None:
    close = closes([[0, 4]])
    with pytest.raises(Rejected, match=f"k must be between 3 and 30, got {k}"):
        move(step_path(close), k, every_bar(close))
    check_k(3)
    check_k(30)


def ratios(values: list[float]) -> Floats:
    return np.array([values])


def test_active_needs_volatility_and_volume() -> None:
    rule = Activity(short=2, long=4, threshold=1.5)
    change = ratios([1.0, -1.0, 1.0, 1.0, 0.0, 1.0, np.nan])
    volatility = ratios([1.5, 3.0, 9.0, 1.4, 9.0, np.nan, 9.0])
    volume = ratios([1.5, 6.0, 1.4, 9.0, 9.0, 9.0, 9.0])
    traded = np.ones((1, 7), dtype=np.bool_)
    found = active(change, volatility, volume, traded, rule)
    assert found.direction.tolist() == [[1, -1, 0, 0, 0, 0, 0]]
    assert found.strength.tolist() == [[0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    assert found.k is None


def test_a_market_that_stood_still_is_not_active() -> None:
    assert volatility_ratio(ratios([1e-9, 1.0]), ratios([1e-12, 0.5])).tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"short": 60, "long": 60}, "2 <= short < long <= 200"),
        ({"long": 201}, "2 <= short < long <= 200"),
        ({"threshold": 0.9}, "threshold must be between 1 and 10"),
    ],
)
def test_activity_out_of_range_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        Activity(**values)  # type: ignore[arg-type]


def test_optimal_is_a_reversal_confirmed_by_activity() -> None:
    reversal = Indication("direction", 5, np.array([[1, -1, 1]], np.int8), np.array([[0.6, 0.9, 0.5]]))
    activity = Indication("active", None, np.array([[0, 1, 1]], np.int8), np.array([[0.0, 0.7, 1.0]]))
    found = optimal(reversal, activity)
    assert (found.kind, found.k) == ("optimal", 5)
    assert found.direction.tolist() == [[0, -1, 1]]
    assert found.strength.tolist() == [[0.0, 0.7, 0.5]]


def recorded(timeframe: str) -> Window:
    return window_of(read_candles(shared_path(RECORDED), timeframe, 8, 500))


def all_conditions(window: Window) -> tuple[Indication, ...]:
    path: StepPath = window.step_path(0.001)
    return measure_conditions(path, window.active(Activity()), KS, KINDS, window.traded)


def head_of(window: Window, bars: int) -> Window:
    fields = (window.open, window.high, window.low, window.close, window.volume, window.traded)
    return Window(*(np.ascontiguousarray(values[:, :bars]) for values in fields))


@settings(max_examples=15, deadline=None)
@given(known=st.integers(0, 500), timeframe=st.sampled_from(["5m", "1h"]))
def test_later_bars_change_nothing(known: int, timeframe: str) -> None:
    window = recorded(timeframe)
    for whole, head in zip(all_conditions(window), all_conditions(head_of(window, known)), strict=True):
        assert (whole.kind, whole.k) == (head.kind, head.k)
        assert whole.direction[:, :known].tobytes() == head.direction.tobytes()
        assert whole.strength[:, :known].tobytes() == head.strength.tobytes()


def test_what_recorded_candles_give() -> None:
    window = recorded("1h")
    found = all_conditions(window)
    assert [(i.kind, i.k) for i in found] == [
        *((kind, k) for k in KS for kind in ("move", "direction", "optimal")),
        ("active", None),
    ]
    for indication in found:
        assert set(np.unique(indication.direction)) == {-1, 0, 1}
        assert ((indication.strength > 0) == (indication.direction != 0)).all()
        assert indication.strength[indication.direction != 0].min() >= 0.5
        assert indication.strength.max() <= 1.0


def test_a_bar_that_was_not_traded_makes_no_indication() -> None:
    candles = read_candles(shared_path(RECORDED), "1h", 8, 500)
    candles.volume[:, 300:310] = 0.0
    for values in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        values[:, 400:405] = np.nan
    before = all_conditions(recorded("1h"))
    for untouched, indication in zip(before, all_conditions(window_of(candles)), strict=True):
        for silent in (slice(300, 310), slice(400, 405)):
            assert not indication.direction[:, silent].any()
            assert not indication.strength[:, silent].any()
        if indication.k == 3:
            assert untouched.direction[:, 300:310].any() or untouched.kind == "optimal"
