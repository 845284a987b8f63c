"""Closed positions of sets looked up by their number: in the rings, or where they wait to be written there.

Used by statistics and levels. A set's positions are numbered from 0 in the order in which they closed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import LadderState

_BLOCK = 512  # rows at a time, so that a block's intermediate arrays stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments in the history of sets, columns `[rows]`: when each had closed so many positions.

    Positions from number `fresh` on are not in the rings yet but in `units` and `exited`, number n at
    `n + shift`; without such, `fresh` is `closed`. `begun` is when the equity was reached before the oldest
    position that the rings hold.
    """

    state: LadderState
    sets: Rows
    closed: Rows
    begun: Rows
    fresh: Rows
    shift: Rows
    units: Rows
    exited: Rows

    def __len__(self) -> int:
        return len(self.sets)

    def take(self, places: Rows) -> "Moments":
        """Return some of the moments."""
        return Moments(
            self.state,
            self.sets[places],
            self.closed[places],
            self.begun[places],
            self.fresh[places],
            self.shift[places],
            self.units,
            self.exited,
        )


def present(state: LadderState, sets: Rows) -> Moments:
    """Return where sets stand by the state alone."""
    closed, none = state.closed.take(sets), np.empty(0, dtype=np.int64)
    return Moments(state, sets, closed, state.kept_since.take(sets), closed, np.zeros_like(sets), none, none)


def in_blocks(moments: Moments, window: int) -> Iterator[tuple[Rows, Moments]]:
    """Yield places and moments block by block, those with as many positions in the window together."""
    order = np.argsort(np.minimum(moments.closed, window), kind="stable")
    for begin in range(0, len(order), _BLOCK):
        places = order[begin : begin + _BLOCK]
        yield places, moments.take(places)


def joined(parts: Sequence[Moments]) -> Moments:
    """Return moments of one stretch, one part after the other."""
    sets, closed, begun, fresh, shift = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("sets", "closed", "begun", "fresh", "shift")
    )
    one = parts[0]
    return Moments(one.state, sets, closed, begun, fresh, shift, one.units, one.exited)


def last_units(moments: Moments, window: int) -> Rows:
    """Return the returns of the last `window` positions, `[rows, columns]`, oldest first.

    There are as many columns as any row needs, at least one; before a set's first position come zeros.
    """
    return _last(moments, window, (moments.state.returns, moments.units))[0]


def last_positions(moments: Moments, window: int) -> tuple[Rows, Rows]:
    """Return the returns of the last `window` positions, as `last_units` does, and when they closed."""
    state = moments.state
    units, exited = _last(moments, window, (state.returns, moments.units), (state.exited, moments.exited))
    return units, exited


def reached_at(moments: Moments, window: int) -> Rows:
    """Return when the equity before the window's first position was reached.

    That is when the position before it closed or, if that is not kept, `begun`.
    """
    kept = moments.state.returns.shape[1]
    before = moments.closed - window - 1
    known = (before >= 0) & (before >= moments.fresh - kept)
    if not known.any():
        return moments.begun
    times = moments.state.exited.reshape(-1).take(moments.sets * kept + before % kept).astype(np.int64)
    if len(moments.exited):
        fresh = moments.exited.take(before + moments.shift, mode="clip")
        times = np.where(before >= moments.fresh, fresh, times)
    return np.where(known, times, moments.begun)


def _last(moments: Moments, window: int, *columns: tuple[NDArray[Any], Rows]) -> list[Rows]:
    """Return columns given as rings and what is not in them yet, as `last_units` does."""
    count = min(window, max(1, int(moments.closed.max(initial=0))))
    column, first = np.arange(count), moments.closed - count
    if not len(moments.units):
        place = _ring_places(moments, column)
        return [ring.reshape(-1).take(place).astype(np.int64) for ring, _ in columns]
    fresh = (first + moments.shift)[:, None] + column
    found = [recent.take(fresh, mode="clip") for _, recent in columns]
    older = column < (moments.fresh - first)[:, None]
    if not older.any():
        return found
    if not moments.fresh.any():
        return [values * ~older for values in found]
    place = _ring_places(moments, column)
    return [
        np.where(older, ring.reshape(-1).take(place), values)
        for (ring, _), values in zip(columns, found, strict=True)
    ]


def _ring_places(moments: Moments, column: Rows) -> Rows:
    kept = moments.state.returns.shape[1]
    place: Rows = (moments.closed % kept - len(column))[:, None] + column
    place += kept * (place < 0)
    place += (moments.sets * kept)[:, None]
    return place
