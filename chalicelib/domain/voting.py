"""From candles to votes and signals for one connection's selection of strategies: pure, bar by bar the same.

Every bar is judged on the window of its anchor block: live, catching up and backtest agree to the bit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, anchored, between
from chalicelib.domain.connection import StrategyChoice
from chalicelib.domain.strategies import parameters_of, strategy_named
from chalicelib.domain.strategies.base import Votes, Window, window_of
from chalicelib.domain.strategies.combine import ValidatorParameters, combine, crossings, validate

Signs = NDArray[np.int8]

VERSION = 1
"""Grows with every change of strategies or indicators that lets the same candles lead to other signals."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What all strategies say on one window.

    `votes` per strategy; `own` is where each strategy alone would signal, `[strategies, symbols, bars]` in
    the order of `votes`; `combined` the joint vote after the validators; `signals` where it begins.
    """

    candles: Candles
    window: Window
    votes: Mapping[str, Votes]
    own: Signs
    combined: Votes
    signals: Signs


def evaluate(candles: Candles, choices: Mapping[str, StrategyChoice], min_confidence: float) -> Evaluation:
    """Evaluate the chosen strategies on a window of candles (see `candles.anchored`)."""
    window = window_of(candles)
    votes = {
        name: strategy_named(name).vote(window, parameters_of(name, choice.parameters))
        for name, choice in choices.items()
    }
    own = np.stack([crossings(vote, min_confidence, window.traded) for vote in votes.values()])
    weights = {name: choice.weight for name, choice in choices.items()}
    combined = validate(combine(votes, weights), window, ValidatorParameters()).votes
    return Evaluation(
        candles, window, votes, own, combined, crossings(combined, min_confidence, window.traded)
    )


def evaluations(
    candles: Candles,
    choices: Mapping[str, StrategyChoice],
    min_confidence: float,
    since: int,
    known: Evaluation | None = None,
) -> Iterator[tuple[Candles, Signs]]:
    """Yield the bars that open at or after `since` with each strategy's own signals, block by block.

    `known` is used where it is the evaluation of a block's last bar.
    """
    block = candles.timeframe * ANCHOR_BLOCK
    times = candles.open_time[candles.open_time >= since]
    for number in np.unique(times // block):
        inside = times[times // block == number]
        first, last = int(inside[0]), int(inside[-1])
        if known is not None and int(known.candles.open_time[-1]) == last:
            found = known
        else:
            found = evaluate(anchored(candles, last), choices, min_confidence)
        chosen = found.candles.open_time >= first
        yield between(candles, first, last + candles.timeframe), found.own[:, :, chosen]


def reasons(evaluation: Evaluation, row: int, sign: int) -> tuple[str, ...]:
    """Return which strategies speak for a direction at the last bar, with score and confidence."""
    found = []
    for name, vote in evaluation.votes.items():
        score, confidence = float(vote.score[row, -1]), float(vote.confidence[row, -1])
        if score * sign > 0:
            found.append(f"{name} {score:+.2f} at {confidence:.2f}")
    return tuple(found)
