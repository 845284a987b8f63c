"""Placebo sets: real configuration sets whose entries fall on random candles; the ladder's study makes them.

A placebo takes symbol, direction, exit profile and number of signals from a real set and nothing else, so
that whatever it earns is the market and luck. Every placebo has entries of its own: no two share a source.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles, Floats
from chalicelib.domain.ladder.sets import LONG, SHORT, ConfigurationSets, Rows

Signs = NDArray[np.int8]
Generator = np.random.Generator

FIELD_SETS = 10_000
"""Sets that compete in one ladder at most: bounds the memory, whatever number of placebos is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """Sets that compete in one ladder, and their sources' signals `[sources, symbols, bars]`."""

    sets: ConfigurationSets
    signals: Signs


def placebo_contests(
    real: Contest, candles: Candles, number: int, rate: float, random: Generator
) -> Iterator[Contest]:
    """Yield contests of together `number` placebos, each of about the same size.

    The real sets serve as templates by turns, in random order, so that placebos are spread over symbols,
    directions, sources and exit profiles as they are. `rate` times as many signals as the template's source
    gives on its symbol fall on candles that exist and were traded, each equally likely.
    """
    for part in np.array_split(templates(real, number, random), -(-number // FIELD_SETS)):
        yield placebo_contest(real, candles, part, np.full((len(part), 2), rate), random)


def templates(real: Contest, number: int, random: Generator) -> Rows:
    """Return rows of real sets, all by turns, in random order."""
    rounds = -(-number // len(real.sets))
    return np.concatenate([random.permutation(len(real.sets)) for _ in range(rounds)])[:number]


def placebo_contest(
    real: Contest, candles: Candles, templates: Rows, rates: Floats, random: Generator
) -> Contest:
    """Return a contest of one placebo per template, by template.

    `rates` `[templates, 2]` say how many times as many signals each gets as its template, long and short.
    """
    by_template = np.argsort(templates, kind="stable")
    templates, rates = templates[by_template], rates[by_template]
    sets, (symbols, bars) = real.sets, candles.close.shape
    symbol = sets.symbol[templates]
    by_symbol = np.argsort(symbol, kind="stable")
    per_symbol = np.bincount(symbol, minlength=symbols)
    source = np.empty(len(templates), dtype=np.int64)
    source[by_symbol] = np.concatenate([np.arange(count) for count in per_symbol])
    signals = np.zeros((int(per_symbol.max()), symbols, bars), dtype=np.int8)
    for row in range(symbols):
        here = np.flatnonzero(symbol == row)
        traded = np.flatnonzero(~np.isnan(candles.close[row]) & (candles.volume[row] > 0))
        originals = real.signals[sets.strategy[templates[here]], row][:, traded]
        signals[source[here][:, None], row, traded] = _shuffled(originals, rates[here], random)
    placebos = ConfigurationSets(
        sets.symbols,
        tuple(f"placebo-{number}" for number in range(len(signals))),
        sets.profiles,
        sets.timeframe,
        symbol,
        source,
        sets.direction[templates],
        sets.profile[templates],
    )
    return Contest(placebos, signals)


def _shuffled(originals: Signs, rates: Floats, random: Generator) -> Signs:
    """Return for each row as many longs and shorts as it has, times its `rates`, on random candles."""
    candles = originals.shape[1]
    room = candles // 2
    longs, shorts = (
        np.minimum(np.rint(rate * np.count_nonzero(originals == sign, axis=1)), room)[:, None]
        for sign, rate in zip((LONG, SHORT), rates.T, strict=True)
    )
    place = np.arange(candles)
    ordered = (place < longs).astype(np.int8) - ((place >= longs) & (place < longs + shorts))
    return random.permuted(ordered.astype(np.int8), axis=1)
