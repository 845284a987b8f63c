"""What a stop does with orders and sessions."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.connection import Connection
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Fill, Order, OrderState
from chalicelib.exchanges.faults import Fault, FaultKind, FaultyVenue, ScriptedFaults
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows import sessions
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World
from chalicelib.stores.memory import MemoryPaperLedger
from tests.flows.lifecycles import MAIN, D, a_position, act, audit, resting
from tests.flows.worlds import TENANT, Memory, memory_world, with_connections


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
        def cancel_order(self, order: Order, now: float) -> Any:
            seen = super().cancel_order(order, now)
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
