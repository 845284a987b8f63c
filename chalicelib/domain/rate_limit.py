"""Slots of a rate limit that many processes share: which moments the calls of one API key may take.

A slot is a span of time within which its call must begin, or not at all. The log of all slots given out is
what the processes share (`LimitState`, in one item of a store); whoever needs slots adds them to the log, and
the arithmetic here adds none that could break a limit, wherever in their spans the calls begin. Times are
epoch milliseconds, because whole numbers add up exactly. Called by the gate of the exchanges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Literal, Protocol

from chalicelib.domain.circuit_breaker import CLOSED, Breaker

Log = tuple["Slot", ...]
_IN_ORDER = attrgetter("start", "until", "weight", "requests")

SECOND = 1000

GUARD = 15
"""Milliseconds added to the span of every limit: clocks of two containers differ by a few, and a call leaves
a moment after it was admitted."""

NARROW = 60
"""Milliseconds of a slot's span where others wait: 1000 / (1000 + GUARD + NARROW), so 93 %, gets used."""

WIDE = 900
"""Milliseconds of a slot's span while there is room for everybody: calls one after the other fit into it."""

BLOCK = SECOND
"""Milliseconds within which the slots of one reservation begin."""

KEPT = SECOND
"""Milliseconds for which slots are kept longer than a limit feels them: for processes whose clock is slow."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any half-open span of `seconds`: of requests, or of their weights."""

    seconds: int
    most: int
    of: Literal["requests", "weight"]

    @property
    def span(self) -> int:
        return self.seconds * SECOND + GUARD


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What an exchange allows one API key, and for how many seconds calls stop if it doesn't say itself.

    `pause` after its rate limit was reached (429), `ban` after it shut us out (418).
    """

    limits: tuple[Limit, ...]
    pause: float = 60.0
    ban: float = 300.0

    def seconds(self, told: float | None, banned: bool) -> float:
        """Return for how long calls stop after a refusal; `told` is what the exchange says of it."""
        unstated = self.ban if banned else self.pause
        return unstated if told is None else told


@dataclass(frozen=True, slots=True)
class Slot:
    """A call may begin from `start` to `until`, both included; `requests` counts those that it stands for."""

    start: int
    until: int
    weight: int
    requests: int = 1

    def counted(self, limit: Limit) -> int:
        """Return how much of a limit it takes."""
        return self.requests if limit.of == "requests" else self.weight


@dataclass(frozen=True, slots=True)
class LimitKey:
    """Whose limit it is: one API key of a tenant, named by a digest, at one exchange."""

    tenant: str
    exchange: str
    key_digest: str

    @property
    def text(self) -> str:
        return f"{self.tenant}/{self.exchange}"


@dataclass(frozen=True, slots=True)
class LimitState:
    """What the processes of one API key share; no call before the epoch second `held_until`."""

    slots: Log = ()
    held_until: float = 0.0
    breaker: Breaker = field(default=CLOSED)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody else has written first, and this is what is there now."""

    present: LimitState


class LimitStore(Protocol):
    """Where the states are; both methods raise Retryable if that can't be reached."""

    def load(self, key: LimitKey) -> LimitState:
        """Read a state (strongly consistent); an empty one of revision 0 if there is none."""

    def save(self, key: LimitKey, state: LimitState, now: float) -> LimitState | Overtaken:
        """Store, if the stored revision is the one that the state carries; return it with its new one."""


def reserve_now(
    log: Log, now: int, weights: Sequence[int], limits: Sequence[Limit]
) -> tuple[Log, Log] | None:
    """Return wide slots from `now` on for as many of the calls as there is room for, and the log with them.

    None if there is no room for the first. ValueError if a call is heavier than a limit (a bug).
    """
    kept = compacted(log, now, limits)
    given: Log = ()
    for weight in weights:
        slot = Slot(now, now + WIDE, weight)
        if any(_free_from((*kept, *given), slot, limit) != now for limit in limits):
            break
        given += (slot,)
    return (given, tuple(sorted((*kept, *given), key=_IN_ORDER))) if given else None


def reserve(
    log: Log, now: int, weights: Sequence[int], limits: Sequence[Limit], spacing: int = 0
) -> tuple[Log, Log]:
    """Return the earliest narrow slots for calls of these weights from `now` on, and the log with them.

    They stand in the order of the calls, at least `spacing` apart, and within a block: what would begin later
    is left out, but never the first. Slots of everybody are spread evenly, so that their owners come back one
    after the other. ValueError if a call is heavier than a limit (a bug).
    """
    kept = compacted(log, now, limits)
    given: Log = ()
    earliest = now
    for weight in weights:
        slot = _earliest((*kept, *given), earliest, weight, limits)
        if given and slot.start - given[0].start > BLOCK:
            break
        given += (slot,)
        earliest = slot.start + spacing
    return given, tuple(sorted((*kept, *given), key=_IN_ORDER))


def _earliest(log: Log, earliest: int, weight: int, limits: Sequence[Limit]) -> Slot:
    # Everybody's slots begin on the same even beats: else the gaps between them would be too small to use.
    beat = max(-(-(limit.span + NARROW) // limit.most) for limit in limits)
    taken = {slot.start // beat for slot in log}
    start = earliest
    while True:
        number = -(-start // beat)
        while number in taken:
            number += 1
        slot = Slot(number * beat, number * beat + NARROW, weight)
        start = max(_free_from(log, slot, limit) for limit in limits)
        if start == slot.start:
            return slot


def _free_from(log: Sequence[Slot], slot: Slot, limit: Limit) -> int:
    """Return the earliest start, from that of the slot on, at which it keeps this limit.

    A call of a slot can fall into the span that begins at x if start - span < x <= until. So a slot takes its
    part of every x in there, and finds its place where no x would be overfull.
    """
    room = limit.most - slot.counted(limit)
    if room < 0:
        raise ValueError(f"a call of weight {slot.weight} never fits into {limit}")
    width = slot.until - slot.start
    start = slot.start
    near = [other for other in log if other.until > start - limit.span]
    if sum(other.counted(limit) for other in near) <= room:
        return start
    for begin, end in _crowded(near, limit, room):
        if start + width > begin and start - limit.span < end:
            start = end + limit.span
    return start


def _crowded(log: Sequence[Slot], limit: Limit, room: int) -> list[tuple[int, int]]:
    """Return where more than `room` is taken already, as spans (begin, end] of x in ascending order."""
    changes: dict[int, int] = {}
    for slot in log:
        counted = slot.counted(limit)
        begin = slot.start - limit.span
        changes[begin] = changes.get(begin, 0) + counted
        changes[slot.until] = changes.get(slot.until, 0) - counted
    crowded: list[tuple[int, int]] = []
    taken, since = 0, None
    for x in sorted(changes):
        taken += changes[x]
        if taken > room and since is None:
            since = x
        elif taken <= room and since is not None:
            crowded.append((since, x))
            since = None
    return crowded


def compacted(log: Log, now: int, limits: Sequence[Limit]) -> Log:
    """Return the log without what no limit can feel any more, and older slots added up by their second.

    Sums are safe: their span covers those of their slots, and the shorter limits don't see them any more.
    """
    shortest = KEPT + min(limit.span for limit in limits)
    longest = KEPT + max(limit.span for limit in limits)
    felt = sorted((slot for slot in log if slot.until > now - longest), key=_IN_ORDER)
    recent = [slot for slot in felt if slot.until > now - shortest]
    older = [slot for slot in felt if slot.until <= now - shortest]
    sums = [_sum(list(group)) for _, group in groupby(older, key=lambda slot: slot.start // SECOND)]
    return (*sums, *recent)


def _sum(slots: Sequence[Slot]) -> Slot:
    return Slot(
        min(slot.start for slot in slots),
        max(slot.until for slot in slots),
        sum(slot.weight for slot in slots),
        sum(slot.requests for slot in slots),
    )


def used(slot: Slot, at: int, weight: int) -> Slot:
    """Return what is left of a slot once its call has begun."""
    return Slot(at, min(at + NARROW, slot.until), weight)


def settled(log: Log, spent: Iterable[tuple[Slot, Slot | None]]) -> Log:
    """Return the log with slots made as small as their use, which is None where no call came or will come.

    Equal slots are alike, so it doesn't matter whose one is taken out.
    """
    left = list(log)
    for slot, remains in spent:
        if slot in left:
            left.remove(slot)
            left += [remains] if remains else []
    return tuple(sorted(left, key=_IN_ORDER))


def held(state: LimitState, now: float, until: float, unseen: float) -> LimitState:
    """Return the state with all calls held back until an epoch second; a pause is never shortened.

    Slots are void, except those of the first `unseen` seconds, which their owners may use before they look at
    the state again. A slot reserved under another `held_until` than the present one must not be used.
    """
    if until <= state.held_until:
        return state
    first = int((now + unseen) * SECOND)
    kept = tuple(slot for slot in state.slots if slot.start <= first)
    return replace(state, slots=kept, held_until=until)
