"""The scenarios against our source: no line that asks AWS for something is left out, in any function."""

import ast

import pytest

from infra.permissions import FUNCTIONS
from tests.infra.reach import Place, client_places, places_of_clients, unreached, world_places
from tests.infra.recorded import STAGES, recorded
from tests.infra.recorder import Site

NOT_FROM_FUNCTIONS = {
    "get_queue_url in chalicelib/messaging/sqs.py, url": "deployed functions know their account's number",
    "query in chalicelib/stores/paper_ledger.py, delete": "tests throw an account away",
    "batch_write in chalicelib/stores/paper_ledger.py, delete": "tests throw an account away",
    "delete in chalicelib/stores/paper_ledger.py, delete": "tests throw an account away",
}
"""Lines that ask AWS for something and that no function comes to."""

_NO_TENANT = "a feed belongs to no tenant: there is no coordinator to ask"
_NEVER_SKIPS = "the market tick never skips once it has the lease"
_OF_A_TENANT = "whoever calls the API belongs to a tenant: the command line alone asks for all"
_NO_STREAMS = "the API shows dead letters of queues: those of streams belong to no tenant"
NOT_OF_FUNCTION = {
    ("api_handler", "for engine in world.engines.all():"): _OF_A_TENANT,
    ("api_handler", "world.dead_letters.release(letter)"): _NO_STREAMS,
    ("market_tick", "item = world.engines.get(coordinator_subject(tick.subject.tenant))"): _NO_TENANT,
    ("market_tick", "world.engines.save(turn.engine, tick.kind, turn.fence, tick.slot, ())"): _NEVER_SKIPS,
}
"""Lines that following the names finds for a function, and that it never comes to."""

_ONLY_PAUSES = {
    "flows.lifecycle._COORDINATOR_WORK": "a refused key pauses one engine, and a pause has no work",
    "flows.lifecycle._ENGINE_WORK": "the same",
    "flows.lifecycle._reconcile": "it is the work of a start",
    "flows.lifecycle.create_item": "the engine that is paused is there",
    "flows.check_key.require_credentials": "only a start asks for them",
    "flows.external.found": "only a start looks at the orders of others",
    "flows.external_positions.found": "only a start looks at the positions of others",
    "flows.reconcile.reconcile_connection": "it is how a start reconciles",
}
NEVER_CALLED = {"execute_signals": _ONLY_PAUSES, "realtime_tick": _ONLY_PAUSES}
"""What following the names finds for a function, and what it never calls."""


def places_of(function: str) -> tuple[Place, ...]:
    return world_places(FUNCTIONS[function].handler, NEVER_CALLED.get(function, ()))


def all_sites() -> set[Site]:
    return {site for stage in STAGES for site in recorded(stage).sites}


def used(function: str) -> set[Site]:
    return {site for stage in STAGES for site in recorded(stage).used[function]}


def test_every_line_that_asks_a_client_is_exercised() -> None:
    left = unreached(client_places(), all_sites())
    unknown = [str(place) for place in left if place.name not in NOT_FROM_FUNCTIONS]
    assert unknown == [], "never exercised by a scenario"
    assert {place.name for place in left} == NOT_FROM_FUNCTIONS.keys(), "these are exercised, or gone"


def test_every_line_that_asked_is_one_that_reading_the_source_finds() -> None:
    places = client_places()
    assert [site for site in all_sites() if not any(place.at(site) for place in places)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_branch_of_a_function_that_uses_the_world_is_exercised(function: str) -> None:
    left = unreached(places_of(function), used(function))
    unknown = [str(place) for place in left if (function, place.text) not in NOT_OF_FUNCTION]
    assert unknown == [], f"never exercised by a scenario of {function}"
    known = {text for name, text in NOT_OF_FUNCTION if name == function}
    assert {place.text for place in left} == known, "these are exercised, or gone"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_use_of_the_world_is_one_that_reading_the_source_finds(function: str) -> None:
    places = places_of(function)
    assert [site for site in used(function) if not any(place.at(site) for place in places)] == []


def test_a_line_that_no_scenario_comes_to_is_named() -> None:
    place = Place("chalicelib/stores/engines.py", "get", "delete_table", 1, 2, "client.delete_table()")
    assert unreached([place], {Site("chalicelib/stores/engines.py", 3)}) == [place]
    assert str(place) == "delete_table in chalicelib/stores/engines.py, get, line 1"


SOURCE = """
from chalicelib.stores.tables import EngineItem, connection_of

class Store:
    def get(self, model: type[Item]):
        known = {}.get("name")
        self._client.get_item(TableName="x")
        model.get("a", "b")
        EngineItem("a", "b").update(actions=[])
        known.update({})
        model.by_time.query("a")
        with TransactWrite(connection=connection_of(EngineItem)) as transaction:
            transaction.delete(EngineItem("a", "b"))
"""


def test_reading_the_source_knows_clients_models_and_transactions_from_dictionaries() -> None:
    found = places_of_clients("stores/example.py", ast.parse(SOURCE))
    assert sorted((place.what, place.first, place.function) for place in found) == [
        ("delete", 13, "get"),
        ("get", 8, "get"),
        ("get_item", 7, "get"),
        ("query", 11, "get"),
        ("update", 9, "get"),
    ]


@pytest.mark.parametrize("call", ["client.get_paginator('scan')", "client._make_api_call(name, {})"])
def test_a_call_whose_operation_is_not_in_its_line_is_refused(call: str) -> None:
    with pytest.raises(LookupError, match="can't be read from the source"):
        places_of_clients("stores/example.py", ast.parse(call))
