"""From candles to votes and signals for one connection's selection of strategies: pure, bar by bar the same.

Every bar is judged on the window of its anchor block: live, catching up and backtest agree to the bit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, anchored, between
from chalicelib.domain.connection import StrategyChoice
from chalicelib.domain.ladder.sources import (
    Signs,
    Source,
    Variant,
    chosen_sources,
    source_signals,
    votes_of,
)
from chalicelib.domain.strategies.base import Votes, Window, window_of
from chalicelib.domain.strategies.combine import ValidatorParameters, combine, crossings, validate

VERSION = 1
"""Grows with every change of strategies or indicators that lets the same candles lead to other signals."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a connection's strategies say at the last bars of some candles, from bar `first` on.

    `votes` per strategy; `combined` the joint vote after the validators; `signals` where it begins, int8. All
    are those of `window`, a tail: `[symbols, its bars]`, so bars count from the end. `known` are the same
    votes by what they were computed from.
    """

    candles: Candles
    first: int
    window: Window
    votes: Mapping[str, Votes]
    combined: Votes
    signals: Signs
    known: Mapping[Variant, Votes] = field(repr=False)


def evaluate(
    candles: Candles, choices: Mapping[str, StrategyChoice], min_confidence: float, first: int = 0
) -> Evaluation:
    """Evaluate the chosen strategies on a window of candles (see `candles.anchored`) from bar `first` on."""
    window = window_of(candles).tail(first)
    sources = chosen_sources(choices)
    votes = {source.label: votes_of(window, source) for source in sources}
    weights = {name: choice.weight for name, choice in choices.items()}
    combined = validate(combine(votes, weights), window, ValidatorParameters()).votes
    signals = crossings(combined, min_confidence, window.traded)
    known = {source.variant: votes[source.label] for source in sources}
    return Evaluation(candles, first, window, votes, combined, signals, known)


def evaluations(
    candles: Candles,
    sources: Sequence[Source],
    min_confidence: float,
    since: int,
    known: Evaluation | None = None,
) -> Iterator[tuple[Candles, Signs]]:
    """Yield the bars that open at or after `since` with each source's own signals, block by block.

    Signals are int8 `[sources, symbols, bars]`. `known` is used where it is the evaluation of a block's last
    bar, and has what is asked of the block.
    """
    block = candles.timeframe * ANCHOR_BLOCK
    times = candles.open_time[candles.open_time >= since]
    for number in np.unique(times // block):
        inside = times[times // block == number]
        first, last = int(inside[0]), int(inside[-1])
        bars = between(candles, first, last + candles.timeframe)
        if known is not None and _covers(known, last, bars.bars):
            window, votes = known.window, known.known
        else:
            whole = window_of(anchored(candles, last))
            window, votes = whole.tail(whole.bars - bars.bars), {}
        yield bars, source_signals(window, sources, min_confidence, window.bars - bars.bars, votes)


def _covers(known: Evaluation, last: int, bars: int) -> bool:
    """Tell whether an evaluation has the signals of the `bars` up to the one that opens at `last`."""
    return int(known.candles.open_time[-1]) == last and known.candles.bars - known.first >= bars


LAST = -1
"""The last bar of an evaluation."""


class Crossing(NamedTuple):
    """Where a joint vote begins: row of the symbol, sign of the direction, and bar, counted from the end."""

    row: int
    bar: int
    sign: int


def crossings_at(evaluation: Evaluation, bar: int) -> tuple[Crossing, ...]:
    """Return the crossings of all symbols at one bar."""
    signs = evaluation.signals[:, bar]
    return tuple(Crossing(row, bar, int(signs[row])) for row in np.flatnonzero(signs).tolist())


def reasons(evaluation: Evaluation, at: Crossing) -> tuple[str, ...]:
    """Return which strategies speak for a crossing, with score and confidence."""
    found = []
    for name, vote in evaluation.votes.items():
        score = vote.score.item(at.row, at.bar)
        if score * at.sign > 0:
            found.append(f"{name} {score:+.2f} at {vote.confidence.item(at.row, at.bar):.2f}")
    return tuple(found)
