"""The ladder is a pure function of candles and signals: chunks, snapshots and company change no bit of it."""

import io
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.ladder import (
    LEVEL_RULES,
    ConfigurationSets,
    Ladder,
    LadderState,
    Terms,
    Threshold,
    advance,
    build_ladder,
    configuration_sets,
    counts_by_level,
    empty_state,
    from_arrays,
    from_snapshot,
    preset_profiles,
    preset_sets,
    terms_of,
    to_arrays,
    to_snapshot,
    warm_start,
)
from chalicelib.domain.signal import ExitProfile
from chalicelib.domain.snapshots import LadderSnapshot
from chalicelib.errors import UsageError
from tests.domain.ladder_candles import damaged

HOUR = 3600
BARS, SYMBOLS = 160, 4
RULES = replace(
    LEVEL_RULES["source"],
    main=Threshold(positions=3, profit_factor=0.5),
    real=Threshold(positions=6, profit_factor=0.6, drawdown_hours=40.0),
    kept=12,
    recent=5,
)


def random_walk(seed: int) -> Candles:
    """Candles with gap opens, missing stretches, late listings and candles without volume."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (SYMBOLS, BARS)), axis=1))
    opens = np.concatenate((np.full((SYMBOLS, 1), 100.0), close[:, :-1]), axis=1)
    high = np.maximum(opens, close) * (1 + random.exponential(0.004, close.shape))
    low = np.minimum(opens, close) * (1 - random.exponential(0.004, close.shape))
    names = tuple(f"{letter}/USDT" for letter in "ABCD")
    whole = Candles(
        names, HOUR, HOUR * (100 + np.arange(BARS)), opens, high, low, close, np.ones(close.shape)
    )
    return damaged(whole, seed)


def random_case(seed: int) -> tuple[Ladder, Candles, np.ndarray]:
    random = np.random.default_rng(seed)
    candles = random_walk(seed)
    profiles = (
        ExitProfile(Decimal("0.01"), Decimal("0.01")),
        ExitProfile(Decimal("0.03"), Decimal("0.02"), Decimal("0.01"), Decimal("0.005"), 5 * HOUR),
        ExitProfile(None, None, Decimal("0.012")),
        ExitProfile(None, None, time_limit=HOUR),
    )
    rows = [(s, k, d, p) for s in range(SYMBOLS) for k in range(2) for d in (1, -1) for p in range(4)]
    sets = configuration_sets(candles.symbols, ("often", "rarely"), profiles, HOUR, rows)
    shape = candles.close.shape
    signals = np.stack(
        [random.choice((-1, 0, 1), size=shape, p=(p, 1 - 2 * p, p)).astype(np.int8) for p in (0.25, 0.05)]
    )
    return build_ladder(sets, Terms(0.001, 0.0003), RULES), candles, signals


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, column in one.items():
        assert column.dtype == other[name].dtype, name
        assert column.tobytes() == other[name].tobytes(), name


def stored_and_loaded(ladder: Ladder, state: LadderState) -> LadderState:
    """Send a state through compressed bytes, as a store does."""
    snapshot = to_snapshot(ladder, state, version=1, fence=1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **snapshot.arrays)
    buffer.seek(0)
    with np.load(buffer) as loaded:
        arrays = dict(loaded)
    restored = from_snapshot(ladder, replace(snapshot, arrays=arrays))
    assert restored is not None
    return restored


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, BARS), max_size=8),
    overlap=st.integers(0, 30),
    reload=st.booleans(),
)
def test_any_chunking_gives_the_same_bits(seed: int, cuts: list[int], overlap: int, reload: bool) -> None:
    ladder, candles, signals = random_case(seed)
    whole = warm_start(ladder, candles, signals)
    state = empty_state(ladder)
    edges = [0, *sorted(cuts), BARS]
    for begin, end in pairwise(edges):
        first = max(0, begin - overlap)
        start = int(candles.open_time[0])
        part = between(candles, start + first * HOUR, start + end * HOUR)
        for result in advance(ladder, state, part, signals[:, :, first:end]):
            state = result.state
        if reload:
            state = stored_and_loaded(ladder, state)
    same(to_arrays(state), to_arrays(whole))


def test_the_random_case_trades_on_every_level() -> None:
    ladder, candles, signals = random_case(0)
    state = warm_start(ladder, candles, signals)
    counts = counts_by_level(state)
    assert sum(counts.values()) == len(ladder.sets) == 64
    assert min(counts.values()) > 0, counts
    assert (state.closed > RULES.kept).sum() > 10


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), chosen=st.sets(st.integers(0, 63), min_size=1, max_size=6))
def test_a_set_comes_out_the_same_in_any_company(seed: int, chosen: set[int]) -> None:
    ladder, candles, signals = random_case(seed)
    whole = to_arrays(warm_start(ladder, candles, signals))
    sets, rows = ladder.sets, np.array(sorted(chosen))
    few = ConfigurationSets(
        sets.symbols,
        sets.strategies,
        sets.profiles,
        HOUR,
        sets.symbol[rows],
        sets.strategy[rows],
        sets.direction[rows],
        sets.profile[rows],
    )
    alone = to_arrays(warm_start(build_ladder(few, ladder.terms, RULES), candles, signals))
    same(alone, {name: column[rows] if column.ndim else column for name, column in whole.items()})


def test_a_copy_is_untouched_by_later_steps() -> None:
    ladder, candles, signals = random_case(3)
    state = empty_state(ladder)
    steps = advance(ladder, state, candles, signals)
    for _ in range(80):
        next(steps)
    kept, copied, arrays = to_arrays(state), state.copy(), to_arrays(state)
    for _ in steps:
        pass
    same(kept, to_arrays(copied))
    assert kept["closed"].sum() < state.closed.sum()
    assert arrays["closed_until"] == candles.open_time[80]


BREAKAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "missing column": lambda arrays: arrays.pop("best"),
    "further column": lambda arrays: arrays.update(more=arrays["best"]),
    "other type": lambda arrays: arrays.update(closed=arrays["closed"].astype(np.int32)),
    "other number of sets": lambda arrays: arrays.update(entry=arrays["entry"][:-1]),
    "other ring": lambda arrays: arrays.update(returns=arrays["returns"][:, :-1]),
    "no such status": lambda arrays: arrays["status"].fill(9),
    "no such level": lambda arrays: arrays["level"].fill(-1),
    "not a number": lambda arrays: arrays["returns"].fill(np.nan),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_snapshot_is_not_loaded(name: str) -> None:
    ladder, candles, signals = random_case(1)
    arrays = to_arrays(warm_start(ladder, candles, signals))
    assert from_arrays(ladder, arrays, ladder.fingerprint) is not None
    BREAKAGES[name](arrays)
    assert from_arrays(ladder, arrays, ladder.fingerprint) is None


def test_a_snapshot_of_another_ladder_or_time_is_not_loaded() -> None:
    ladder, candles, signals = random_case(1)
    snapshot = to_snapshot(ladder, warm_start(ladder, candles, signals), version=4, fence=7)
    assert (snapshot.version, snapshot.fence, snapshot.candle_time) == (4, 7, candles.closed_until)
    assert from_snapshot(ladder, snapshot) is not None
    assert from_snapshot(ladder, replace(snapshot, candle_time=HOUR)) is None
    dearer = build_ladder(ladder.sets, Terms(0.002, 0.0003), RULES)
    assert from_snapshot(dearer, snapshot) is None


def test_a_loaded_state_shares_nothing_with_its_snapshot() -> None:
    ladder, candles, signals = random_case(2)
    snapshot: LadderSnapshot = to_snapshot(ladder, warm_start(ladder, candles, signals), version=1, fence=1)
    state = from_snapshot(ladder, snapshot)
    assert state is not None
    state.status[:] = 0
    state.returns[:] = 1
    assert (snapshot.arrays["returns"] != 1).all()


def test_the_fingerprint_covers_everything_the_state_depends_on() -> None:
    profiles = (ExitProfile(Decimal("0.02"), Decimal("0.01")), ExitProfile(Decimal("0.03"), Decimal("0.01")))
    symbols, names, terms, rules = ("A/USDT", "B/USDT"), ("trend", "step"), Terms(0.001, 0.0), RULES
    rows = [(0, 0, 1, 0), (1, 0, 1, 0)]

    def made(*, version: str = "", **other: Any) -> str:
        said = {
            "symbols": symbols,
            "strategies": names,
            "profiles": profiles,
            "timeframe": HOUR,
            "rows": rows,
        }
        sets = configuration_sets(**{**said, **{key: other[key] for key in said if key in other}})
        return build_ladder(sets, other.get("terms", terms), other.get("rules", rules), version).fingerprint

    variants = [
        made(),
        made(symbols=("B/USDT", "A/USDT")),
        made(strategies=("step", "trend")),
        made(profiles=profiles[::-1]),
        made(timeframe=300),
        made(rows=[(0, 0, -1, 0), (1, 0, 1, 0)]),
        made(rows=[(1, 0, 1, 0), (0, 0, 1, 0)]),
        made(terms=Terms(0.001, 0.0001)),
        made(rules=replace(RULES, hysteresis=0.2)),
        made(version="trend fast=5"),
    ]
    assert len(set(variants)) == len(variants)
    assert made() == variants[0]


def test_the_preset_has_twenty_sets_per_symbol_and_strategy() -> None:
    names = ("trend", "mean_reversion", "momentum", "breakout", "step")
    sets = preset_sets(("A/USDT", "B/USDT"), names, 300)
    assert len(sets) == 200
    assert len({sets.set_id(index) for index in range(len(sets))}) == 200
    assert sets.set_id(0) == "A/USDT|trend|long|tp0.01-sl0.01-tl28800"
    assert sets.set_id(199) == "B/USDT|step|short|tp0.04-sl0.02-td0.02-ta0.02-tl28800"
    assert len(preset_profiles(HOUR)) == 10


@pytest.mark.parametrize(
    ("exits", "row", "words"),
    [
        (ExitProfile(Decimal(0)), (0, 0, 1, 0), "ratios must be above 0"),
        (ExitProfile(None, None, Decimal(1), Decimal(-1)), (0, 0, 1, 0), "must not be negative"),
        (ExitProfile(time_limit=90), (0, 0, 1, 0), "a multiple of 3600 s"),
        (ExitProfile(), (1, 0, 1, 0), "a symbol beyond the 1 given"),
        (ExitProfile(), (0, -1, 1, 0), "a strategy beyond the 1 given"),
        (ExitProfile(), (0, 0, 1, 2), "an? exit profile beyond the 1 given"),
        (ExitProfile(), (0, 0, 2, 0), "must be 1 or -1"),
    ],
)
def test_impossible_sets_are_refused(exits: ExitProfile, row: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        configuration_sets(("A/USDT",), ("trend",), (exits,), HOUR, [row])


def test_repeated_sets_are_refused() -> None:
    with pytest.raises(UsageError, match="must not repeat"):
        configuration_sets(("A/USDT",), ("trend",), (ExitProfile(),), HOUR, [(0, 0, 1, 0)] * 2)


def test_terms_match_the_paper_venue() -> None:
    paper = PaperTerms(fee_rate=Decimal("0.001"), spread=Decimal("0.0004"), slippage=Decimal("0.0002"))
    assert terms_of(paper) == Terms(0.001, 0.0004)
