"""The votes of a whole period at once, as the strategy tick sees them candle by candle; for the backtest."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, FIELDS, Candles, anchored
from chalicelib.domain.connection import Connection
from chalicelib.domain.strategies.base import Votes
from chalicelib.domain.voting import Evaluation, evaluate


def signalled(candles: Candles, connection: Connection, start: int, end: int) -> Iterator[Evaluation]:
    """Yield the evaluation of every candle with a signal that closes in `[start, end)`, oldest first.

    One evaluation per anchor block serves all its candles: a vote depends on nothing after its bar.
    """
    step = candles.timeframe
    block = step * ANCHOR_BLOCK
    times = candles.open_time[(candles.open_time + step >= start) & (candles.open_time + step < end)]
    for number in np.unique(times // block):
        inside = times[times // block == number]
        window = anchored(candles, int(inside[-1]))
        whole = evaluate(window, connection.strategies, connection.risk.min_confidence)
        first = window.bars - len(inside)
        for bar in np.flatnonzero(whole.signals[:, first:].any(axis=0)).tolist():
            yield _until(whole, first + bar + 1)


def _until(whole: Evaluation, bars: int) -> Evaluation:
    """Return an evaluation as it was after its first `bars` bars; views, nothing is copied."""

    def seen(given: Votes) -> Votes:
        return Votes(given.score[:, :bars], given.confidence[:, :bars])

    candles = whole.candles
    fields = (getattr(candles, field)[:, :bars] for field in FIELDS)
    return replace(
        whole,
        candles=Candles(candles.symbols, candles.timeframe, candles.open_time[:bars], *fields),
        votes={name: seen(vote) for name, vote in whole.votes.items()},
        combined=seen(whole.combined),
        signals=whole.signals[:, :bars],
    )
