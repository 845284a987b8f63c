"""Anchor blocks of candles: which of them the market tick archives; the ladder is rebuilt from them."""

from collections.abc import Iterable
from functools import reduce

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, FIELDS, Candles, between, merge, select


def block_start(time: int, timeframe: int) -> int:
    """Return when the anchor block begins that the epoch second `time` is in."""
    seconds = timeframe * ANCHOR_BLOCK
    return time // seconds * seconds


def block_end(time: int, timeframe: int) -> int:
    """Return when the anchor block ends that the epoch second `time` is in."""
    return block_start(time, timeframe) + timeframe * ANCHOR_BLOCK


def next_block(candles: Candles, archived: int) -> Candles | None:
    """Return the first block from `archived` (epoch second) on whose time is over, None if there is none.

    The oldest one may lack its first bars: those that the window of candles has left behind.
    """
    if not candles.bars:
        return None
    start = max(archived, int(candles.open_time[0]))
    end = block_end(start, candles.timeframe)
    return between(candles, start, end) if end <= candles.closed_until else None


def archived_still(known: Candles, merged: Candles, archived: int) -> int:
    """Return up to when the archive still holds all candles: `archived`, or the block that got one late.

    `known` were the candles before `merged`; a symbol that is new brings its whole past.
    """
    if not merged.bars:
        return archived
    old = between(merged, int(merged.open_time[0]), archived)
    if not old.bars:
        return archived
    before = select(between(known, int(old.open_time[0]), old.closed_until), old.symbols)
    if before.bars != old.bars:
        return int(old.open_time[0])
    late = np.zeros(old.bars, dtype=np.bool_)
    for field in FIELDS:
        one, other = getattr(before, field), getattr(old, field)
        late |= ((one != other) & ~(np.isnan(one) & np.isnan(other))).any(axis=0)
    return block_start(int(old.open_time[np.argmax(late)]), merged.timeframe) if late.any() else archived


def joined(blocks: Iterable[Candles]) -> Candles:
    """Lay blocks over each other, later ones on top, without leaving bars behind."""
    found = tuple(blocks)
    span = max(block.closed_until for block in found) - min(int(block.open_time[0]) for block in found)
    return reduce(lambda older, newer: merge(older, newer, span // newer.timeframe), found)
