"""The ladder's state as columns `[sets]`: what the kernel works on and what a snapshot holds."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.rules import Floats, Ladder
from chalicelib.domain.ladder.sets import Rows

FLAT, WAITING, OPEN, LEAVING = range(4)
BASE, MAIN, REAL = range(3)
LEVELS = ("base", "main", "real")

NEVER = np.iinfo(np.int64).max
"""A second that does not come."""


@dataclass(slots=True)
class LadderState:
    """Columns of one ladder after the candle that closed at `closed_until` (epoch second, 0 before any).

    The kernel changes the columns in place: whoever needs the state before a step takes a `copy` first.
    `last_close` `[symbols]` is the close of each symbol's last candle, NaN before any.
    `status` is FLAT, WAITING (for the next candle to enter), OPEN or LEAVING (at the next open). `entry` and
    `best` are market prices of an open position (`best` stays at the entry price in sets that do not trail),
    `entered` is when its entry candle opened; all three are 0 without one. `closed` counts all positions.
    `returns` and `exited` are rings `[sets, kept]` whose next slot is `closed % kept`: net returns in units
    of `returns.UNIT`, and when the candle of the exit closed, as unsigned 32 bits (good until 2106).
    `kept_since` is when the equity before the ring's oldest return was reached. `gross_profit`, `gross_loss`
    and `wins` are sums over the levels' windows `[windows, sets]` in the same units. `holds_until` is the
    last second at which a set on real still holds its bar of drawdown time if no further position closes,
    NEVER where that is not limited. The sums and `holds_until` follow from the rings: no snapshot has them.
    """

    closed_until: int
    last_close: Floats
    status: NDArray[np.int8]
    entry: Floats
    best: Floats
    entered: Rows
    closed: Rows
    returns: NDArray[np.int32]
    exited: NDArray[np.uint32]
    kept_since: Rows
    gross_profit: Rows
    gross_loss: Rows
    wins: Rows
    holds_until: Rows
    level: NDArray[np.int8]
    level_since: Rows

    def copy(self) -> "LadderState":
        """Return a state that shares no memory with this one."""
        return LadderState(self.closed_until, *(column.copy() for column in columns(self).values()))


def columns(state: LadderState) -> dict[str, NDArray[Any]]:
    """Return the arrays of a state by name, in their order."""
    return {item.name: getattr(state, item.name) for item in fields(state)[1:]}


def empty_state(ladder: Ladder) -> LadderState:
    """Return the state before the first candle: all sets flat, on base, without history.

    The rings are zeros that the operating system hands out page by page as they are first written.
    """
    count, kept, windows = len(ladder.sets), ladder.rules.kept, len(ladder.rules.windows)

    def whole(*shape: int) -> Rows:
        return np.zeros(shape, dtype=np.int64)

    return LadderState(
        closed_until=0,
        last_close=np.full(len(ladder.sets.symbols), np.nan),
        status=np.zeros(count, dtype=np.int8),
        entry=np.zeros(count),
        best=np.zeros(count),
        entered=whole(count),
        closed=whole(count),
        returns=np.zeros((count, kept), dtype=np.int32),
        exited=np.zeros((count, kept), dtype=np.uint32),
        kept_since=whole(count),
        gross_profit=whole(windows, count),
        gross_loss=whole(windows, count),
        wins=whole(windows, count),
        holds_until=np.full(count, NEVER),
        level=np.zeros(count, dtype=np.int8),
        level_since=whole(count),
    )


def counts_by_level(state: LadderState) -> dict[str, int]:
    """Return how many sets stand on base, main and real."""
    counted = np.bincount(state.level, minlength=len(LEVELS))
    return {name: int(count) for name, count in zip(LEVELS, counted, strict=True)}
