"""Keeps the requests of one process to one exchange within its rate limit; used by the connectors."""

import threading
from collections.abc import Callable

from chalicelib.errors import Retryable

PAUSE_AFTER_LIMIT = 60.0
"""Seconds without any call after the exchange said that its rate limit is reached."""


class Pace:
    """Spaces the requests to one exchange, and holds all of them back after its rate limit was reached."""

    def __init__(self, per_second: float, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._closed_until = 0.0

    def wait(self) -> None:
        """Wait for the next free moment; Retryable at once while the exchange holds us off."""
        with self._lock:
            moment = self._clock()
            if moment < self._closed_until:
                seconds = self._closed_until - moment
                raise Retryable(f"the rate limit was reached: no request for another {seconds:.0f} s")
            start = max(moment, self._next)
            self._next = start + self._interval
        if start > moment:
            self._sleep(start - moment)

    def hold(self) -> None:
        """Let no request through for a while."""
        with self._lock:
            self._closed_until = self._clock() + PAUSE_AFTER_LIMIT
