"""Health of an engine from its beats: a pure judgement, stored by the health tick."""

from collections.abc import Mapping

from chalicelib.domain.cadence import TickKind
from chalicelib.domain.engine import Beat

LEVELS = ("healthy", "degraded", "unhealthy")
DEGRADED_AFTER_INTERVALS = 3
UNHEALTHY_AFTER_INTERVALS = 10
UNHEALTHY_ERRORS = 5


def judge(
    beats: Mapping[str, Beat], intervals: Mapping[TickKind, int], running_since: float, now: float
) -> tuple[str, tuple[str, ...]]:
    """Return `healthy`, `degraded` or `unhealthy`, and one reason per tick kind that lags or fails.

    Lag counts from the last success, or from the start of the run for a tick that never succeeded.
    """
    worst = 0
    reasons = []
    for kind, interval in intervals.items():
        beat = beats.get(kind, Beat())
        lag = now - max(beat.ok_at, running_since)
        level = 0
        if lag > UNHEALTHY_AFTER_INTERVALS * interval or beat.errors >= UNHEALTHY_ERRORS:
            level = 2
        elif lag > DEGRADED_AFTER_INTERVALS * interval or beat.errors:
            level = 1
        if level:
            reasons.append(
                f"{kind}: last success {lag:.0f} s ago, {beat.errors} errors {beat.last_error}".rstrip()
            )
        worst = max(worst, level)
    return LEVELS[worst], tuple(reasons)
