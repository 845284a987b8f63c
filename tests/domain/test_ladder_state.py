"""The ladder is a pure function of candles and signals: chunks, snapshots and company change no bit of it."""

import io
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
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
    Advanced,
    ConfigurationSets,
    Ladder,
    LadderState,
    Statistics,
    Terms,
    Threshold,
    advance,
    build_ladder,
    configuration_sets,
    counts_by_level,
    empty_state,
    from_arrays,
    from_snapshot,
    kernel,
    preset_profiles,
    preset_sets,
    terms_of,
    to_arrays,
    to_snapshot,
    warm_start,
    waves,
)
from chalicelib.domain.ladder.state import columns
from chalicelib.domain.signal import ExitProfile
from chalicelib.domain.snapshots import LadderSnapshot
from chalicelib.errors import UsageError
from tests.domain.ladder_candles import damaged, redenominated

HOUR = 3600
BARS, SYMBOLS = 160, 4
RULES = replace(
    LEVEL_RULES["source"],
    main=Threshold(positions=3, profit_factor=0.5, window=7),
    real=Threshold(positions=6, profit_factor=0.6, window=12, drawdown_hours=40.0, edge=0.001),
    mirror=Threshold(positions=5, profit_factor=0.6, window=5),
    kept=12,
)


def random_walk(seed: int, symbols: int) -> Candles:
    """Candles with gap opens, missing stretches, late listings, breaks and candles without volume."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (symbols, BARS)), axis=1))
    opens = np.concatenate((np.full((symbols, 1), 100.0), close[:, :-1]), axis=1)
    high = np.maximum(opens, close) * (1 + random.exponential(0.004, close.shape))
    low = np.minimum(opens, close) * (1 - random.exponential(0.004, close.shape))
    names = tuple(f"{letter}/USDT" for letter in "ABCD"[:symbols])
    whole = Candles(
        names, HOUR, HOUR * (100 + np.arange(BARS)), opens, high, low, close, np.ones(close.shape)
    )
    return damaged(redenominated(whole, seed), seed)


def random_case(seed: int, symbols: int = SYMBOLS) -> tuple[Ladder, Candles, np.ndarray]:
    random = np.random.default_rng(seed)
    candles = random_walk(seed, symbols)
    profiles = (
        ExitProfile(Decimal("0.01"), Decimal("0.01")),
        ExitProfile(Decimal("0.03"), Decimal("0.02"), Decimal("0.01"), Decimal("0.005"), 5 * HOUR),
        ExitProfile(None, None, Decimal("0.012")),
        ExitProfile(None, None, time_limit=HOUR),
    )
    rows = [(s, k, d, p) for s in range(symbols) for k in range(2) for d in (1, -1) for p in range(4)]
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


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    symbols=st.integers(1, SYMBOLS),
    cuts=st.lists(st.integers(0, BARS), max_size=8) | st.just(list(range(BARS))),
    overlap=st.integers(0, 30),
    reload=st.booleans(),
)
def test_any_chunking_gives_the_same_bits(
    seed: int, symbols: int, cuts: list[int], overlap: int, reload: bool
) -> None:
    ladder, candles, signals = random_case(seed, symbols)
    whole = empty_state(ladder)
    expected = advance(ladder, whole, candles, signals)
    state, parts = empty_state(ladder), []
    edges = [0, *sorted(cuts), BARS]
    for begin, end in pairwise(edges):
        first = max(0, begin - overlap)
        start = int(candles.open_time[0])
        part = between(candles, start + first * HOUR, start + end * HOUR)
        parts.append(advance(ladder, state, part, signals[:, :, first:end]))
        if reload and len(edges) < 20:
            state = stored_and_loaded(ladder, state)
    same(columns(state), columns(whole))
    assert state.closed_until == whole.closed_until
    same(told([expected]), told(parts))
    assert parts[-1].wanted.tolist() == expected.wanted.tolist() or edges[-2] == BARS


def told(parts: Sequence[Advanced]) -> dict[str, np.ndarray]:
    """Return all trades, entries and level changes of some calls as columns, one call after the other."""
    found: dict[str, np.ndarray] = {}
    for kind in ("trades", "entries", "dropped", "changes"):
        for name in (item.name for item in fields(getattr(parts[0], kind)) if item.name != "evidence"):
            found[f"{kind}.{name}"] = np.concatenate([getattr(getattr(part, kind), name) for part in parts])
    # Each call gives them by (entered, set), but a call ends in the middle of positions.
    order = np.lexsort((found["dropped.sets"], found["dropped.entered"]))
    found |= {name: column[order] for name, column in found.items() if name.startswith("dropped.")}
    for item in fields(Statistics):
        numbers = [getattr(part.changes.evidence, item.name) for part in parts]
        found[f"evidence.{item.name}"] = np.concatenate(numbers)
    return found


def test_warm_start_is_one_long_step() -> None:
    ladder, candles, signals = random_case(11)
    state = empty_state(ladder)
    advance(ladder, state, candles, signals)
    same(columns(warm_start(ladder, candles, signals)), columns(state))


def test_long_stretches_are_worked_in_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder, candles, signals = random_case(12)
    state, other = empty_state(ladder), empty_state(ladder)
    expected = told([advance(ladder, state, candles, signals)])
    monkeypatch.setattr(kernel, "LONGEST_PASS", 37)
    monkeypatch.setattr(waves, "_LANES", 7)
    same(told([advance(ladder, other, candles, signals)]), expected)
    same(columns(other), columns(state))


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
    # The number of sets is part of a demand on edge, and of nothing else.
    rules = replace(RULES, real=replace(RULES.real, edge=None))
    all_sets, candles, signals = random_case(seed)
    ladder = build_ladder(all_sets.sets, all_sets.terms, rules)
    whole = columns(warm_start(ladder, candles, signals))
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
    alone = columns(warm_start(build_ladder(few, ladder.terms, rules), candles, signals))
    by_window = ("gross_profit", "gross_loss", "wins")
    last_close = whole.pop("last_close")
    expected = {name: c[:, rows] if name in by_window else c[rows] for name, c in whole.items()}
    same(alone, expected | {"last_close": last_close})


def test_a_copy_is_untouched_by_later_steps() -> None:
    ladder, candles, signals = random_case(3)
    state = empty_state(ladder)
    start = int(candles.open_time[0])
    advance(ladder, state, between(candles, start, start + 80 * HOUR), signals[:, :, :80])
    kept, copied, arrays = to_arrays(state), state.copy(), to_arrays(state)
    advance(ladder, state, candles, signals)
    same(kept, to_arrays(copied))
    assert kept["closed"].sum() < state.closed.sum()
    assert arrays["closed_until"] == candles.open_time[80]


def test_a_snapshot_holds_only_the_positions_there_are() -> None:
    ladder, candles, signals = random_case(4)
    state = warm_start(ladder, candles, signals)
    arrays = to_arrays(state)
    kept = np.minimum(state.closed, RULES.kept)
    assert len(arrays["returns"]) == len(arrays["exited"]) == kept.sum() < kept.size * RULES.kept
    first = int(state.closed[0])
    oldest = [number % RULES.kept for number in range(max(0, first - RULES.kept), first)]
    assert arrays["exited"][: kept[0]].tolist() == state.exited[0, oldest].tolist()


BREAKAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no such fingerprint": lambda arrays: arrays.update(fingerprint=np.array("x")),
    "missing column": lambda arrays: arrays.pop("best"),
    "further column": lambda arrays: arrays.update(more=arrays["best"]),
    "other type": lambda arrays: arrays.update(closed=arrays["closed"].astype(np.int32)),
    "other number of sets": lambda arrays: arrays.update(entry=arrays["entry"][:-1]),
    "other ring": lambda arrays: arrays.update(returns=arrays["returns"][:-1]),
    "no such status": lambda arrays: arrays["status"].fill(9),
    "no such level": lambda arrays: arrays["level"].fill(-1),
    "not a number": lambda arrays: arrays["entry"].fill(np.nan),
    "position without a price": lambda arrays: arrays["entry"].fill(0.0),
    "price without a position": lambda arrays: arrays["status"].fill(0),
    "return beyond the bound": lambda arrays: arrays["returns"].fill(10**8 + 1),
    "exits not in order": lambda arrays: arrays["exited"].fill(arrays["exited"][0]),
    "exit after the last candle": lambda arrays: arrays["exited"].__setitem__(-1, 2**31),
    "window after its positions": lambda arrays: arrays["kept_since"].fill(arrays["closed_until"]),
    "entry after the last candle": lambda arrays: arrays["entered"].fill(2**40),
    "level since the future": lambda arrays: arrays["level_since"].fill(2**40),
    "time without dimensions": lambda arrays: arrays.update(closed_until=np.zeros(1, np.int64)),
    "fewer than none closed": lambda arrays: arrays["closed"].__setitem__(0, -1),
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
    state.entry[:] = 1
    assert (snapshot.arrays["returns"] != 1).all()
    assert (snapshot.arrays["entry"] != 1).all()


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
        made(rules=replace(RULES, kept=13)),
        made(rules=replace(RULES, real=replace(RULES.real, edge=0.9))),
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


def test_a_window_longer_than_what_is_kept_is_refused() -> None:
    ladder, _, _ = random_case(1)
    with pytest.raises(UsageError, match="a window of 12 positions does not fit into the 11 that are kept"):
        build_ladder(ladder.sets, ladder.terms, replace(RULES, kept=11))


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
