"""The ladder's state as compact arrays: what a store keeps, and what is refused when it is read again.

Rings are kept ragged: of each set the positions it has, oldest first, one set after the other. What follows
from the rings (sums, `holds_until`) is not kept but worked out again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.judging import renew_holds
from chalicelib.domain.ladder.returns import HIGHEST, renew_sums
from chalicelib.domain.ladder.rules import Ladder
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import LEAVING, OPEN, REAL, LadderState, empty_state
from chalicelib.domain.snapshots import LadderSnapshot

_WHOLE = ("last_close", "status", "entry", "best", "entered", "closed", "kept_since", "level", "level_since")
_RAGGED = ("returns", "exited")
_BLOCK = 1024  # sets at a time: whole rings are never copied at once

Arrays = Mapping[str, NDArray[Any]]


def to_arrays(state: LadderState) -> dict[str, NDArray[Any]]:
    """Return copies of all columns to keep, `closed_until` as an array without dimensions among them."""
    arrays: dict[str, NDArray[Any]] = {"closed_until": np.array(state.closed_until, dtype=np.int64)}
    arrays |= {name: getattr(state, name).copy() for name in _WHOLE}
    for name in _RAGGED:
        ring = getattr(state, name)
        arrays[name] = np.empty(int(_kept(state).sum()), dtype=ring.dtype)
        for places, inside in _blocks(state):
            arrays[name][inside] = ring.reshape(-1)[places]
    return arrays


def from_arrays(ladder: Ladder, arrays: Arrays, fingerprint: str) -> LadderState | None:
    """Return the state that `to_arrays` gave, or None if it must be rebuilt.

    Refused are another fingerprint, a missing or further column, another type or shape, and values that no
    state has.
    """
    if fingerprint != ladder.fingerprint or arrays.keys() != {"closed_until", *_WHOLE, *_RAGGED}:
        return None
    state = empty_state(ladder)
    if arrays["closed_until"].dtype != np.int64 or arrays["closed_until"].shape != ():
        return None
    for name in _WHOLE:
        column = getattr(state, name)
        if arrays[name].dtype != column.dtype or arrays[name].shape != column.shape:
            return None
        column[:] = arrays[name]
    state.closed_until = int(arrays["closed_until"])
    if not _possible(state) or not _fill_rings(state, arrays):
        return None
    rows = np.arange(len(ladder.sets))
    for begin in range(0, len(rows), _BLOCK):
        renew_sums(state, ladder.rules, rows[begin : begin + _BLOCK])
    renew_holds(ladder, state)
    return state


def to_snapshot(ladder: Ladder, state: LadderState, version: int, fence: int) -> LadderSnapshot:
    """Return the snapshot to store; its candle time is when the last candle closed."""
    return LadderSnapshot(version, fence, state.closed_until, ladder.fingerprint, to_arrays(state))


def from_snapshot(ladder: Ladder, snapshot: LadderSnapshot) -> LadderState | None:
    """Return the state of a snapshot, or None if it belongs to another ladder or is broken."""
    state = from_arrays(ladder, snapshot.arrays, snapshot.fingerprint)
    return state if state is not None and state.closed_until == snapshot.candle_time else None


def _kept(state: LadderState) -> Rows:
    """Return how many positions each ring holds."""
    return np.minimum(state.closed, state.returns.shape[1])


def _blocks(state: LadderState) -> Iterator[tuple[Rows, slice]]:
    """Yield, block by block, where positions are in the flat rings and in ragged arrays."""
    kept = state.returns.shape[1]
    begin = 0
    for first in range(0, len(state.closed), _BLOCK):
        closed = state.closed[first : first + _BLOCK]
        count = np.minimum(closed, kept)
        longest = int(count.max(initial=0))
        number = np.arange(longest)
        places = (np.arange(first, first + len(closed)) * kept)[:, None] + (
            (closed - count)[:, None] + number
        ) % kept
        chosen = places[number < count[:, None]]
        yield chosen, slice(begin, begin + len(chosen))
        begin += len(chosen)


def _fill_rings(state: LadderState, arrays: Arrays) -> bool:
    """Lay ragged arrays into the rings; tell whether they fit and hold what a ring can hold."""
    total = int(_kept(state).sum())
    for name in _RAGGED:
        ring = getattr(state, name)
        if arrays[name].dtype != ring.dtype or arrays[name].shape != (total,):
            return False
    returns, exited = arrays["returns"], arrays["exited"]
    if returns.min(initial=0) < -HIGHEST or returns.max(initial=0) > HIGHEST:
        return False
    if exited.max(initial=0) > state.closed_until:
        return False
    first = np.zeros(total, dtype=np.bool_)
    counts = _kept(state)
    first[(np.cumsum(counts) - counts)[counts > 0]] = True
    # Within a set each position left later than the one before.
    if not (first[1:] | (exited[1:] > exited[:-1])).all():
        return False
    if (state.kept_since[counts > 0] >= exited[first]).any():
        return False
    for places, inside in _blocks(state):
        state.returns.reshape(-1)[places] = returns[inside]
        state.exited.reshape(-1)[places] = exited[inside]
    return True


def _possible(state: LadderState) -> bool:
    """Tell whether the columns beside the rings hold what a state can hold."""
    open_ = (state.status == OPEN) | (state.status == LEAVING)
    prices = (state.entry, state.best)
    known = state.last_close[~np.isnan(state.last_close)]
    return bool(
        _within(state.status, LEAVING)
        and _within(state.level, REAL)
        and _within(state.entered, state.closed_until)
        and _within(state.level_since, state.closed_until)
        and (state.closed >= 0).all()
        and all(np.isfinite(price).all() and ((price > 0) == open_).all() for price in prices)
        and ((state.entered > 0) <= open_).all()
        and (np.isfinite(known) & (known >= 0)).all()
    )


def _within(column: NDArray[Any], highest: int) -> bool:
    return bool(((column >= 0) & (column <= highest)).all())
