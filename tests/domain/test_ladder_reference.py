"""The fast kernel does exactly what the slow reference does, on recorded candles, for 2,100 random sets."""

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from chalicelib.domain.candles import FIELDS, Candles, between
from chalicelib.domain.ladder import (
    CAUSES,
    EXIT_REASONS,
    LEVEL_RULES,
    LEVELS,
    Advanced,
    ConfigurationSets,
    Ladder,
    LadderState,
    LevelRules,
    Statistics,
    Terms,
    Threshold,
    advance,
    build_ladder,
    configuration_sets,
    empty_state,
    mirrored,
    statistics,
)
from chalicelib.domain.signal import ExitProfile
from tests.domain import ladder_reference as reference
from tests.domain.ladder_candles import RECORDED, cross_signals, damaged, read_candles, redenominated
from tests.shared import shared_path

TERMS = Terms(fee_rate=0.0004, slippage=0.0001)
EASY = replace(
    LEVEL_RULES["source"],
    main=Threshold(positions=5, profit_factor=0.5, win_rate=0.4),
    real=Threshold(positions=12, profit_factor=0.6, drawdown_hours=30.0),
    mirror=Threshold(positions=15, profit_factor=0.6, window=30, drawdown_hours=30.0),
)
UNLUCKY = replace(
    EASY,
    main=Threshold(positions=5, profit_factor=0.8, window=20),
    real=Threshold(positions=15, profit_factor=0.9, window=35, drawdown_hours=48.0, edge=0.01),
    kept=40,
)
EXACT = 1e-12


@dataclass
class Case:
    """A ladder that ran over candles, with all it did, and the reference's history of each set."""

    candles: Candles
    ladder: Ladder
    state: LadderState
    result: Advanced
    wanted: list[list[int]]
    mirrors: list[dict[int, int]]
    histories: list[reference.History]


def random_profile(random: np.random.Generator, timeframe: int) -> ExitProfile:
    def ratio(low: float, high: float, share: float) -> Decimal | None:
        return Decimal(str(round(random.uniform(low, high), 5))) if random.random() < share else None

    limit = int(random.integers(1, 60)) * timeframe if random.random() < 0.5 else None
    distance = ratio(0.002, 0.03, 0.6)
    return ExitProfile(ratio(0.002, 0.04, 0.8), ratio(0.002, 0.04, 0.8), distance, ratio(0, 0.02, 0.7), limit)


def random_sets(random: np.random.Generator, candles: Candles, count: int) -> ConfigurationSets:
    profiles = [random_profile(random, candles.timeframe) for _ in range(count)]
    rows = [
        (
            int(random.integers(len(candles.symbols))),
            int(random.integers(4)),
            int(random.choice((1, -1))),
            profile,
        )
        for profile in range(count)
    ]
    names = ("random", "rare", "cross", "slow cross")
    return configuration_sets(candles.symbols, names, profiles, candles.timeframe, rows)


def all_signals(random: np.random.Generator, candles: Candles) -> np.ndarray:
    shape = candles.close.shape
    often = random.choice((-1, 0, 1), size=shape, p=(0.15, 0.7, 0.15))
    rarely = random.choice((-1, 0, 1), size=shape, p=(0.02, 0.96, 0.02))
    crosses = (cross_signals(candles, 3, 8), cross_signals(candles, 8, 21))
    return np.stack((often, rarely, *crosses)).astype(np.int8)


def reference_histories(candles: Candles, ladder: Ladder, signals: np.ndarray) -> list[reference.History]:
    sets, histories = ladder.sets, []
    rows = [
        list(
            zip(
                candles.open_time.tolist(),
                *(getattr(candles, name)[symbol].tolist() for name in FIELDS),
                strict=True,
            )
        )
        for symbol in range(len(candles.symbols))
    ]
    for index in range(len(sets)):
        symbol, exits = int(sets.symbol[index]), sets.profiles[sets.profile[index]]
        names = ("take_profit", "stop_loss", "trailing_distance", "trailing_activation")
        ratios = [None if getattr(exits, name) is None else float(getattr(exits, name)) for name in names]
        history = reference.run_set(
            rows[symbol],
            candles.timeframe,
            signals[sets.strategy[index], symbol].tolist(),
            bool(sets.direction[index] == 1),
            reference.Profile(*ratios, exits.time_limit),
            ladder.terms.fee_rate,
            ladder.terms.slippage,
            ladder.rules,
            len(sets),
        )
        histories.append(history)
    return histories


def run_case(timeframe: str, seed: int, count: int, rules: LevelRules) -> Case:
    random = np.random.default_rng(seed)
    recorded = read_candles(shared_path(RECORDED), timeframe, 12, 700)
    candles = damaged(redenominated(recorded, seed), seed)
    ladder = build_ladder(random_sets(random, candles, count), TERMS, rules)
    signals = all_signals(random, candles)
    stepped, whole = empty_state(ladder), empty_state(ladder)
    wanted, mirrors = [], []
    for bar, time in enumerate(candles.open_time.tolist()):
        one = between(candles, time, time + candles.timeframe)
        step = advance(ladder, stepped, one, signals[:, :, bar : bar + 1])
        wanted.append(step.wanted.tolist())
        mirrors.append({row.symbol_row: row.set_index for row in mirrored(ladder, stepped, step.wanted)})
    result = advance(ladder, whole, candles, signals)
    histories = reference_histories(candles, ladder, signals)
    return Case(candles, ladder, whole, result, wanted, mirrors, histories)


@pytest.fixture(
    scope="module", params=[("1h", 1, EASY), ("5m", 2, LEVEL_RULES["source"]), ("5m", 3, UNLUCKY)]
)
def case(request: pytest.FixtureRequest) -> Case:
    timeframe, seed, rules = request.param
    return run_case(timeframe, seed, 700, rules)


def bar_of(case: Case, times: np.ndarray) -> list[int]:
    return ((times - int(case.candles.open_time[0])) // case.candles.timeframe).tolist()


def test_entries_are_those_of_the_reference(case: Case) -> None:
    found: list[list[tuple[int, float]]] = [[] for _ in case.histories]
    entries = case.result.entries
    bars = bar_of(case, entries.entered)
    for row, bar, price in zip(entries.sets.tolist(), bars, entries.price.tolist(), strict=True):
        found[row].append((bar, price))
    assert found == [history.entries for history in case.histories]
    assert len(entries) > 3000


def test_exits_are_those_of_the_reference(case: Case) -> None:
    found: list[list[reference.Exit]] = [[] for _ in case.histories]
    trades = case.result.trades
    bars = bar_of(case, trades.exited - case.candles.timeframe)
    for place, row in enumerate(trades.sets):
        found[row].append(
            reference.Exit(
                bars[place],
                int(trades.entered[place]),
                float(trades.entry[place]),
                float(trades.exit[place]),
                float(trades.net_return[place]),
                EXIT_REASONS[trades.reason[place]].value,
                0,
            )
        )
    reasons: Counter[str] = Counter()
    for exits, history in zip(found, case.histories, strict=True):
        expected = history.exits
        assert [(e.bar, e.entered, e.reason) for e in exits] == [
            (e.bar, e.entered, e.reason) for e in expected
        ]
        for field in ("entry", "price", "net_return"):
            values, wanted = ([getattr(e, field) for e in side] for side in (exits, expected))
            np.testing.assert_allclose(values, wanted, rtol=EXACT, atol=EXACT)
        reasons.update(e.reason for e in exits)
    assert set(reasons) == {reason.value for reason in EXIT_REASONS}
    assert min(reasons.values()) > 20


def test_positions_dropped_at_breaks_are_those_of_the_reference(case: Case) -> None:
    found = np.bincount(case.result.dropped.sets, minlength=len(case.histories))
    assert found.tolist() == [history.dropped for history in case.histories]
    assert found.sum() > 50, found.sum()


def test_the_candles_exercise_every_rule(case: Case) -> None:
    """Count in the reference's trades what is easily got wrong, so that no rule is compared on nothing."""
    candles, sets = case.candles, case.ladder.sets
    exists = ~np.isnan(candles.close)
    seen: Counter[str] = Counter(late_listing=int((~exists[:, :50].any(axis=1)).sum()))
    for index, history in enumerate(case.histories):
        symbol, long = int(sets.symbol[index]), sets.direction[index] == 1
        target = sets.profiles[sets.profile[index]].take_profit
        for left in history.exits:
            opened, reach = (
                candles.open[symbol, left.bar],
                (candles.high if long else candles.low)[symbol, left.bar],
            )
            first = (left.entered - int(candles.open_time[0])) // candles.timeframe
            stopped = left.reason in ("stop_loss", "trailing_stop")
            aim = left.entry * (1 + (1 if long else -1) * float(target or 9))
            seen["gap through the stop"] += stopped and left.price == opened
            seen["gap through the target"] += left.reason == "take_profit" and left.price == opened
            seen["stop and target in one candle"] += stopped and (reach >= aim if long else reach <= aim)
            seen["missing candle in a position"] += not exists[symbol, first : left.bar].all()
            seen["out in the candle of the entry"] += first == left.bar
            seen[left.reason] += 1
    assert min(seen.values()) > 0, seen
    assert len(seen) == 6 + len(EXIT_REASONS), seen


def test_the_rings_hold_the_last_returns_of_the_reference(case: Case) -> None:
    kept = case.ladder.rules.kept
    for row, history in enumerate(case.histories):
        closed = int(case.state.closed[row])
        slots = [number % kept for number in range(max(0, closed - kept), closed)]
        assert case.state.returns[row, slots].tolist() == [left.units for left in history.exits][-kept:]
        assert case.state.exited[row, slots].tolist() == history.closes[-kept:]


def test_wishes_are_those_of_the_reference(case: Case) -> None:
    found: list[list[int]] = [[] for _ in case.histories]
    for bar, rows in enumerate(case.wanted):
        for row in rows:
            found[row].append(bar)
    assert found == [[wish.bar for wish in history.wishes] for history in case.histories]
    assert case.result.wanted.tolist() == case.wanted[-1]


def test_statistics_are_those_of_the_reference(case: Case) -> None:
    rows, now = np.arange(len(case.histories)), case.candles.closed_until
    kept = case.ladder.rules.kept
    assert case.state.closed_until == now
    for last in {*case.ladder.rules.windows, case.ladder.rules.mirror.window, 7, kept}:
        numbers = statistics(case.ladder, case.state, rows, last, now)
        expected = [history.numbers(now, last) for history in case.histories]
        assert numbers.closed.tolist() == [one.closed for one in expected]
        for field in ("profit_factor", "win_rate", "expectancy", "drawdown_hours"):
            wanted = [getattr(one, field) for one in expected]
            np.testing.assert_allclose(getattr(numbers, field), wanted, rtol=EXACT, atol=EXACT)
    edges = [reference.edge_of(history, kept, len(rows)) for history in case.histories]
    np.testing.assert_allclose(numbers_of_all(case, kept).edge, edges, rtol=1e-8, atol=1e-12)
    assert (case.state.closed > 50).any()


def numbers_of_all(case: Case, last: int) -> Statistics:
    rows = np.arange(len(case.histories))
    return statistics(case.ladder, case.state, rows, last, case.candles.closed_until, edge=True)


def test_level_changes_and_evidence_are_those_of_the_reference(case: Case) -> None:
    found: list[list[reference.Change]] = [[] for _ in case.histories]
    changes, evidence = case.result.changes, case.result.changes.evidence
    bars = bar_of(case, changes.at - case.candles.timeframe)
    for place, row in enumerate(changes.sets):
        numbers = reference.Numbers(
            int(evidence.closed[place]),
            *(
                pytest.approx(getattr(evidence, field)[place], rel=1e-9, abs=EXACT, nan_ok=True)
                for field in ("profit_factor", "win_rate", "expectancy", "drawdown_hours", "edge")
            ),
        )
        before, after = LEVELS[changes.before[place]], LEVELS[changes.after[place]]
        found[row].append(reference.Change(bars[place], before, after, CAUSES[changes.cause[place]], numbers))
    assert found == [history.changes for history in case.histories]
    assert [LEVELS[level] for level in case.state.level] == [history.level for history in case.histories]


def test_easy_levels_exercise_every_cause(case: Case) -> None:
    causes = Counter((c.before, c.cause) for history in case.histories for c in history.changes)
    expected: dict[int, tuple[tuple[str, str], ...]] = {
        id(EASY): (("main", "bar met"), ("main", "win rate"), ("real", "drawdown time")),
        id(UNLUCKY): (("main", "bar met"), ("real", "luck"), ("main", "profit factor")),
    }
    for move in expected.get(id(case.ladder.rules), ()):
        assert causes[move] > 0, causes
    assert causes["base", "bar met"] > 50, causes


def test_mirrored_sets_are_those_of_the_reference(case: Case) -> None:
    symbols = case.ladder.sets.symbol.tolist()
    mirror = case.ladder.rules.mirror
    expected = reference.mirrored_sets(case.histories, symbols, case.candles.bars, mirror)
    assert case.mirrors == expected
    if case.ladder.rules is EASY:
        assert sum(map(len, expected)) > 50
