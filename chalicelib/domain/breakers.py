"""Trading breakers: losses and gains of an account after which nothing more is entered, until they reset.

The realtime tick stores the state with each valuation of the account; execution judges entries by it as it is
at that moment. Their state begins anew with a reset by hand, DAILY_LOSS with the UTC day, WEEKLY_TARGET with
the week.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal, get_args

from chalicelib.domain.replacing import replace
from chalicelib.domain.stored import sparse
from chalicelib.domain.trading_settings import RiskLimits

BreakerName = Literal["DAILY_LOSS", "WEEKLY_TARGET", "MAX_DRAWDOWN"]
BREAKERS: tuple[BreakerName, ...] = get_args(BreakerName)

DAY = 86400
_MONDAY = 3
"""Days from the Monday before the epoch, a Thursday, to the epoch."""
_SIGNIFICANT = Context(prec=12)
"""Digits of a stored equity: an engine's item pays for every one of them."""
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Breakers:
    """Equity at the first look of the UTC `day` and of the `week` (numbers since the epoch), and its `peak`.

    `tripped` says since when (epoch second) the breakers that are on refuse entries; `reset_at` which reset
    by hand this state began with.
    """

    day: int = 0
    day_equity: Decimal = _ZERO
    week: int = 0
    week_equity: Decimal = _ZERO
    peak: Decimal = _ZERO
    tripped: Mapping[str, float] = sparse(factory=dict)
    reset_at: float = sparse(0.0)


def updated(
    state: Breakers, equity: Decimal, now: float, limits: RiskLimits, reset_at: float = 0.0
) -> Breakers:
    """Return the state after a look at the account: days and weeks turned, peak raised, breakers tripped.

    Equity in quote currency; `reset_at` is the epoch second of the last reset by hand (0: never).
    """
    equity = _SIGNIFICANT.plus(equity)
    state = _current(state, equity, int(now // DAY), reset_at)
    over = [name for name, ratio in usage(state, equity, limits).items() if ratio >= 1]
    if not over and not state.tripped:
        return state
    kept = {name: at for name, at in state.tripped.items() if limit_of(limits, name) is not None}
    tripped = dict.fromkeys(over, now) | kept
    return state if tripped == state.tripped else replace(state, tripped=tripped)


def usage(state: Breakers, equity: Decimal, limits: RiskLimits) -> dict[str, Decimal]:
    """Return per breaker that has a limit how much of it is used up; 1 and more trips it."""
    used: dict[str, Decimal] = {}
    for name, moved in _MEASURES.items():
        limit = limit_of(limits, name)
        if limit is not None:
            used[name] = moved(state, equity) / limit
    return used


def measured(state: Breakers, equity: Decimal) -> dict[str, Decimal]:
    """Return what each breaker looks at, as ratios: loss of the day, gain of the week, loss from the peak."""
    return {name: moved(state, equity) for name, moved in _MEASURES.items()}


def limit_of(limits: RiskLimits, name: str) -> Decimal | None:
    """Return the limit of a breaker; None if it is switched off."""
    limit: Decimal | None = getattr(limits, _LIMITS[name])
    return limit


def _current(state: Breakers, equity: Decimal, day: int, reset_at: float) -> Breakers:
    """Return the state of this day and week; what ended with the last one is forgotten."""
    week = (day + _MONDAY) // 7
    if reset_at > state.reset_at or not state.day:
        reset_at = max(reset_at, state.reset_at)
        return Breakers(day, equity, week, equity, equity, reset_at=reset_at)
    over: set[str] = set()
    if day > state.day:
        state = replace(state, day=day, day_equity=equity)
        over.add("DAILY_LOSS")
    if week > state.week:
        state = replace(state, week=week, week_equity=equity)
        over.add("WEEKLY_TARGET")
    if equity <= state.peak and not over:
        return state
    tripped = {name: at for name, at in state.tripped.items() if name not in over}
    return replace(state, peak=max(state.peak, equity), tripped=tripped)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else _ZERO


_LIMITS: Mapping[str, str] = {name: name.lower() for name in BREAKERS}
_MEASURES: Mapping[str, Callable[[Breakers, Decimal], Decimal]] = {
    "DAILY_LOSS": lambda state, equity: _ratio(state.day_equity - equity, state.day_equity),
    "WEEKLY_TARGET": lambda state, equity: _ratio(equity - state.week_equity, state.week_equity),
    "MAX_DRAWDOWN": lambda state, equity: _ratio(state.peak - equity, state.peak),
}
