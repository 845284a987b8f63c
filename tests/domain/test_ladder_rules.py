"""Each rule of the ladder on candles made by hand, with prices and returns worked out on paper."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import nan

import numpy as np
import pytest

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.ladder import (
    EXIT_REASONS,
    LEVEL_RULES,
    Advanced,
    Ladder,
    LadderState,
    Terms,
    advance,
    build_ladder,
    configuration_sets,
    empty_state,
    level_rules,
    to_arrays,
)
from chalicelib.domain.signal import ExitProfile
from chalicelib.errors import UsageError

HOUR = 3600
FREE = Terms(0.0, 0.0)
MISSING = (nan, nan, nan, nan)
Prices = tuple[float, float, float, float]


def profile(
    take_profit: str | None = None,
    stop_loss: str | None = None,
    distance: str | None = None,
    activation: str | None = None,
    bars: int = 0,
) -> ExitProfile:
    ratios = [
        None if text is None else Decimal(text) for text in (take_profit, stop_loss, distance, activation)
    ]
    return ExitProfile(*ratios, time_limit=bars * HOUR or None)


@pytest.mark.parametrize(
    ("minutes", "hours"), [(1, 12.0), (5, 12.0), (15, 36.0), (60, 144.0), (1440, 3456.0)]
)
def test_prudent_gives_a_drawdown_as_many_candles_as_it_gives_hours_at_five_minutes(
    minutes: int, hours: int
) -> None:
    rules, plain = level_rules("prudent", minutes * 60), LEVEL_RULES["prudent"]
    assert (rules.real.drawdown_hours, rules.mirror.drawdown_hours) == (hours, hours)
    assert replace(rules.real, drawdown_hours=12.0) == plain.real
    assert replace(rules.mirror, drawdown_hours=12.0) == plain.mirror
    assert (rules.main, level_rules("source", minutes * 60)) == (plain.main, LEVEL_RULES["source"])


def one_set(exits: ExitProfile, direction: int = 1, terms: Terms = FREE) -> Ladder:
    sets = configuration_sets(("A/USDT",), ("trend",), (exits,), HOUR, [(0, 0, direction, 0)])
    return build_ladder(sets, terms, LEVEL_RULES["source"])


def run(
    ladder: Ladder, bars: Sequence[Prices], signals: Sequence[int], volumes: Sequence[float] | None = None
) -> Advanced:
    """Step one set over bars (open, high, low, close); the first bar opens at hour 1.

    All at once and bar by bar, which must come out the same.
    """
    volume = [1.0] * len(bars) if volumes is None else volumes
    fields = np.array([[*prices, amount] for prices, amount in zip(bars, volume, strict=True)]).T[:, None, :]
    candles = Candles(("A/USDT",), HOUR, HOUR * (1 + np.arange(len(bars))), *fields)
    padded = np.array([*signals, *[0] * (len(bars) - len(signals))], dtype=np.int8)[None, None, :]
    whole, stepped = empty_state(ladder), empty_state(ladder)
    result = advance(ladder, whole, candles, padded)
    found, wanted = [], []
    for bar in range(len(bars)):
        one = between(candles, HOUR * (1 + bar), HOUR * (2 + bar))
        step = advance(ladder, stepped, one, padded[:, :, bar : bar + 1])
        found += trades(step)
        wanted = step.wanted.tolist()
    assert found == trades(result)
    assert wanted == result.wanted.tolist()
    same(to_arrays(whole), stepped)
    return result


def trades(result: Advanced) -> list[tuple[int, float, float, str]]:
    """Return (bar, entry, exit, reason) of every closed position."""
    done = result.trades
    return [
        (
            int(done.exited[n]) // HOUR - 2,
            float(done.entry[n]),
            float(done.exit[n]),
            EXIT_REASONS[done.reason[n]].value,
        )
        for n in range(len(done))
    ]


def entries(result: Advanced) -> list[tuple[int, float]]:
    found = result.entries
    return [(int(found.entered[n]) // HOUR - 1, float(found.price[n])) for n in range(len(found))]


QUIET: Prices = (100, 100.5, 99.5, 100)


@pytest.mark.parametrize("direction", [1, -1])
def test_signal_enters_at_the_open_of_the_next_candle(direction: int) -> None:
    ladder = one_set(profile("0.5", "0.5"), direction)
    assert run(ladder, [QUIET], [direction]).wanted.tolist() == [0]
    result = run(ladder, [QUIET, (101, 102, 100, 101)], [direction])
    assert entries(result) == [(1, 101)]
    assert result.wanted.tolist() == []


def test_other_direction_does_not_enter() -> None:
    assert entries(run(one_set(profile("0.5", "0.5")), [QUIET, QUIET], [-1])) == []


def test_entry_waits_for_the_next_existing_candle() -> None:
    ladder = one_set(profile("0.5", "0.5"))
    assert entries(run(ladder, [QUIET, MISSING, MISSING, (103, 104, 102, 103)], [1])) == [(3, 103)]
    # Told at the first close, and not told again by the ones at which it still waits.
    assert run(ladder, [QUIET, MISSING], [1]).wanted.tolist() == []


def test_entry_candle_counts_for_exits() -> None:
    results = run(one_set(profile("0.02", "0.05")), [QUIET, (100, 103, 99, 101)], [1])
    assert trades(results) == [(1, 100, 102, "take_profit")]


@pytest.mark.parametrize(
    ("direction", "candle", "expected"),
    [
        (1, (100, 100.5, 97, 98), (98, "stop_loss")),
        (1, (100, 103, 99, 101), (102, "take_profit")),
        (1, (100, 103, 97, 101), (98, "stop_loss")),
        (1, (97, 103, 96, 100), (97, "stop_loss")),
        (1, (105, 106, 104, 105), (105, "take_profit")),
        (1, (105, 106, 90, 95), (105, "take_profit")),
        (1, (98, 99, 98, 98), (98, "stop_loss")),
        (1, (102, 102, 101, 102), (102, "take_profit")),
        (1, (100, 102, 99, 101), (102, "take_profit")),
        (1, (100, 101, 98, 101), (98, "stop_loss")),
        (-1, (100, 101, 98, 99), (98, "take_profit")),
        (-1, (100, 102, 99, 101), (102, "stop_loss")),
        (-1, (100, 103, 99.5, 102), (102, "stop_loss")),
        (-1, (100, 100.5, 97, 98), (98, "take_profit")),
        (-1, (100, 103, 97, 101), (102, "stop_loss")),
        (-1, (103, 104, 97, 100), (103, "stop_loss")),
        (-1, (95, 96, 94, 95), (95, "take_profit")),
    ],
)
def test_stop_and_target(direction: int, candle: Prices, expected: tuple[float, str]) -> None:
    results = run(one_set(profile("0.02", "0.02"), direction), [QUIET, QUIET, candle], [direction])
    assert trades(results) == [(2, 100, *expected)]


def test_levels_hang_on_the_entry_price() -> None:
    results = run(
        one_set(profile("0.02", "0.02")), [QUIET, (200, 203, 197, 200), (200, 204.5, 199, 204)], [1]
    )
    assert trades(results) == [(2, 200, 204, "take_profit")]


def test_trailing_stop_comes_from_the_best_price_of_earlier_candles() -> None:
    # The high of 110 and the low of 104 share a candle: the stop of that candle is still 100 - 5.
    bars = [QUIET, (100, 101, 99, 100), (100, 110, 104, 106), (106, 107, 104.5, 105)]
    results = run(one_set(profile(distance="0.05")), bars, [1])
    assert trades(results) == [(3, 100, 105, "trailing_stop")]


def test_trailing_stop_of_a_short_position() -> None:
    bars = [QUIET, (100, 101, 99, 100), (100, 100, 90, 94), (94, 95.5, 93, 95)]
    results = run(one_set(profile(distance="0.05"), -1), bars, [-1])
    assert trades(results) == [(3, 100, 95, "trailing_stop")]


def test_trailing_stop_counts_from_the_entry_price_on() -> None:
    results = run(one_set(profile(distance="0.05")), [QUIET, (100, 101, 94, 100)], [1])
    assert trades(results) == [(1, 100, 95, "trailing_stop")]


def test_trailing_stop_is_armed_by_its_activation() -> None:
    bars = [QUIET, (100, 104.9, 99, 104), (104, 104, 96, 97), (97, 105, 97, 104), (104, 104, 102, 102)]
    results = run(one_set(profile(distance="0.02", activation="0.05")), bars, [1])
    assert trades(results) == [(4, 100, 103, "trailing_stop")]


def test_the_higher_of_stop_and_trailing_stop_counts() -> None:
    bars = [QUIET, (100, 101, 99.5, 100), (100, 100, 90, 95)]
    assert trades(run(one_set(profile(None, "0.03", "0.05")), bars, [1])) == [(2, 100, 97, "stop_loss")]
    assert trades(run(one_set(profile(None, "0.09", "0.05")), bars, [1])) == [(2, 100, 96, "trailing_stop")]


def test_open_beyond_the_trailing_stop_fills_at_the_open() -> None:
    bars = [QUIET, (100, 110, 99, 109), (103, 104, 102, 103)]
    assert trades(run(one_set(profile(distance="0.05")), bars, [1])) == [(2, 100, 103, "trailing_stop")]


def test_missing_candle_neither_exits_nor_moves_the_trailing_stop() -> None:
    bars = [QUIET, (100, 110, 99, 109), MISSING, (109, 109, 104, 105)]
    assert trades(run(one_set(profile(distance="0.05")), bars, [1])) == [(3, 100, 105, "trailing_stop")]


def test_time_limit_leaves_at_the_next_open() -> None:
    bars = [QUIET, QUIET, QUIET, (100.25, 101, 99, 100)]
    assert trades(run(one_set(profile("0.5", "0.5", bars=2)), bars, [1])) == [(3, 100, 100.25, "time_limit")]


def test_time_runs_through_missing_candles() -> None:
    bars = [QUIET, QUIET, MISSING, MISSING, (100.25, 101, 99, 100)]
    assert trades(run(one_set(profile("0.5", "0.5", bars=2)), bars, [1])) == [(4, 100, 100.25, "time_limit")]


def test_opposite_signal_leaves_at_the_next_existing_open() -> None:
    bars = [QUIET, QUIET, MISSING, (101, 120, 80, 100)]
    results = run(one_set(profile("0.1", "0.1")), bars, [1, -1])
    assert trades(results) == [(3, 100, 101, "signal_reversal")]


def test_opposite_signal_at_the_close_of_the_entry_candle_counts() -> None:
    results = run(one_set(profile("0.5", "0.5")), [QUIET, QUIET, (101, 102, 100, 101)], [1, -1])
    assert trades(results) == [(2, 100, 101, "signal_reversal")]


def test_same_signal_does_not_enter_twice() -> None:
    results = run(one_set(profile("0.5", "0.5")), [QUIET] * 5, [1, 1, 1, 1, 1])
    assert entries(results) == [(1, 100)]


def test_signal_at_the_close_of_the_exit_candle_enters_again() -> None:
    bars = [QUIET, (100, 103, 99, 101), (101.5, 102, 101, 101.5)]
    results = run(one_set(profile("0.02", "0.05")), bars, [1, 1])
    assert [bar for bar, *_ in trades(results)] == [1]
    assert entries(results) == [(1, 100), (2, 101.5)]


@pytest.mark.parametrize("volume", [0.0, nan])
def test_candle_without_volume_makes_no_signal_but_is_traded(volume: float) -> None:
    results = run(one_set(profile("0.5", "0.5")), [QUIET] * 3, [1, 1], [volume, 1, 0])
    assert entries(results) == [(2, 100)]
    kept = run(one_set(profile("0.5", "0.5")), [QUIET] * 4, [1, -1], [1, volume, 1, 1])
    assert trades(kept) == []


def test_signal_on_a_missing_candle_does_not_count() -> None:
    assert entries(run(one_set(profile("0.5", "0.5")), [QUIET, MISSING, QUIET], [0, 1])) == []


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        # bought at 100.1, sold at 101.898: 1.798 / 100.1, and 0.1 % of 100.1 and of 101.898
        (1, (101.898 - 100.1 - 0.1001 - 0.101898) / 100.1),
        # sold at 99.9, bought back at 98.098: 1.802 / 99.9, and 0.1 % of 99.9 and of 98.098
        (-1, (99.9 - 98.098 - 0.0999 - 0.098098) / 99.9),
    ],
)
def test_fee_and_slippage_are_paid_on_both_sides(direction: int, expected: float) -> None:
    candle = (100, 103, 99, 101) if direction == 1 else (100, 101, 97, 99)
    ladder = one_set(profile("0.02", "0.05"), direction, Terms(0.001, 0.001))
    result = run(ladder, [QUIET, candle], [direction])
    assert float(result.trades.net_return[0]) == pytest.approx(expected, abs=1e-15)
    assert float(result.trades.exit[0]) == (102 if direction == 1 else 98)


def test_open_outside_its_candle_counts_as_part_of_it() -> None:
    bars = [QUIET, QUIET, (103, 101, 99, 100)]
    assert trades(run(one_set(profile("0.02", "0.05")), bars, [1])) == [(2, 100, 103, "take_profit")]


def test_a_return_beyond_a_thousand_percent_is_kept_clipped() -> None:
    ladder = one_set(profile("20"))
    candles = candles_at(HOUR, [QUIET, QUIET, (100, 2600, 99, 2500)])
    state = empty_state(ladder)
    result = advance(ladder, state, candles, np.array([[[1, 0, 0]]], np.int8))
    assert result.trades.net_return.tolist() == [20.0]
    assert state.returns[0, 0] == 10 * 10**7


def candles_at(open_time: int, bars: Sequence[Prices], symbols: Sequence[str] = ("A/USDT",)) -> Candles:
    fields = np.array([[*prices, 1.0] for prices in bars]).T[:, None, :].repeat(len(symbols), axis=1)
    return Candles(tuple(symbols), HOUR, open_time + HOUR * np.arange(len(bars)), *fields)


@pytest.mark.parametrize(
    ("candles", "signals", "words"),
    [
        (
            candles_at(3 * HOUR, [QUIET]),
            np.zeros((1, 1, 1), np.int8),
            "the bar that opens at 7200, not 10800",
        ),
        (candles_at(2 * HOUR, [QUIET]), np.zeros((2, 1, 1), np.int8), "signals of shape"),
        (candles_at(2 * HOUR, [QUIET]), np.zeros((1, 1, 2), np.int8), "signals of shape"),
        (candles_at(2 * HOUR, [QUIET], ("A/USDT", "B/USDT")), np.zeros((1, 2, 1), np.int8), "other symbols"),
    ],
)
def test_wrong_step_is_refused_and_changes_nothing(candles: Candles, signals: np.ndarray, words: str) -> None:
    ladder = one_set(profile("0.5", "0.5"))
    state = empty_state(ladder)
    advance(ladder, state, candles_at(HOUR, [QUIET]), np.ones((1, 1, 1), np.int8))
    before = to_arrays(state)
    with pytest.raises(UsageError, match=words):
        advance(ladder, state, candles, signals)
    same(before, state)


def test_candles_that_the_state_has_seen_change_nothing() -> None:
    ladder = one_set(profile("0.5", "0.5"))
    state = empty_state(ladder)
    seen = candles_at(HOUR, [QUIET, QUIET])
    advance(ladder, state, seen, np.ones((1, 1, 2), np.int8))
    before = to_arrays(state)
    again = advance(ladder, state, seen, np.ones((1, 1, 2), np.int8))
    same(before, state)
    assert (len(again.trades), len(again.entries), len(again.changes), len(again.wanted)) == (0, 0, 0, 0)


def test_candles_of_another_grid_are_refused() -> None:
    ladder = one_set(profile("0.5", "0.5"))
    fields = [np.full((1, 3), 100.0) for _ in range(5)]
    signals = np.zeros((1, 1, 3), np.int8)
    for symbol, timeframe in (("B/USDT", HOUR), ("A/USDT", 300)):
        other = Candles((symbol,), timeframe, timeframe * np.arange(3), *fields)
        with pytest.raises(UsageError, match="other symbols or of another timeframe"):
            advance(ladder, empty_state(ladder), other, signals)
    right = Candles(("A/USDT",), HOUR, HOUR * np.arange(3), *fields)
    with pytest.raises(UsageError, match="do not fit"):
        advance(ladder, empty_state(ladder), right, signals[:, :, :2])


def same(before: dict[str, np.ndarray], state: LadderState) -> None:
    after = to_arrays(state)
    for name, column in before.items():
        assert column.tobytes() == after[name].tobytes(), name
