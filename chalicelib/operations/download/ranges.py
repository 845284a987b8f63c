"""Which candles are missing: half-open ranges of open times in epoch seconds; called by the download."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]


def missing_blocks(
    present: NDArray[np.int64], empty: Iterable[Range], start: int, end: int, step: int, most: int
) -> list[Range]:
    """Return the ranges between `start` and `end` that are neither present nor known to be empty.

    `present`: open times, in any order; `start` and `end` lie on the grid of `step`. A range has at most
    `most` candles.
    """
    bars = max(0, (end - start) // step)
    wanted = np.ones(bars, dtype=np.bool_)
    inside = present[(present >= start) & (present < end)]
    wanted[(inside - start) // step] = False
    for first, last in empty:
        wanted[max(0, (first - start) // step) : max(0, (last - start) // step)] = False
    return [
        (at, min(at + most * step, last))
        for first, last in _runs(wanted, start, step)
        for at in range(first, last, most * step)
    ]


def empty_ranges(present: NDArray[np.int64], asked: Range, step: int) -> list[Range]:
    """Return the parts of a range that was asked for in which the exchange has no candles."""
    start, end = asked
    absent = np.ones((end - start) // step, dtype=np.bool_)
    absent[(present - start) // step] = False
    return _runs(absent, start, step)


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return the same ranges in order, those that touch or overlap as one."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def candles_in(ranges: Sequence[Range], step: int) -> int:
    """Return how many candles fit in ranges."""
    return sum((end - start) // step for start, end in ranges)


def _runs(mask: NDArray[np.bool_], start: int, step: int) -> list[Range]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(start + int(a) * step, start + int(b) * step) for a, b in edges.reshape(-1, 2)]
