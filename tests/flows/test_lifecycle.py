"""Lifecycle: every pair of the table, the audit trail, sessions, many engines at once."""

from dataclasses import replace
from itertools import pairwise

import pytest

from chalicelib.domain.codec import to_stored
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import (
    Beat,
    Engine,
    LadderPointer,
    coordinator_subject,
    engine_subject,
)
from chalicelib.domain.lease import Lease
from chalicelib.domain.lifecycle import FIRST_STEP, TRANSITIONS, Command, Status, may_become
from chalicelib.errors import Conflict, NotFound, StaleWrite, VenueNotSent
from chalicelib.flows.lifecycle import settle
from chalicelib.flows.world import World
from tests.flows.lifecycles import (
    COMMANDS,
    ENDS_AS,
    MAIN,
    D,
    act,
    audit,
    calm,
    in_status,
    the_engine,
    the_sessions,
)
from tests.flows.worlds import TENANT, HandClock, Memory, memory_world, with_connections


@pytest.mark.parametrize("coordinator", [True, False])
@pytest.mark.parametrize("word", COMMANDS)
@pytest.mark.parametrize("status", list(Status))
def test_every_command_in_every_status_follows_the_table(
    status: Status, word: Command, coordinator: bool
) -> None:
    world = in_status(status, coordinator)
    name, subject = (None, coordinator_subject(TENANT)) if coordinator else ("main", MAIN)
    before = world.engines.get(subject)
    if may_become(status, FIRST_STEP[word]):
        assert act(world, name, word).status == ENDS_AS[word]
    else:
        with pytest.raises(Conflict) as refusal:
            act(world, name, word)
        assert refusal.value.http_status == 409
        assert status.value in str(refusal.value)
        for allowed in COMMANDS:
            listed = f" {allowed}" in str(refusal.value).partition("allowed now:")[2]
            assert listed == may_become(status, FIRST_STEP[allowed])
        assert world.engines.get(subject) == before
    entries = audit(world, subject.text)
    steps = [(Status(entry.before), Status(entry.after)) for entry in entries]
    assert all(after in TRANSITIONS[first] for first, after in steps)
    assert all(one[1] == two[0] for one, two in pairwise(steps))


def test_an_unknown_connection_is_named_with_the_way_to_list_them() -> None:
    with pytest.raises(NotFound, match="no connection 'nope'; GET /connections"):
        act(memory_world(), "nope", "start")


def test_every_step_is_in_the_audit_log_in_order() -> None:
    world = with_connections(memory_world(), "main")
    act(world, "main", "start", "pause", "resume", "restart", "stop")
    entries = audit(world, MAIN.text)
    assert [f"{entry.before}>{entry.after}" for entry in entries] == [
        "stopped>starting", "starting>running",
        "running>pausing", "pausing>paused",
        "paused>resuming", "resuming>running",
        "running>stopping", "stopping>stopped", "stopped>starting", "starting>running",
        "running>stopping", "stopping>stopped",
    ]  # fmt: skip
    words = ["start"] * 2 + ["pause"] * 2 + ["resume"] * 2 + ["restart"] * 4 + ["stop"] * 2
    assert [entry.action for entry in entries] == words
    numbers = {"start": 0, "pause": 1, "resume": 2, "restart": 3, "stop": 4}
    assert [entry.correlation_id for entry in entries] == [f"{word}-{numbers[word]}" for word in words]
    assert {entry.actor for entry in entries} == {"ann"}
    assert {entry.at for entry in entries} == {world.now()}


def test_a_start_stores_a_session_with_the_settings_and_a_restart_a_second_one() -> None:
    world = with_connections(memory_world(), "main")
    first = act(world, "main", "start").session_id
    second = act(world, "main", "restart").session_id
    connection = world.connections.get(TENANT, "main")
    assert first != second
    stored = {session.session_id: session for session in the_sessions(world)}
    assert stored.keys() == {first, second}
    assert stored[first].ended_at == world.now()
    assert stored[second].ended_at is None
    assert stored[second].settings == to_stored(connection) == the_engine(world).settings


def worked(memory: Memory) -> World:
    """Return a world with a running engine that has something of everything to lose."""
    world = with_connections(memory_world(memory), "main")
    act(world, "main", "start")
    engine = the_engine(world)
    memory.tables.engines[MAIN] = replace(
        engine,
        leases={"strategy": Lease("me", 5.0, 7, 120)},
        beats={"strategy": Beat(4.0, 1, "slow")},
        ladder=LadderPointer(3, 4, 5, 6.0),
        ladder_counts={"base": 96},
        marks={"pos-1": D("1.50")},
        cooldowns={"BTC/USDT": 3.0},
        last_candle=300,
    )
    return world


@pytest.mark.parametrize("name", ["main", None])
def test_pause_and_resume_leave_the_engine_as_it_was(name: str | None) -> None:
    memory = Memory()
    world = worked(memory)
    act(world, None, "start")
    before = the_engine(world)
    act(world, name, "pause")
    paused = the_engine(world)
    assert paused.status == (Status.RUNNING if name is None else Status.PAUSED)
    act(world, name, "resume")
    after = the_engine(world)
    if name is None:
        assert after == before
    same = {"correlation_id": "", "revision": 0}
    assert replace(after, **same) == replace(before, **same)


def test_coordinator_starts_all_enabled_engines_and_stops_all_that_run() -> None:
    world = with_connections(memory_world(), "a", "b", "c")
    with_connections(world, "off", enabled=False)
    act(world, "b", "start", "pause")
    act(world, None, "start")
    statuses = {name: the_engine(world, name).status.value for name in ("a", "b", "c", "off")}
    assert statuses == {"a": "running", "b": "paused", "c": "running", "off": "stopped"}
    act(world, None, "stop")
    assert {the_engine(world, name).status for name in statuses} == {Status.STOPPED}
    assert [entry.after for entry in audit(world, f"{TENANT}/coordinator")] == [
        "starting", "running", "stopping", "stopped",
    ]  # fmt: skip


def test_one_engine_that_cannot_start_does_not_stop_the_others() -> None:
    world = with_connections(memory_world(), "a", "b", "c")

    def recover(_: World, connection: Connection, engine: Engine, now: float) -> None:
        if connection.connection_id == "b":
            raise VenueNotSent("maintenance until noon")

    assert act(world, None, "start", recover=recover).status == Status.RUNNING
    assert {name: the_engine(world, name).status.value for name in "abc"} == {
        "a": "running", "b": "error", "c": "running",
    }  # fmt: skip
    last = audit(world, engine_subject(TENANT, "b").text)[-1]
    assert (last.before, last.after) == ("starting", "error")
    assert last.details == {"reason": "VenueNotSent: maintenance until noon"}
    assert audit(world, f"{TENANT}/coordinator")[-1].details == {"start": ["a", "c"], "failed": ["b"]}
    assert [session.ended_at for session in the_sessions(world, "b")] == [world.now()]
    assert act(world, "b", "start").status == Status.RUNNING


def test_one_engine_whose_start_has_to_be_repeated_does_not_stop_the_others() -> None:
    world = with_connections(memory_world(), "a", "b")

    def recover(_: World, connection: Connection, engine: Engine, now: float) -> None:
        if connection.connection_id == "a":
            raise StaleWrite("the books are moving")

    assert act(world, None, "start", recover=recover).status == Status.RUNNING
    assert {name: the_engine(world, name).status.value for name in "ab"} == {"a": "starting", "b": "running"}
    assert audit(world, f"{TENANT}/coordinator")[-1].details["failed"] == ["a: the books are moving"]


def test_a_start_ends_the_session_that_an_error_left_open() -> None:
    memory = Memory()
    world = with_connections(memory_world(memory), "main")
    first = act(world, "main", "start").session_id
    memory.tables.engines[MAIN] = replace(the_engine(world), status=Status.ERROR)
    act(world, "main", "start")
    ended = world.records.session(TENANT, "main", first)
    assert ended is not None
    assert ended.ended_at == world.now()


def test_a_session_that_has_ended_keeps_its_end() -> None:
    memory = Memory()
    world = with_connections(memory_world(memory), "main")
    session = act(world, "main", "start").session_id
    end = world.now()
    act(world, "main", "stop")
    memory.tables.engines[MAIN] = replace(the_engine(world), status=Status.STOPPING)
    assert isinstance(memory.clock, HandClock)
    memory.clock.time += 61
    assert settle(world, the_engine(world), world.now(), calm).status == Status.STOPPED
    ended = world.records.session(TENANT, "main", session)
    assert ended is not None
    assert ended.ended_at == end
