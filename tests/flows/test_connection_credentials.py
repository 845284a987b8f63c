"""Credentials of connections: set with creation or later, replaced, removed, recorded, and never shown."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.domain.codec import to_plain
from chalicelib.domain.credentials import credentials_of
from chalicelib.errors import AlreadyExists, Conflict, NotFound, Rejected, Retryable
from chalicelib.flows import manage_connections
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World
from chalicelib.stores.memory import MemoryConnectionStore
from tests.flows.worlds import TENANT, Memory, memory_world, with_connections

CANARY = "CANARY-90ab"
GIVEN = {"api_key": f"key-{CANARY}", "secret": f"secret-{CANARY}"}
OTHER = {"api_key": f"key-2-{CANARY}", "secret": f"secret-2-{CANARY}", "password": f"p-{CANARY}"}
WISH: dict[str, Any] = {"connection_id": "main", "exchange": "binance", "symbols": ["BTC/USDT"]}
PLACE = (TENANT, "main")


def create(world: World, **changes: Any) -> Mapping[str, Any]:
    return manage_connections.create(world, TENANT, {**WISH, **changes}, "ann", "k-1")


def put(world: World, wish: Any, cause: str = "k-2") -> Mapping[str, Any]:
    return manage_connections.set_credentials(world, *PLACE, wish, "ann", cause)


def remove(world: World) -> Mapping[str, Any]:
    return manage_connections.delete_credentials(world, *PLACE, "ann", "k-3")


def actions(world: World) -> list[str]:
    return [entry.action for entry in world.records.list_audit(TENANT, 50, None).items][::-1]


def test_credentials_come_with_creation_are_replaced_and_removed() -> None:
    world = memory_world()
    assert create(world, credentials=GIVEN)["has_credentials"] is True
    assert world.credentials.get(*PLACE) == credentials_of(GIVEN)
    assert put(world, OTHER)["has_credentials"] is True
    assert world.credentials.get(*PLACE) == credentials_of(OTHER)
    assert manage_connections.read(world, *PLACE)["has_credentials"] is True
    assert remove(world)["has_credentials"] is False
    assert world.credentials.get(*PLACE) is None
    assert manage_connections.listed(world, TENANT)[0]["has_credentials"] is False
    assert actions(world) == ["create", "set_credentials", "set_credentials", "delete_credentials"]


def test_setting_the_same_twice_is_recorded_twice() -> None:
    world = with_connections(memory_world(), "main")
    put(world, GIVEN, "k-2")
    put(world, GIVEN, "k-3")
    entries = [e for e in world.records.list_audit(TENANT, 50, None).items if e.action == "set_credentials"]
    assert {entry.correlation_id for entry in entries} == {"k-2", "k-3"}
    assert {(e.actor, e.subject, e.before, e.after) for e in entries} == {
        ("ann", "default/connection#main", "", "set")
    }


def test_the_list_tells_which_connections_have_credentials() -> None:
    world = with_connections(memory_world(), "a", "b", "main")
    put(world, GIVEN)
    shown = {one["connection_id"]: one["has_credentials"] for one in manage_connections.listed(world, TENANT)}
    assert shown == {"a": False, "b": False, "main": True}


def test_null_credentials_are_none() -> None:
    assert create(memory_world(), credentials=None)["has_credentials"] is False


def test_the_same_wish_again_completes_what_died_before_the_credentials() -> None:
    world = memory_world()
    made = create(world)
    again = create(world, credentials=GIVEN)
    assert again == {**made, "has_credentials": True}
    assert create(world)["has_credentials"] is True
    assert actions(world) == ["create", "set_credentials"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"credentials": CANARY}, Rejected),
        ({"credentials": {"api_key": CANARY}}, Rejected),
        ({"credentials": {**GIVEN, "secret": [CANARY]}}, Rejected),
        ({"credentials": GIVEN, "symbols": ["NOPE/USDT"]}, Rejected),
        ({"credentials": GIVEN, "mode": "testnet", "exchange": "pionex"}, Rejected),
        ({"credentials": GIVEN, "colour": CANARY}, Rejected),
    ],
)
def test_a_wrong_wish_stores_nothing_and_shows_nothing(
    changes: dict[str, Any], kind: type[Exception]
) -> None:
    memory = Memory()
    with pytest.raises(kind) as refused:
        create(memory_world(memory), **changes)
    assert CANARY not in str(refused.value)
    tables = memory.tables
    assert not tables.connections
    assert not tables.credentials
    assert not tables.records


def test_credentials_of_a_wish_for_another_connection_of_that_id_are_not_kept() -> None:
    world = memory_world()
    create(world, credentials=GIVEN)
    with pytest.raises(AlreadyExists):
        create(world, symbols=["ETH/USDT"], credentials=OTHER)
    assert world.credentials.get(*PLACE) == credentials_of(GIVEN)


def test_of_two_creations_at_once_the_loser_leaves_no_credentials() -> None:
    memory = Memory()
    winner, loser = memory_world(memory), memory_world(memory)

    class Slow(MemoryConnectionStore):
        def create(self, connection: Any) -> Any:
            create(winner, credentials=GIVEN)
            return super().create(connection)

    object.__setattr__(loser, "connections", Slow(memory.tables))
    with pytest.raises(AlreadyExists):
        create(loser, symbols=["ETH/USDT"], credentials=OTHER)
    assert winner.credentials.get(*PLACE) == credentials_of(GIVEN)


def test_a_stage_without_a_key_makes_no_connection_with_credentials() -> None:
    memory = Memory(has_key=False)
    world = memory_world(memory)
    with pytest.raises(Conflict, match="deploy its resources with Key=customer"):
        create(world, credentials=GIVEN)
    assert not memory.tables.connections
    create(world)
    with pytest.raises(Conflict, match="deploy its resources with Key=customer"):
        put(world, GIVEN)
    assert actions(world) == ["create"]


@pytest.mark.parametrize("call", [lambda world: put(world, GIVEN), remove], ids=["put", "remove"])
def test_an_unknown_connection_is_not_found(call: Callable[[World], object]) -> None:
    with pytest.raises(NotFound, match="no connection 'main'"):
        call(memory_world())


def test_removing_what_is_not_there_is_not_found_and_not_recorded() -> None:
    world = with_connections(memory_world(), "main")
    with pytest.raises(NotFound, match="connection 'main' has no credentials"):
        remove(world)
    assert actions(world) == ["create"]


def test_deleting_a_connection_removes_its_credentials_and_a_new_one_has_none() -> None:
    memory = Memory()
    world = memory_world(memory)
    create(world, credentials=GIVEN)
    manage_connections.delete(world, *PLACE, "ann", "k-4")
    assert not memory.tables.credentials
    assert create(world)["has_credentials"] is False


def test_a_deletion_that_dies_half_way_leaves_no_credentials() -> None:
    class Dying(MemoryConnectionStore):
        def delete(self, tenant: str, connection_id: str) -> None:
            raise Retryable("died")

    memory = Memory()
    world = memory_world(memory)
    create(world, credentials=GIVEN)
    object.__setattr__(world, "connections", Dying(memory.tables))
    with pytest.raises(Retryable):
        manage_connections.delete(world, *PLACE, "ann", "k-4")
    assert not memory.tables.credentials


def test_credentials_left_without_their_connection_do_not_come_back() -> None:
    memory = Memory()
    world = memory_world(memory)
    create(world, credentials=GIVEN)
    # Somebody set credentials while the connection was being deleted.
    world.connections.delete(*PLACE)
    assert memory.tables.credentials
    assert create(world)["has_credentials"] is False
    assert world.credentials.get(*PLACE) is None


def test_running_engines_and_records_know_nothing_of_credentials() -> None:
    memory = Memory()
    world = memory_world(memory)
    create(world, credentials=GIVEN)
    command(world, TENANT, "main", "start", "ann", "k", lambda *_: None)
    engines = [to_plain(engine.settings) for engine in world.engines.all()]
    entries = [to_plain(entry) for entry in world.records.list_audit(TENANT, 50, None).items]
    records = [to_plain(dict(found)) for found in memory.tables.records.values()]
    shown = [manage_connections.read(world, *PLACE), *manage_connections.listed(world, TENANT)]
    for text in map(str, (engines, entries, records, shown, memory.tables.connections)):
        assert CANARY not in text
        assert "api_key" not in text
