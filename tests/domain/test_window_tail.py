"""The last bars of a window judged alone: to the bit what they are as a part of the whole."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import FIELDS, Candles, between
from chalicelib.domain.ladder.sources import Source, chosen_sources, make_source, source_signals, votes_of
from chalicelib.domain.strategies import STRATEGIES, strategy_named
from chalicelib.domain.strategies.base import Window, window_of
from chalicelib.domain.strategies.step import StepParameters, indications
from chalicelib.domain.trading_settings import DEFAULT_STRATEGIES, StrategyChoice
from chalicelib.domain.voting import evaluate
from tests.domain.ladder_candles import RECORDED, damaged, read_candles
from tests.shared import shared_path
from tests.strategy_files import HEAD, strategy_files

BARS = 512
CONFIDENCE = 0.6
OWN_BARS = f"""{HEAD}
def vote(window, parameters):
    before = np.full(window.close.shape, np.nan)
    before[:, 50:] = window.close[:, :-50]
    gap = window.close - before
    return votes_where(gap != 0.0, np.sign(gap), np.full(gap.shape, 0.8))
"""
"""Looks back by itself, fifty bars."""


def recorded(seed: int) -> Candles:
    """Return candles with gaps, halts of single symbols and of all, and a symbol that is listed late."""
    candles = damaged(read_candles(shared_path(RECORDED), "1h", 6, BARS), seed)
    chosen = np.random.default_rng(seed)
    for name in FIELDS:
        getattr(candles, name)[0, : 40 * seed] = np.nan
    for _ in range(4):
        bar, halted = int(chosen.integers(2, BARS - 8)), int(chosen.integers(1, 8))
        candles.volume[chosen.integers(1, 6) :, bar : bar + halted] = 0.0
    candles.volume[:, 300:303] = 0.0
    return candles


@pytest.fixture(scope="module", params=[1, 5, 9])
def candles(request: pytest.FixtureRequest) -> Candles:
    return recorded(request.param)


def same(found: Any, whole: Any, bars: int) -> None:
    """Compare arrays, alone or in a tuple or dataclass, with the last bars of others, to the bit."""
    if isinstance(found, np.ndarray):
        assert found.shape[1] == bars
        np.testing.assert_array_equal(found, whole[:, -bars:])
        assert (np.signbit(found) == np.signbit(whole[:, -bars:])).all()
    elif isinstance(found, tuple):
        for one, other in zip(found, whole, strict=True):
            same(one, other, bars)
    else:
        for item in fields(found):
            if isinstance(getattr(found, item.name), np.ndarray):
                same(getattr(found, item.name), getattr(whole, item.name), bars)


@settings(deadline=None, max_examples=40)
@given(first=st.integers(0, BARS - 1), seed=st.integers(1, 9))
@example(first=301, seed=1)
@example(first=BARS - 1, seed=5)
@example(first=256, seed=9)
def test_signals_from_a_bar_on_are_those_of_the_whole(first: int, seed: int) -> None:
    candles = recorded(seed)
    choices = {**DEFAULT_STRATEGIES, "trend": StrategyChoice(2.0, {"fast": 8})}
    whole, late = evaluate(candles, choices, CONFIDENCE), evaluate(candles, choices, CONFIDENCE, first)
    asked = BARS - first
    assert late.window.bars >= asked
    np.testing.assert_array_equal(late.signals[:, -asked:], whole.signals[:, -asked:])
    same(late.combined, whole.combined, late.window.bars)
    for name, vote in late.votes.items():
        same(vote, whole.votes[name], late.window.bars)


def test_signals_are_not_few() -> None:
    found = evaluate(recorded(1), DEFAULT_STRATEGIES, CONFIDENCE).signals
    assert np.count_nonzero(found[:, 256:]) > 50


@pytest.mark.parametrize("first", [2, 100, 301, 302, 303, 304, BARS - 1])
def test_a_tail_has_the_traded_bar_before_of_every_symbol(candles: Candles, first: int) -> None:
    traded = window_of(candles).traded
    begin = BARS - window_of(candles).tail(first).bars
    last = [np.flatnonzero(row[:first])[-1] for row in traded if row[:first].any()]
    assert begin == min([first - 1, *last])


def test_indicators_of_a_tail_are_the_last_bars_of_the_whole(candles: Candles) -> None:
    whole = window_of(candles)
    tail = whole.tail(400)
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("ema", (12,)),
        ("sma", (9,)),
        ("rsi", (14,)),
        ("roc", (10,)),
        ("macd", (12, 26, 9)),
        ("atr", (14,)),
        ("adx", (14,)),
        ("bollinger", (20, 2.0)),
        ("donchian", (20,)),
        ("donchian_before", (20,)),
        ("relative_volume", (20,)),
        ("log_returns", ()),
        ("realised_volatility", (20,)),
        ("volatility_ratio", (5, 60)),
        ("mean_volume", (20,)),
        ("volume_ratio", (5, 60)),
        ("change", (5,)),
        ("step_path", (0.001,)),
        ("active", (StepParameters().activity,)),
    ]
    known = {name for name in vars(Window) if not name.startswith("_")}
    others = {item.name for item in fields(Window)} | {"bars", "tail", "remember", "remembered"}
    assert {name for name, _ in asked} == known - others
    for name, arguments in asked:
        found = getattr(tail, name)(*arguments)
        same(found, getattr(whole, name)(*arguments), tail.bars)
        assert found is getattr(tail, name)(*arguments)
    parameters = StepParameters()
    pairs = zip(indications(tail, parameters), indications(whole, parameters), strict=True)
    for one, other in pairs:
        same(one, other, tail.bars)


@pytest.mark.parametrize("name", STRATEGIES)
def test_shipped_strategies_judge_bar_by_bar(name: str, candles: Candles) -> None:
    strategy = STRATEGIES[name]
    assert strategy.bar_by_bar
    whole = window_of(candles)
    for first in (120, 301, 450):
        tail = whole.tail(first)
        votes = strategy.vote(tail, strategy.parameters())
        same(votes, strategy.vote(whole, strategy.parameters()), tail.bars)


def test_a_strategy_of_a_user_sees_the_whole_window(
    candles: Candles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with strategy_files(tmp_path, monkeypatch) as files:
        files.write("mine", OWN_BARS)
        assert not strategy_named("mine").bar_by_bar
        whole = window_of(candles)
        tail = whole.tail(BARS - 1)
        (mine,) = chosen_sources({"mine": StrategyChoice()})
        same(votes_of(tail, mine), votes_of(whole, mine), tail.bars)
        assert tail.bars < 50
        assert not np.isnan(votes_of(tail, mine).score[1:, -1]).any()


def test_sources_signal_on_a_tail_as_on_the_whole(candles: Candles) -> None:
    sources: list[Source] = [
        make_source("strategy", "breakout", {"channel_period": 10}),
        make_source("indication", "direction", {"k": 3}),
        make_source("indication", "active", {}),
    ]
    whole = window_of(candles)
    expected = source_signals(whole, sources, CONFIDENCE, 256)
    tail = whole.tail(256)
    np.testing.assert_array_equal(source_signals(tail, sources, CONFIDENCE, tail.bars - 256), expected)
    assert np.count_nonzero(expected) > 20


def test_a_window_without_bars_before_has_itself_as_tail(candles: Candles) -> None:
    whole = window_of(between(candles, 0, int(candles.open_time[3])))
    assert whole.tail(0) is whole
    assert whole.tail(1) is whole
