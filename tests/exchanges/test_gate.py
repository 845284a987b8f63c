"""One gate: what a call costs, when it waits, when it is refused, and what happens without the store."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import pytest

from chalicelib.domain.circuit_breaker import COOL_DOWN, MOST_FAILURES, PROBE_SECONDS
from chalicelib.domain.rate_limit import Limit, LimitKey, LimitState, Overtaken, RateLimits, Slot
from chalicelib.errors import Retryable, VenueNotSent
from chalicelib.exchanges.gate import FRESH, MOST_SLOTS, SharedGate
from chalicelib.stores.memory_limits import MemoryLimitStore

T0 = 1_700_000_000.0
KEY = LimitKey("acme", "binance", "digest")
LIMITS = RateLimits((Limit(1, 10, "requests"),), pause=60, ban=300)


class Clock:
    """A clock that only sleeping moves; `frozen` seconds are added to the next sleep."""

    def __init__(self) -> None:
        self.now = T0
        self.slept: list[float] = []
        self.frozen = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.frozen
        self.frozen = 0.0


class Store(MemoryLimitStore):
    """Counts calls, and can be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.reachable = True

    def load(self, key: LimitKey) -> LimitState:
        self._ask("load")
        return super().load(key)

    def save(self, key: LimitKey, state: LimitState, now: float) -> LimitState | Overtaken:
        self._ask("save")
        present = self._states.get(key, LimitState())
        if present.revision != state.revision:
            return Overtaken(present)
        self._states[key] = written = replace(state, revision=state.revision + 1)
        return written

    def _ask(self, call: str) -> None:
        self.calls[call] += 1
        if not self.reachable:
            raise Retryable("DynamoDB: throttled")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def gate(store: Store, clock: Clock) -> SharedGate:
    return new_gate(store, clock)


def new_gate(store: Store, clock: Clock, limits: RateLimits = LIMITS, patience: float = 10.0) -> SharedGate:
    return SharedGate(store, KEY, limits, clock, clock.sleep, patience, chance=lambda: 0.5)


def refusal(call: Callable[[], object]) -> tuple[str, float | None]:
    with pytest.raises(VenueNotSent) as refused:
        call()
    return refused.value.reason, refused.value.until


def test_the_first_call_looks_and_writes_once_and_does_not_wait(
    gate: SharedGate, store: Store, clock: Clock
) -> None:
    gate.admit()
    assert store.calls == {"load": 1, "save": 1}
    assert clock.now == T0


def test_the_calls_of_one_second_share_a_write_and_a_warm_process_does_not_look(
    gate: SharedGate, store: Store, clock: Clock
) -> None:
    for _ in range(12):
        gate.admit()
        clock.now += 0.15
        gate.succeeded()
    assert store.calls["load"] == 1
    assert store.calls["save"] <= 5
    assert clock.slept == []


def test_after_a_while_alone_a_call_costs_one_write(gate: SharedGate, store: Store, clock: Clock) -> None:
    gate.admit()
    clock.now += 3600
    store.calls.clear()
    gate.admit()
    assert store.calls == {"save": 1}


def test_an_overtaken_process_needs_no_second_look(store: Store, clock: Clock) -> None:
    ours, other = new_gate(store, clock), new_gate(store, clock)
    ours.admit()
    clock.now += 30
    other.admit()
    store.calls.clear()
    ours.admit()
    assert store.calls == {"save": 2}
    assert len(store.load(KEY).slots) >= 2


def test_what_is_not_used_is_given_back_with_the_next_write(store: Store, clock: Clock) -> None:
    gate = new_gate(store, clock)
    gate.admit()
    clock.now += 0.95
    gate.admit()
    used = [slot for slot in store.load(KEY).slots if slot.start < clock.now * 1000 - 900]
    assert used == [Slot(int(T0 * 1000), int(T0 * 1000) + 60, 1)]


def test_a_queue_longer_than_our_patience_is_refused_with_the_moment_to_come_again(
    store: Store, clock: Clock
) -> None:
    first = int(T0 * 1000)
    busy = tuple(Slot(first + 100 * n, first + 100 * n + 60, 1) for n in range(50))
    store.save(KEY, LimitState(busy), T0)
    store.calls.clear()
    reason, until = refusal(new_gate(store, clock, patience=2.0).admit)
    assert reason == "RATE_LIMIT"
    assert until is not None
    assert T0 + 5 <= until <= T0 + 7
    assert store.calls == {"load": 1}
    assert clock.now == T0, "it is told at once"


def test_a_process_that_was_frozen_does_not_use_its_old_moment(store: Store, clock: Clock) -> None:
    first = int(T0 * 1000)
    busy = tuple(Slot(first + 100 * n, first + 100 * n + 60, 1) for n in range(10))
    store.save(KEY, LimitState(busy), T0)
    gate = new_gate(store, clock)
    clock.frozen = 3.0
    gate.admit()
    assert clock.now > T0 + 3
    (current,) = [s for s in store.load(KEY).slots if s.start <= clock.now * 1000 <= s.until][:1]
    assert current.weight == 1


def test_a_pause_that_another_process_heard_of_stops_a_queued_call(store: Store, clock: Clock) -> None:
    first = int(T0 * 1000)
    busy = tuple(Slot(first + 100 * n, first + 100 * n + 60, 1) for n in range(30))
    store.save(KEY, LimitState(busy), T0)
    gate, other = new_gate(store, clock), new_gate(store, clock)
    sleep, told = clock.sleep, []

    def sleep_while_another_is_limited(seconds: float) -> None:
        sleep(seconds)
        if not told:
            told.append(clock.now)
            other.limited(30, banned=False)

    gate._sleep = sleep_while_another_is_limited
    reason, until = refusal(gate.admit)
    assert reason == "RATE_LIMIT"
    assert until is not None
    assert told[0] + 30 <= until <= told[0] + 30 + FRESH


@pytest.mark.parametrize(
    ("stated", "banned", "seconds"), [(None, False, 60), (None, True, 300), (7, False, 7), (600, True, 600)]
)
def test_the_pause_is_the_stated_one_or_the_usual_one(
    gate: SharedGate, store: Store, stated: float | None, banned: bool, seconds: float
) -> None:
    gate.limited(stated, banned)
    assert store.load(KEY).held_until == T0 + seconds
    assert store.load(KEY).breaker.state == ("open" if banned else "closed")


def test_a_short_pause_is_waited_for(gate: SharedGate, clock: Clock) -> None:
    gate.admit()
    gate.limited(4, banned=False)
    gate.admit()
    assert T0 + 4 <= clock.now < T0 + 4.3


def test_failures_open_the_breaker_for_all_and_one_probe_closes_it(store: Store, clock: Clock) -> None:
    ours, other = new_gate(store, clock), new_gate(store, clock)
    for _ in range(MOST_FAILURES):
        ours.admit()
        ours.failed()
    assert refusal(ours.admit)[0] == "BREAKER_OPEN"
    clock.now += FRESH
    reason, until = refusal(other.admit)
    assert reason == "BREAKER_OPEN"
    assert until is not None
    assert until >= T0 + COOL_DOWN
    clock.now = T0 + COOL_DOWN + 5
    ours.admit()
    assert refusal(other.admit)[0] == "BREAKER_OPEN"
    ours.succeeded()
    other.admit()
    assert store.load(KEY).breaker.state == "closed"


def test_a_lost_probe_does_not_keep_the_others_out_for_good(store: Store, clock: Clock) -> None:
    ours, other = new_gate(store, clock), new_gate(store, clock)
    for _ in range(MOST_FAILURES):
        ours.failed()
    clock.now = T0 + COOL_DOWN
    ours.admit()
    clock.now += PROBE_SECONDS
    other.admit()
    assert store.load(KEY).breaker.state == "half_open"


def test_successes_cost_nothing_unless_a_failure_came_before(gate: SharedGate, store: Store) -> None:
    gate.admit()
    store.calls.clear()
    gate.succeeded()
    assert store.calls == {}
    gate.failed()
    gate.succeeded()
    gate.succeeded()
    assert store.calls == {"save": 2}


def test_without_the_store_nothing_is_sent(gate: SharedGate, store: Store, clock: Clock) -> None:
    store.reachable = False
    reason, until = refusal(gate.admit)
    assert reason == "BUSY"
    assert until is not None
    assert until > clock.now


def test_a_pause_that_could_not_be_stored_holds_here_and_is_told_later(store: Store, clock: Clock) -> None:
    ours, other = new_gate(store, clock), new_gate(store, clock)
    ours.admit()
    store.reachable = False
    ours.limited(30, banned=False)
    ours.failed()
    assert refusal(ours.admit)[0] == "RATE_LIMIT"
    store.reachable = True
    other.admit()
    assert refusal(ours.admit)[0] == "RATE_LIMIT"
    assert store.load(KEY).held_until == T0 + 30
    assert store.load(KEY).breaker.failures == 1
    clock.now += FRESH
    assert refusal(other.admit)[0] == "RATE_LIMIT"


def test_a_call_heavier_than_the_limit_is_a_bug(store: Store, clock: Clock) -> None:
    gate = new_gate(store, clock, RateLimits((Limit(1, 8, "weight"),)))
    with pytest.raises(ValueError, match="never fits"):
        gate.admit(9)


def test_a_light_call_leaves_the_rest_of_a_heavy_slot_to_others(store: Store, clock: Clock) -> None:
    gate = new_gate(store, clock, RateLimits((Limit(1, 100, "weight"),)))
    for weight in (5, 5, 5, 1, 1, 1):
        gate.admit(weight)
    clock.now += 0.95
    gate.admit(1)
    begun = [slot for slot in store.load(KEY).slots if slot.start == int(T0 * 1000)]
    assert sum(slot.weight for slot in begun) == 5 + 5 + 5 + 1 + 1 + 1


def test_many_threads_of_one_process_keep_the_limit() -> None:
    store, begun = Store(), []
    gate = SharedGate(store, KEY, RateLimits((Limit(1, 40, "requests"),)), time.time, time.sleep)

    def work() -> None:
        for _ in range(8):
            gate.admit()
            begun.append(time.time())

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(begun) == 64
    assert max(sum(start <= at < start + 1 for at in begun) for start in begun) <= 40
    assert store.calls["save"] <= len(begun) / MOST_SLOTS * 2
