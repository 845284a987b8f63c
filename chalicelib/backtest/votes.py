"""The votes of a whole period at once, as the strategy tick sees them candle by candle; for the backtest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, FIELDS, Candles, anchored
from chalicelib.domain.connection import Connection
from chalicelib.domain.replacing import replace
from chalicelib.domain.strategies.base import Votes
from chalicelib.domain.voting import Evaluation, evaluate


@dataclass(frozen=True, slots=True, eq=False)
class Signalled:
    """A candle with signals: the second at which it closed, and the row and sign of each signal."""

    closed: int
    signals: Sequence[tuple[int, int]]
    whole: Evaluation
    bars: int

    def evaluation(self, kept: Sequence[tuple[int, int]]) -> Evaluation:
        """Return the evaluation as it was at this candle, with the signals of `kept` alone."""
        whole, bars = self.whole, self.bars
        signs = np.zeros((len(whole.signals), 1), dtype=whole.signals.dtype)
        for row, sign in kept:
            signs[row] = sign

        def seen(given: Votes) -> Votes:
            return Votes(given.score[:, :bars], given.confidence[:, :bars])

        candles = whole.candles
        fields = (getattr(candles, field)[:, :bars] for field in FIELDS)
        return replace(
            whole,
            candles=Candles(candles.symbols, candles.timeframe, candles.open_time[:bars], *fields),
            votes={name: seen(vote) for name, vote in whole.votes.items()},
            combined=seen(whole.combined),
            signals=signs,
        )


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
    signs = whole.signals[rows, first + bars]
    found: dict[int, list[tuple[int, int]]] = {}
    for bar, row, sign in zip(bars.tolist(), rows.tolist(), signs.tolist(), strict=True):
        found.setdefault(first + bar, []).append((row, sign))
    times, step = whole.candles.open_time.tolist(), whole.candles.timeframe
    for bar, signals in found.items():
        yield Signalled(times[bar] + step, signals, whole, bar + 1)
