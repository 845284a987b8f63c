"""What every private request of an API key passes: the rate limit and circuit breaker of all processes.

Venues call it around each request. The limit is kept exactly, by slots (`domain.rate_limit`): a process takes
a few for the next second with one write and spends them without asking. What others have found out (a pause,
an open breaker) it learns `FRESH` seconds later at the latest: it looks again before it uses an older slot.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from threading import Lock
from typing import Protocol

from chalicelib.domain import circuit_breaker as breakers
from chalicelib.domain.rate_limit import (
    SECOND,
    Limit,
    LimitKey,
    LimitState,
    LimitStore,
    Log,
    RateLimits,
    Slot,
    held,
    reserve,
    reserve_now,
    settled,
    used,
)
from chalicelib.errors import Retryable, VenueNotSent
from chalicelib.exchanges.shared_limit import SharedLimit

FRESH = 1.0
"""Seconds for which what was last seen of the shared state may be relied on."""

PATIENCE = 10.0
"""Seconds that a call waits at most."""

MOST_SLOTS = 4
"""Slots of one reservation: a write for every fourth call, and a queue that moves on for everybody."""

_SAME_BURST = 1.0
_USUAL_RHYTHM = 0.2
_LOOKS_AHEAD = 0.03
_BRIEF = 0.02
_LONGEST_PAUSE = 1.0
_MOST_TURNS = 20
_MOST_RACES = 12
_MINUTE = 60

RATE_LIMITS: Mapping[str, RateLimits] = {
    # Weights count per address and minute, 2,400 at the stricter of the two (futures): some are left for
    # public data, which comes from the same address.
    "binance": RateLimits((Limit(1, 10, "requests"), Limit(_MINUTE, 2000, "weight"))),
    # An address that was too fast gets a 403 for ten minutes.
    "bybit": RateLimits((Limit(1, 8, "requests"),), ban=600.0),
    # Each route has a limit of its own as well; as weights they are ten in a second together.
    "bingx": RateLimits((Limit(1, 8, "requests"), Limit(1, 10, "weight"))),
    # Weights: more than ten in a second shut a key out for a minute, and a call may weigh five.
    "pionex": RateLimits((Limit(1, 8, "weight"),)),
    "orangex": RateLimits((Limit(1, 5, "requests"),)),
}


class Gate(Protocol):
    """What every request of a key passes."""

    def admit(self, weight: int = 1) -> None:
        """Wait for the next free moment; VenueNotSent (RATE_LIMIT, BREAKER_OPEN, BUSY) if none is near."""

    def succeeded(self) -> None:
        """Tell that the exchange answered, be it with a refusal."""

    def failed(self) -> None:
        """Tell of a time-out, a server error or a refused connection: it counts for the circuit breaker."""

    def limited(self, retry_after: float | None, banned: bool) -> None:
        """Tell of a 429, or of a 418 (`banned`): everybody on that key stops for so many seconds."""


class SharedGate:
    """The gate of one API key in one process, which keeps it between invocations; many threads may call."""

    def __init__(
        self,
        store: LimitStore,
        key: LimitKey,
        limits: RateLimits,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        patience: float = PATIENCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`patience` in seconds; `chance` draws from 0 to 1 and spreads those who want the same slots."""
        self._shared = SharedLimit(store, key, clock)
        self._exchange = key.exchange
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._patience = patience
        self._chance = chance
        self._lock = Lock()
        self._slots: list[Slot] = []
        self._hold = 0.0
        self._spent: list[tuple[Slot, Slot | None]] = []
        self._size = MOST_SLOTS // 2
        self._weights: deque[int] = deque((1,) * (MOST_SLOTS - 1), MOST_SLOTS - 1)
        self._rhythm = _USUAL_RHYTHM
        self._left_at = float("-inf")

    def admit(self, weight: int = 1) -> None:
        called = self._clock()
        deadline = called + self._patience
        probing = False
        try:
            with self._lock:
                self._learn(called, weight)
                self._shared.tell_the_rest()
            for _ in range(_MOST_TURNS):
                with self._lock:
                    probing = self._pass_breaker(probing, deadline)
                    slot = self._own(weight) or self._reserve(weight, deadline)
                    hold = self._hold
                self._wait_for(slot)
                with self._lock:
                    probing = self._pass_breaker(probing, deadline)
                    if self._use(slot, weight, hold):
                        return
        except Retryable as error:
            raise self._not_sent(f"its rate limit can't be shared ({error})", "BUSY") from error
        raise self._not_sent("this process came too late for all its moments", "BUSY")

    def succeeded(self) -> None:
        # All that the usual case costs; who failed meanwhile is heard of soon enough.
        if self._shared.state.breaker != breakers.CLOSED:
            self._happened("succeeded")

    def failed(self) -> None:
        self._happened("failed")

    def limited(self, retry_after: float | None, banned: bool) -> None:
        now = self._clock()
        until = now + self._limits.seconds(retry_after, banned)

        def stopped(state: LimitState) -> LimitState:
            # After a ban one call goes ahead of the others: a second ban is longer than the first.
            breaker = breakers.opened(state.breaker, until) if banned else state.breaker
            return replace(held(state, now, until, FRESH), breaker=breaker)

        with self._lock:
            self._shared.tell(stopped)

    def _happened(self, happening: breakers.Happening) -> None:
        now = self._clock()
        with self._lock:
            self._shared.tell(
                lambda state: replace(state, breaker=breakers.after(state.breaker, happening, now))
            )

    def _learn(self, called: float, weight: int) -> None:
        """Note what this process usually asks for: weights, and the time from one call to the next."""
        since = called - self._left_at
        self._weights.append(weight)
        if since < _SAME_BURST:
            # Rather too slow: a call that comes late for its moment has lost it.
            self._rhythm = max(since, 0.8 * self._rhythm + 0.2 * since)
            if not self._slots:
                self._size = min(2 * self._size, MOST_SLOTS)

    def _pass_breaker(self, probing: bool, deadline: float) -> bool:
        """Tell whether this call is the probe of an open breaker; VenueNotSent if calls are held back."""
        now = self._clock()
        shared = self._shared
        if shared.state.held_until > deadline:
            until = shared.state.held_until
            raise self._not_sent("its rate limit was reached", "RATE_LIMIT", until)
        if probing or shared.state.breaker.state == "closed":
            return probing
        if shared.state.breaker.state == "half_open":
            shared.look()
        for _ in range(_MOST_RACES):
            breaker = shared.state.breaker
            admission = breakers.admission(breaker, now)
            if admission == "pass":
                return False
            if admission == "refuse":
                break
            if shared.write(replace(shared.state, breaker=breakers.after(breaker, "probed", now))):
                return True
        until = breaker.until if breaker.state == "open" else min(breaker.until, now + FRESH)
        raise self._not_sent("its calls failed one after the other", "BREAKER_OPEN", until)

    def _own(self, weight: int) -> Slot | None:
        """Return the best of our slots for a call, and let go those that are over or void."""
        now = int(self._clock() * SECOND)
        if self._hold != self._shared.state.held_until:
            self._slots.clear()
        for slot in [slot for slot in self._slots if slot.until < now]:
            self._slots.remove(slot)
            self._forfeit(slot)
        fitting = [slot for slot in self._slots if slot.weight >= weight]
        if not fitting:
            return None
        best = min(fitting, key=lambda slot: (max(slot.start, now), slot.weight))
        self._slots.remove(best)
        return best

    def _forfeit(self, slot: Slot) -> None:
        self._spent.append((slot, None))
        self._size = max(1, self._size - 1)

    def _reserve(self, weight: int, deadline: float) -> Slot:
        """Take slots for this call and the next ones; VenueNotSent if the first would be too far away."""
        wishes = (weight, *tuple(self._weights)[: self._size - 1])
        for race in range(_MOST_RACES):
            self._shared.look_before_writing()
            now = self._clock()
            given, log = self._plan(wishes, now)
            first = given[0].start / SECOND
            if first > deadline:
                raise self._not_sent("too many calls wait for its rate limit", "RATE_LIMIT", first)
            if self._shared.write(replace(self._shared.state, slots=log)):
                self._spent.clear()
                self._keep(given[1:])
                return given[0]
            # Where the next free moment is seconds away, there is time to let others go first.
            pause = (first - now) / 2 + (_BRIEF * 4.0**race if race else 0.0)
            self._sleep(self._chance() * min(pause, _LONGEST_PAUSE))
        raise self._not_sent("too many processes want its rate limit at once", "RATE_LIMIT")

    def _keep(self, given: Log) -> None:
        hold = self._shared.state.held_until
        self._slots = [*(self._slots if hold == self._hold else ()), *given]
        self._hold = hold

    def _plan(self, wishes: tuple[int, ...], now: float) -> tuple[Log, Log]:
        """Return slots and the log with them: wide ones from now on, or narrow ones as soon as may be."""
        state, limits = self._shared.state, self._limits.limits
        log = settled(state.slots, self._spent)
        moment = max(int(now * SECOND), ceil(state.held_until * SECOND))
        if found := reserve_now(log, moment, wishes, limits):
            return found
        # A narrow slot of this moment would be over by the time that it is stored.
        moment += int((self._shared.latency + _BRIEF) * SECOND)
        return reserve(log, moment, wishes, limits, int(self._rhythm * SECOND))

    def _wait_for(self, slot: Slot) -> None:
        start = slot.start / SECOND
        if max(start, self._clock()) - self._shared.seen_at > FRESH:
            self._sleep_until(start - _LOOKS_AHEAD)
            with self._lock:
                self._shared.look()
        self._sleep_until(start)

    def _sleep_until(self, moment: float) -> None:
        # A clock that is set back meanwhile doesn't keep us here.
        for _ in range(3):
            seconds = moment - self._clock()
            if seconds <= 0:
                return
            self._sleep(seconds)

    def _use(self, slot: Slot, weight: int, hold: float) -> bool:
        """Take a slot if this is still its time, and no pause has made it void."""
        now = self._clock()
        if self._shared.state.held_until != hold:
            return False
        if not slot.start - 1 <= now * SECOND <= slot.until:
            self._forfeit(slot)
            return False
        self._spent.append((slot, used(slot, int(now * SECOND), weight)))
        self._left_at = now
        return True

    def _not_sent(self, why: str, reason: str, until: float | None = None) -> VenueNotSent:
        moment = self._clock() + FRESH if until is None else until
        # All that hear of one moment shall not come back at that very one.
        return VenueNotSent(f"{self._exchange}: {why}", reason, moment + self._chance() * FRESH)
