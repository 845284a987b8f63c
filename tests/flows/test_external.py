"""What others do on the account: shown, never silently cancelled; and flat only where trades prove it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.engine import engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import OrderState, VenueOrder
from chalicelib.domain.venue import Funding
from chalicelib.errors import VenueUnauthorized, VenueUnknown
from chalicelib.flows.dead_orders import dead_orders, resolve_dead_order
from chalicelib.flows.reconcile import reconcile_connection
from tests.exchanges.paper_world import approved as approve
from tests.flows.desk import CONNECTION_ID, TENANT, Desk
from tests.flows.hand_venue import ABLE, HandVenue
from tests.flows.test_protection import SYMBOL, entered, swap_desk, the_position

D = Decimal


def restarted(desk: Desk) -> None:
    engine = desk.engines.get(desk.subject)
    assert engine is not None
    reconcile_connection(desk.world(), desk.connection, engine, desk.now)


def foreign_limit(venue: HandVenue, desk: Desk) -> str:
    venue.by_hand(SYMBOL, "buy", D(1), desk.now)
    number = list(venue.orders)[-1]
    venue.orders[number] = replace(
        venue.orders[number], state=OrderState.ACCEPTED, filled=D(0), fills=(), type="limit", price=D(50000)
    )
    venue.trades.pop()
    return number


def test_an_order_of_somebody_else_is_shown_and_left_alone() -> None:
    desk, venue = swap_desk()
    number = foreign_limit(venue, desk)
    for _ in range(2):
        restarted(desk)
    (order,) = desk.orders()
    assert (order.leg, order.state, order.venue_order_id) == ("external", OrderState.ACCEPTED, number)
    assert "cancel_order" not in venue.calls
    venue.orders[number] = replace(venue.orders[number], state=OrderState.CANCELED)
    restarted(desk)
    assert desk.orders()[0].state == OrderState.CANCELED


def test_it_is_cancelled_only_where_the_connection_says_so() -> None:
    desk, venue = swap_desk(external_orders="cancel")
    number = foreign_limit(venue, desk)
    restarted(desk)
    assert venue.orders[number].state == OrderState.CANCELED
    assert desk.orders()[0].state == OrderState.CANCELED


def test_a_position_closed_by_hand_is_booked_from_its_trades_and_not_opened_again() -> None:
    desk, venue = entered()
    quantity = the_position(desk).quantity
    desk.feed.prices[SYMBOL] = D(60100)
    venue.by_hand(SYMBOL, "sell", quantity, desk.now)
    for _ in range(3):
        desk.realtime()
    position = the_position(desk)
    assert (position.state, position.exit_reason) == ("closed", "closed_at_venue")
    assert position.realised == quantity * 100
    assert venue.stops() == [], "its stop went with it"
    assert venue.held(SYMBOL) == 0


def test_a_part_that_was_closed_by_hand_leaves_the_rest_under_a_smaller_stop() -> None:
    desk, venue = entered()
    quantity = the_position(desk).quantity
    venue.by_hand(SYMBOL, "sell", quantity / 4, desk.now)
    for _ in range(2):
        desk.realtime()
    assert the_position(desk).quantity == quantity * 3 / 4 == venue.held(SYMBOL)
    assert [stop.quantity for stop in venue.stops()] == [
        the_position(desk).quantity // D("0.0001") * D("0.0001")
    ]


@pytest.mark.parametrize("how", ["empty", "failing"])
def test_a_position_query_that_fails_or_is_empty_never_means_flat(how: str) -> None:
    desk, venue = entered()
    before = the_position(desk)
    venue.empty = how == "empty"
    if how == "failing":
        venue.failing["fetch_positions"] = VenueUnknown("timeout")
    for _ in range(5):
        desk.realtime()
    assert the_position(desk).quantity == before.quantity
    assert the_position(desk).state == "open"
    assert desk.metrics["position_differences" if how == "empty" else "lookups_failed"] >= 5


def test_an_order_of_ours_that_fills_between_two_looks_is_no_difference() -> None:
    """An exit goes out again while its position is compared, and the exchange tells of its fill later."""
    desk, venue = swap_desk()
    venue.able = replace(ABLE, native_stops=False)
    desk.execute(desk.signal(SYMBOL))
    venue.failing["create_order"] = VenueUnknown("timeout")
    desk.feed.prices[SYMBOL] = D(59000)
    desk.realtime()
    venue.failing.clear()
    created = venue.create_order

    def accepted(approved: Any, now: float) -> VenueOrder:
        return replace(created(approved, now), state=OrderState.ACCEPTED, filled=D(0), fills=())

    venue.create_order = accepted  # type: ignore[method-assign]
    desk.realtime()
    desk.realtime()
    assert desk.metrics["orders_resent"] == 1
    assert desk.metrics["position_differences"] == 0
    assert "fetch_trades" not in venue.calls
    desk.realtime()
    assert (the_position(desk).state, the_position(desk).exit_reason) == ("closed", "stop_loss")
    assert not [order for order in desk.orders() if order.leg == "external"]


def test_trades_of_others_that_leave_our_quantity_untouched_change_nothing() -> None:
    desk, venue = entered()
    before = the_position(desk)
    venue.by_hand(SYMBOL, "buy", D(1), desk.now)
    for _ in range(2):
        desk.realtime()
    assert the_position(desk).quantity == before.quantity
    assert desk.metrics["position_differences"] >= 1


def test_a_position_of_somebody_else_is_shown_once_and_left_alone() -> None:
    desk, venue = swap_desk()
    venue.by_hand(SYMBOL, "sell", D("0.5"), desk.now)
    for _ in range(2):
        restarted(desk)
    desk.realtime()
    shown = [e for e in desk.records.list_audit(TENANT, 50, None).items if e.action == "external_position"]
    assert [entry.details["quantity"] for entry in shown] == ["0.5"]
    assert desk.positions() == ()
    assert venue.held(SYMBOL) == D("-0.5")


def test_it_is_managed_like_any_other_where_the_connection_adopts_positions() -> None:
    desk, venue = swap_desk(external_positions="adopt")
    venue.by_hand(SYMBOL, "sell", D("0.5"), desk.now)
    for _ in range(2):
        restarted(desk)
    desk.realtime()
    assert [stop.side for stop in venue.stops()] == ["buy"]
    desk.feed.prices[SYMBOL] = D(60700)
    for _ in range(2):
        desk.realtime()
    assert (the_position(desk).state, venue.held(SYMBOL), venue.stops()) == ("closed", 0, [])


def test_funding_is_booked_once_and_fees_in_other_currencies_by_their_price() -> None:
    desk, venue = swap_desk()
    venue.fee_currency = "BNB"
    desk.execute(desk.signal(SYMBOL))
    fee = venue.trades[0].fill.fee
    assert the_position(desk).other_fees == {"BNB": fee}
    desk.feed.prices["BNB/USDT:USDT"] = D(600)
    desk.now = desk.now // 3600 * 3600 + 3600 + 100
    venue.payments = [Funding("f1", SYMBOL, D("-1.5"), desk.now - 100)]
    for _ in range(3):
        desk.realtime()
    position = the_position(desk)
    assert (position.funding, position.fees, dict(position.other_fees)) == (D("-1.5"), fee * 600, {})


def test_a_venue_that_cannot_prove_absence_never_gets_the_order_again_by_itself() -> None:
    desk, venue = swap_desk()
    venue.able = replace(ABLE, resend_after_absence=False)
    venue.failing["create_order"] = VenueUnknown("timeout")
    desk.execute(desk.signal(SYMBOL))
    venue.failing.clear()
    for _ in range(6):
        desk.realtime()
    assert venue.calls.count("create_order") == 1
    (dead,) = dead_orders(desk.world(), TENANT, CONNECTION_ID)
    assert desk.metrics["orders_dead_letter"] == 1
    dropped = resolve_dead_order(
        desk.world(), TENANT, CONNECTION_ID, dead.client_order_id, "drop", "ann", "k"
    )
    assert dropped.state == OrderState.REJECTED
    assert the_position(desk).state == "abandoned"


def test_a_person_may_have_a_dead_order_sent_once_more() -> None:
    desk, venue = swap_desk()
    venue.able = replace(ABLE, resend_after_absence=False)
    venue.failing["create_order"] = VenueUnknown("timeout")
    desk.execute(desk.signal(SYMBOL))
    venue.failing.clear()
    for _ in range(3):
        desk.realtime()
    (dead,) = dead_orders(desk.world(), TENANT, CONNECTION_ID)
    sent = resolve_dead_order(desk.world(), TENANT, CONNECTION_ID, dead.client_order_id, "retry", "ann", "k")
    assert sent.state == OrderState.FILLED
    assert venue.held(SYMBOL) == the_position(desk).quantity > 0


def test_a_refused_key_pauses_its_engine_and_is_told() -> None:
    desk, venue = entered()
    venue.failing["fetch_balance"] = VenueUnauthorized("key revoked")
    desk.realtime()
    engine = desk.engines.get(engine_subject(TENANT, CONNECTION_ID))
    assert engine is not None
    assert engine.status == Status.PAUSED
    actions = [entry.action for entry in desk.records.list_audit(TENANT, 50, None).items]
    assert "key_refused" in actions
    assert desk.metrics["keys_refused"] == 1
    venue.failing.clear()
    desk.feed.prices[SYMBOL] = D(59000)
    desk.realtime()
    assert the_position(desk).state == "closed", "exits go on while it is paused"


def test_late_fills_of_a_cancelled_order_are_found_and_its_state_stays() -> None:
    desk, venue = swap_desk()
    real = venue.create_order

    def partly(approved: Any, now: float) -> Any:
        limit = replace(approved.order, type="limit", price=D(60000))
        seen = real(approve(limit), now)
        return venue.fill(seen.venue_order_id, now, D("0.4"))

    venue.create_order = partly  # type: ignore[method-assign]
    desk.execute(desk.signal(SYMBOL))
    venue.create_order = real  # type: ignore[method-assign]
    number = next(iter(venue.orders))
    wanted = venue.orders[number].quantity
    venue.orders[number] = replace(venue.orders[number], state=OrderState.CANCELED)
    desk.realtime()
    venue.fill(number, desk.now, D("0.2"))
    venue.orders[number] = replace(venue.orders[number], state=OrderState.CANCELED)
    for _ in range(4):
        desk.realtime()
    entry = next(order for order in desk.orders() if order.leg == "entry")
    assert (entry.state, entry.filled) == (OrderState.CANCELED, wanted * D("0.6"))
    assert the_position(desk).quantity == wanted * D("0.6") == venue.held(SYMBOL)
