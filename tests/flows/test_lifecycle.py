"""Lifecycle: every pair of the table, races, deaths in between, the audit trail, and what a stop leaves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import pytest

from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.decision import decide_exit
from chalicelib.domain.engine import (
    Beat,
    Engine,
    LadderPointer,
    coordinator_subject,
    engine_subject,
)
from chalicelib.domain.lease import Lease
from chalicelib.domain.lifecycle import FIRST_STEP, SETTLES_AS, TRANSITIONS, Command, Status, may_become
from chalicelib.domain.order import Fill, Order, OrderState
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.records import AuditEntry, Session
from chalicelib.domain.signal import ExitProfile
from chalicelib.errors import Conflict, NotFound, StaleWrite, VenueNotSent
from chalicelib.exchanges.faults import Fault, FaultKind, FaultyVenue, ScriptedFaults
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows import lifecycle, sessions
from chalicelib.flows.lifecycle import command, settle
from chalicelib.flows.world import World
from chalicelib.stores.memory import MemoryEngineStore, MemoryPaperLedger, MemoryRecordStore
from tests.flows.worlds import TENANT, HandClock, Memory, memory_world, with_connections

D = Decimal
MAIN = engine_subject(TENANT, "main")
COMMANDS: tuple[Command, ...] = get_args(Command)
ENDS_AS: dict[Command, Status] = {
    "start": Status.RUNNING,
    "stop": Status.STOPPED,
    "pause": Status.PAUSED,
    "resume": Status.RUNNING,
    "restart": Status.RUNNING,
}


def calm(world: World, connection: Connection, engine: Engine, now: float) -> None:
    """A recovery that finds everything in order."""


def act(world: World, name: str | None, *words: Command, recover: lifecycle.Recover = calm) -> Engine:
    for number, word in enumerate(words):
        engine = command(world, TENANT, name, word, "ann", f"{word}-{number}", recover)
    return engine


def audit(world: World, subject: str) -> list[AuditEntry]:
    """Return the entries of one item, oldest first."""
    entries = world.records.list_audit(TENANT, 500, None).items[::-1]
    return [entry for entry in entries if entry.subject == subject]


def the_engine(world: World, name: str = "main") -> Engine:
    engine = world.engines.get(engine_subject(TENANT, name))
    assert engine is not None
    return engine


def the_sessions(world: World, name: str = "main") -> tuple[Session, ...]:
    return world.records.list_sessions(TENANT, name, 500, None).items


def in_status(status: Status, coordinator: bool) -> World:
    """Return a world whose coordinator or engine stands at a status."""
    world = with_connections(memory_world(), "main")
    subject = coordinator_subject(TENANT) if coordinator else MAIN
    world.engines.delete(subject)
    settings = to_plain(world.connections.get(TENANT, "main"))
    world.engines.create(Engine(subject, status, settings=settings, session_id="" if coordinator else "old"))
    return world


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
    assert stored[second].settings == to_plain(connection) == the_engine(world).settings


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


# --- what a stop does with orders and sessions


def a_position(number: int, **changes: Any) -> Position:
    base = Position(
        position_id=f"pos-{number}",
        connection_id="main",
        symbol="BTC/USDT",
        direction="long",
        state="opening",
        exits=ExitProfile(),
        source="vote",
        signal_id=f"s-{number}",
        opened_at=float(number),
        updated_at=0.0,
        correlation_id="k",
    )
    return replace(base, **changes)


def resting(world: World, price: str, number: int = 1) -> Order:
    """Place a limit order at the venue and store it with its opening position as the flows do."""
    connection = world.connections.get(TENANT, "main")
    assert connection is not None
    position = a_position(number)
    exit_order = decide_exit(position, "", world.now(), "k").order
    order = replace(
        exit_order,
        client_order_id=f"cts-{number}",
        side="buy",
        type="limit",
        leg="entry",
        reduce_only=False,
        quantity=D("0.01"),
        price=D(price),
    )
    seen = world.venue(connection).create_order(order, world.now())
    for fill in seen.fills:
        position = apply_fill(position, fill)
    known = replace(order, state=seen.state, fills=seen.fills, venue_order_id=seen.venue_order_id)
    world.records.commit(TENANT, [known, position])
    return known


def faulty_world(memory: Memory, **script: list[Fault | None]) -> World:
    ledger = MemoryPaperLedger(memory.tables)

    def venue(wanted: Connection) -> FaultyVenue:
        paper = PaperVenue(TENANT, wanted, ledger, memory.feed)
        return FaultyVenue(paper, ScriptedFaults(script), lambda _: None)

    return with_connections(memory_world(memory, venue=venue), "main")


def stored(world: World, number: int = 1) -> tuple[OrderState, str]:
    order = world.records.order(TENANT, "main", f"cts-{number}")
    position = world.records.position(TENANT, "main", f"pos-{number}")
    assert order is not None
    assert position is not None
    return order.state, position.state


def test_a_stop_cancels_open_orders() -> None:
    world = with_connections(memory_world(), "main")
    act(world, "main", "start")
    for number in (1, 2):
        assert resting(world, "50000", number).state == OrderState.ACCEPTED
    act(world, "main", "stop")
    assert [stored(world, n) for n in (1, 2)] == [(OrderState.CANCELED, "abandoned")] * 2
    details = audit(world, MAIN.text)[-1].details
    assert (details["orders_ended"], details["orders_left"]) == (2, 0)


def test_a_stop_keeps_open_orders_where_the_connection_says_so() -> None:
    world = with_connections(memory_world(), "main", cancel_orders_on_stop=False)
    act(world, "main", "start")
    resting(world, "50000")
    assert act(world, "main", "stop").status == Status.STOPPED
    assert stored(world) == (OrderState.ACCEPTED, "opening")


def test_a_partly_filled_order_keeps_its_fills_when_it_is_cancelled() -> None:
    memory = Memory()
    share = Fault(FaultKind.PARTIAL_FILL, share=D("0.4"))
    world = faulty_world(memory, create_order=[share])
    act(world, "main", "start")
    assert resting(world, "70000").state == OrderState.PARTIALLY_FILLED
    act(world, "main", "stop")
    assert stored(world) == (OrderState.CANCELED, "open")
    position = world.records.position(TENANT, "main", "pos-1")
    assert position is not None
    assert position.quantity == D("0.004")


def test_a_cancellation_whose_reply_is_lost_is_looked_up() -> None:
    world = faulty_world(Memory(), cancel_order=[Fault(FaultKind.REPLY_LOST)])
    act(world, "main", "start")
    resting(world, "50000")
    act(world, "main", "stop")
    assert stored(world) == (OrderState.CANCELED, "abandoned")


@pytest.mark.parametrize(
    ("script", "left_as"),
    [
        ({"cancel_order": [Fault(FaultKind.REFUSED)]}, OrderState.ACCEPTED),
        (
            {"cancel_order": [Fault(FaultKind.REPLY_LOST)], "fetch_order": [Fault(FaultKind.REFUSED)]},
            OrderState.PENDING_CANCEL,
        ),
    ],
)
def test_an_order_that_cannot_be_cancelled_is_reported_and_does_not_hold_the_stop(
    script: dict[str, list[Fault | None]], left_as: OrderState
) -> None:
    world = faulty_world(Memory(), **script)
    act(world, "main", "start")
    resting(world, "50000")
    assert act(world, "main", "stop").status == Status.STOPPED
    assert stored(world) == (left_as, "opening")
    details = audit(world, MAIN.text)[-1].details
    assert (details["orders_ended"], details["orders_left"]) == (0, 1)


def test_an_order_nobody_has_proved_is_left_to_reconciliation() -> None:
    world = with_connections(memory_world(), "main")
    act(world, "main", "start")
    order = resting(world, "50000")
    unknown = replace(order, client_order_id="cts-9", state=OrderState.UNKNOWN)
    world.records.commit(TENANT, [unknown])
    act(world, "main", "stop")
    kept = world.records.order(TENANT, "main", "cts-9")
    assert kept is not None
    assert kept.state == OrderState.UNKNOWN
    details = audit(world, MAIN.text)[-1].details
    assert (details["orders_ended"], details["orders_left"]) == (1, 1)


def test_a_start_reconciles_what_a_stop_left_open() -> None:
    memory = Memory()
    world = faulty_world(
        memory, cancel_order=[Fault(FaultKind.REPLY_LOST)], fetch_order=[Fault(FaultKind.REFUSED)]
    )
    act(world, "main", "start")
    resting(world, "50000")
    act(world, "main", "stop")
    command(memory_world(memory), TENANT, "main", "start", "ann", "k")
    assert stored(world) == (OrderState.CANCELED, "abandoned")


def test_the_session_sums_up_its_own_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_PAGE", 2)
    world = with_connections(memory_world(), "main")
    session = act(world, "main", "start").session_id
    start = world.now()
    outcomes = [("closed", "5", "1"), ("closed", "1", "1"), ("closed", "-3", "1"), ("open", "0.5", "0.25")]
    for number, (state, realised, fees) in enumerate([*outcomes, ("opening", "0", "0")]):
        traded = {"state": state, "realised": D(realised), "fees": D(fees), "session_id": session}
        world.records.commit(TENANT, [a_position(number, opened_at=start + number, **traded)])
    for number in range(10, 16):
        earlier = a_position(number, opened_at=start - 9, state="closed", realised=D(99), session_id="old")
        world.records.commit(TENANT, [earlier])
    act(world, "main", "stop")
    ended = world.records.session(TENANT, "main", session)
    assert ended is not None
    numbers = (ended.opened, ended.closed, ended.wins, ended.realised, ended.fees)
    assert numbers == (4, 3, 1, D("3.5"), D("3.25"))
    assert ended.ended_at == world.now()


def test_fills_that_come_with_the_cancellation_are_counted_once() -> None:
    memory = Memory()
    world = with_connections(memory_world(memory), "main")
    act(world, "main", "start")
    order = resting(world, "50000")
    fill = Fill("t-1", "BTC/USDT", "buy", D("0.01"), D(50000), D("0.5"), "USDT", world.now())

    class FilledMeanwhile(PaperVenue):
        def cancel_order(self, client_order_id: str, symbol: str, now: float) -> Any:
            seen = super().cancel_order(client_order_id, symbol, now)
            return replace(seen, state=OrderState.FILLED, fills=(fill,))

    ledger = MemoryPaperLedger(memory.tables)
    late = memory_world(memory, venue=lambda c: FilledMeanwhile(TENANT, c, ledger, memory.feed))
    act(late, "main", "stop")
    assert stored(world) == (OrderState.FILLED, "open")
    position = world.records.position(TENANT, "main", order.position_id)
    assert position is not None
    assert (position.quantity, position.fees) == (D("0.01"), D("0.5"))


def test_an_unexpected_failure_while_stopping_ends_in_error_with_its_reason() -> None:
    def broken(_: Connection) -> Any:
        raise RuntimeError("no such venue")

    memory = Memory()
    world = with_connections(memory_world(memory), "main")
    act(world, "main", "start")
    resting(world, "50000")
    engine = act(memory_world(memory, venue=broken), "main", "stop")
    assert engine.status == Status.ERROR
    assert audit(world, MAIN.text)[-1].details == {"reason": "RuntimeError: no such venue"}
    assert act(world, "main", "stop").status == Status.STOPPED
