"""The votes of a whole period at once, as the strategy tick sees them candle by candle; for the backtest."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, anchored
from chalicelib.domain.connection import Connection
from chalicelib.domain.voting import Crossing, Evaluation, evaluate


class Signalled(NamedTuple):
    """A candle with signals: the second at which it closed, its crossings, and the evaluation they are of."""

    closed: int
    crossings: Sequence[Crossing]
    evaluation: Evaluation


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
        whole = evaluate(window, connection.strategies, connection.risk.min_confidence)
        yield from _signalled(whole, window.bars - len(inside))


def _signalled(whole: Evaluation, first: int) -> Iterator[Signalled]:
    """Yield the bars with a signal from bar `first` on."""
    bars, rows = np.nonzero(whole.signals[:, first:].T)
    bars += first
    found: dict[int, list[Crossing]] = {}
    for row, bar, sign in zip(rows.tolist(), bars.tolist(), whole.signals[rows, bars].tolist(), strict=True):
        found.setdefault(bar, []).append(Crossing(row, bar, sign))
    times, step = whole.candles.open_time.tolist(), whole.candles.timeframe
    for bar, crossings in found.items():
        yield Signalled(times[bar] + step, crossings, whole)
