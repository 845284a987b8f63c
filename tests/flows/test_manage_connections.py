"""Connections: refusals before anything is stored, repeated creation, and what keeps one from deletion."""

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.domain.cadence import DEFAULT_INTERVALS
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Order, OrderState
from chalicelib.errors import AlreadyExists, Conflict, NotFound, Rejected, VenueNotSent
from chalicelib.flows import manage_connections
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World
from chalicelib.stores.memory import MemoryConnectionStore
from tests.flows.lifecycles import a_position
from tests.flows.worlds import TENANT, ListedFeed, Memory, memory_world, with_connections

MAIN = engine_subject(TENANT, "main")
WISH: dict[str, Any] = {"connection_id": "main", "exchange": "binance", "symbols": ["BTC/USDT", "ETH/USDT"]}


def create(world: World, **changes: Any) -> Mapping[str, Any]:
    return manage_connections.create(world, TENANT, {**WISH, **changes}, "ann", "k-1")


def delete(world: World, name: str = "main") -> None:
    manage_connections.delete(world, TENANT, name, "ann", "k-2")


def test_creation_stores_the_connection_its_stopped_engine_and_who_did_it() -> None:
    world = memory_world()
    made = create(world, intervals={"strategy": 300}, risk={"max_exposure": "0.5"})
    assert manage_connections.read(world, TENANT, "main") == made
    assert manage_connections.listed(world, TENANT) == (made,)
    assert made["intervals"] == {**DEFAULT_INTERVALS, "strategy": 300}
    assert (made["tenant"], made["created_at"], made["has_credentials"]) == (TENANT, world.now(), False)
    engine = world.engines.get(MAIN)
    assert engine is not None
    assert engine.status == Status.STOPPED
    (entry,) = world.records.list_audit(TENANT, 10, None).items
    assert (entry.actor, entry.action, entry.subject) == ("ann", "create", "default/connection#main")
    assert (entry.correlation_id, entry.at) == ("k-1", world.now())


def test_the_same_wish_again_changes_nothing() -> None:
    world = memory_world()
    made = create(world)
    command(world, TENANT, "main", "start", "ann", "k", lambda *_: None)
    assert create(world) == made
    engine = world.engines.get(MAIN)
    assert engine is not None
    assert engine.status == Status.RUNNING
    assert sum(e.action == "create" for e in world.records.list_audit(TENANT, 10, None).items) == 1


def test_a_creation_that_died_half_way_is_completed_by_the_next() -> None:
    world = memory_world()
    create(world)
    world.engines.delete(MAIN)
    create(world)
    assert world.engines.get(MAIN) is not None


def test_another_connection_of_the_same_id_is_refused() -> None:
    world = memory_world()
    made = create(world)
    with pytest.raises(AlreadyExists, match="'main' is there already with other settings"):
        create(world, symbols=["BTC/USDT"])
    assert manage_connections.listed(world, TENANT) == (made,)


def test_of_two_creations_at_once_the_second_finds_the_first() -> None:
    class Slow(MemoryConnectionStore):
        def create(self, connection: Connection) -> Connection:
            create(other)
            return super().create(connection)

    memory = Memory()
    other = memory_world(memory)
    late = memory_world(memory)
    object.__setattr__(late, "connections", Slow(memory.tables))
    assert create(late) == manage_connections.read(other, TENANT, "main")
    with pytest.raises(AlreadyExists):
        create(late, symbols=["ETH/USDT"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbols": ["NOPE/USDT"]}, "no symbol 'NOPE/USDT': use one of BTC/USDT"),
        ({"symbols": []}, "symbols must name 1 to"),
        ({"symbols": "BTC/USDT"}, "connection.symbols must be a list"),
        ({"symbols": ["BTC/USDT:USDT"]}, "is not a spot symbol such as BTC/USDT"),
        ({"symbols": ["BTC/USDT", "ETH/BTC"]}, "symbols must share one quote currency"),
        ({"connection_id": "Main!"}, "must be 1 to 40 of a-z"),
        ({"connection_id": "status"}, "'status' is a word of the API"),
        ({"mode": "live", "ladder": {"gate_open": True}}, "ladder.gate_open must be false on a live"),
        ({"connection_id": "kill"}, "'kill' is a word of the API"),
        ({"sizing": {"method": "martingale"}}, "must be one of fixed_fraction, volatility_target, kelly"),
        ({"mode": "real"}, "must be one of paper, testnet, live"),
        ({"timeframe": "7m"}, "unknown timeframe '7m': use one of 1m"),
        ({"intervals": {"lunch": 60}}, "must be one of market, indication"),
        ({"intervals": {"market": 1}}, "intervals.market must be at least 10 s"),
        ({"strategies": {}}, "at least one strategy"),
        ({"strategies": {"luck": {}}}, "unknown strategy 'luck': use one of trend"),
        ({"strategies": {"trend": {"parameters": {"wings": 2}}}}, "no parameter 'wings': use "),
        ({"strategies": {"trend": {"weight": 0}}}, "strategies.trend.weight must be above 0"),
        ({"position_cost": "much"}, "connection.position_cost must be a decimal number"),
        ({"colour": "red"}, "connection has no field 'colour': known are connection_id"),
        ({"tenant": "other"}, "connection.tenant is set by the server"),
        ({"created_at": 1}, "connection.created_at is set by the server"),
        ({"revision": 3}, "connection.revision is set by the server"),
    ],
)
def test_a_wrong_wish_is_named_and_leaves_nothing(changes: dict[str, Any], text: str) -> None:
    memory = Memory()
    world = memory_world(memory)
    with pytest.raises(Rejected) as refusal:
        create(world, **changes)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.http_status == 400
    assert not memory.tables.connections
    assert not memory.tables.engines
    assert not memory.tables.records


@pytest.mark.parametrize("missing", ["connection_id", "exchange", "symbols"])
def test_a_missing_field_is_named(missing: str) -> None:
    wish = {name: value for name, value in WISH.items() if name != missing}
    with pytest.raises(Rejected, match=f"connection lacks the field '{missing}'"):
        manage_connections.create(memory_world(), TENANT, wish, "ann", "k")


def test_an_exchange_that_does_not_answer_leaves_nothing() -> None:
    class Away(ListedFeed):
        def markets(self, symbols: Any) -> Any:
            raise VenueNotSent("maintenance")

    memory = Memory(feed=Away({}))
    with pytest.raises(VenueNotSent):
        create(memory_world(memory))
    assert not memory.tables.connections


def test_deletion_removes_connection_engine_and_snapshots_and_keeps_history() -> None:
    memory = Memory()
    world = memory_world(memory)
    create(world)
    memory.objects.indications[TENANT, "main"] = memory.objects.ladders[TENANT, "main"] = object()  # type: ignore[assignment]
    delete(world)
    assert not memory.tables.connections
    assert not memory.tables.engines
    assert not memory.objects.indications
    assert not memory.objects.ladders
    actions = [entry.action for entry in world.records.list_audit(TENANT, 10, None).items]
    assert sorted(actions) == ["create", "delete"]
    with pytest.raises(NotFound, match="no connection 'main'"):
        delete(world)


def test_a_new_connection_does_not_inherit_the_engine_of_a_deleted_one() -> None:
    memory = Memory()
    world = memory_world(memory)
    create(world)
    command(world, TENANT, "main", "start", "ann", "k", lambda *_: None)
    command(world, TENANT, "main", "stop", "ann", "k", lambda *_: None)
    # A deletion that died after its first step.
    world.connections.delete(TENANT, "main")
    create(world)
    engine = world.engines.get(MAIN)
    assert engine is not None
    assert (engine.session_id, engine.settings) == ("", {})


@pytest.mark.parametrize("words", [("start",), ("start", "pause")], ids=["running", "paused"])
def test_a_connection_whose_engine_is_not_stopped_stays(words: tuple[Any, ...]) -> None:
    world = with_connections(memory_world(), "main")
    for word in words:
        command(world, TENANT, "main", word, "ann", word, lambda *_: None)
    with pytest.raises(Conflict, match=r"stop it first .POST /trade-engine/main/stop"):
        delete(world)
    assert manage_connections.listed(world, TENANT)
    command(world, TENANT, "main", "stop", "ann", "k", lambda *_: None)
    delete(world)


def test_a_connection_with_an_open_position_stays() -> None:
    world = with_connections(memory_world(), "main")
    world.records.commit(TENANT, [a_position(1, state="open")])
    with pytest.raises(Conflict, match="'main' has 1 open positions: start its engine"):
        delete(world)


def test_a_connection_with_an_order_that_may_be_at_the_exchange_stays() -> None:
    world = with_connections(memory_world(), "main")
    order = Order(
        "cts-1", "main", "BTC/USDT", "buy", "market", a_position(1).reserved, None, False, "entry",
        "pos-1", "s-1", OrderState.UNKNOWN, 1.0, 1.0, "k",
    )  # fmt: skip
    world.records.commit(TENANT, [order])
    with pytest.raises(Conflict, match="'main' has 1 orders that may still be at the exchange"):
        delete(world)
