"""Fifty engines on one API key: never above its limit, never far below, one pause for all, few writes."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from chalicelib.domain.rate_limit import Limit, RateLimits
from chalicelib.exchanges.gate import FRESH, RATE_LIMITS, SharedGate
from chalicelib.stores.limits import DynamoLimitStore
from chalicelib.stores.memory_limits import MemoryLimitStore
from tests.exchanges.gates import T0, Fleet
from tests.stores.worlds import Stores, emulated

ENGINES = 50
SECONDS = 90.0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("call_seconds", [(0.0, 0.0), (0.05, 0.25)], ids=["at once", "realistic"])
def test_fifty_engines_use_the_limit_and_never_break_it(call_seconds: tuple[float, float], seed: int) -> None:
    fleet = Fleet(RATE_LIMITS["binance"], MemoryLimitStore(), seed, call_seconds=call_seconds)
    fleet.run(ENGINES, SECONDS)
    print(fleet.told())
    assert fleet.most(1) <= 10
    assert fleet.per_second(3, SECONDS) >= 0.9 * 10
    assert fleet.writes_per_call() <= 0.35
    assert not fleet.refused
    assert min(fleet.served[number] for number in range(ENGINES)) >= 10, "nobody starves"


@pytest.mark.parametrize("exchange", sorted(RATE_LIMITS))
def test_every_exchange_has_its_limit(exchange: str) -> None:
    fleet = Fleet(RATE_LIMITS[exchange], MemoryLimitStore(), patience=60)
    fleet.run(ENGINES, SECONDS)
    limit = RATE_LIMITS[exchange].limits[0]
    print(exchange, fleet.told())
    assert fleet.most(1) <= limit.most
    assert fleet.per_second(3, SECONDS) >= 0.9 * limit.most
    # Fifty first reservations are small, and of so few calls they are a part.
    assert fleet.writes_per_call() <= 0.45


def test_impatient_engines_are_told_when_to_come_again() -> None:
    fleet = Fleet(RATE_LIMITS["binance"], MemoryLimitStore(), patience=5.0)
    fleet.run(ENGINES, SECONDS)
    print(fleet.told())
    assert fleet.most(1) <= 10
    assert fleet.per_second(3, SECONDS) >= 0.9 * 10
    assert fleet.writes_per_call() <= 0.4
    assert set(fleet.refused) == {"RATE_LIMIT"}


def test_calls_of_weight_five_never_bring_a_second_above_the_weight() -> None:
    fleet = Fleet(RATE_LIMITS["pionex"], MemoryLimitStore(), weights=(1, 1, 1, 5), patience=60)
    fleet.run(ENGINES, SECONDS)
    print(fleet.told())
    assert fleet.most(1, weighted=True) <= 8 < 10
    heavy = sorted(at for at, weight in fleet.begun if weight == 5)
    assert min(later - earlier for earlier, later in pairwise(heavy)) > 1
    # Two of weight five never fit into one second: one a second is all that anybody can reach.
    assert len(heavy) >= 0.5 * SECONDS


def test_a_limit_per_minute_binds_as_well() -> None:
    limits = RateLimits((Limit(1, 10, "requests"), Limit(60, 300, "weight")))
    fleet = Fleet(limits, MemoryLimitStore(), weights=(1, 2), patience=90, call_seconds=(0, 0.1))
    fleet.run(10, 190)
    print(fleet.told())
    assert fleet.most(60, weighted=True) <= 300
    assert fleet.most(1) <= 10
    assert sum(weight for at, weight in fleet.begun if at < T0 + 180) >= 0.9 * 3 * 300


@pytest.mark.parametrize("banned", [False, True], ids=["429", "418"])
def test_after_a_429_everybody_stops_and_goes_on_on_time(banned: bool) -> None:
    stop, pause = 20.0, 15.0
    heard: list[float] = []

    def answer(at: float, gate: SharedGate) -> None:
        if at >= T0 + stop and not heard:
            heard.append(fleet.time.clock())
            gate.limited(pause, banned)
        else:
            gate.succeeded()

    fleet = Fleet(RATE_LIMITS["binance"], MemoryLimitStore())
    fleet.run(ENGINES, SECONDS, answer)
    print(fleet.told())
    end = heard[0] + pause
    assert not [at for at, _ in fleet.begun if heard[0] + FRESH + 0.1 <= at < end]
    first = min(at for at, _ in fleet.begun if at >= end)
    assert first - end < 0.3
    if banned:
        # One call goes ahead and shows that the exchange answers again.
        assert sum(end <= at < first + 0.05 for at, _ in fleet.begun) == 1
    assert fleet.most(1) <= 10
    assert fleet.per_second(end - T0 + 2, SECONDS) >= 0.9 * 10
    assert fleet.per_second(3, stop) >= 0.9 * 10


def test_an_exchange_that_fails_is_left_alone_and_probed_by_one() -> None:
    down, up = 20.0, 80.0

    def answer(at: float, gate: SharedGate) -> None:
        (gate.failed if T0 + down <= at < T0 + up else gate.succeeded)()

    fleet = Fleet(RATE_LIMITS["binance"], MemoryLimitStore())
    fleet.run(ENGINES, 150.0, answer)
    print(fleet.told())
    probes = [at - T0 for at, _ in fleet.begun if T0 + down + 3 <= at < T0 + up]
    assert len(probes) == 1, "one probe within the minute, after the cool-down"
    assert fleet.refused["BREAKER_OPEN"] > 0
    assert fleet.per_second(120, 150) >= 0.9 * 10


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with emulated() as stores:
        yield stores


def test_fewer_engines_over_an_emulated_dynamodb(aws: Stores) -> None:
    fleet = Fleet(RATE_LIMITS["binance"], DynamoLimitStore(aws.clients["dynamodb"]))
    fleet.run(12, 15.0)
    print(fleet.told())
    assert fleet.most(1) <= 10
    assert fleet.per_second(3, 15) >= 0.9 * 10
    made = aws.calls["dynamodb.UpdateItem"]
    assert made == fleet.far.calls["writes"]
    assert aws.calls == {"dynamodb.UpdateItem": made, "dynamodb.GetItem": fleet.far.calls["reads"]}
    assert made / len(fleet.begun) <= 0.4
