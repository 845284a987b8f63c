"""Takes sets over one pass, all lanes at once: a wave is the next trade of every lane that has one.

Called by the kernel. What the waves found is put into the order of time of each set, then booked and judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.book import record, running_sums, stretch_of
from chalicelib.domain.ladder.judging import aged, judge
from chalicelib.domain.ladder.lanes import Lanes, lane_counts, lanes_of
from chalicelib.domain.ladder.levels import LevelChanges
from chalicelib.domain.ladder.market import Market
from chalicelib.domain.ladder.returns import in_units, net_return
from chalicelib.domain.ladder.rules import Floats, Ladder
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import FLAT, LEAVING, OPEN, WAITING, LadderState
from chalicelib.domain.ladder.trades import Entries, Trades
from chalicelib.domain.ladder.walk import (
    DROPPED,
    Ends,
    Held,
    enter,
    leave,
    next_candle,
    next_signal,
)

_LANES = 1 << 16  # of one block: their numbers are sorted as 16 bits
_FIRST_STRIDE = 32


@dataclass(frozen=True, slots=True)
class _Found:
    """Positions as a wave finds them; bars instead of times, the entry's negative if it lies before the pass.

    Those that are still open at the end of the pass are among them, with reason -1.
    """

    lane: Rows
    entered: Rows
    exited: Rows
    entry: Floats
    exit: Floats
    reason: NDArray[np.int8]


@dataclass(slots=True)
class Pass:
    """One pass over some candles and what it has found; `wanted` are told to enter after the last.

    `trades` are by (set, exited). `stride` see `walk.leave`.
    """

    ladder: Ladder
    state: LadderState
    market: Market
    trades: list[Trades] = field(default_factory=list)
    changes: list[LevelChanges] = field(default_factory=list)
    dropped: list[Entries] = field(default_factory=list)
    wanted: list[Rows] = field(default_factory=list)
    stride: int = _FIRST_STRIDE


def run_pass(work: Pass) -> None:
    """Take all sets over the candles of a pass, and the state to its end."""
    counts = lane_counts(work.ladder, work.market)
    until = np.cumsum(counts)
    begin, done = 0, 0
    while begin < len(counts):
        end = max(begin + 1, int(np.searchsorted(until, done + _LANES, side="right")))
        _run_block(work, begin, end, counts[begin:end])
        begin, done = end, int(until[end - 1])
    closes = work.market.opened + work.market.bars * work.market.timeframe
    work.changes += aged(work.ladder, work.state, closes)
    work.state.last_close[:] = work.market.last_close
    work.state.closed_until = closes


def _run_block(work: Pass, begin: int, end: int, counts: Rows) -> None:
    """Take the sets `[begin, end)` over the pass."""
    ladder = work.ladder
    lanes = lanes_of(ladder, work.market, begin, end, counts)
    status = np.zeros(len(lanes), dtype=np.int8)
    status[lanes.first] = work.state.status[begin:end]
    carried = _carried(work, lanes, begin, end)
    found: list[_Found] = []
    trails = ladder.trails.take(lanes.sets)
    for trailing in (False, True):
        lane = (trails == trailing).nonzero()[0]
        found += _walk(work, lanes, _started(work, lanes, lane, status, carried), trailing)
    if found:
        _close(work, lanes, found)


def _carried(work: Pass, lanes: Lanes, begin: int, end: int) -> Held:
    """Return what the state says of each set's position, and make all flat: how they end is written later."""
    state, market, block = work.state, work.market, slice(begin, end)
    due, leaving = lanes.due.take(lanes.first), (state.status[block] == LEAVING).nonzero()[0]
    due[leaving] = next_candle(work.ladder, market, begin + leaving, np.zeros_like(leaving))
    # Without a candle it leaves in a later pass: as if told so here.
    lanes.end[lanes.first.take(leaving[due.take(leaving) == market.bars])] = 0
    held = Held(
        lane=lanes.first,
        bar=np.zeros_like(lanes.first),
        entered=(state.entered[block] - market.opened) // market.timeframe,
        entry=state.entry[block].copy(),
        best=state.best[block] * work.ladder.direction[block],
        due=due,
    )
    state.status[block] = FLAT
    state.entry[block] = state.best[block] = 0.0
    state.entered[block] = 0
    return held


def _started(work: Pass, lanes: Lanes, lane: Rows, status: NDArray[np.int8], carried: Held) -> Held:
    """Return the positions with which lanes begin: carried over, waited for, or told in the pass."""
    begins = status.take(lane)
    flat = lane[begins == FLAT]
    told = _told(work, lanes, flat, lanes.start.take(flat))
    if not begins.any():
        return told
    late = _waiting(work, lanes, lane[begins == WAITING])
    place = np.searchsorted(carried.lane, lane[begins >= OPEN])
    return Held(
        *(
            np.concatenate((getattr(carried, name).take(place), getattr(late, name), getattr(told, name)))
            for name in Held.__slots__
        )
    )


def _waiting(work: Pass, lanes: Lanes, lane: Rows) -> Held:
    """Let sets told before the pass enter; those without a candle go on waiting."""
    sets = lanes.sets.take(lane)
    at = next_candle(work.ladder, work.market, sets, np.zeros_like(lane))
    found = at < work.market.bars
    work.state.status[sets[~found]] = WAITING
    return enter(work.ladder, work.market, lanes, lane[found], at[found])


def _told(work: Pass, lanes: Lanes, lane: Rows, told: Rows) -> Held:
    """Let flat lanes enter that are told so at a close, if that is theirs; others wait for a candle."""
    bars = work.market.bars
    within = (told < lanes.end.take(lane)).nonzero()[0]
    lane, told = lane.take(within), told.take(within)
    sets = lanes.sets.take(lane)
    at = next_candle(work.ladder, work.market, sets, told + 1)
    missing = (at == bars).nonzero()[0]
    if len(missing):
        late = sets.take(missing)
        work.state.status[late] = WAITING
        work.wanted.append(late[told.take(missing) == bars - 1])
        found = (at < bars).nonzero()[0]
        lane, at = lane.take(found), at.take(found)
    return enter(work.ladder, work.market, lanes, lane, at)


def _walk(work: Pass, lanes: Lanes, held: Held, trailing: bool) -> list[_Found]:
    """Take some lanes from trade to trade, and write down the positions that are open when the pass ends."""
    found = []
    while len(held.lane):
        sets = lanes.sets.take(held.lane)
        ends = leave(work.ladder, work.market, sets, held, trailing, work.stride)
        _hold(work, lanes, held, sets, ends)
        found.append(_Found(held.lane, held.entered, ends.bar, held.entry, ends.price, ends.reason))
        work.stride = 1 << int(3 * (ends.bar - held.entered).mean() + 1).bit_length()
        held = _told(work, lanes, held.lane, next_signal(work.ladder, work.market, sets, ends.bar))
    return found


def _hold(work: Pass, lanes: Lanes, held: Held, sets: Rows, ends: Ends) -> None:
    """Write down positions that are open when the pass ends."""
    state, market = work.state, work.market
    open_ = (ends.reason < 0).nonzero()[0]
    rows = sets.take(open_)
    told = lanes.end.take(held.lane.take(open_)) < market.bars
    state.status[rows] = np.where(told, LEAVING, OPEN)
    state.entry[rows] = held.entry.take(open_)
    state.best[rows] = np.abs(ends.best.take(open_))
    state.entered[rows] = market.opened + held.entered.take(open_) * market.timeframe


def _close(work: Pass, lanes: Lanes, parts: Sequence[_Found]) -> None:
    """Put the trades of a block into the order of time of each set; judge the sets by them; record them."""
    ladder, state, market = work.ladder, work.state, work.market
    lane = np.concatenate([part.lane for part in parts])
    order = np.argsort(lane.astype(np.uint16), kind="stable")
    reasons = np.concatenate([part.reason for part in parts]).take(order)
    order = order[(reasons >= 0) & (reasons != DROPPED)]
    if market.next_break is not None:
        _drop(work, lanes, parts)
    if not len(order):
        return
    columns = (
        np.concatenate([getattr(part, name) for part in parts]).take(order) for name in _Found.__slots__
    )
    lane, entered, exited, entry, leave_, reason = columns
    sets = lanes.sets.take(lane)
    entered = market.opened + entered * market.timeframe
    exited = market.opened + (exited + 1) * market.timeframe
    gain = net_return(ladder.direction.take(sets), entry, leave_, ladder.terms)
    work.trades.append(Trades(sets, entered, exited, entry, leave_, gain, reason))
    stretch = stretch_of(state, sets, in_units(gain), entered, exited)
    sums = running_sums(state, ladder.rules, stretch)
    work.changes += judge(ladder, state, stretch, sums)
    record(state, ladder.rules, stretch, sums)


def _drop(work: Pass, lanes: Lanes, parts: Sequence[_Found]) -> None:
    """Note which positions a break in the series ended."""
    for part in parts:
        chosen = (part.reason == DROPPED).nonzero()[0]
        entered = work.market.opened + part.entered.take(chosen) * work.market.timeframe
        work.dropped.append(
            Entries(lanes.sets.take(part.lane.take(chosen)), entered, part.entry.take(chosen))
        )
