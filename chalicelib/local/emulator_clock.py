"""The one clock of the emulator's process: the machine's, or a virtual one that moves when it is told to."""

import time
from datetime import UTC, datetime


class EmulatorClock:
    """UTC epoch seconds; a virtual clock never goes backwards."""

    def __init__(self, virtual: bool) -> None:
        self.virtual = virtual
        self._pinned: float | None = 0.0 if virtual else None

    def now(self) -> float:
        """Return the present time as epoch seconds."""
        return time.time() if self._pinned is None else self._pinned

    def utcnow(self) -> datetime:
        """Return the present time as moto expects it: naive and in UTC, exact to the microsecond."""
        return datetime.fromtimestamp(self.now(), UTC).replace(tzinfo=None)

    def set(self, seconds: float) -> None:
        """Move a virtual clock forward; an earlier time is ignored."""
        if self.virtual and self._pinned is not None:
            self._pinned = max(self._pinned, seconds)

    def pin(self, seconds: float) -> None:
        """Hold the clock at a recorded time while a journal is replayed."""
        self._pinned = seconds

    def release(self, seconds: float) -> None:
        """End a replay: a virtual clock stays at `seconds`, a real one shows the machine's time again."""
        self._pinned = seconds if self.virtual else None
