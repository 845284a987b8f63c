"""Lifecycle commands at once, on their way for too long, and dead at every write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.domain.engine import (
    Engine,
    coordinator_subject,
)
from chalicelib.domain.lifecycle import SETTLES_AS, Command, Status
from chalicelib.domain.records import AuditEntry, Session
from chalicelib.errors import Conflict, StaleWrite
from chalicelib.flows.lifecycle import settle
from chalicelib.stores.memory import MemoryEngineStore, MemoryRecordStore
from tests.flows.lifecycles import MAIN, act, audit, calm, in_status, the_engine, the_sessions
from tests.flows.worlds import TENANT, HandClock, Memory, memory_world, with_connections


class Rival(MemoryEngineStore):
    """An engine store in which somebody else acts just before the given steps."""

    def __init__(self, memory: Memory, moves: dict[Status, Callable[[], object]]) -> None:
        super().__init__(memory.tables)
        self.moves = moves

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        move = self.moves.pop(target, None)
        if move:
            move()
        return super().transition(engine, target, now, audit)


def test_of_two_starts_one_wins_and_the_other_is_told_what_is_allowed() -> None:
    memory = Memory()
    other = with_connections(memory_world(memory), "main")
    late = memory_world(memory, engines=Rival(memory, {Status.STARTING: lambda: act(other, "main", "start")}))
    with pytest.raises(Conflict, match=r"'main' is running, .* start; allowed now: stop, pause, restart"):
        act(late, "main", "start")
    assert len(the_sessions(other)) == 1


def test_a_command_overtaken_by_one_that_changes_nothing_for_it_is_decided_again() -> None:
    memory = Memory()
    other = with_connections(memory_world(memory), "main")
    act(other, "main", "start")
    late = memory_world(memory, engines=Rival(memory, {Status.STOPPING: lambda: act(other, "main", "pause")}))
    assert act(late, "main", "stop").status == Status.STOPPED


def test_a_stop_during_a_start_stands_and_no_session_stays_open() -> None:
    world = with_connections(memory_world(), "main")
    engine = act(world, "main", "start", recover=lambda *_: act(world, "main", "stop"))
    assert engine.status == the_engine(world).status == Status.STOPPED
    assert [session.ended_at is None for session in the_sessions(world)] == [False]


def test_a_stop_before_the_session_is_stored_leaves_none_open() -> None:
    class Late(MemoryRecordStore):
        moves = 1

        def commit(self, tenant: str, records: Any, fence: Any = None) -> Any:
            if self.moves and isinstance(records[0], Session):
                self.moves = 0
                act(other, "main", "stop")
            return super().commit(tenant, records, fence)

    memory = Memory()
    other = with_connections(memory_world(memory), "main")
    engine = act(memory_world(memory, records=Late(memory.tables)), "main", "start")
    assert engine.status == Status.STOPPED
    assert [session.ended_at is None for session in the_sessions(other)] == [False]


def test_many_starts_at_once_make_one_run() -> None:
    world = with_connections(memory_world(), "main")

    def start(_: int) -> str:
        try:
            return act(world, "main", "start").status.value
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(start, range(8)))
    assert sorted(outcomes) == ["refused"] * 7 + ["running"]
    assert len(the_sessions(world)) == 1


def test_a_status_that_others_change_all_the_time_is_given_up() -> None:
    class Restless(MemoryEngineStore):
        def transition(self, *_: Any) -> Engine:
            raise StaleWrite("always too late")

    memory = Memory()
    with_connections(memory_world(memory), "main")
    world = memory_world(memory, engines=Restless(memory.tables))
    with pytest.raises(StaleWrite, match="try start again"):
        act(world, "main", "start")


@pytest.mark.parametrize("status", list(SETTLES_AS))
@pytest.mark.parametrize("coordinator", [True, False])
def test_what_is_on_the_way_for_a_minute_is_settled(status: Status, coordinator: bool) -> None:
    world = in_status(status, coordinator)
    item = world.engines.get(coordinator_subject(TENANT) if coordinator else MAIN)
    assert item is not None
    young = replace(item, changed_at=world.now() - 60.0)
    assert settle(world, young, world.now(), calm) is young
    assert settle(world, item, world.now(), calm).status == SETTLES_AS[status]
    entries = audit(world, item.subject.text)
    assert [(entry.actor, entry.action, entry.before) for entry in entries] == [
        ("heartbeat", "settle", status.value)
    ]
    # A second heartbeat with the same reading finds it done.
    assert settle(world, item, world.now(), calm).status == SETTLES_AS[status]
    assert audit(world, item.subject.text) == entries


def test_settling_one_that_fails_does_not_stop_the_heartbeat() -> None:
    def busy(*_: Any) -> None:
        raise StaleWrite("the books are moving")

    world = in_status(Status.STARTING, coordinator=False)
    engine = the_engine(world)
    assert settle(world, engine, world.now(), busy) is engine
    assert the_engine(world).status == Status.STARTING


class Death(BaseException):
    """The process ends here."""


class Mortal:
    """Dies before or after the n-th write of the stores that share it."""

    WRITES = ("transition", "commit", "put_new", "create")

    def __init__(self, survives: int, after: bool) -> None:
        self.left, self.after = survives, after

    def around(self, store: Any) -> Any:
        mortal = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                method = getattr(store, name)
                return mortal.watched(method) if name in Mortal.WRITES else method

        return Watched()

    def watched(self, method: Any) -> Any:
        def write(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left < 0 and not self.after:
                raise Death
            result = method(*arguments, **named)
            if self.left < 0:
                raise Death
            return result

        return write


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("survives", range(9))
@pytest.mark.parametrize("word", ["stop", "restart"])
def test_a_death_at_any_write_is_settled(word: Command, survives: int, after: bool) -> None:
    memory = Memory()
    world = with_connections(memory_world(memory), "main")
    act(world, "main", "start")
    mortal = Mortal(survives, after)
    dying = memory_world(
        memory,
        engines=mortal.around(MemoryEngineStore(memory.tables)),
        records=mortal.around(MemoryRecordStore(memory.tables)),
    )
    with suppress(Death):
        act(dying, "main", word)
    assert isinstance(memory.clock, HandClock)
    memory.clock.time += 61
    engine = settle(world, the_engine(world), world.now(), calm)
    assert engine.status in (Status.RUNNING, Status.STOPPED)
    assert the_engine(world).status == engine.status
    open_sessions = [s.session_id for s in the_sessions(world) if s.ended_at is None]
    assert open_sessions == ([engine.session_id] if engine.status == Status.RUNNING else [])
    steps = [(entry.before, entry.after) for entry in audit(world, MAIN.text)]
    assert all(one[1] == two[0] for one, two in pairwise(steps))
    assert steps[-1][1] == engine.status.value
