"""Candle blocks: merging, anchors, gaps, staleness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import (
    ANCHOR_BLOCK,
    FIELDS,
    KEPT_BARS,
    Candles,
    anchor_of,
    anchored,
    between,
    empty_candles,
    filled,
    last_close_time,
    merge,
    select,
    stale,
)
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError

T0 = 300 * 5_395_000


def block(symbols: tuple[str, ...], start: int, bars: int, seed: int = 1, missing: float = 0.0) -> Candles:
    rng = np.random.default_rng(seed)
    candles = empty_candles(symbols, 300, start, bars)
    present = rng.random((len(symbols), bars)) >= missing
    for field in FIELDS:
        getattr(candles, field)[present] = rng.random(int(present.sum())) + 1
    return candles


@settings(max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**31))
def test_merging_piece_by_piece_gives_the_whole(lengths: list[int], seed: int) -> None:
    whole = block(("A", "B"), T0, sum(lengths), seed, missing=0.2)
    merged = empty_candles(("A", "B"), 300)
    start = T0
    for length in lengths:
        merged = merge(merged, between(whole, start, start + length * 300))
        start += length * 300
    np.testing.assert_array_equal(merged.open_time, whole.open_time)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(merged, field), getattr(whole, field))


def test_merge_keeps_the_window_adds_symbols_and_never_erases() -> None:
    old = block(("A",), T0, KEPT_BARS)
    new = empty_candles(("A", "B"), 300, T0 + (KEPT_BARS - 1) * 300, 3)
    new.close[1, 2] = 7.0
    merged = merge(old, new)
    assert merged.bars == KEPT_BARS
    assert merged.symbols == ("A", "B")
    assert merged.close[0, -3] == old.close[0, -1], "a missing candle does not erase a stored one"
    assert merged.close[1, -1] == 7.0


def test_old_pieces_do_not_move_the_window_back() -> None:
    recent = block(("A",), T0 + KEPT_BARS * 300, KEPT_BARS)
    merged = merge(recent, block(("A",), T0, 10))
    np.testing.assert_array_equal(merged.open_time, recent.open_time)


@given(st.integers(0, 10 * ANCHOR_BLOCK))
def test_a_window_holds_one_to_two_blocks_and_its_anchor_is_the_same_for_the_whole_block(bar: int) -> None:
    open_time = bar * 300 + 5 * ANCHOR_BLOCK * 300
    anchor = anchor_of(open_time, 300)
    bars = (open_time - anchor) // 300 + 1
    assert ANCHOR_BLOCK < bars <= 2 * ANCHOR_BLOCK
    first_of_block = open_time // (300 * ANCHOR_BLOCK) * 300 * ANCHOR_BLOCK
    assert anchor_of(first_of_block, 300) == anchor


def test_anchored_ends_with_the_bar_asked_for() -> None:
    candles = block(("A",), T0, KEPT_BARS)
    window = anchored(candles, int(candles.open_time[-5]))
    assert window.open_time[-1] == candles.open_time[-5]


def test_filling_carries_the_close_and_leaves_late_listings_alone() -> None:
    candles = empty_candles(("A",), 300, T0, 5)
    for field in FIELDS:
        getattr(candles, field)[0, [1, 3]] = [10.0, 12.0]
    whole = filled(candles)
    np.testing.assert_array_equal(whole.close[0], [np.nan, 10, 10, 12, 12])
    np.testing.assert_array_equal(whole.high[0], [np.nan, 10, 10, 12, 12])
    np.testing.assert_array_equal(whole.volume[0], [np.nan, 10, 0, 12, 0])


def test_staleness_counts_from_the_last_existing_candle() -> None:
    candles = block(("A", "B", "C"), T0, 4)
    candles.close[1, -1] = np.nan
    candles.close[2, :] = np.nan
    end = T0 + 4 * 300
    assert last_close_time(candles).tolist() == [end, end - 300, 0]
    assert stale(candles, end + 600).tolist() == [False, True, True]


def test_select_reorders_and_marks_unknown_symbols() -> None:
    chosen = select(block(("A", "B"), T0, 3), ("B", "Z"))
    assert chosen.symbols == ("B", "Z")
    assert np.isnan(chosen.close[1]).all()
    assert not np.isnan(chosen.close[0]).any()


def test_wrong_timeframes_are_named() -> None:
    with pytest.raises(UsageError, match="use one of 1m"):
        timeframe_seconds("7m")
    with pytest.raises(UsageError, match="can't be merged"):
        merge(empty_candles(("A",), 60), empty_candles(("A",), 300))
