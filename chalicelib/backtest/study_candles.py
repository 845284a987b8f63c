"""Leaves redenominated symbols' other life out of recorded candles, so that nothing spans the change.

An exchange that swaps a token for a thousandth of it stops trading and goes on at a thousand times the price.
The ladder drops a position held over that, but the sources' windows would mix both units.
"""

from dataclasses import replace

import numpy as np

from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.domain.ladder.rules import BREAK_FACTOR


def in_one_unit(candles: Candles) -> tuple[Candles, tuple[str, ...]]:
    """Return candles with only the longest stretch of each symbol in one unit, and the symbols cut."""
    values = {name: getattr(candles, name).copy() for name in FIELDS}
    cut = []
    for row, symbol in enumerate(candles.symbols):
        there = np.flatnonzero(~np.isnan(candles.close[row]))
        change = np.abs(np.log(candles.open[row, there[1:]] / candles.close[row, there[:-1]]))
        breaks = np.flatnonzero((np.diff(there) > 1) & (change > np.log(BREAK_FACTOR))) + 1
        if not breaks.size:
            continue
        stretches = np.split(there, breaks)
        longest = max(stretches, key=len)
        for stretch in stretches:
            if stretch is not longest:
                for column in values.values():
                    column[row, stretch] = np.nan
        cut.append(symbol)
    return replace(candles, **values), tuple(cut)
