"""The fast kernel does exactly what the slow reference does, on recorded candles, set by set."""

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.domain.ladder import (
    CAUSES,
    EXIT_REASONS,
    LEVEL_RULES,
    LEVELS,
    ConfigurationSets,
    Ladder,
    LadderState,
    LevelRules,
    StepResult,
    Terms,
    Threshold,
    advance,
    build_ladder,
    configuration_sets,
    empty_state,
    mirrored,
    recent_statistics,
    statistics,
)
from chalicelib.domain.signal import ExitProfile
from tests.domain import ladder_reference as reference
from tests.domain.ladder_candles import RECORDED, cross_signals, damaged, read_candles
from tests.shared import shared_path

TERMS = Terms(fee_rate=0.0004, slippage=0.0001)
EASY = replace(
    LEVEL_RULES["source"],
    main=Threshold(positions=5, profit_factor=0.5, win_rate=0.4),
    real=Threshold(positions=12, profit_factor=0.6, drawdown_hours=30.0),
    mirror=Threshold(positions=15, profit_factor=0.6, drawdown_hours=30.0),
)
EXACT = 1e-12


@dataclass
class Case:
    """A ladder that ran over candles, with all it did, and the reference's history of each set."""

    candles: Candles
    ladder: Ladder
    state: LadderState
    results: list[StepResult]
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
        )
        histories.append(history)
    return histories


def run_case(timeframe: str, seed: int, count: int, rules: LevelRules) -> Case:
    random = np.random.default_rng(seed)
    recorded = read_candles(shared_path(RECORDED), timeframe, 12, 700)
    candles = damaged(recorded, seed)
    ladder = build_ladder(random_sets(random, candles, count), TERMS, rules)
    signals = all_signals(random, candles)
    state = empty_state(ladder)
    results, mirrors = [], []
    for result in advance(ladder, state, candles, signals):
        results.append(result)
        mirrors.append({row.symbol_row: row.set_index for row in mirrored(ladder, state, result.wanted)})
    return Case(candles, ladder, state, results, mirrors, reference_histories(candles, ladder, signals))


@pytest.fixture(scope="module", params=[("1h", 1, EASY), ("5m", 2, LEVEL_RULES["source"]), ("5m", 3, EASY)])
def case(request: pytest.FixtureRequest) -> Case:
    timeframe, seed, rules = request.param
    return run_case(timeframe, seed, 700, rules)


def test_entries_are_those_of_the_reference(case: Case) -> None:
    found: list[list[tuple[int, float]]] = [[] for _ in case.histories]
    for bar, result in enumerate(case.results):
        for row, price in zip(result.entries.sets, result.entries.price, strict=True):
            found[row].append((bar, float(price)))
    assert found == [history.entries for history in case.histories]
    assert sum(map(len, found)) > 3000


def test_exits_are_those_of_the_reference(case: Case) -> None:
    found: list[list[reference.Exit]] = [[] for _ in case.histories]
    for bar, result in enumerate(case.results):
        trades = result.trades
        for place, row in enumerate(trades.sets):
            found[row].append(
                reference.Exit(
                    bar,
                    int(trades.entered[place]),
                    float(trades.entry[place]),
                    float(trades.exit[place]),
                    float(trades.net_return[place]),
                    EXIT_REASONS[trades.reason[place]].value,
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


def test_wishes_are_those_of_the_reference(case: Case) -> None:
    found: list[list[int]] = [[] for _ in case.histories]
    for bar, result in enumerate(case.results):
        for row in result.wanted:
            found[row].append(bar)
    assert found == [[wish.bar for wish in history.wishes] for history in case.histories]


def test_statistics_are_those_of_the_reference(case: Case) -> None:
    rows, now = np.arange(len(case.histories)), case.candles.closed_until
    assert case.state.closed_until == now
    for last, numbers in (
        (50, statistics(case.state, rows, now)),
        (30, recent_statistics(case.state, rows, 30, now)),
    ):
        expected = [history.numbers(now, last) for history in case.histories]
        assert numbers.closed.tolist() == [one.closed for one in expected]
        for field in ("profit_factor", "win_rate", "drawdown_hours"):
            wanted = [getattr(one, field) for one in expected]
            np.testing.assert_allclose(getattr(numbers, field), wanted, rtol=EXACT, atol=EXACT)
    assert (case.state.closed > 50).any()


def test_level_changes_and_evidence_are_those_of_the_reference(case: Case) -> None:
    found: list[list[reference.Change]] = [[] for _ in case.histories]
    for bar, result in enumerate(case.results):
        changes, evidence = result.changes, result.changes.evidence
        for place, row in enumerate(changes.sets):
            numbers = reference.Numbers(
                int(evidence.closed[place]),
                *(
                    pytest.approx(getattr(evidence, field)[place], rel=EXACT, nan_ok=True)
                    for field in ("profit_factor", "win_rate", "drawdown_hours")
                ),
            )
            before, after = LEVELS[changes.before[place]], LEVELS[changes.after[place]]
            found[row].append(reference.Change(bar, before, after, CAUSES[changes.cause[place]], numbers))
    assert found == [history.changes for history in case.histories]
    assert [LEVELS[level] for level in case.state.level] == [history.level for history in case.histories]


def test_easy_levels_exercise_every_cause(case: Case) -> None:
    causes = Counter((c.before, c.cause) for history in case.histories for c in history.changes)
    if case.ladder.rules is EASY:
        for move in (
            ("base", "bar met"),
            ("main", "bar met"),
            ("main", "win rate"),
            ("real", "drawdown time"),
        ):
            assert causes[move] > 0, causes
    else:
        assert causes["base", "bar met"] > 50, causes


def test_mirrored_sets_are_those_of_the_reference(case: Case) -> None:
    symbols = case.ladder.sets.symbol.tolist()
    mirror = case.ladder.rules.mirror
    expected = reference.mirrored_sets(case.histories, symbols, case.candles.bars, mirror)
    assert case.mirrors == expected
    if case.ladder.rules is EASY:
        assert sum(map(len, expected)) > 50
