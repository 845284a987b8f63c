"""A connection takes a preset through the API: checked before it is stored, in one plain form."""

import json
from typing import Any

import pytest

from chalicelib.domain.codec import from_plain, to_stored
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.ladder.preset import MAX_BYTES, plain_preset, preset_of
from chalicelib.errors import AlreadyExists, Rejected
from chalicelib.flows import lifecycle, manage_connections
from chalicelib.flows.ladder_step import configured_ladder
from chalicelib.flows.world import World
from chalicelib.stores.documents import to_document
from chalicelib.stores.packed_settings import pack
from tests.flows.worlds import TENANT, memory_world
from tests.triggers.test_api import Api, api  # noqa: F401

GRID = {
    "strategy": "trend",
    "parameters": {"fast": [8, 12]},
    "stop_loss": [0.010, 0.02],
    "take_profit": "off",
}


def wish(**grid: Any) -> dict[str, Any]:
    preset = {"name": "mine", "grid": [{**GRID, **grid}]}
    return {
        "connection_id": "c1",
        "exchange": "binance",
        "symbols": ["BTC/USDT", "ETH/USDT"],
        "ladder": {"preset": preset},
    }


def create(world: World, wanted: dict[str, Any]) -> Any:
    return manage_connections.create(world, TENANT, wanted, "tester", "create-c1")


def test_a_preset_is_stored_in_one_form_and_the_same_wish_finds_it_again() -> None:
    world = memory_world()
    made = create(world, wish())
    assert made["ladder"]["preset"] == {
        "name": "mine",
        "grid": [{"strategy": "trend", "parameters": {"fast": [8, 12]}, "stop_loss": ["0.01", "0.02"]}],
    }
    assert create(world, wish(stop_loss=["0.01", "0.020"])) == made
    with pytest.raises(AlreadyExists):
        create(world, wish(stop_loss=[0.03]))


def test_an_engine_runs_the_sets_of_its_preset() -> None:
    world = memory_world()
    create(world, wish(symbols=["ETH/USDT"], direction="short"))
    lifecycle.command(world, TENANT, None, "start", "tester", "start-c1")
    engine = world.engines.get(engine_subject(TENANT, "c1"))
    assert engine is not None
    settings = from_plain(Connection, engine.settings)
    ladder, sources = configured_ladder(world, settings)
    assert [ladder.sets.set_id(row) for row in range(len(ladder.sets))] == [
        "ETH/USDT|trend(fast=8)|short|sl0.01",
        "ETH/USDT|trend(fast=8)|short|sl0.02",
        "ETH/USDT|trend|short|sl0.01",
        "ETH/USDT|trend|short|sl0.02",
    ]
    assert [source.label for source in sources] == ["trend(fast=8)", "trend"]


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ({"stop_loss": [2]}, "grid 1, stop_loss: 2 must be a ratio above 0 and below 1"),
        ({"symbols": ["XRP/USDT"]}, "grid 1, symbols: 'XRP/USDT' is none of the connection's symbols"),
        ({"parameters": {"fast": [40]}}, "grid 1, parameters: no combination is possible: fast must be"),
    ],
)
def test_a_wrong_preset_is_refused_and_nothing_is_stored(grid: dict[str, Any], text: str) -> None:
    world = memory_world()
    with pytest.raises(Rejected, match=text.split(":")[0]) as refused:
        create(world, wish(**grid))
    assert text in str(refused.value)
    assert world.connections.list(TENANT) == ()


ITEM_BYTES = 400 * 1024
"""The most that DynamoDB takes in one item."""


def grids(count: int) -> dict[str, Any]:
    """Return a preset of that many grids, each of another stop."""
    return {
        "name": "many",
        "grid": [{**GRID, "stop_loss": f"0.{number:03}"} for number in range(1, count + 1)],
    }


def test_a_preset_travels_through_the_routes_as_it_was_sent(api: Api) -> None:  # noqa: F811
    made = api.data("POST", "/connections", wish(take_profit=[0.1, "off"]))
    grid = {"strategy": "trend", "parameters": {"fast": [8, 12]}}
    exits = {"take_profit": ["0.1", "off"], "stop_loss": ["0.01", "0.02"]}
    assert made["ladder"]["preset"] == {"name": "mine", "grid": [{**grid, **exits}]}
    assert api.data("GET", "/connections/c1") == made
    again = {**wish(), "connection_id": "c2", "ladder": made["ladder"]}
    assert api.data("POST", "/connections", again)["ladder"] == made["ladder"]


def test_another_preset_is_taken_after_the_connection_was_deleted(api: Api) -> None:  # noqa: F811
    api.data("POST", "/connections", wish())
    changed = wish(stop_loss=0.05)
    status, _, error = api.refusal("POST", "/connections", changed)
    assert (status, "other settings: delete it first" in error) == (409, True)
    api.data("DELETE", "/connections/c1")
    made = api.data("POST", "/connections", changed)
    assert made["ladder"]["preset"]["grid"][0]["stop_loss"] == ["0.05"]


def test_a_preset_of_too_many_bytes_is_refused_and_the_largest_fits_into_its_items(api: Api) -> None:  # noqa: F811
    many = {**wish(), "ladder": {"preset": grids(200)}}
    status, code, error = api.refusal("POST", "/connections", many)
    assert (status, code) == (400, "BAD_REQUEST")
    assert error.startswith("preset: takes ")
    assert error.endswith(" bytes as JSON, at most 8192: describe it by fewer grids")
    assert api.data("GET", "/connections")["items"] == []

    each = len(json.dumps(plain_preset(preset_of(grids(1)))["grid"][0])) + 2
    largest = (MAX_BYTES - len('{"name": "many", "grid": []}')) // each
    made = api.data("POST", "/connections", {**wish(), "ladder": {"preset": grids(largest)}})
    assert MAX_BYTES - 2 * each < len(json.dumps(made["ladder"]["preset"])) <= MAX_BYTES
    connection = api.world().connections.get(TENANT, "c1")
    assert connection is not None
    assert len(str(to_document(connection))) < ITEM_BYTES / 20
    assert len(pack(to_stored(connection))) < ITEM_BYTES / 100
