"""In-memory twin of the store of shared rate limits, for tests and backtests."""

from dataclasses import replace
from threading import Lock

from chalicelib.domain.rate_limit import LimitKey, LimitState, Overtaken


class MemoryLimitStore:
    """Twin of DynamoLimitStore."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[LimitKey, LimitState] = {}

    def load(self, key: LimitKey) -> LimitState:
        return self._states.get(key, LimitState())

    def save(self, key: LimitKey, state: LimitState, now: float) -> LimitState | Overtaken:  # noqa: ARG002
        with self._lock:
            present = self.load(key)
            if present.revision != state.revision:
                return Overtaken(present)
            self._states[key] = written = replace(state, revision=state.revision + 1)
            return written
