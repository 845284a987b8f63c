"""Moves sets up and down the ladder by the positions they closed in a stretch of time; kernel's part.

What bars say is worked out for all positions at once, and sets go from one that may move them to the next.
Drawdown time costs more than sums do, and edge yet more: each is looked at only where all before it is met.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.book import Stretch, moments
from chalicelib.domain.ladder.history import Moments, joined, present
from chalicelib.domain.ladder.levels import (
    BAR_MET,
    DRAWDOWN_TIME,
    LUCK,
    PROFIT_FACTOR,
    WIN_RATE,
    LevelChanges,
)
from chalicelib.domain.ladder.luck import edges
from chalicelib.domain.ladder.returns import Sums
from chalicelib.domain.ladder.rules import Floats, Ladder, Threshold
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import MAIN, NEVER, REAL, LadderState
from chalicelib.domain.ladder.statistics import (
    drawdowns,
    held_until,
    holding,
    past_statistics,
    profit_factor,
    win_rate,
)

Causes = NDArray[np.int8]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Moves:
    """Level changes decided by one bar; `edge` is NaN where the bar does not ask for it."""

    moments: Moments
    at: Rows
    before: NDArray[np.int8]
    after: NDArray[np.int8]
    cause: Causes
    edge: Floats
    window: int


@dataclass(slots=True)
class _Case:
    """A stretch as the levels see it.

    By position: `up` tells of main and real whether it reaches their bar in all but edge, `down` the cause by
    which its sums miss that widened by the hysteresis, `until` when the drawdown time does, -1 where that is
    not known yet. `events` are, by level, the positions at which a set there may move, and the end of the
    stretch; None stands for all.
    """

    ladder: Ladder
    state: LadderState
    stretch: Stretch
    up: dict[int, Bools]
    down: dict[int, Causes]
    until: dict[int, Rows]
    events: tuple[Rows | None, ...]
    moves: list[_Moves] = field(default_factory=list)


def judge(ladder: Ladder, state: LadderState, stretch: Stretch, sums: Sequence[Sums]) -> list[LevelChanges]:
    """Move sets by one level after each position that earned or lost theirs; the stretch is not recorded yet.

    A set on real whose drawdown grew too old at the close of a candle before falls there.
    """
    case = _case(ladder, state, stretch, dict(zip(ladder.rules.windows, sums, strict=True)))
    todo, at = np.arange(len(stretch.sets)), stretch.first.copy()
    while len(todo):
        level = state.level.take(stretch.sets.take(todo))
        for here, events in enumerate(case.events):
            if events is not None:
                chosen = (level == here).nonzero()[0]
                at[chosen] = events.take(np.searchsorted(events, at.take(chosen)))
        left = (at < (stretch.first + stretch.count).take(todo)).nonzero()[0]
        todo, at, level = todo.take(left), at.take(left), level.take(left)
        for here, look in enumerate((_on_base, _on_main, _on_real)):
            chosen = (level == here).nonzero()[0]
            if len(chosen):
                at[chosen] = look(case, todo.take(chosen), at.take(chosen))
    return _with_evidence(case.moves)


def aged(ladder: Ladder, state: LadderState, closes: int) -> list[LevelChanges]:
    """Let sets fall from real whose drawdown grew too old at a candle's close, the last one at `closes`."""
    sets = (state.holds_until < closes).nonzero()[0]
    if not len(sets):
        return []
    at = _first_close(ladder, state.holds_until.take(sets), closes)
    return _with_evidence([_aged(ladder, state, present(state, sets), at)])


def renew_holds(ladder: Ladder, state: LadderState) -> None:
    """Work `holds_until` out from the rings, as after loading them."""
    sets = (state.level == REAL).nonzero()[0]
    state.holds_until[sets] = held_until(present(state, sets), ladder.rules.real, ladder.rules.hysteresis)


def _case(ladder: Ladder, state: LadderState, stretch: Stretch, sums: dict[int, Sums]) -> _Case:
    bars = {level: _bar(ladder, level) for level in (MAIN, REAL)}
    up, down, until, factors = {}, {}, {}, {}
    for level, bar in bars.items():
        found = sums[bar.window]
        if bar.window not in factors:
            factors[bar.window] = profit_factor(found)
        factor, rate = factors[bar.window], None if bar.win_rate is None else win_rate(found)
        up[level] = (stretch.closed >= bar.positions) & (factor >= bar.profit_factor)
        down[level] = np.zeros(len(factor), dtype=np.int8)
        slack = 1 - ladder.rules.hysteresis
        if rate is not None and bar.win_rate is not None:
            up[level] &= rate >= bar.win_rate
            down[level][rate < bar.win_rate * slack] = WIN_RATE
        down[level][factor < bar.profit_factor * slack] = PROFIT_FACTOR
        until[level] = _ask_drawdown(ladder, state, stretch, bar, up[level])
    moving = (up[MAIN], up[REAL] | (down[MAIN] > 0), down[REAL] > 0)
    asked = (False, _is_dear(bars[MAIN]), _is_dear(bars[REAL]))
    ends = len(stretch.units)
    events = tuple(
        None if all_ else np.append(some.nonzero()[0], ends) for some, all_ in zip(moving, asked, strict=True)
    )
    return _Case(ladder, state, stretch, up, down, until, events)


def _ask_drawdown(ladder: Ladder, state: LadderState, stretch: Stretch, bar: Threshold, up: Bools) -> Rows:
    """Take from the positions that reach a bar by their sums those that miss its drawdown time.

    Return until when each of them holds that widened by the hysteresis, -1 for the others.
    """
    if bar.drawdown_hours is None:
        return np.full(len(up), NEVER)
    until = np.full(len(up), -1)
    met = up.nonzero()[0]
    own = np.searchsorted(stretch.first, met, side="right") - 1
    found = drawdowns(moments(state, stretch, own, stretch.closed.take(met)), bar.window)
    up[met] = holding(found, bar.drawdown_hours, 0.0) >= stretch.exited.take(met)
    until[met] = holding(found, bar.drawdown_hours, ladder.rules.hysteresis)
    return until


def _on_base(case: _Case, own: Rows, at: Rows) -> Rows:
    """Let sets rise from base that reach main's bar; return where to go on."""
    _rise(case, own, at, MAIN)
    return at + 1


def _on_main(case: _Case, own: Rows, at: Rows) -> Rows:
    """Let sets fall from main, or rise from there; return where to go on."""
    stay = _fall(case, own, at, MAIN)
    rising = stay[case.up[REAL].take(at.take(stay))]
    _rise(case, own.take(rising), at.take(rising), REAL)
    return at + 1


def _on_real(case: _Case, own: Rows, at: Rows) -> Rows:
    """Let sets fall from real; return where to go on: at the same position, on main, if by time."""
    state, stretch = case.state, case.stretch
    exited, sets = stretch.exited.take(at), stretch.sets.take(own)
    until = state.holds_until.take(sets)
    # Few are as old: the last close before the exit is the last at which they can be.
    closes = np.where(until < exited, _first_close(case.ladder, until, exited), exited)
    old = closes < exited
    chosen = old.nonzero()[0]
    if len(chosen):
        then = moments(state, stretch, own.take(chosen), stretch.closed.take(at.take(chosen)) - 1)
        case.moves.append(_aged(case.ladder, state, then, closes.take(chosen)))
    rest = (~old).nonzero()[0]
    _fall(case, own.take(rest), at.take(rest), REAL)
    return at + ~old


def _rise(case: _Case, own: Rows, at: Rows, to: int) -> None:
    """Let sets rise that reach a bar in all but its demand on edge if they meet that, too."""
    bar, now = _bar(case.ladder, to), case.stretch.exited.take(at)
    then = moments(case.state, case.stretch, own, case.stretch.closed.take(at))
    until = case.until[to].take(at)
    if bar.edge is not None:
        risen = (edges(then, len(case.ladder.sets)) >= bar.edge).nonzero()[0]
        then, now, until = then.take(risen), now.take(risen), until.take(risen)
    if not len(then):
        return
    if to == REAL:
        case.state.holds_until[then.sets] = until
    case.moves.append(
        _moved(case.ladder, case.state, then, now, to, np.full(len(then), BAR_MET, np.int8), bar)
    )


def _fall(case: _Case, own: Rows, at: Rows, here: int) -> Rows:
    """Let sets fall that miss the bar of their level; return the places of the others."""
    ladder, state, stretch = case.ladder, case.state, case.stretch
    bar, now = _bar(ladder, here), stretch.exited.take(at)
    cause = case.down[here].take(at)
    if _is_dear(bar):
        left = (cause == 0).nonzero()[0]
        then = moments(state, stretch, own.take(left), stretch.closed.take(at.take(left)))
        cause[left] = _missed_dear(case, then, at.take(left), here)
    down = cause.nonzero()[0]
    if len(down):
        then = moments(state, stretch, own.take(down), stretch.closed.take(at.take(down)))
        case.moves.append(_moved(ladder, state, then, now.take(down), here - 1, cause.take(down), bar))
    stay: Rows = (cause == 0).nonzero()[0]
    return stay


def _missed_dear(case: _Case, then: Moments, at: Rows, here: int) -> Causes:
    """Return the first dear demand of the widened bar of a level that each misses, 0 if none."""
    bar, slack, until = _bar(case.ladder, here), case.ladder.rules.hysteresis, case.until[here].take(at)
    unknown = (until < 0).nonzero()[0]
    until[unknown] = held_until(then.take(unknown), bar, slack)
    if here == REAL:
        case.state.holds_until[then.sets] = until
    cause = np.where(until < case.stretch.exited.take(at), np.int8(DRAWDOWN_TIME), np.int8(0))
    if bar.edge is not None:
        left = (cause == 0).nonzero()[0]
        cause[left[edges(then.take(left), len(case.ladder.sets)) < bar.edge * (1 - slack)]] = LUCK
    return cause


def _aged(ladder: Ladder, state: LadderState, then: Moments, at: Rows) -> _Moves:
    return _moved(
        ladder, state, then, at, MAIN, np.full(len(then), DRAWDOWN_TIME, np.int8), ladder.rules.real
    )


def _moved(
    ladder: Ladder, state: LadderState, then: Moments, at: Rows, to: int, cause: Causes, bar: Threshold
) -> _Moves:
    """Move all sets to a level, by what `bar` says of them."""
    before = state.level.take(then.sets)
    after = np.full(len(then), to, dtype=np.int8)
    state.level[then.sets] = after
    state.level_since[then.sets] = at
    if to != REAL:
        state.holds_until[then.sets] = NEVER
    edge = np.full(len(then), np.nan) if bar.edge is None else edges(then, len(ladder.sets))
    return _Moves(then, at, before, after, cause, edge, bar.window)


def _with_evidence(moves: Sequence[_Moves]) -> list[LevelChanges]:
    """Return level changes with the numbers that decided."""
    changes = []
    for window in sorted({move.window for move in moves}):
        chosen = [move for move in moves if move.window == window]
        names = ("at", "before", "after", "cause", "edge")
        parts = {name: np.concatenate([getattr(move, name) for move in chosen]) for name in names}
        then = joined([move.moments for move in chosen])
        numbers = past_statistics(then, window, parts["at"], parts.pop("edge"))
        changes.append(LevelChanges(sets=then.sets, **parts, evidence=numbers))
    return changes


def _first_close(ladder: Ladder, until: Rows, close: Rows | int) -> Rows:
    """Return the first close of a candle after each second; `close` is any close of one."""
    return until + ladder.sets.timeframe - (until - close) % ladder.sets.timeframe


def _is_dear(bar: Threshold) -> bool:
    return bar.drawdown_hours is not None or bar.edge is not None


def _bar(ladder: Ladder, level: int) -> Threshold:
    return ladder.rules.real if level == REAL else ladder.rules.main
