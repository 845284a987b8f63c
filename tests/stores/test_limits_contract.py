"""Shared rate limits in both worlds: the twin, and DynamoDB on an emulated AWS."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.circuit_breaker import Breaker
from chalicelib.domain.rate_limit import LimitKey, LimitState, LimitStore, Overtaken, Slot
from chalicelib.errors import NewerSchema, Retryable
from chalicelib.settings import SCHEMA
from chalicelib.stores.limits import KEPT, DynamoLimitStore
from chalicelib.stores.memory_limits import MemoryLimitStore
from tests.stores.worlds import SETTINGS, Stores

T0 = 1_700_000_000.0
KEY = LimitKey("acme", "binance", "k" * 26)
BROKEN = Breaker("open", 5, T0 - 3.25, T0 + 30.5)
STATE = LimitState((Slot(1_700_000_000_123, 1_700_000_000_183, 5),), T0 + 61.5, BROKEN)


@dataclass
class World:
    """A store, and the calls of AWS that it made so far."""

    store: LimitStore
    stores: Stores | None = None

    def calls(self) -> dict[str, int]:
        return dict(self.stores.calls) if self.stores else {}


@pytest.fixture(params=["memory", "aws"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return World(MemoryLimitStore())
    aws: Stores = request.getfixturevalue("aws")
    return World(DynamoLimitStore(aws.clients["dynamodb"]), aws)


def item_of(aws: Stores) -> dict[str, Any]:
    (item,) = aws.clients["dynamodb"].scan(TableName=SETTINGS.table("limits"))["Items"]
    found: dict[str, Any] = item
    return found


def test_a_key_that_nobody_used_has_an_empty_state(world: World) -> None:
    assert world.store.load(KEY) == LimitState()


def test_what_was_saved_comes_back_with_its_revision(world: World) -> None:
    saved = world.store.save(KEY, STATE, T0)
    assert saved == replace(STATE, revision=1)
    assert world.store.load(KEY) == saved
    assert isinstance(saved, LimitState)
    assert world.store.save(KEY, replace(saved, held_until=0.0), T0) == replace(
        STATE, held_until=0.0, revision=2
    )


@pytest.mark.parametrize("revision", [0, 2])
def test_who_comes_second_gets_what_is_there_without_another_call(world: World, revision: int) -> None:
    saved = world.store.save(KEY, STATE, T0)
    before = world.calls().get("dynamodb.UpdateItem", 0)
    assert world.store.save(KEY, LimitState(revision=revision), T0) == Overtaken(replace(STATE, revision=1))
    assert world.store.load(KEY) == saved
    if world.stores:
        assert world.calls() == {"dynamodb.UpdateItem": before + 1, "dynamodb.GetItem": 1}


def test_a_state_that_is_gone_is_an_empty_one(world: World) -> None:
    assert world.store.save(KEY, replace(STATE, revision=7), T0) == Overtaken(LimitState())


@pytest.mark.parametrize(
    "other", [replace(KEY, tenant="acme-2"), replace(KEY, exchange="bybit"), replace(KEY, key_digest="x")]
)
def test_keys_are_apart(world: World, other: LimitKey) -> None:
    world.store.save(KEY, STATE, T0)
    assert world.store.load(other) == LimitState()
    world.store.save(other, LimitState(held_until=1.0), T0)
    assert world.store.load(KEY) == replace(STATE, revision=1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slots=st.lists(
        st.builds(
            lambda start, width, weight, requests: Slot(start, start + width, weight, requests),
            st.integers(1_699_999_900_000, 1_700_000_100_000),
            st.integers(0, 1000),
            st.integers(1, 3000),
            st.integers(1, 600),
        ),
        max_size=30,
    ).map(tuple),
    held_until=st.floats(0, 4e9),
    state=st.sampled_from(["closed", "open", "half_open"]),
)
def test_any_state_comes_back_exactly(
    aws: Stores, slots: tuple[Slot, ...], held_until: float, state: Any
) -> None:
    store = DynamoLimitStore(aws.clients["dynamodb"])
    wanted = LimitState(slots, held_until, Breaker(state, 3, held_until, held_until + 0.1))
    present = store.load(KEY)
    saved = store.save(KEY, replace(wanted, revision=present.revision), T0)
    assert store.load(KEY) == saved == replace(wanted, revision=present.revision + 1)


def test_an_item_goes_by_itself_but_not_before_a_ban_is_over(aws: Stores) -> None:
    store = DynamoLimitStore(aws.clients["dynamodb"])
    store.save(KEY, LimitState(), T0)
    item = item_of(aws)
    assert (item["pk"], item["sk"]) == ({"S": "acme"}, {"S": f"binance#{'k' * 26}"})
    assert int(item["expires"]["N"]) == int(T0) + KEPT
    store.save(KEY, LimitState(held_until=T0 + 10 * KEPT, revision=1), T0)
    assert int(item_of(aws)["expires"]["N"]) == int(T0) + 11 * KEPT


def test_a_full_log_is_a_few_kilobytes(aws: Stores) -> None:
    slots = tuple(Slot(1_700_000_000_000 + 100 * n, 1_700_000_000_060 + 100 * n, 5, 1) for n in range(200))
    DynamoLimitStore(aws.clients["dynamodb"]).save(KEY, LimitState(slots), T0)
    assert len(item_of(aws)["document"]["S"]) < 3 * 1024


def test_what_a_newer_program_keeps_for_itself_is_not_read(aws: Stores) -> None:
    store = DynamoLimitStore(aws.clients["dynamodb"])
    store.save(KEY, STATE, T0)
    item = item_of(aws)
    document = {**json.loads(item["document"]["S"]), "min_reader": SCHEMA + 1}
    aws.clients["dynamodb"].put_item(
        TableName=SETTINGS.table("limits"), Item={**item, "document": {"S": json.dumps(document)}}
    )
    with pytest.raises(NewerSchema, match="a shared rate limit"):
        store.load(KEY)


def test_an_aws_that_does_not_answer_is_retryable(aws: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any, **__: Any) -> Any:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    monkeypatch.setattr(aws.clients["dynamodb"], "_make_api_call", silent)
    store = DynamoLimitStore(aws.clients["dynamodb"])
    with pytest.raises(Retryable, match="rate limit of acme/binance"):
        store.load(KEY)
    with pytest.raises(Retryable, match="rate limit of acme/binance"):
        store.save(KEY, STATE, T0)
