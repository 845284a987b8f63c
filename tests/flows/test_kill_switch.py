"""The kill switch: nothing is entered from its write on, exits go on, flatten closes everything."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.engine import TENANT_WIDE, coordinator_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import OrderState
from chalicelib.errors import Conflict, NotFound
from chalicelib.exchanges.faults import Fault, FaultKind, ScriptedFaults
from chalicelib.flows import kill_switch, views
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT, Desk, connection

D = Decimal


def killed(desk: Desk, flatten: bool = False, name: str | None = None) -> None:
    kill_switch.kill(desk.world(), TENANT, name, flatten, "ann", "k")


def known(desk: Desk) -> Desk:
    """Store the desk's connection too, as the API has it."""
    desk.world().connections.create(desk.connection)
    return desk


def set_status(desk: Desk, status: Status) -> None:
    desk.tables.engines[desk.subject] = replace(desk.tables.engines[desk.subject], status=status)


@pytest.mark.parametrize("name", [None, CONNECTION_ID])
def test_nothing_is_entered_while_a_switch_is_on_and_everything_after_its_release(name: str | None) -> None:
    desk = known(Desk())
    killed(desk, name=name)
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "KILL_SWITCH"}
    assert not desk.counts.calls.get("create_order", 0)
    (signal,) = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    assert (signal.status, signal.outcome) == ("refused", "KILL_SWITCH")
    assert kill_switch.release(desk.world(), TENANT, name, "ann", "k") == {}
    desk.now += 30
    assert desk.execute(desk.signal(number=1)) == {"1-BTC/USDT-long": "APPROVED"}


def test_a_switch_of_another_connection_stops_nobody_else() -> None:
    desk = Desk()
    other = replace(desk.connection, connection_id="other")
    desk.world().connections.create(other)
    killed(desk, name="other")
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}


class Trigger:
    """Passes calls on, and has the switch thrown right before the n-th order reaches the venue."""

    def __init__(self, desk: Desk, target: Any, at: int) -> None:
        self._desk, self._target, self._at = desk, target, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def create_order(self, *arguments: Any) -> Any:
        if self._desk.counts.calls.get("create_order", 0) + 1 == self._at:
            killed(self._desk)
        return self._target.create_order(*arguments)


@pytest.mark.parametrize("sent", [1, 2, 3])
def test_in_the_middle_of_a_batch_nothing_more_is_sent(sent: int) -> None:
    desk = Desk()
    desk.wrap = lambda name, part: Trigger(desk, part, sent) if name == "venue" else part
    outcomes = desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS])
    assert list(outcomes.values()) == ["APPROVED"] * sent + ["KILL_SWITCH"] * (len(SYMBOLS) - sent)
    assert desk.counts.calls.get("create_order", 0) == sent
    assert len(desk.orders()) == sent
    desk.assert_books_equal()
    assert desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS]) == {}
    assert desk.counts.calls.get("create_order", 0) == sent


def test_exits_go_on() -> None:
    desk = Desk(connection=connection(market_type="swap", symbols=("BTC/USDT:USDT", "ETH/USDT:USDT")))
    desk.feed.prices = {"BTC/USDT:USDT": D(60000), "ETH/USDT:USDT": D(2000)}
    desk.execute(desk.signal("BTC/USDT:USDT"), desk.signal("ETH/USDT:USDT"))
    killed(desk)
    desk.now += 60
    reversal = desk.signal("ETH/USDT:USDT", "short", number=1)
    assert set(desk.execute(reversal).values()) == {"signal_reversal"}
    desk.feed.prices["BTC/USDT:USDT"] = D(59000)
    desk.realtime()
    assert {p.exit_reason for p in desk.positions()} == {"stop_loss", "signal_reversal"}
    desk.assert_books_equal()


@pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED])
def test_flatten_closes_every_position_also_while_exits_are_frozen(status: Status) -> None:
    desk = Desk(connection=connection(freeze_exits=True))
    desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS])
    set_status(desk, status)
    killed(desk)
    desk.realtime()
    assert {p.state for p in desk.positions()} == {"open"}
    killed(desk, flatten=True)
    desk.realtime()
    assert {(p.state, p.exit_reason) for p in desk.positions()} == {("closed", "kill_switch")}
    assert len(desk.positions()) == len(SYMBOLS)
    desk.assert_books_equal()


def test_an_entry_that_never_arrived_is_not_sent_again_under_a_switch() -> None:
    desk = Desk(plan=ScriptedFaults({"create_order": [Fault(FaultKind.RESET_BEFORE)]}))
    desk.execute(desk.signal())
    killed(desk)
    for _ in range(15):
        desk.realtime()
    assert desk.counts.calls.get("create_order", 0) == 1
    assert desk.orders()[0].state == OrderState.EXPIRED
    assert desk.positions()[0].state == "abandoned"


def test_an_entry_that_did_arrive_is_adopted_under_a_switch_and_flattened() -> None:
    desk = Desk(plan=ScriptedFaults({"create_order": [Fault(FaultKind.REPLY_LOST)]}))
    desk.execute(desk.signal())
    killed(desk, flatten=True)
    desk.realtime()
    desk.realtime()
    assert desk.positions()[0].state == "closed"
    desk.assert_books_equal()


def test_everything_is_audited_and_shown() -> None:
    desk = known(Desk())
    killed(desk, flatten=True)
    killed(desk, name=CONNECTION_ID)
    world = desk.world()
    shown = views.status(world, TENANT)
    assert set(shown["coordinator"]["kills"]) == {TENANT_WIDE, CONNECTION_ID}
    (engine,) = shown["engines"]
    assert (engine["trading"], engine["kill"].flatten) == (False, True)
    desk.now += 1
    assert set(kill_switch.release(world, TENANT, None, "bob", "r")) == {CONNECTION_ID}
    entries = world.records.list_audit(TENANT, 10, None).items[::-1]
    assert [(e.actor, e.action, e.before, e.after) for e in entries[-1:]] == [("bob", "release", "on", "off")]
    assert {(e.subject, e.details["flatten"]) for e in entries if e.action == "kill"} == {
        (f"{TENANT}/coordinator", True),
        (f"{TENANT}/engine#{CONNECTION_ID}", False),
    }


def test_a_switch_works_before_the_coordinator_was_ever_started() -> None:
    desk = Desk()
    desk.engines.delete(coordinator_subject(TENANT))
    killed(desk)
    coordinator = desk.engines.get(coordinator_subject(TENANT))
    assert coordinator is not None
    assert TENANT_WIDE in coordinator.kills


def test_what_is_not_there_is_named() -> None:
    desk = known(Desk())
    with pytest.raises(NotFound):
        killed(desk, name="nope")
    with pytest.raises(Conflict, match="no kill switch of all engines is on: none is on"):
        kill_switch.release(desk.world(), TENANT, None, "ann", "k")
    killed(desk)
    with pytest.raises(Conflict, match="of connection 'paper-1' is on: on are those of all engines"):
        kill_switch.release(desk.world(), TENANT, CONNECTION_ID, "ann", "k")
