"""Net returns of closed positions as whole numbers, and their sums over windows; kernel's part.

A return is kept in units of a ten-millionth, clipped to +-10 (a thousand percent): sums of whole numbers come
out the same in any order.
"""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.ladder.history import Moments, in_blocks, last_units, present
from chalicelib.domain.ladder.rules import Floats, LevelRules, Terms
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import LadderState

UNIT = 1e-7
UNITS = 10**7
HIGHEST = 10 * UNITS


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the last positions of some sets, columns `[rows]`; profit and loss in units, both >= 0."""

    counted: Rows
    gross_profit: Rows
    gross_loss: Rows
    wins: Rows


def net_return(direction: Floats, entry: Floats, leave: Floats, terms: Terms) -> Floats:
    """Return the profit of positions as a ratio of their entry notional, net of slippage and fees.

    Both market prices are worsened by the slippage s (bought higher, sold lower), the fee is paid on the
    notional of each side: `d (x / e - 1) - fee (1 + x / e)`, `e = entry (1 + d s)`, `x = leave (1 - d s)`.
    """
    ratio = leave * (1.0 - direction * terms.slippage) / (entry * (1.0 + direction * terms.slippage))
    return direction * (ratio - 1.0) - terms.fee_rate * (1.0 + ratio)


def in_units(returns: Floats) -> Rows:
    """Return ratios as whole units, rounded half to even and clipped to +-10."""
    return np.rint(np.clip(returns * UNITS, -HIGHEST, HIGHEST)).astype(np.int64)


def sums(state: LadderState, rules: LevelRules, rows: Rows, window: int) -> Sums:
    """Return the sums over the last `window` positions (at most those kept) of some sets."""
    if window not in rules.windows:
        return ring_sums(present(state, rows), window)
    counted = np.minimum(state.closed.take(rows), window)
    place = rules.windows.index(window)
    found = (column[place].take(rows) for column in (state.gross_profit, state.gross_loss, state.wins))
    return Sums(counted, *found)


def ring_sums(moments: Moments, window: int) -> Sums:
    """Return the sums over the last `window` positions at some moments."""
    gain, total, wins = np.zeros((3, len(moments)), dtype=np.int64)
    for places, block in in_blocks(moments, window):
        last = last_units(block, window)
        gain[places] = np.maximum(last, 0).sum(axis=1)
        total[places] = last.sum(axis=1)
        wins[places] = np.count_nonzero(last > 0, axis=1)
    return Sums(np.minimum(moments.closed, window), gain, gain - total, wins)


def renew_sums(state: LadderState, rules: LevelRules, rows: Rows) -> None:
    """Work the sums of some sets out from their rings, as after loading them."""
    for place, window in enumerate(rules.windows):
        found = ring_sums(present(state, rows), window)
        state.gross_profit[place, rows] = found.gross_profit
        state.gross_loss[place, rows] = found.gross_loss
        state.wins[place, rows] = found.wins
