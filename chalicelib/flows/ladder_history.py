"""The candles a ladder steps over next: those of the feed's object, and older ones from the archive."""

from chalicelib.domain.candle_blocks import block_end, block_start, joined
from chalicelib.domain.candles import Candles, anchor_of, between, select
from chalicelib.flows.world import World

MOST_BLOCKS = 16
"""Archived blocks that one tick reads: some 4,000 candles of every symbol."""


def history(world: World, feed: str, stored: Candles, begin: int, since: int) -> Candles | None:
    """Return the candles from which the bars from `since` on are judged, as far as one tick may read them.

    `stored` are those of the feed's object, for the ladder's symbols; `begin` is the ladder's first candle:
    those before it never count. None if the archive lacks a block, or a part of it.
    """
    first = first_judged(since, stored.timeframe, begin)
    if first >= int(stored.open_time[0]):
        return between(stored, first, stored.closed_until)
    blocks = _archived(world, feed, stored, first)
    return between(joined(blocks), first, stored.closed_until) if blocks else None


def first_judged(open_time: int, timeframe: int, begin: int) -> int:
    """Return the first candle of the window on which a ladder that begins at `begin` judges a bar."""
    return max(anchor_of(open_time, timeframe), begin)


def _archived(world: World, feed: str, stored: Candles, first: int) -> list[Candles]:
    """Return the blocks from `first` on, the stored candles behind them if these are reached."""
    oldest, step = int(stored.open_time[0]), stored.timeframe
    found: list[Candles] = []
    time = first
    while time < oldest and len(found) < MOST_BLOCKS:
        block = world.objects.load_block(feed, step, block_start(time, step))
        if block is None or int(block.open_time[0]) > time:
            return []
        found.append(select(block, stored.symbols))
        time = block_end(time, step)
    return [*found, stored] if time >= oldest else found
