"""The shared rate limit of an API key as one process knows it: looks, conditional writes, what is untold yet.

Used by the gate under its lock. What this process has found out holds for itself at once, even while the
store can't be reached, and goes along with the next write that succeeds.
"""

from collections.abc import Callable

from chalicelib.domain.rate_limit import LimitKey, LimitState, LimitStore, Overtaken
from chalicelib.errors import Retryable

Change = Callable[[LimitState], LimitState]

_JUST_SEEN = 0.025
"""Seconds for which nobody else is likely to have written."""

_MOST_RACES = 10
_LONGEST_LATENCY = 0.2


class SharedLimit:
    """The state of one key: what was last seen of it, when, and whether others write it as well."""

    def __init__(self, store: LimitStore, key: LimitKey, clock: Callable[[], float]) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._written = 0
        self._crowded = True
        self._untold: list[Change] = []
        self.state = LimitState()
        self.seen_at = float("-inf")
        self.latency = _LONGEST_LATENCY

    def look(self) -> None:
        """Read the state: 1 call."""
        started = self._clock()
        self._see(self._store.load(self._key), started)

    def look_before_writing(self) -> None:
        """Read the state where a write would probably find that somebody else was there: at most 1 call."""
        if self._crowded and self._clock() - self.seen_at > _JUST_SEEN:
            self.look()

    def write(self, state: LimitState) -> bool:
        """Store a state made from the one that is known; False if somebody else was first: 1 call."""
        started = self._clock()
        outcome = self._store.save(self._key, state, started)
        self.latency = min(self._clock() - started, _LONGEST_LATENCY)
        if isinstance(outcome, Overtaken):
            self._see(outcome.present, started)
            return False
        self._crowded = state.revision != self._written
        self._written = outcome.revision
        self._untold.clear()
        self.state, self.seen_at = outcome, started
        return True

    def tell(self, change: Change) -> None:
        """Change the state for this process now and for the others as soon as the store takes it."""
        changed = change(self.state)
        if changed == self.state:
            return
        self.state = changed
        self._untold.append(change)
        self.tell_the_rest()

    def tell_the_rest(self) -> None:
        """Write what the others do not know yet; a store that can't be reached is no error here."""
        try:
            for _ in range(_MOST_RACES):
                if not self._untold or self.write(self.state):
                    return
        except Retryable:
            # Still untold: the next call that is let through tries again, and brings up what is wrong.
            return

    def _see(self, present: LimitState, at: float) -> None:
        self._crowded = present.revision != self._written
        for change in self._untold:
            present = change(present)
        self.state, self.seen_at = present, at
