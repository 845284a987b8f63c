"""Proves of a strategy that it knows no future and forgets its beginning; `cts check-strategy` calls it.

Live, a bar is judged when it has just closed, on 256 bars or more before it (docs/decisions.md, "Anchored
windows"). A backtest judges it with all later bars at hand. Both must say the same, to the last bit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, between
from chalicelib.domain.strategies import Strategy
from chalicelib.errors import Rejected
from chalicelib.operations.strategies.evaluated import VOTES, Evaluated, Values, differs, evaluated

Kind = Literal["LOOKS AHEAD", "DEPENDS ON ITS START", "IS NOT REPEATABLE", "NEVER VOTES"]

STRETCH = 3 * ANCHOR_BLOCK
"""Bars of candles that one proof needs: a block each for starting points, for warm-up, and to compare."""

WINDOW = 2 * ANCHOR_BLOCK
"""Bars of the longest window on which the engine judges."""

VOTE_TOLERANCE = 1e-3
"""How far votes in [-1, 1] may differ by what the window begins with: far below a useful threshold, which is
told to two digits. After 256 bars less than that is left of the start in an exponential average of up to
74 bars, (1 - 2 / (n + 1)) ** 256, and in one of Wilder's (ATR, ADX, RSI) of up to 37, (1 - 1 / n) ** 256."""

SUSPECT_TOLERANCE = 1e-6
"""How far an indicator differs, relative to its size, to be named where votes differ."""

STARTS = (1, 37, 64, 101, 128, 173, 211, 256)
"""Bars by which the compared windows begin later; any would do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one bar, which opens at `time`.

    `suspects` are the names of all that is wrong there, each after what it was computed from. `one` and
    `other` are the values of `shown`, the first of them that has a value at each bar, in both evaluations.
    """

    kind: Kind
    symbol: str = ""
    time: int = 0
    shown: str = ""
    one: float = 0.0
    other: float = 0.0
    suspects: tuple[str, ...] = ()
    missing_bars: int = 0

    @property
    def indicator(self) -> str:
        """What is to blame."""
        return self.suspects[0] if self.suspects else ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of one strategy found.

    `prefixes` is how many windows were compared with the whole, `votes` how many votes there were. From bar
    `agree_from` of a window on, counted from 1, its beginning changes no vote.
    """

    faults: tuple[Fault, ...]
    prefixes: int
    votes: int
    agree_from: int


def check(strategy: Strategy, stretches: Iterable[Candles]) -> Checked:
    """Check a strategy on stretches of candles, each STRETCH bars; the first fault of each kind is kept.

    Raises Rejected where the strategy fails or returns what it must not.
    """
    faults: dict[Kind, Fault] = {}
    prefixes = votes = agree_from = 0
    for stretch in stretches:
        end = stretch.closed_until
        window = between(stretch, end - WINDOW * stretch.timeframe, end)
        whole = evaluated(strategy, window)
        votes += int(np.count_nonzero(~np.isnan(whole.by_bar["score"])))
        found = _unrepeatable(strategy, window, whole) or _look_ahead(strategy, window, whole)
        if found:
            faults.setdefault(found.kind, found)
        if "IS NOT REPEATABLE" not in faults:
            found, agreed = _start_dependence(strategy, stretch)
            agree_from = max(agree_from, agreed)
            if found:
                faults.setdefault(found.kind, found)
        prefixes += len(_lengths(strategy))
    if not votes and not faults:
        faults["NEVER VOTES"] = Fault("NEVER VOTES")
    return Checked(tuple(faults.values()), prefixes, votes, agree_from)


def _lengths(strategy: Strategy) -> list[int]:
    """Return how many bars of a window are shown: what live windows have, then few, as of a new market."""
    return [*range(ANCHOR_BLOCK + 1, WINDOW), *sorted({1, 2, strategy.warm_up})]


def _unrepeatable(strategy: Strategy, window: Candles, whole: Evaluated) -> Fault | None:
    return _earliest("IS NOT REPEATABLE", window, evaluated(strategy, window), whole)


def _look_ahead(strategy: Strategy, window: Candles, whole: Evaluated) -> Fault | None:
    """Return the first value that was another one when later bars were not known yet."""
    start = int(window.open_time[0])
    for bars in _lengths(strategy):
        part = _of_bars(strategy, between(window, start, start + bars * window.timeframe))
        if found := _earliest("LOOKS AHEAD", window, part, whole):
            return found
    return None


def _of_bars(strategy: Strategy, candles: Candles) -> Evaluated:
    try:
        return evaluated(strategy, candles)
    except Rejected as refused:
        if candles.bars > ANCHOR_BLOCK:
            raise
        raise Rejected(f"on {candles.bars} bars, as of a new market (abstain there): {refused}") from refused


def _earliest(kind: Kind, window: Candles, part: Evaluated, whole: Evaluated) -> Fault | None:
    """Return the fault at the first bar at which evaluations differ, with the value computed first."""
    unequal = {name: mask for name, mask in _unequal(part, whole) if mask.any()}
    if not unequal:
        return None
    bar = min(int(np.argmax(mask.any(axis=0))) for mask in unequal.values())
    here = {name: mask[:, bar] for name, mask in unequal.items() if mask[:, bar].any()}
    name = next(iter(here))
    row = int(np.argmax(here[name]))
    suspects = tuple(other for other, rows in here.items() if rows[row])
    if name in VOTES:
        suspects = (*_whole_window_suspects(part, whole), *suspects)
    return Fault(
        kind,
        window.symbols[row],
        int(window.open_time[bar]),
        name,
        float(part.by_bar[name][row, bar]),
        float(whole.by_bar[name][row, bar]),
        suspects,
    )


def _unequal(part: Evaluated, whole: Evaluated) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for name, values in whole.by_bar.items():
        known = part.by_bar.get(name)
        if known is not None:
            yield name, differs(known, values[:, : known.shape[1]])


def _whole_window_suspects(part: Evaluated, whole: Evaluated) -> tuple[str, ...]:
    """Return the remembered values without bars that changed with the window: a mean of all of it, say."""
    return tuple(
        name
        for name, values in whole.of_window.items()
        if name in part.of_window
        and (part.of_window[name].shape != values.shape or differs(part.of_window[name], values).any())
    )


def _start_dependence(strategy: Strategy, stretch: Candles) -> tuple[Fault | None, int]:
    """Return the first vote that a later start of the candles changes, and after how many bars none does."""
    whole = evaluated(strategy, stretch)
    fault, agree_from = None, 1
    for start in STARTS:
        later = evaluated(strategy, between(stretch, int(stretch.open_time[start]), stretch.closed_until))
        apart = np.zeros(later.by_bar["score"].shape, dtype=np.bool_)
        for vote in VOTES:
            apart |= _apart(later.by_bar[vote], whole.by_bar[vote][:, start:], VOTE_TOLERANCE)
        if apart.any():
            agree_from = max(agree_from, 2 + int(np.flatnonzero(apart.any(axis=0))[-1]))
        late = apart[:, ANCHOR_BLOCK:]
        if fault is None and late.any():
            bar = ANCHOR_BLOCK + int(np.argmax(late.any(axis=0)))
            fault = _start_fault(stretch, whole, later, start, bar, int(np.argmax(apart[:, bar])))
    return fault, agree_from


def _start_fault(
    stretch: Candles, whole: Evaluated, later: Evaluated, start: int, bar: int, row: int
) -> Fault:
    suspects = []
    for name, values in whole.by_bar.items():
        if name not in later.by_bar:
            continue
        bound = VOTE_TOLERANCE if name in VOTES else SUSPECT_TOLERANCE * _size(values[row])
        if _apart(later.by_bar[name][row, bar], values[row, start + bar], bound):
            suspects.append(name)
    name = suspects[0]
    return Fault(
        "DEPENDS ON ITS START",
        stretch.symbols[row],
        int(stretch.open_time[start + bar]),
        name,
        float(later.by_bar[name][row, bar]),
        float(whole.by_bar[name][row, start + bar]),
        tuple(suspects),
        start,
    )


def _size(values: Values) -> float:
    """Return the usual size of an indicator's values; 0 of one that has none."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.median(finite)) if finite.size else 0.0


def _apart(one: Values, other: Values, tolerance: float) -> NDArray[np.bool_]:
    """Tell where values are further apart than the tolerance, or only one of them is NaN."""
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    missing = np.isnan(one) != np.isnan(other)
    with np.errstate(invalid="ignore"):
        apart: NDArray[np.bool_] = missing | (np.abs(one - other) > tolerance)
    return apart
