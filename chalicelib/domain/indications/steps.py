"""Turns closes into bricks of one relative step, and bricks into runs; the step indications read them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indicators.rows import Floats

Counts = NDArray[np.int32]

_LOWEST, _HIGHEST = np.iinfo(np.int32).min, np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class StepPath:
    """Signed bricks of the present run and of the run before it, `[symbols, bars]`; 0 where there is none.

    `sign` and `length` are those of the run, `turned_length` is the shorter length of both runs.
    """

    run: Counts
    previous_run: Counts
    sign: NDArray[np.int8]
    length: Floats
    turned_length: Floats


def step_path(close: Floats, step_size: float = 0.001) -> StepPath:
    """Return the runs of bricks of relative size `step_size` after every bar.

    `close` is `[symbols, bars]`; a NaN makes no brick. With l = log(close) / log1p(step_size) and a whole
    number `level`, a bar makes n = trunc(l - level) bricks and moves the level by n. Bricks of the sign of
    the run lengthen it, others begin a new one. Levels are whole from the start (the first close is rounded),
    so paths that begin at different bars lie on one grid and meet after a few bricks.
    """
    levels = _levels(np.log(close) / np.log1p(step_size))
    bricks = np.zeros(close.shape, dtype=np.int32)
    np.subtract(levels[:, 1:], levels[:, :-1], out=bricks[:, 1:])
    return _runs(bricks)


def _levels(exact: Floats) -> Counts:
    """Return the level after every bar from exact levels, both `[symbols, bars]`.

    For a whole level, level + trunc(l - level) is the level clipped to [floor(l), ceil(l)]. Two clips in a
    row are one clip, so those of 2, 4, 8 ... bars are put together (a parallel prefix, Hillis and Steele
    1986), and the level of the first bar is clipped once for every bar.
    """
    symbols, bars = exact.shape
    missing = np.isnan(exact)
    known = np.where(missing, 0.0, exact)
    low = np.where(missing, _LOWEST, np.floor(known)).astype(np.int32)
    high = np.where(missing, _HIGHEST, np.ceil(known)).astype(np.int32)
    begin = np.zeros(symbols, dtype=np.int32)
    if bars:
        begin = np.rint(known[np.arange(symbols), np.argmin(missing, axis=1)]).astype(np.int32)
    span = 1
    while span < bars:
        earlier, later = slice(None, -span), slice(span, None)
        lower = np.maximum(low[:, earlier], low[:, later])
        higher = np.maximum(high[:, earlier], low[:, later])
        low[:, later] = np.minimum(lower, high[:, later], out=lower)
        high[:, later] = np.minimum(higher, high[:, later], out=higher)
        span *= 2
    return np.minimum(np.maximum(begin[:, None], low), high)


def _runs(bricks: Counts) -> StepPath:
    """Return the runs from the signed bricks of every bar, `[symbols, bars]`, none at the first bar."""
    marked = bricks != 0
    # A mark without a brick at the first bar of every symbol keeps runs from reaching into the next symbol.
    marked[:, :1] = True
    places = np.flatnonzero(marked)
    if not len(places):
        return _path(bricks, bricks.copy())
    steps = bricks.ravel()[places]
    sign = np.sign(steps)
    begins = np.concatenate(([True], sign[1:] != sign[:-1]))
    begin_at = np.flatnonzero(begins)
    number = np.cumsum(begins) - 1
    travelled = np.cumsum(steps, dtype=np.int32)
    before = travelled[begin_at] - steps[begin_at]
    total = np.diff(before, append=travelled[-1])
    previous = np.concatenate((np.zeros(1, dtype=np.int32), total[:-1]))
    # The mark of a symbol's first bar is a run of no bricks, and nothing came before it.
    previous[sign[begin_at] == 0] = 0
    lengths = np.diff(places, append=bricks.size)
    run = np.repeat(travelled - before[number], lengths).reshape(bricks.shape)
    return _path(run, np.repeat(previous[number], lengths).reshape(bricks.shape))


def _path(run: Counts, previous_run: Counts) -> StepPath:
    length = np.abs(run).astype(np.float64)
    turned_length = np.minimum(length, np.abs(previous_run))
    return StepPath(run, previous_run, np.sign(run).astype(np.int8), length, turned_length)
