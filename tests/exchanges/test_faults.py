"""Injected failures: what the caller sees and what really happened at the venue."""

from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import DuplicateClientOrderId, OrderNotFound, VenueNotSent, VenueRejected, VenueUnknown
from chalicelib.exchanges.faults import (
    EFFECTS,
    CallCounts,
    Fault,
    FaultKind,
    FaultyVenue,
    ScriptedFaults,
    SeededFaults,
)
from chalicelib.stores.memory import MemoryPaperLedger, MemoryTables
from tests.exchanges.paper_world import (
    START,
    SYMBOL,
    ScriptedFeed,
    a_venue,
    an_order,
    cancel,
    cash,
    look_up,
    send,
)

D = Decimal
NOW = float(START)


@pytest.fixture
def paper():
    return a_venue(MemoryPaperLedger(MemoryTables()), ScriptedFeed())


def no_sleep(seconds: float) -> None:
    raise AssertionError("this plan does not wait")


def faulty(paper, *kinds: FaultKind | None, method: str = "create_order") -> FaultyVenue:
    faults = [Fault(kind) if kind else None for kind in kinds]
    return FaultyVenue(paper, ScriptedFaults({method: faults}), no_sleep)


ERRORS = [kind for kind in FaultKind if EFFECTS[kind].error]


@pytest.mark.parametrize("kind", ERRORS)
def test_create_fails_as_its_kind_says_and_may_be_sent_again(paper, kind):
    venue = faulty(paper, kind)
    effect = EFFECTS[kind]
    with pytest.raises(effect.error):
        send(venue, an_order(), NOW)
    if effect.executed:
        assert look_up(venue, "cts-1", SYMBOL, NOW).state == OrderState.FILLED
        with pytest.raises(DuplicateClientOrderId):
            send(venue, an_order(), NOW)
    else:
        with pytest.raises(OrderNotFound):
            look_up(venue, "cts-1", SYMBOL, NOW)
        send(venue, an_order(), NOW)
    assert len(paper.account_state(NOW).orders) == 1


def test_the_kinds_mean_what_exchanges_mean_by_them():
    unknown = {kind for kind in ERRORS if EFFECTS[kind].error is VenueUnknown}
    not_sent = {kind for kind in ERRORS if EFFECTS[kind].error is VenueNotSent}
    assert not_sent == {FaultKind.REFUSED, FaultKind.RATE_LIMITED}
    assert unknown == set(ERRORS) - not_sent
    assert not any(EFFECTS[kind].executed for kind in not_sent)


def test_a_lost_reply_hides_a_refusal_too(paper):
    with pytest.raises(VenueUnknown):
        send(faulty(paper, FaultKind.REPLY_LOST), an_order(quantity=D(1000)), NOW)
    with pytest.raises(VenueRejected):
        send(faulty(paper, None), an_order(quantity=D(1000)), NOW)


def test_a_cancel_whose_reply_is_lost_is_done(paper):
    send(paper, an_order(price=D(90)), NOW)
    venue = faulty(paper, FaultKind.REPLY_LOST, method="cancel_order")
    with pytest.raises(VenueUnknown):
        cancel(venue, "cts-1", SYMBOL, NOW)
    assert look_up(venue, "cts-1", SYMBOL, NOW).state == OrderState.CANCELED


@pytest.mark.parametrize("method", ["fetch_open_orders", "fetch_positions", "fetch_balance"])
def test_reads_fail_too(paper, method):
    venue = faulty(paper, FaultKind.SERVER_ERROR, method=method)
    arguments = (NOW,) if method == "fetch_balance" else ((SYMBOL,), NOW)
    with pytest.raises(VenueUnknown):
        getattr(venue, method)(*arguments)
    assert getattr(venue, method)(*arguments) == getattr(paper, method)(*arguments)


def test_slow_waits_and_then_works(paper):
    waits: list[float] = []
    plan = ScriptedFaults({"create_order": [Fault(FaultKind.SLOW, seconds=2.5)]})
    venue = FaultyVenue(paper, plan, waits.append)
    assert send(venue, an_order(), NOW).state == OrderState.FILLED
    assert waits == [2.5]


def test_partial_fill(paper):
    plan = ScriptedFaults({"create_order": [Fault(FaultKind.PARTIAL_FILL, share=D("0.25"))]})
    order = send(FaultyVenue(paper, plan, no_sleep), an_order(), NOW)
    assert order.state == OrderState.PARTIALLY_FILLED
    assert sum(fill.quantity for fill in order.fills) == D("0.25")


def test_a_seeded_plan_repeats_itself_at_its_rates():
    rates = {FaultKind.REPLY_LOST: 0.2, FaultKind.REFUSED: 0.1}
    draws = [SeededFaults(7, rates).at("create_order", number) for number in range(2000)]
    assert draws == [SeededFaults(7, rates).at("create_order", number) for number in range(2000)]
    assert draws != [SeededFaults(8, rates).at("create_order", number) for number in range(2000)]
    kinds = [fault.kind for fault in draws if fault]
    assert kinds.count(FaultKind.REPLY_LOST) == pytest.approx(400, abs=80)
    assert kinds.count(FaultKind.REFUSED) == pytest.approx(200, abs=60)
    assert SeededFaults(7, {FaultKind.REFUSED: 1.0}).at("fetch_order", 0) is None


def test_counts_go_on_over_wrappers_made_per_invocation(paper):
    plan = ScriptedFaults({"fetch_balance": [None, Fault(FaultKind.REFUSED)]})
    counts = CallCounts()
    cash(FaultyVenue(paper, plan, no_sleep, counts), NOW)
    with pytest.raises(VenueNotSent):
        cash(FaultyVenue(paper, plan, no_sleep, counts), NOW)
    assert counts.calls == {"fetch_balance": 2}


def test_a_seeded_storm_ends_with_one_order_per_id(paper):
    rates = dict.fromkeys(ERRORS, 0.12)
    venue = FaultyVenue(paper, SeededFaults(3, rates, frozenset({"create_order"})), no_sleep)
    for number in range(30):
        for _ in range(50):
            try:
                send(venue, an_order(f"cts-{number}", quantity=D("0.2")), NOW)
            except (VenueUnknown, VenueNotSent):
                continue
            except DuplicateClientOrderId:
                pass
            break
    state = paper.account_state(NOW)
    assert [order.client_order_id for order in state.orders] == sorted(f"cts-{n}" for n in range(30))
    assert state.positions == {SYMBOL: D(6)}
