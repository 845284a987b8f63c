"""The ladder's state as columns `[sets]`: what the kernel works on and what a snapshot holds."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.rules import Floats, Ladder
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.snapshots import LadderSnapshot

FLAT, WAITING, OPEN, LEAVING = range(4)
BASE, MAIN, REAL = range(3)
LEVELS = ("base", "main", "real")


@dataclass(slots=True)
class LadderState:
    """Columns of one ladder after the candle that closed at `closed_until` (epoch second, 0 before any).

    The kernel changes the columns in place: whoever needs the state before a step takes a `copy` first.
    `status` is FLAT, WAITING (for the next candle to enter), OPEN or LEAVING (at the next open). `entry` and
    `best` are market prices of an open position, `entered` is when its entry candle opened, `closed` counts
    all closed positions. `returns` and `exited` are rings `[sets, kept]` whose next slot is `closed % kept`;
    `exited` holds when the candle of the exit closed, as unsigned 32 bits (good until 2106). The statistics
    from `gross_profit` to `underwater_since` are those of the ring.
    `window_since` is when the equity before the ring's first return was reached, `underwater_since` the time
    of the equity peak that is not yet recovered, 0 if there is none.
    """

    closed_until: int
    status: NDArray[np.int8]
    entry: Floats
    best: Floats
    entered: Rows
    closed: Rows
    returns: Floats
    exited: NDArray[np.uint32]
    window_since: Rows
    gross_profit: Floats
    gross_loss: Floats
    wins: Rows
    drawdown_seconds: Rows
    drawdowns: Rows
    underwater_since: Rows
    level: NDArray[np.int8]
    level_since: Rows

    def copy(self) -> "LadderState":
        """Return a state that shares no memory with this one."""
        return LadderState(self.closed_until, *(column.copy() for column in columns(self).values()))


def columns(state: LadderState) -> dict[str, NDArray[Any]]:
    """Return the arrays of a state by name, in their order."""
    return {item.name: getattr(state, item.name) for item in fields(state)[1:]}


def empty_state(ladder: Ladder) -> LadderState:
    """Return the state before the first candle: all sets flat, on base, without history."""
    count, kept = len(ladder.sets), ladder.rules.kept

    def whole() -> Rows:
        return np.zeros(count, dtype=np.int64)

    return LadderState(
        closed_until=0,
        status=np.zeros(count, dtype=np.int8),
        entry=np.zeros(count),
        best=np.zeros(count),
        entered=whole(),
        closed=whole(),
        returns=np.zeros((count, kept)),
        exited=np.zeros((count, kept), dtype=np.uint32),
        window_since=whole(),
        gross_profit=np.zeros(count),
        gross_loss=np.zeros(count),
        wins=whole(),
        drawdown_seconds=whole(),
        drawdowns=whole(),
        underwater_since=whole(),
        level=np.zeros(count, dtype=np.int8),
        level_since=whole(),
    )


def counts_by_level(state: LadderState) -> dict[str, int]:
    """Return how many sets stand on base, main and real."""
    counted = np.bincount(state.level, minlength=len(LEVELS))
    return {name: int(count) for name, count in zip(LEVELS, counted, strict=True)}


def to_arrays(state: LadderState) -> dict[str, NDArray[Any]]:
    """Return copies of all columns, `closed_until` as an array without dimensions among them."""
    copies = {name: column.copy() for name, column in columns(state).items()}
    return {"closed_until": np.array(state.closed_until, dtype=np.int64), **copies}


def from_arrays(ladder: Ladder, arrays: Mapping[str, NDArray[Any]], fingerprint: str) -> LadderState | None:
    """Return the state that `to_arrays` gave, or None if it must be rebuilt.

    Refused are another fingerprint, a missing or further column, another type or shape, and values outside
    the states and levels.
    """
    empty = empty_state(ladder)
    expected = {"closed_until": np.array(0, dtype=np.int64), **columns(empty)}
    if fingerprint != ladder.fingerprint or arrays.keys() != expected.keys():
        return None
    for name, column in expected.items():
        if arrays[name].dtype != column.dtype or arrays[name].shape != column.shape:
            return None
    if not (_within(arrays["status"], LEAVING) and _within(arrays["level"], REAL)):
        return None
    if not all(np.isfinite(arrays[name]).all() for name in ("entry", "best", "returns")):
        return None
    return LadderState(int(arrays["closed_until"]), *(arrays[name].copy() for name in columns(empty)))


def to_snapshot(ladder: Ladder, state: LadderState, version: int, fence: int) -> LadderSnapshot:
    """Return the snapshot to store; its candle time is when the last candle closed."""
    return LadderSnapshot(version, fence, state.closed_until, ladder.fingerprint, to_arrays(state))


def from_snapshot(ladder: Ladder, snapshot: LadderSnapshot) -> LadderState | None:
    """Return the state of a snapshot, or None if it belongs to another ladder or is broken."""
    state = from_arrays(ladder, snapshot.arrays, snapshot.fingerprint)
    return state if state is not None and state.closed_until == snapshot.candle_time else None


def _within(column: NDArray[Any], highest: int) -> bool:
    return bool(((column >= 0) & (column <= highest)).all())
