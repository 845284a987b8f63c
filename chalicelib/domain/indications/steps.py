"""Turns closes into bricks of one relative step, and bricks into runs; the step indications read them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indicators.rows import Floats

Counts = NDArray[np.int32]


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
    levels = _levels(np.ascontiguousarray(np.log(close).T) / np.log1p(step_size))
    bricks = np.zeros(close.shape, dtype=np.int32)
    bricks[:, 1:] = np.diff(levels, axis=0).T
    return _runs(bricks)


def _levels(exact: Floats) -> Floats:
    """Return the level after every bar, `[bars, symbols]`, from exact levels of the same shape.

    For a whole level, level + trunc(l - level) is the level clipped to [floor(l), ceil(l)].
    """
    bars, symbols = exact.shape
    levels = np.zeros((bars, symbols))
    if not bars:
        return levels
    missing = np.isnan(exact)
    lowest = np.where(missing, -np.inf, np.floor(exact))
    highest = np.where(missing, np.inf, np.ceil(exact))
    first = np.argmin(missing, axis=0)
    level = np.nan_to_num(np.rint(exact[first, np.arange(symbols)]))
    for low, high, after in zip(lowest, highest, levels, strict=True):
        np.maximum(level, low, out=after)
        np.minimum(after, high, out=after)
        level = after
    return levels


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
