"""The clock of a local run: the machine's, or a virtual one that a replay moves from event to event."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where `now` of all handlers comes from: UTC epoch seconds."""

    def now(self) -> float: ...


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()


class VirtualClock:
    """A clock that stands still until it is moved, and never goes back."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def move(self, to: float) -> None:
        """Move forward; an earlier time is ignored."""
        self._now = max(self._now, float(to))
