"""Breaks in a series of candles, as by a redenomination: no position is counted across one."""

from collections.abc import Sequence
from decimal import Decimal
from math import nan

import numpy as np
import pytest

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.ladder import (
    LEVEL_RULES,
    Advanced,
    Ladder,
    Terms,
    advance,
    build_ladder,
    configuration_sets,
    empty_state,
    from_arrays,
    to_arrays,
)
from chalicelib.domain.signal import ExitProfile
from tests.domain.ladder_candles import RECORDED
from tests.shared import shared_path

HOUR = 3600
Prices = tuple[float, float, float, float]
MISSING = (nan, nan, nan, nan)
QUIET: Prices = (100, 100.5, 99.5, 100)
DEARER: Prices = (100_000, 100_500, 99_500, 100_000)
CHEAPER: Prices = (0.1, 0.1005, 0.0995, 0.1)
WIDE = ExitProfile(Decimal("0.5"), Decimal("0.5"))


def one_set(exits: ExitProfile = WIDE, direction: int = 1) -> Ladder:
    sets = configuration_sets(("A/USDT",), ("trend",), (exits,), HOUR, [(0, 0, direction, 0)])
    return build_ladder(sets, Terms(0.0, 0.0), LEVEL_RULES["source"])


def run(ladder: Ladder, bars: Sequence[Prices], signals: Sequence[int]) -> Advanced:
    """Step one set over bars, all at once and bar by bar through stored states, which must be the same."""
    fields = np.array([[*prices, 1.0] for prices in bars]).T[:, None, :]
    candles = Candles(("A/USDT",), HOUR, HOUR * (1 + np.arange(len(bars))), *fields)
    padded = np.array([*signals, *[0] * (len(bars) - len(signals))], dtype=np.int8)[None, None, :]
    result, state, steps = advance(ladder, empty_state(ladder), candles, padded), empty_state(ladder), []
    for bar in range(len(bars)):
        one = between(candles, HOUR * (1 + bar), HOUR * (2 + bar))
        steps.append(advance(ladder, state, one, padded[:, :, bar : bar + 1]))
        loaded = from_arrays(ladder, to_arrays(state), ladder.fingerprint)
        assert loaded is not None
        state = loaded
    for name, column in to_arrays(result.state).items():
        assert column.tobytes() == to_arrays(state)[name].tobytes(), name
    for kind in ("trades", "entries", "dropped"):
        parts = [getattr(step, kind) for step in steps]
        assert [n for part in parts for n in part.entered.tolist()] == getattr(result, kind).entered.tolist()
    return result


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("after", [DEARER, CHEAPER])
def test_a_position_across_a_break_counts_nowhere(direction: int, after: Prices) -> None:
    result = run(one_set(direction=direction), [QUIET, QUIET, after, after], [direction])
    assert (len(result.trades), len(result.held), result.state.closed.tolist()) == (0, 0, [0])
    assert result.dropped.entered.tolist() == result.entries.entered.tolist() == [2 * HOUR]


def test_the_last_candle_may_lie_before_missing_ones() -> None:
    result = run(one_set(), [QUIET, QUIET, MISSING, MISSING, DEARER], [1])
    assert (len(result.trades), len(result.dropped)) == (0, 1)


@pytest.mark.parametrize(("factor", "breaks"), [(5.0, False), (5.01, True), (0.2, False), (0.199, True)])
def test_a_break_is_more_than_a_factor_of_five(factor: float, breaks: bool) -> None:
    after: Prices = (100 * factor, 100 * factor, 100 * factor, 100 * factor)
    result = run(one_set(), [QUIET, QUIET, after], [1])
    assert (len(result.trades), len(result.dropped)) == ((0, 1) if breaks else (1, 0))


def test_a_break_comes_before_a_time_limit_and_a_reversal() -> None:
    timed = ExitProfile(Decimal("0.5"), Decimal("0.5"), time_limit=HOUR)
    for exits, signals in ((timed, [1]), (WIDE, [1, -1])):
        result = run(one_set(exits), [QUIET, QUIET, DEARER], signals)
        assert (len(result.trades), len(result.dropped)) == (0, 1)


def test_trading_goes_on_in_the_new_units() -> None:
    dearer_by_half: Prices = (100_000, 160_000, 99_000, 150_000)
    bars = [QUIET, QUIET, DEARER, DEARER, dearer_by_half]
    result = run(one_set(), bars, [1, 0, 1])
    assert result.entries.price.tolist() == [100, 100_000]
    assert (result.trades.entry.tolist(), result.trades.exit.tolist()) == ([100_000], [150_000])


def test_an_entry_at_the_open_of_the_break_is_in_the_new_units() -> None:
    result = run(one_set(), [QUIET, DEARER, DEARER], [1])
    assert (len(result.dropped), result.held.price.tolist()) == (0, [100_000])


def test_the_first_candle_of_a_symbol_breaks_nothing() -> None:
    result = run(one_set(), [MISSING, CHEAPER, CHEAPER], [0, 1])
    assert (len(result.dropped), result.held.price.tolist()) == (0, [0.1])


@pytest.mark.parametrize(("symbol", "direction"), [("COCOS", 1), ("BTCST", -1)])
def test_recorded_redenominations_are_breaks(symbol: str, direction: int) -> None:
    # 1:1000 and 10:1, each after four days without candles.
    table = np.loadtxt(shared_path(f"{RECORDED}/{symbol}USDT-1h.csv.gz"), delimiter=",", skiprows=1)
    bars = (table[:, 0].astype(np.int64) // 1000 - int(table[0, 0]) // 1000) // HOUR
    fields = np.full((5, 1, int(bars[-1]) + 1), nan)
    fields[:, 0, bars] = table[:, 1:].T
    times = int(table[0, 0]) // 1000 + HOUR * np.arange(fields.shape[2])
    candles = Candles(("A/USDT",), HOUR, times, *fields)
    last = int(bars[np.diff(bars).argmax()])
    signals = np.zeros((1, 1, candles.bars), np.int8)
    signals[0, 0, last - 1] = direction
    never = ExitProfile(Decimal(2000), Decimal(20))
    ladder = one_set(never, direction)
    result = advance(ladder, empty_state(ladder), candles, signals)
    assert result.dropped.entered.tolist() == [times[last]]
    assert (len(result.trades), len(result.held)) == (0, 0)


def test_a_state_with_an_impossible_close_is_not_loaded() -> None:
    ladder = one_set()
    arrays = to_arrays(run(ladder, [QUIET, QUIET], [1]).state)
    assert arrays["last_close"].tolist() == [100]
    for wrong in (-1.0, np.inf):
        assert from_arrays(ladder, arrays | {"last_close": np.array([wrong])}, ladder.fingerprint) is None
