"""Strategies vote as they say, combine by weight and confidence, and signal at the edge, causally."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import Candles
from chalicelib.domain.strategies import STRATEGIES, parameters_of, strategy_named
from chalicelib.domain.strategies import step as step_strategy
from chalicelib.domain.strategies.base import Votes, Window, window_of
from chalicelib.domain.strategies.combine import (
    ValidatorParameters,
    Veto,
    combine,
    crossings,
    validate,
)
from chalicelib.domain.strategies.step import StepParameters
from chalicelib.errors import Rejected
from tests.domain.ladder_candles import RECORDED, read_candles
from tests.shared import shared_path

PRESETS = [name for name, strategy in STRATEGIES.items() if strategy.engine == "preset"]
BARS = 500


def recorded(timeframe: str = "1h", symbols: int = 8) -> Candles:
    return read_candles(shared_path(RECORDED), timeframe, symbols, BARS)


def vote(name: str, window: Window) -> Votes:
    strategy = STRATEGIES[name]
    return strategy.vote(window, strategy.parameters())


def path_of(changes: list[float], volume: list[float] | None = None) -> Window:
    """Return a window whose closes follow relative changes, with candles half a per cent wide."""
    close = 100.0 * np.cumprod(1.0 + np.array([changes]), axis=1)
    opens = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    high, low = np.maximum(opens, close) * 1.0025, np.minimum(opens, close) * 0.9975
    traded = np.array([volume]) if volume else np.full(close.shape, 10.0)
    return Window(opens, high, low, close, traded, traded > 0)


def votes(score: list[float], confidence: list[float]) -> Votes:
    return Votes(np.array([score]), np.array([confidence]))


def wobble(bars: int) -> list[float]:
    return [0.002 if bar % 2 else -0.002 for bar in range(bars)]


@pytest.mark.parametrize("sign", [1, -1])
def test_trend_goes_with_a_steady_move(sign: int) -> None:
    found = vote("trend", path_of(wobble(60) + [0.01 * sign] * 60))
    assert np.sign(found.score[0, -1]) == sign
    assert found.confidence[0, -1] >= 0.6


def test_trend_abstains_without_a_trend() -> None:
    window = window_of(recorded())
    found, adx = vote("trend", window), window.adx(14)
    assert np.isnan(found.score[adx < 25.0]).all()
    assert not np.isnan(found.score[adx >= 25.0]).any()
    np.testing.assert_allclose(
        found.confidence[(adx >= 25.0) & (adx < 50.0)], adx[(adx >= 25.0) & (adx < 50.0)] / 50.0
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_mean_reversion_bets_against_a_spike(sign: int) -> None:
    found = vote("mean_reversion", path_of([*wobble(80), 0.03 * sign]))
    assert np.sign(found.score[0, -1]) == -sign
    assert found.confidence[0, -1] >= 0.6
    assert np.isnan(found.score[0, 79])


@pytest.mark.parametrize("sign", [1, -1])
def test_momentum_goes_with_a_sudden_push(sign: int) -> None:
    found = vote("momentum", path_of(wobble(100) + [0.01 * sign] * 5))
    assert np.sign(found.score[0, -1]) == sign
    assert found.confidence[0, -1] >= 0.6


@pytest.mark.parametrize("sign", [1, -1])
def test_breakout_goes_with_a_close_outside_the_channel_on_volume(sign: int) -> None:
    changes = [*wobble(60), 0.02 * sign]
    loud = vote("breakout", path_of(changes, [10.0] * 60 + [40.0]))
    assert np.sign(loud.score[0, -1]) == sign
    assert loud.confidence[0, -1] == 1.0
    assert np.isnan(loud.score[0, -2])
    quiet = vote("breakout", path_of(changes, [10.0] * 60 + [14.0]))
    assert np.isnan(quiet.score[0, -1])
    assert quiet.confidence[0, -1] == 0.0


def test_step_of_one_indication_votes_its_direction_and_strength() -> None:
    window = window_of(recorded())
    parameters = StepParameters(kinds=("move",), ks=(5,))
    (move,) = step_strategy.indications(window, parameters)
    found = step_strategy.vote(window, parameters)
    present = move.direction != 0
    assert (np.sign(found.score[present]) == move.direction[present]).all()
    np.testing.assert_allclose(found.confidence, move.strength, rtol=1e-12)
    assert (np.isnan(found.score) == ~present).all()


def test_step_loses_confidence_where_indications_disagree_or_are_absent() -> None:
    window = path_of([0.0] * 5 + [0.0075] + [-0.0035] * 2)
    both = step_strategy.vote(window, StepParameters(kinds=("move", "direction"), ks=(3, 6)))
    one = step_strategy.vote(window, StepParameters(kinds=("move",), ks=(3,)))
    assert one.confidence[0, -1] == 1.0
    assert both.score[0, -1] == -1.0
    assert 0.0 < both.confidence[0, -1] < 1.0


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=10, deadline=None)
@given(known=st.integers(0, BARS), timeframe=st.sampled_from(["5m", "1h"]))
def test_later_bars_change_no_vote_and_no_signal(name: str, known: int, timeframe: str) -> None:
    window = window_of(recorded(timeframe))
    head = Window(*(np.ascontiguousarray(getattr(window, f.name)[:, :known]) for f in fields(Window)[:6]))
    whole, part = vote(name, window), vote(name, head)
    assert whole.score[:, :known].tobytes() == part.score.tobytes()
    assert whole.confidence[:, :known].tobytes() == part.confidence.tobytes()
    signals = crossings(whole, 0.6, window.traded)
    assert signals[:, :known].tobytes() == crossings(part, 0.6, head.traded).tobytes()


@settings(max_examples=10, deadline=None)
@given(known=st.integers(1, BARS))
def test_later_bars_change_nothing_combined(known: int) -> None:
    def combined(window: Window) -> tuple[Votes, np.ndarray]:
        weights = {name: 1.0 + index for index, name in enumerate(STRATEGIES)}
        together = combine({name: vote(name, window) for name in STRATEGIES}, weights)
        checked = validate(together, window, ValidatorParameters())
        return checked.votes, checked.vetoes

    window = window_of(recorded())
    head = Window(*(np.ascontiguousarray(getattr(window, f.name)[:, :known]) for f in fields(Window)[:6]))
    whole, part = combined(window), combined(head)
    assert whole[0].score[:, :known].tobytes() == part[0].score.tobytes()
    assert whole[0].confidence[:, :known].tobytes() == part[0].confidence.tobytes()
    assert whole[1][:, :known].tobytes() == part[1].tobytes()


@pytest.mark.parametrize("timeframe", ["5m", "1h"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_recorded_candles_give_some_signals_but_not_constantly(name: str, timeframe: str) -> None:
    window = window_of(read_candles(shared_path(RECORDED), timeframe, 20, 2000))
    signals = crossings(vote(name, window), 0.6, window.traded)
    per_thousand = 1000.0 * np.count_nonzero(signals) / window.traded.sum()
    assert 2.0 <= per_thousand <= 150.0
    assert {-1, 1} <= set(np.unique(signals))


@pytest.mark.parametrize("name", STRATEGIES)
def test_votes_are_in_range_and_abstaining_has_no_confidence(name: str) -> None:
    strategy = STRATEGIES[name]
    found = vote(name, window_of(recorded()))
    silent = np.isnan(found.score)
    assert silent.any()
    assert not silent.all()
    assert (np.abs(found.score[~silent]) <= 1.0).all()
    assert ((found.confidence >= 0.0) & (found.confidence <= 1.0)).all()
    assert not found.confidence[silent].any()
    if strategy.engine == "preset":
        assert silent[:, : strategy.warm_up - 1].all()


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_is_voted_on_no_candles(name: str) -> None:
    nothing = Window(*(np.full((2, 300), np.nan) for _ in range(5)), np.zeros((2, 300), dtype=np.bool_))
    assert np.isnan(vote(name, nothing).score).all()


def test_combine_weighs_by_weight_and_confidence() -> None:
    together = combine(
        {"a": votes([1.0, 1.0, np.nan, np.nan, 0.5], [0.9, 0.5, 0.0, 0.0, 0.0]),
         "b": votes([0.5, -1.0, -0.5, np.nan, 0.5], [0.3, 0.5, 0.4, 0.0, 0.0])},
        {"a": 2.0, "b": 1.0},
    )  # fmt: skip
    np.testing.assert_allclose(together.score[0], [(1.8 + 0.15) / 2.1, 1 / 3, -0.5, np.nan, 0.0])
    np.testing.assert_allclose(together.confidence[0], [0.7, 0.5 / 3, 0.4, 0.0, 0.0])


def test_combine_of_one_is_that_one() -> None:
    one = votes([0.4, -1.0, np.nan], [0.7, 0.6, 0.0])
    together = combine({"a": one}, {"a": 0.3})
    np.testing.assert_allclose(together.score, one.score)
    np.testing.assert_allclose(together.confidence, one.confidence)


@pytest.mark.parametrize(
    ("given_votes", "weights", "message"),
    [
        ({}, {}, "select at least one strategy"),
        ({"a": votes([1.0], [1.0])}, {}, "weight of strategy a must be 0 or more, got None"),
        ({"a": votes([1.0], [1.0])}, {"a": -1.0}, "weight of strategy a must be 0 or more, got -1.0"),
    ],
)
def test_combine_refuses(given_votes: dict[str, Votes], weights: dict[str, float], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        combine(given_votes, weights)


def test_a_weight_of_zero_silences_a_strategy() -> None:
    together = combine({"a": votes([1.0], [1.0]), "b": votes([-1.0], [0.8])}, {"a": 0.0, "b": 1.0})
    assert (together.score[0, 0], together.confidence[0, 0]) == (-1.0, 0.8)


def constant(window: Window) -> Votes:
    return Votes(np.ones(window.close.shape), np.ones(window.close.shape))


def test_volatility_may_veto() -> None:
    window = path_of([*wobble(100), 0.05, -0.05, 0.05, -0.05, 0.05])
    checked = validate(constant(window), window, ValidatorParameters(max_volatility=2.0))
    assert checked.vetoes[0, -1] == Veto.VOLATILITY
    assert checked.votes.score[0, -1] == 0.0
    assert checked.votes.score[0, 99] == 1.0
    assert checked.vetoes[0, 99] == Veto.NONE


def test_volume_may_veto() -> None:
    window = path_of(wobble(100), [10.0] * 95 + [0.1] * 5)
    checked = validate(constant(window), window, ValidatorParameters())
    assert checked.vetoes[0, -1] == Veto.VOLUME
    assert checked.votes.score[0, -1] == 0.0
    assert not crossings(checked.votes, 0.6, window.traded)[0, -1]


def test_a_signal_begins_at_the_edge() -> None:
    found = votes(
        [np.nan, 0.5, 0.9, 0.2, -0.1, 0.0, -0.4, -0.4, 0.3],
        [0.0, 0.7, 0.9, 0.5, 0.6, 0.9, 0.59, 0.8, 0.9],
    )
    traded = np.ones((1, 9), dtype=np.bool_)
    assert crossings(found, 0.6, traded).tolist() == [[0, 1, 0, 0, -1, 0, 0, -1, 1]]


def test_an_untraded_bar_neither_signals_nor_ends_nor_repeats() -> None:
    found = votes([0.5, 0.5, 0.5, -0.5, -0.5, 0.5, np.nan, 0.5], [0.9] * 8)
    traded = np.array([[False, True, True, False, True, True, False, True]])
    assert crossings(found, 0.6, traded).tolist() == [[0, 1, 0, 0, -1, 1, 0, 0]]


def test_indicators_are_shared_and_read_only() -> None:
    window = window_of(recorded())
    assert window.ema(20) is window.ema(20)
    assert window.ema(20) is not window.ema(21)
    assert window.bollinger(20, 2.0) is window.bollinger(20, 2.0)
    shared: list[Callable[[], np.ndarray]] = [
        lambda: window.ema(20),
        lambda: window.bollinger(20, 2.0).upper,
        lambda: window.step_path(0.001).run,
    ]
    for indicator in shared:
        with pytest.raises(ValueError, match="read-only"):
            indicator()[0, 0] = 1


def test_a_window_knows_what_was_traded() -> None:
    candles = recorded()
    candles.volume[0, 7] = 0.0
    for values in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        values[1, 9] = np.nan
    window = window_of(candles)
    assert not window.traded[0, 7]
    assert not window.traded[1, 9]
    assert window.traded[2, 9]
    assert window.close[1, 9] == window.close[1, 8]


def test_the_registry() -> None:
    assert PRESETS == ["trend", "mean_reversion", "momentum", "breakout"]
    assert STRATEGIES["step"].engine == "main"
    assert all(1 < strategy.warm_up < 256 for strategy in STRATEGIES.values())
    with pytest.raises(Rejected, match=r"unknown strategy 'trond': use one of trend, .*, step"):
        strategy_named("trond")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("trend", {"fast": 1}, "fast must be between 2 and 100, got 1"),
        ("trend", {"fast": 30}, "fast must be below slow, got 30 and 26"),
        ("trend", {"fast": 12.5}, "fast must be of type int, got 12.5"),
        ("trend", {"fast": True}, "fast must be of type int, got True"),
        ("trend", {"fist": 3}, "strategy trend has no parameter 'fist': use fast, slow"),
        ("mean_reversion", {"rsi_distance": 46}, "rsi_distance must be between 5 and 45, got 46"),
        ("momentum", {"roc_threshold": float("nan")}, "roc_threshold must be between 0.1 and 10, got nan"),
        ("breakout", {"channel_period": 1}, "channel_period must be between 2 and 200, got 1"),
        ("step", {"ks": (2,)}, "k must be between 3 and 30, got 2"),
        ("step", {"ks": ()}, "ks must name at least one"),
        ("step", {"kinds": ("move", "jump")}, "kinds must be some of move, .* got move, jump"),
        ("step", {"kinds": ()}, "kinds must be some of .* got none"),
        ("step", {"step_size": 0.2}, "step_size must be between 0.0001 and 0.05, got 0.2"),
        ("stop", {}, "unknown strategy 'stop'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(name: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        parameters_of(name, values)


def test_parameters_overlay_the_defaults() -> None:
    parameters = parameters_of("trend", {"fast": 5, "adx_threshold": 20})
    assert (parameters.fast, parameters.slow, parameters.adx_threshold) == (5, 26, 20)
    assert parameters_of("step", {"kinds": ("active",), "ks": ()}).kinds == ("active",)


@pytest.mark.parametrize(
    ("values", "message"), [({"short": 60}, "short"), ({"min_volume": 2.0}, "min_volume")]
)
def test_validator_parameters_out_of_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        ValidatorParameters(**values)  # type: ignore[arg-type]
