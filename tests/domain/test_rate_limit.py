"""Slots of a shared rate limit: never too many in any span, wherever in their slots the calls begin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.rate_limit import (
    BLOCK,
    GUARD,
    KEPT,
    NARROW,
    SECOND,
    WIDE,
    Limit,
    LimitState,
    Log,
    Slot,
    compacted,
    held,
    reserve,
    reserve_now,
    settled,
    used,
)

T0 = 1_700_000_000_000
PER_SECOND = Limit(1, 10, "requests")
PER_MINUTE = Limit(60, 40, "weight")
WEIGHTS = Limit(1, 8, "weight")


def most_within(begun: Sequence[tuple[float, int]], limit: Limit) -> int:
    """Return the most that any half-open span of the limit's seconds holds: one that begins with a call."""
    counted = sorted((at, weight if limit.of == "weight" else 1) for at, weight in begun)
    return max(
        sum(count for at, count in counted if start <= at < start + limit.seconds * SECOND)
        for start, _ in counted
    )


@dataclass(frozen=True)
class Wish:
    """A process asks for a block: how long after the last one, for which weights, where it uses its slots."""

    after: int
    weights: tuple[int, ...]
    used_at: float
    wide: bool
    spacing: int
    settles: bool


wishes = st.lists(
    st.builds(
        Wish,
        after=st.integers(0, 1500),
        weights=st.lists(st.sampled_from([1, 1, 2, 5]), min_size=1, max_size=4).map(tuple),
        used_at=st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
        wide=st.booleans(),
        spacing=st.integers(0, 400),
        settles=st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(wishes, st.sampled_from([(PER_SECOND,), (WEIGHTS,), (PER_SECOND, PER_MINUTE), (WEIGHTS, PER_MINUTE)]))
def test_no_span_ever_holds_more_than_the_limit(asked: list[Wish], limits: tuple[Limit, ...]) -> None:
    log: Log = ()
    now, begun = T0, []
    spent: list[tuple[Slot, Slot]] = []
    for wish in asked:
        now += wish.after
        if wish.settles:
            # Only what is over by now: a call that is still to come may begin anywhere in its slot.
            over = [(slot, remains) for slot, remains in spent if remains.start <= now]
            log = settled(log, over)
            spent = [one for one in spent if one not in over]
        found = reserve_now(log, now, wish.weights, limits) if wish.wide else None
        slots, log = found or reserve(log, now, wish.weights, limits, wish.spacing)
        for slot in slots:
            at = slot.start + int((slot.until - slot.start) * wish.used_at)
            begun.append((at, slot.weight))
            spent.append((slot, used(slot, at, slot.weight)))
    for limit in limits:
        assert most_within(begun, limit) <= limit.most


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30), st.integers(0, 300))
def test_slots_are_for_now_or_later_in_order_and_within_a_block(arrivals: list[int], spacing: int) -> None:
    log: Log = ()
    for after in arrivals:
        now = T0 + after
        slots, log = reserve(log, now, (1, 1, 1), (PER_SECOND,), spacing)
        starts = [slot.start for slot in slots]
        assert starts[0] >= now
        assert all(later - earlier >= spacing for earlier, later in pairwise(starts))
        assert starts[-1] - starts[0] <= BLOCK
        assert set(slots) <= set(log)


def test_an_idle_key_has_wide_slots_at_once() -> None:
    found = reserve_now((), T0, (1, 1, 5), (PER_SECOND,))
    assert found is not None
    assert found[0] == tuple(Slot(T0, T0 + WIDE, weight) for weight in (1, 1, 5))


def test_there_are_as_many_wide_slots_as_there_is_room_for() -> None:
    _, log = reserve_now((), T0, (1,) * 8, (PER_SECOND,)) or ((), ())
    slots, log = reserve_now(log, T0, (1, 1, 1), (PER_SECOND,)) or ((), ())
    assert len(slots) == 2
    assert reserve_now(log, T0, (1,), (PER_SECOND,)) is None


@pytest.mark.parametrize("limit", [PER_SECOND, WEIGHTS, Limit(1, 5, "requests")])
def test_who_always_wants_more_gets_at_least_nine_tenths(limit: Limit) -> None:
    log: Log = ()
    starts: list[int] = []
    for _ in range(100):
        slots, log = reserve(log, T0, (1, 1, 1, 1), (limit,), 150)
        starts += [slot.start for slot in slots]
    lasted = (max(starts) - min(starts)) / SECOND
    assert len(starts) / lasted >= 0.9 * limit.most


def test_a_second_is_free_again_only_when_the_last_possible_call_has_left_it() -> None:
    wide = Slot(T0, T0 + 500, 8)
    (slot,), _ = reserve((wide,), T0, (1,), (WEIGHTS,))
    assert slot.start >= T0 + 500 + SECOND + GUARD
    # As early as the beat allows.
    assert slot.start - (T0 + 500 + SECOND + GUARD) < (SECOND + GUARD + NARROW) / WEIGHTS.most + 1


def test_two_calls_of_weight_five_never_share_a_second_of_eight() -> None:
    slots: list[Slot] = []
    log: Log = ()
    for _ in range(5):
        (slot,), log = reserve(log, T0, (5,), (WEIGHTS,))
        slots.append(slot)
    starts = sorted(slot.start for slot in slots)
    assert min(b - a for a, b in pairwise(starts)) > SECOND + NARROW


def test_a_call_heavier_than_a_limit_is_a_bug() -> None:
    with pytest.raises(ValueError, match="weight 9 never fits"):
        reserve((), T0, (9,), (WEIGHTS,))
    with pytest.raises(ValueError, match="weight 9 never fits"):
        reserve_now((), T0, (9,), (WEIGHTS,))


def test_the_log_stays_small_and_the_minute_exact() -> None:
    limits = (PER_SECOND, Limit(60, 2000, "weight"))
    log: Log = ()
    taken = 0
    now = T0
    for _ in range(400):
        slots, log = reserve(log, now, (5, 5), limits)
        now = slots[-1].start
        taken += len(slots)
        assert len(log) <= 60 + 2 + 3 * PER_SECOND.most
    # 2,000 of weight 5 are 400 calls a minute, so the minute binds, not the second.
    assert (now - T0) / SECOND == pytest.approx(taken / 400 * 60, abs=62)


def test_old_slots_are_added_up_and_then_forgotten() -> None:
    limits = (PER_SECOND, PER_MINUTE)
    log = tuple(Slot(T0 + ms, T0 + ms + NARROW, 2) for ms in (0, 300, 600, 1200))
    later = T0 + 1200 + NARROW + PER_SECOND.span + KEPT
    sums = compacted(log, later, limits)
    assert [(slot.weight, slot.requests) for slot in sums] == [(6, 3), (2, 1)]
    assert sums[0].start == T0
    assert sums[0].until == T0 + 600 + NARROW
    assert compacted(sums, later, limits) == sums
    assert compacted(sums, later + PER_MINUTE.span, limits) == ()


def test_settled_slots_are_as_small_as_their_use() -> None:
    wide = Slot(T0, T0 + WIDE, 5)
    assert settled((wide, wide, wide), [(wide, None)]) == (wide, wide)
    assert used(wide, T0 + 100, 1) == Slot(T0 + 100, T0 + 100 + NARROW, 1)
    assert used(wide, wide.until, 5) == Slot(wide.until, wide.until, 5)
    assert settled((wide,), [(wide, used(wide, T0 + 100, 1))]) == (Slot(T0 + 100, T0 + 100 + NARROW, 1),)
    unknown = Slot(T0 + 7, T0 + 8, 1)
    assert settled((wide,), [(unknown, unknown)]) == (wide,)


def test_a_pause_voids_the_slots_that_nobody_will_use() -> None:
    now = T0 / SECOND
    starts = (-500, 500, 1500, 9_500, 10_500)
    state = LimitState(tuple(Slot(T0 + ms, T0 + ms + NARROW, 1) for ms in starts))
    stopped = held(state, now, now + 10, 1.0)
    assert stopped.held_until == now + 10
    assert [slot.start - T0 for slot in stopped.slots] == [-500, 500]
    queued = replace(stopped, slots=(*stopped.slots, Slot(T0 + 10_000, T0 + 10_060, 1)))
    assert held(queued, now + 1, now + 10, 1.0) == queued, "what was reserved under this pause is valid"
    assert held(queued, now + 1, now + 5, 1.0) == queued, "a pause is never shortened"
    assert held(queued, now + 1, now + 11, 1.0).slots == stopped.slots
