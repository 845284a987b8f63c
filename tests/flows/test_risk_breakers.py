"""Breakers in the flows: stored by the realtime tick, judged at execution, reset by hand, fail closed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.breakers import Breakers
from chalicelib.domain.connection import RiskLimits
from chalicelib.domain.engine import Engine
from chalicelib.errors import NotFound
from chalicelib.exchanges.faults import Fault, FaultKind, ScriptedFaults
from chalicelib.flows import kill_switch, views
from tests.flows.desk import CONNECTION_ID, T0, TENANT, Desk, connection

D = Decimal
LIMITS = RiskLimits(daily_loss=D("0.005"), max_drawdown=D("0.5"), max_symbol_exposure=D(1))


def losing() -> Desk:
    """Return a desk whose only position has lost more than a day may."""
    desk = Desk(connection=connection(risk=LIMITS, position_cost=D("0.9")))
    desk.world().connections.create(desk.connection)
    desk.realtime()
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}
    desk.feed.prices["BTC/USDT"] = D(59450)
    return desk


def engine(desk: Desk) -> Engine:
    found = desk.engines.get(desk.subject)
    assert found is not None
    return found


def refused(desk: Desk, number: int = 1) -> tuple[str, tuple[str, ...]]:
    (outcome,) = desk.execute(desk.signal("ETH/USDT", number=number)).values()
    signals = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    return outcome, next(s.checks for s in signals if s.signal_id == f"{number}-ETH/USDT-long")


def test_the_first_look_opens_day_week_and_peak() -> None:
    desk = Desk()
    assert engine(desk).breakers == Breakers()
    desk.realtime()
    assert engine(desk).breakers.day == T0 // 86400
    assert engine(desk).breakers.peak == D(10000)


def test_a_loss_trips_at_execution_even_before_a_tick_has_seen_it() -> None:
    desk = losing()
    outcome, checks = refused(desk)
    assert outcome == "DAILY_LOSS"
    assert checks[1].startswith("DAILY_LOSS 0.0")
    assert engine(desk).breakers.tripped == {}


def test_a_tick_stores_what_tripped_and_it_holds_when_the_price_comes_back() -> None:
    desk = losing()
    desk.realtime()
    assert set(engine(desk).breakers.tripped) == {"DAILY_LOSS"}
    desk.feed.prices["BTC/USDT"] = D(60500)
    desk.realtime()
    assert refused(desk)[0] == "DAILY_LOSS"
    (shown,) = views.status(desk.world(), TENANT)["engines"]
    assert set(shown["breakers"].tripped) == {"DAILY_LOSS"}


def test_a_reset_by_hand_begins_anew_and_is_audited() -> None:
    desk = losing()
    desk.realtime()
    kill_switch.reset_breakers(desk.world(), TENANT, CONNECTION_ID, "ann", "k")
    (entry,) = desk.records.list_audit(TENANT, 10, None).items
    assert (entry.action, entry.actor, set(entry.details["tripped"])) == (
        "reset_breakers",
        "ann",
        {"DAILY_LOSS"},
    )
    assert desk.execute(desk.signal("ETH/USDT", number=1)) == {"1-ETH/USDT-long": "APPROVED"}
    desk.realtime()
    state = engine(desk).breakers
    assert (state.tripped, state.reset_at) == ({}, engine(desk).breakers_reset)
    with pytest.raises(NotFound):
        kill_switch.reset_breakers(desk.world(), TENANT, "nope", "ann", "k")


def test_a_tick_under_way_does_not_undo_a_reset() -> None:
    desk = losing()
    desk.realtime()
    before = engine(desk)
    kill_switch.reset_breakers(desk.world(), TENANT, CONNECTION_ID, "ann", "k")
    held = desk.engines.acquire(desk.subject, "realtime", "other", desk.now, 55, None)
    assert isinstance(held, Engine)
    desk.engines.save(
        replace(held, breakers=before.breakers),
        "realtime",
        held.lease("realtime").fence,
        None,
        ("breakers",),
    )
    assert engine(desk).breakers_reset == desk.now
    desk.realtime()
    assert engine(desk).breakers.tripped == {}


def test_equity_that_cannot_be_read_refuses_entries_and_changes_no_breaker() -> None:
    plan = ScriptedFaults({"fetch_balance": [Fault(FaultKind.RESET_BEFORE)] * 9})
    desk = Desk(plan=plan)
    (outcome,) = desk.execute(desk.signal()).values()
    assert outcome == "EQUITY_UNKNOWN"
    (signal,) = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    assert "DAILY_LOSS unknown" in signal.checks
    assert not desk.counts.calls.get("create_order", 0)
    desk.realtime()
    assert engine(desk).breakers == Breakers()


def test_a_position_without_a_price_refuses_entries() -> None:
    desk = Desk()
    desk.execute(desk.signal())
    del desk.feed.prices["BTC/USDT"]
    assert desk.execute(desk.signal("ETH/USDT")) == {"0-ETH/USDT-long": "EQUITY_UNKNOWN"}
