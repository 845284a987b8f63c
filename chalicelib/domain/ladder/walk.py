"""The rules of a position on paper: when a set enters, and the candle, price and reason of its exit.

Used by the kernel, for many sets at once, each from its own candle on. Prices are the market's times the
direction of the set (see `market`), so that all rules read like those of a long position.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.exits import ExitReason
from chalicelib.domain.ladder.lanes import Lanes
from chalicelib.domain.ladder.market import Market, Reach
from chalicelib.domain.ladder.rules import Floats, Ladder
from chalicelib.domain.ladder.sets import Rows

EXIT_REASONS = (
    ExitReason.TIME_LIMIT,
    ExitReason.SIGNAL_REVERSAL,
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
    ExitReason.TAKE_PROFIT,
)
_TIME_LIMIT, _SIGNAL_REVERSAL, _STOP_LOSS, _TRAILING_STOP, _TAKE_PROFIT = range(len(EXIT_REASONS))

DROPPED = len(EXIT_REASONS)
"""Reason of positions that end at a break in the series of their symbol: these are no trades."""

Bools = NDArray[np.bool_]

_ALMOST = 1 - 1e-9
"""The share of a trailing distance from which on a candle is looked at: leaves room for rounding."""


@dataclass(frozen=True, slots=True)
class Held:
    """Open positions of lanes, columns `[rows]`; exits are looked for from `bar` on.

    `entry` is the market's price, `best` times the direction. `entered` is the bar of the entry, negative if
    it lies before the pass; at the open of bar `due` they leave for the signal against them.
    """

    lane: Rows
    bar: Rows
    entered: Rows
    entry: Floats
    best: Floats
    due: Rows


@dataclass(frozen=True, slots=True)
class Ends:
    """How positions end, columns `[rows]`: bar, market price and row of EXIT_REASONS, or DROPPED.

    Those open at the end of the pass have as `bar` the number of bars, and reason -1. `best` see `Held`.
    """

    bar: Rows
    price: Floats
    reason: NDArray[np.int8]
    best: Floats


@dataclass(frozen=True, slots=True)
class _Terms:
    """What ends each position: `due` is the bar at whose open it leaves anyway, `why` the reason for that."""

    place: Rows
    due: Rows
    why: NDArray[np.int8]
    target: Floats
    stop: Floats
    distance: Floats | None
    armed: Floats | None


def next_signal(ladder: Ladder, market: Market, sets: Rows, bar: Rows) -> Rows:
    """Return the first bar from `bar` on at whose close each set is told to enter; `market.bars` for none."""
    place = ladder.signal.take(sets) * (market.bars + 1) + bar
    return market.next_signal.take(place).astype(np.int64)


def next_candle(ladder: Ladder, market: Market, sets: Rows, bar: Rows) -> Rows:
    """Return the first bar from `bar` on with a candle of each set's symbol; `market.bars` if none has."""
    place = ladder.sets.symbol.take(sets) * (market.bars + 2) + bar
    return market.next_candle.take(place).astype(np.int64)


def enter(ladder: Ladder, market: Market, lanes: Lanes, lane: Rows, bar: Rows) -> Held:
    """Return the positions of lanes that enter at the open of a candle."""
    best = market.open.take(ladder.market.take(lanes.sets.take(lane)) * market.width + bar)
    return Held(lane, bar, bar, np.abs(best), best, lanes.due.take(lane))


def leave(ladder: Ladder, market: Market, sets: Rows, held: Held, trailing: bool, stride: int) -> Ends:
    """Find how each position ends.

    `stride` is how many candles are skipped over at a time at most: no matter of result, only of speed.
    """
    part = _terms(ladder, market, sets, held, trailing)
    reaches = market.reaches.up_to(stride)
    at, high = bar, best = _skip(reaches, part, held.bar, held.best)
    price, reason = _candle(market, part, bar, best)
    todo = stays = _staying(market, bar, reason)
    while len(stays):
        part, at, high = _part(part, stays), at.take(stays), high.take(stays)
        if trailing:
            high = np.maximum(high, market.favourable.take(part.place + at))
        at, high = _skip(reaches, part, at + 1, high)
        paid, why = _candle(market, part, at, high)
        bar[todo], best[todo], price[todo], reason[todo] = at, high, paid, why
        stays = _staying(market, at, why)
        todo = todo.take(stays)
    return Ends(bar, np.abs(price), reason, best)


def _staying(market: Market, bar: Rows, reason: NDArray[np.int8]) -> Rows:
    """Return the places of those that stay in their position after a candle of the pass."""
    return ((reason < 0) & (bar < market.bars)).nonzero()[0]


def _terms(ladder: Ladder, market: Market, sets: Rows, held: Held, trailing: bool) -> _Terms:
    """Return what ends each position."""
    due, why = held.due, np.full(len(sets), _SIGNAL_REVERSAL, dtype=np.int8)
    if ladder.limited:
        limit = np.minimum(held.entered + ladder.limit_bars.take(sets), market.bars)
        by_time = next_candle(ladder, market, sets, np.maximum(limit, held.bar))
        why[by_time <= due] = _TIME_LIMIT
        due = np.minimum(by_time, due)
    if market.next_break is not None:
        # The candle of the entry has no price of before the break in it.
        after = ladder.sets.symbol.take(sets) * (market.bars + 2) + np.maximum(held.entered + 1, 0)
        broken = market.next_break.take(after)
        why[broken <= due] = DROPPED
        due = np.minimum(broken, due)
    entry = ladder.direction.take(sets) * held.entry
    return _Terms(
        place=ladder.market.take(sets) * market.width,
        due=due,
        why=why,
        target=entry * ladder.target_factor.take(sets),
        stop=entry * ladder.stop_factor.take(sets),
        distance=ladder.trailing_distance.take(sets) * held.entry if trailing else None,
        armed=entry * ladder.activation_factor.take(sets) if trailing else None,
    )


def _skip(reaches: Sequence[Reach], terms: _Terms, bar: Rows, best: Floats) -> tuple[Rows, Floats]:
    """Go on over candles at which nothing can happen; return the bar arrived at, and the best price so far.

    Skips only: what happens at the candle arrived at, if anything, `_candle` says.
    """
    upper, lower = terms.target, terms.stop
    near = None
    if terms.armed is not None and terms.distance is not None:
        trails = best >= terms.armed
        upper = np.where(trails, upper, np.minimum(upper, terms.armed))
        near = np.where(trails, terms.distance * _ALMOST, np.inf)
    at, best = terms.place + bar, best.copy()
    for reach in reaches:
        favourable, adverse = reach.favourable.take(at), reach.adverse.take(at)
        quiet = (favourable < upper) & (adverse > lower)
        if near is not None:
            quiet &= (best - adverse < near) & (reach.fall.take(at) < near)
            np.maximum(best, np.where(quiet, favourable, -np.inf), out=best)
        at += quiet * reach.length
    return np.minimum(at - terms.place, terms.due), best


def _candle(market: Market, terms: _Terms, bar: Rows, best: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """Return price and reason of the exit in one candle of each position, reason -1 where it stays open.

    What was decided before the candle leaves at its open, and so does a position whose stop or target the
    open has passed; then the stop counts before the target, each at its level. A trailing stop comes from
    the best price up to the candle before.
    """
    at = terms.place + bar
    opened, favourable, adverse = market.open.take(at), market.favourable.take(at), market.adverse.take(at)
    due, guard = bar == terms.due, _guard(terms, best)
    beyond = opened >= terms.target
    at_open = due | (opened <= guard) | beyond
    stopped = adverse <= guard
    leaves = at_open | stopped | (favourable >= terms.target)
    price = np.where(at_open, opened, np.where(stopped, guard, terms.target))
    reason = np.full(len(bar), _STOP_LOSS, dtype=np.int8)
    if terms.distance is not None:
        reason[guard > terms.stop] = _TRAILING_STOP
    reason[beyond | ~stopped] = _TAKE_PROFIT
    np.copyto(reason, terms.why, where=due)
    reason[~leaves | (bar >= market.bars)] = -1
    return price, reason


def _guard(terms: _Terms, best: Floats) -> Floats:
    """Return the price that ends each position from below: its stop or, where higher, its trailing stop."""
    if terms.distance is None or terms.armed is None:
        return terms.stop
    return np.maximum(terms.stop, np.where(best >= terms.armed, best - terms.distance, -np.inf))


def _part(terms: _Terms, places: Rows) -> _Terms:
    """Return the terms of some positions."""
    if len(places) == len(terms.place):
        return terms
    return _Terms(
        terms.place.take(places),
        terms.due.take(places),
        terms.why.take(places),
        terms.target.take(places),
        terms.stop.take(places),
        None if terms.distance is None else terms.distance.take(places),
        None if terms.armed is None else terms.armed.take(places),
    )
