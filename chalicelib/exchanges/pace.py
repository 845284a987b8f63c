"""Keeps the requests of one process to one exchange within its rate limit; used by the connectors."""

import threading
from collections import deque
from collections.abc import Callable

from chalicelib.errors import Retryable

PAUSE_AFTER_LIMIT = 60.0
"""Seconds without any call after the exchange said that its rate limit is reached."""

WINDOW = 1.05
"""Seconds that count as one: requests do not arrive as evenly as they are sent."""


class Pace:
    """Spaces the requests to one exchange, and holds all of them back after its rate limit was reached.

    Spacing is not enough where requests weigh more than one: no second holds more weight than the rate, but
    for one request that is heavier than that by itself.
    """

    def __init__(self, per_second: float, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._rate = per_second
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._passed: deque[tuple[float, int]] = deque()
        self._closed_until = 0.0

    def wait(self, weight: int = 1) -> None:
        """Wait for the next free moment; Retryable at once while the exchange holds us off."""
        with self._lock:
            moment = self._clock()
            if moment < self._closed_until:
                seconds = self._closed_until - moment
                raise Retryable(f"the rate limit was reached: no request for another {seconds:.0f} s")
            start = self._free(max(moment, self._next), weight)
            self._passed.append((start, weight))
            self._next = start + 1 / self._rate
        if start > moment:
            self._sleep(start - moment)

    def _free(self, start: float, weight: int) -> float:
        """Return the first moment from `start` on whose second has room for this weight."""
        while self._passed and (
            self._passed[0][0] <= start - WINDOW
            or sum(passed for _, passed in self._passed) + weight > self._rate
        ):
            start = max(start, self._passed.popleft()[0] + WINDOW)
        return start

    def hold(self, seconds: float | None = None) -> None:
        """Let no request through for as long as the exchange says, or for a while if it does not say."""
        pause = PAUSE_AFTER_LIMIT if seconds is None else seconds
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + pause)
