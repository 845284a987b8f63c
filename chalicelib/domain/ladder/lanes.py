"""Lanes of a pass: stretches of a set's time that do not depend on each other; the kernel walks all at once.

A counted signal against a set ends whatever it holds at the next candle's open, so that the set is flat when
the next signal for it comes: what happened before cannot matter. Each run of signals one way therefore begins
a lane, and so does the beginning of the pass, with what the state carries over.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.market import Market
from chalicelib.domain.ladder.rules import Ladder
from chalicelib.domain.ladder.sets import Rows


@dataclass(frozen=True, slots=True)
class Lanes:
    """Columns `[lanes]`, by (set, start): the first signal of a lane is at `start`, all before `end`.

    `end` is the bar of the next signal against the set, `due` the first existing candle after it; the number
    of bars stands for none. `first` `[sets]` are the lanes that begin with the pass: they may be without a
    signal, and then their `start` is not before their `end`.
    """

    sets: Rows
    start: Rows
    end: Rows
    due: Rows
    first: Rows

    def __len__(self) -> int:
        return len(self.sets)


def lane_counts(ladder: Ladder, market: Market) -> Rows:
    """Return how many lanes each set has in a pass."""
    return market.run_count.take(ladder.signal) + 1


def lanes_of(ladder: Ladder, market: Market, begin: int, end: int, counts: NDArray[np.int64]) -> Lanes:
    """Return the lanes of the sets `[begin, end)`, of which each has so many."""
    first = np.cumsum(counts) - counts
    sets = np.repeat(np.arange(begin, end), counts)
    start = np.zeros(len(sets), dtype=np.int64)
    if len(sets) > len(first):
        later = np.ones(len(sets), dtype=np.bool_)
        later[first] = False
        # Within a set the runs of its source follow each other in the market's list.
        shift = market.run_first.take(ladder.signal[begin:end]) - first - 1
        start[later] = market.run_bar.take((np.repeat(shift, counts) + np.arange(len(sets)))[later])
    width = market.bars + 1
    place = ladder.opposite.take(sets) * width + start
    start[first] = market.next_signal.take(ladder.signal[begin:end] * width)
    until = market.next_signal.take(place).astype(np.int64)
    after = ladder.sets.symbol.take(sets) * (market.bars + 2) + until + 1
    return Lanes(sets, start, until, market.next_candle.take(after).astype(np.int64), first)
