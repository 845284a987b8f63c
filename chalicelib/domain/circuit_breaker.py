"""The circuit breaker of one API key: calls of an exchange that fails are not even tried; the gate asks it.

Closed, it lets calls pass and counts failures in a row. So many of them within a short time open it: nothing
passes until the cool-down is over. Then one call may probe (half open): its success closes the breaker, its
failure opens it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["closed", "open", "half_open"]
Happening = Literal["succeeded", "failed", "probed"]
Admission = Literal["pass", "probe", "refuse"]

MOST_FAILURES = 5
"""Failures in a row that open the breaker."""

WINDOW = 60.0
"""Seconds within which they must fall: a failure an hour is no trouble of the exchange."""

COOL_DOWN = 30.0
PROBE_SECONDS = 20.0
"""Seconds for which one probe keeps the others out; after them it counts as lost with its process."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """`since` is the epoch second of the first failure in the row, `until` when the next probe is allowed."""

    state: State = "closed"
    failures: int = 0
    since: float = 0.0
    until: float = 0.0


CLOSED = Breaker()


def admission(breaker: Breaker, now: float) -> Admission:
    """Tell whether a call may pass, may pass if it takes the probe, or may not."""
    if breaker.state == "closed":
        return "pass"
    return "probe" if now >= breaker.until else "refuse"


def after(breaker: Breaker, happening: Happening, now: float) -> Breaker:
    """Return the breaker after a call succeeded, failed, or was let through as the probe."""
    return TABLE[breaker.state, happening](breaker, now)


def opened(breaker: Breaker, until: float) -> Breaker:
    """Return the breaker open until at least an epoch second, as after a ban."""
    return replace(breaker, state="open", until=max(until, breaker.until))


def _stays(breaker: Breaker, now: float) -> Breaker:  # noqa: ARG001
    return breaker


def _closes(breaker: Breaker, now: float) -> Breaker:  # noqa: ARG001
    return CLOSED


def _counts(breaker: Breaker, now: float) -> Breaker:
    begins = not breaker.failures or now - breaker.since > WINDOW
    failures = 1 if begins else breaker.failures + 1
    counted = replace(breaker, failures=failures, since=now if begins else breaker.since)
    return counted if failures < MOST_FAILURES else opened(counted, now + COOL_DOWN)


def _opens(breaker: Breaker, now: float) -> Breaker:
    return replace(breaker, state="open", failures=breaker.failures + 1, until=now + COOL_DOWN)


def _probes(breaker: Breaker, now: float) -> Breaker:
    return replace(breaker, state="half_open", until=now + PROBE_SECONDS)


TABLE: Mapping[tuple[State, Happening], Callable[[Breaker, float], Breaker]] = {
    ("closed", "succeeded"): _closes,
    ("closed", "failed"): _counts,
    ("closed", "probed"): _stays,
    # Calls that were under way when it opened come back late: they neither close it nor prolong it.
    ("open", "succeeded"): _stays,
    ("open", "failed"): _stays,
    ("open", "probed"): _probes,
    ("half_open", "succeeded"): _closes,
    ("half_open", "failed"): _opens,
    # The probe before was lost with its process.
    ("half_open", "probed"): _probes,
}
