"""The votes of a whole period at once, as the strategy tick sees them candle by candle; for the backtest."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, anchored
from chalicelib.domain.connection import Connection
from chalicelib.domain.voting import Crossing, Evaluation, evaluate

Signs = Sequence[tuple[int, int]]
"""Signals of one candle: row of the symbol, and sign."""


class Signalled(NamedTuple):
    """A candle with signals: the second at which it closed, row and sign of each, and its place."""

    closed: int
    signs: Signs
    bar: int
    evaluation: Evaluation

    def crossings(self, signs: Signs) -> list[Crossing]:
        """Return some of the signals as crossings of the evaluation."""
        return [Crossing(row, self.bar, sign) for row, sign in signs]


def signalled(candles: Candles, connection: Connection, start: int, end: int) -> Iterator[Signalled]:
    """Yield every candle with a signal that closes in `[start, end)`, oldest first.

    One evaluation per anchor block serves all its candles: a vote depends on nothing after its bar.
    """
    step = candles.timeframe
    block = step * ANCHOR_BLOCK
    times = candles.open_time[(candles.open_time + step >= start) & (candles.open_time + step < end)]
    for number in np.unique(times // block):
        inside = times[times // block == number]
        window = anchored(candles, int(inside[-1]))
        first = window.bars - len(inside)
        found = evaluate(window, connection.strategies, connection.risk.min_confidence, first)
        yield from _signalled(found)


def _signalled(found: Evaluation) -> Iterator[Signalled]:
    """Yield the bars with a signal, from the first that was asked for on."""
    asked = found.candles.bars - found.first
    bars, rows = np.nonzero(found.signals[:, -asked:].T)
    bars -= asked
    signs = list(zip(rows.tolist(), found.signals[rows, bars].tolist(), strict=True))
    present, begins = np.unique(bars, return_index=True)
    closed = (found.candles.open_time[present] + found.candles.timeframe).tolist()
    ends = [*begins[1:].tolist(), len(signs)]
    for bar, time, begin, end in zip(present.tolist(), closed, begins.tolist(), ends, strict=True):
        yield Signalled(time, signs[begin:end], bar, found)
