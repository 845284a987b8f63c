"""Signals of a preset's sources on recorded candles: what each says alone, the same in any chunking."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalicelib.domain import voting
from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, anchored
from chalicelib.domain.ladder import sources as sources_module
from chalicelib.domain.ladder.sources import Source, chosen_sources, make_source
from chalicelib.domain.strategies import STRATEGIES
from chalicelib.domain.strategies.base import Window, window_of
from chalicelib.domain.strategies.combine import crossings
from chalicelib.domain.strategies.step import StepParameters, indications
from chalicelib.domain.strategies.trend import TrendParameters
from chalicelib.domain.trading_settings import DEFAULT_STRATEGIES, StrategyChoice
from chalicelib.domain.voting import evaluate, evaluations
from chalicelib.errors import Rejected
from tests.domain.ladder_candles import RECORDED, damaged, read_candles
from tests.shared import shared_path

CONFIDENCE = 0.6
VARIANTS = (
    make_source("strategy", "trend", {"fast": 8, "slow": 21}),
    make_source("strategy", "mean_reversion", {"deviations": 2.5}),
    make_source("indication", "move", {"k": 5}),
    make_source("indication", "optimal", {"k": 3, "threshold": 1.2}),
    make_source("indication", "active", {}),
)


@pytest.fixture(scope="module")
def candles() -> Candles:
    return damaged(read_candles(shared_path(RECORDED), "1h", 6, 900), seed=5)


def signals_of(candles: Candles, sources: Any, since: int = 0) -> np.ndarray:
    return np.concatenate([found for _, found in evaluations(candles, sources, CONFIDENCE, since)], axis=2)


def begins(direction: np.ndarray, strength: np.ndarray, traded: np.ndarray) -> np.ndarray:
    """Return where a direction strong enough begins, by the plain rule, bar by bar."""
    found = np.zeros_like(direction)
    for row in range(direction.shape[0]):
        last = 0
        for bar in range(direction.shape[1]):
            if not traded[row, bar]:
                continue
            points = int(direction[row, bar]) if strength[row, bar] >= CONFIDENCE else 0
            if points and points != last:
                found[row, bar] = points
            last = points
    return found


def test_labels_name_what_differs_from_the_defaults() -> None:
    assert [source.label for source in VARIANTS] == [
        "trend(fast=8,slow=21)",
        "mean_reversion(deviations=2.5)",
        "move(k=5)",
        "optimal(k=3,threshold=1.2)",
        "active",
    ]
    assert make_source("strategy", "trend", {"fast": 12, "adx_threshold": 25}).label == "trend"
    assert make_source("strategy", "trend", {"adx_threshold": 30}).label == "trend(adx_threshold=30)"


def test_an_indication_signals_where_its_direction_begins(candles: Candles) -> None:
    window = window_of(anchored(candles, int(candles.open_time[-1])))
    for source, kind, ks in ((VARIANTS[2], "move", (5,)), (VARIANTS[4], "active", ())):
        measured = indications(window, StepParameters(kinds=(kind,), ks=ks))[0]  # type: ignore[arg-type]
        expected = begins(measured.direction, measured.strength, window.traded)
        assert np.count_nonzero(expected) > 20
        found = sources_module.source_signals(window, [source], CONFIDENCE)
        np.testing.assert_array_equal(found[0], expected)


def test_a_variant_signals_as_its_strategy_with_these_parameters(candles: Candles) -> None:
    window = window_of(anchored(candles, int(candles.open_time[-1])))
    vote = STRATEGIES["trend"].vote(window, TrendParameters(fast=8, slow=21))
    expected = crossings(vote, CONFIDENCE, window.traded)
    found = sources_module.source_signals(window, VARIANTS, CONFIDENCE, first=100)
    assert np.count_nonzero(expected[:, 100:]) > 10
    np.testing.assert_array_equal(found[0], expected[:, 100:])
    assert found.dtype == np.int8


def test_signals_are_the_same_bar_by_bar_and_block_by_block(candles: Candles) -> None:
    whole = signals_of(candles, VARIANTS)
    assert whole.shape == (len(VARIANTS), 6, 900)
    assert all(np.count_nonzero(row) > 10 for row in whole)
    for bar in (ANCHOR_BLOCK + 3, 700, 899):
        seen = replace(
            candles,
            open_time=candles.open_time[: bar + 1],
            **{
                name: getattr(candles, name)[:, : bar + 1]
                for name in ("open", "high", "low", "close", "volume")
            },
        )
        live = signals_of(seen, VARIANTS, int(candles.open_time[bar]))
        np.testing.assert_array_equal(live[:, :, 0], whole[:, :, bar])


def test_the_default_sources_signal_as_each_strategy_of_the_connection_alone(candles: Candles) -> None:
    choices = {**DEFAULT_STRATEGIES, "trend": StrategyChoice(2.0, {"fast": 8})}
    window = anchored(candles, int(candles.open_time[-1]))
    evaluation = evaluate(window, choices, CONFIDENCE)
    alone = np.stack(
        [crossings(vote, CONFIDENCE, evaluation.window.traded) for vote in evaluation.votes.values()]
    )
    since = int(candles.open_time[-200])
    found = [bars for _, bars in evaluations(candles, chosen_sources(choices), CONFIDENCE, since, evaluation)]
    np.testing.assert_array_equal(np.concatenate(found, axis=2)[:, :, -100:], alone[:, :, -100:])
    np.testing.assert_array_equal(
        signals_of(candles, chosen_sources(choices), since), np.concatenate(found, axis=2)
    )


def test_what_the_last_candle_was_judged_by_is_not_computed_again(
    candles: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    voted: Counter[str] = Counter()
    real = sources_module.votes_of

    def counted(window: Window, source: Source) -> Any:
        voted[source.label] += 1
        return real(window, source)

    monkeypatch.setattr(sources_module, "votes_of", counted)
    monkeypatch.setattr(voting, "votes_of", counted)
    last = int(candles.open_time[-1])
    evaluation = evaluate(anchored(candles, last), DEFAULT_STRATEGIES, CONFIDENCE)
    sources = (*chosen_sources(DEFAULT_STRATEGIES), *VARIANTS)
    assert len(list(evaluations(candles, sources, CONFIDENCE, last, evaluation))) == 1
    assert voted == Counter(dict.fromkeys((source.label for source in sources), 1))


@pytest.mark.parametrize(
    ("kind", "name", "values", "text"),
    [
        ("indication", "move", {"k": 2}, "k must be between 3 and 30"),
        ("indication", "move", {"short": 5}, "indication move has no parameter 'short': use k, step_size"),
        ("indication", "active", {"short": 60}, "short < long"),
        ("strategy", "trend", {"fast": 30}, "fast must be below slow"),
    ],
)
def test_impossible_sources_are_refused(kind: Any, name: str, values: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        make_source(kind, name, values)
