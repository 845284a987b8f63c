"""Signals to orders against a venue that fails: one order per intent, books equal, nothing lost."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.engine import coordinator_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Fill, OrderState, VenueOrder
from chalicelib.domain.signal import ExitProfile
from chalicelib.errors import LeaseHeld, OrderNotFound, StaleWrite
from chalicelib.exchanges.faults import Fault, FaultKind, ScriptedFaults
from chalicelib.flows import orders
from tests.exchanges.paper_world import approved
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT, Desk, connection

D = Decimal


def faulty(*kinds: FaultKind, method: str = "create_order") -> Desk:
    return Desk(plan=ScriptedFaults({method: [Fault(kind) for kind in kinds]}))


def test_a_signal_becomes_one_filled_order_and_an_open_position() -> None:
    desk = Desk()
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}
    (order,) = desk.orders()
    (position,) = desk.positions()
    assert order.state == OrderState.FILLED
    assert (position.state, position.quantity) == ("open", order.quantity)
    assert position.session_id == "session"
    desk.assert_books_equal()


def test_a_batch_delivered_again_changes_nothing() -> None:
    desk = Desk()
    batch = [desk.signal(symbol) for symbol in SYMBOLS]
    desk.execute(*batch)
    before = (desk.orders(), desk.positions())
    desk.now += 60
    assert desk.execute(*batch) == {}
    assert (desk.orders(), desk.positions()) == before
    desk.assert_books_equal()


@pytest.mark.parametrize("kind", [FaultKind.REPLY_LOST, FaultKind.SERVER_ERROR_EXECUTED])
def test_a_lost_reply_is_unknown_then_adopted(kind: FaultKind) -> None:
    desk = faulty(kind)
    desk.execute(desk.signal())
    assert desk.orders()[0].state == OrderState.UNKNOWN
    desk.realtime()
    assert desk.orders()[0].state == OrderState.FILLED
    assert desk.counts.calls["create_order"] == 1
    desk.assert_books_equal()


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.SERVER_ERROR, FaultKind.REFUSED])
def test_an_order_that_never_arrived_is_sent_again_under_its_id_once_absence_is_proved(
    kind: FaultKind,
) -> None:
    desk = faulty(kind)
    desk.execute(desk.signal())
    desk.realtime(later=5)
    assert desk.counts.calls["create_order"] == 1, "one look is no proof"
    desk.realtime(later=6)
    desk.realtime(later=10)
    assert desk.counts.calls["create_order"] == 2
    (order,) = desk.orders()
    assert order.state == OrderState.FILLED
    desk.assert_books_equal()


def test_an_entry_that_stayed_away_too_long_expires_and_its_position_is_abandoned() -> None:
    desk = faulty(FaultKind.RESET_BEFORE)
    desk.execute(desk.signal())
    desk.realtime(later=200)
    desk.realtime(later=200)
    assert desk.orders()[0].state == OrderState.EXPIRED
    assert desk.positions()[0].state == "abandoned"
    assert desk.counts.calls["create_order"] == 1
    desk.assert_books_equal()


def test_a_failed_lookup_proves_nothing() -> None:
    desk = Desk(
        plan=ScriptedFaults(
            {
                "create_order": [Fault(FaultKind.REPLY_LOST)],
                "fetch_order": [Fault(FaultKind.RESET_BEFORE)] * 5,
            }
        )
    )
    desk.execute(desk.signal())
    for _ in range(5):
        desk.realtime()
        assert desk.orders()[0].state == OrderState.UNKNOWN
    desk.realtime()
    assert desk.orders()[0].state == OrderState.FILLED
    assert desk.counts.calls["create_order"] == 1


def test_a_partial_fill_is_counted_as_it_is() -> None:
    desk = faulty(FaultKind.PARTIAL_FILL)
    desk.execute(desk.signal())
    (order,) = desk.orders()
    (position,) = desk.positions()
    assert 0 < order.filled < order.quantity
    assert position.quantity == order.filled
    desk.assert_books_equal()


def test_an_exit_whose_reply_is_lost_closes_once() -> None:
    desk = Desk(plan=ScriptedFaults({"create_order": [None, Fault(FaultKind.REPLY_LOST)]}))
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime()
    assert desk.orders()[0].leg != desk.orders()[1].leg
    for _ in range(3):
        desk.realtime()
    (position,) = desk.positions()
    assert (position.state, position.exit_reason) == ("closed", "stop_loss")
    assert desk.counts.calls["create_order"] == 2
    desk.assert_books_equal()


def test_an_exit_that_was_not_sent_is_sent_later_however_late() -> None:
    desk = Desk(plan=ScriptedFaults({"create_order": [None, Fault(FaultKind.RESET_BEFORE)]}))
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime()
    desk.realtime(later=2000)
    desk.realtime(later=2000)
    assert desk.positions()[0].state == "closed"
    desk.assert_books_equal()


def test_an_exit_the_venue_rejects_is_tried_again_under_a_new_id() -> None:
    desk = Desk()
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    real, rejected = desk.venue, []

    class Refusing:
        def __init__(self, venue: Any) -> None:
            self.venue = venue

        def __getattr__(self, name: str) -> Any:
            return getattr(self.venue, name)

        def create_order(self, approved: Any, now: float) -> Any:
            from chalicelib.errors import VenueRejected

            rejected.append(approved.order.client_order_id)
            raise VenueRejected("market closed", "MARKET_CLOSED")

    desk.venue = lambda wanted: Refusing(real(wanted))  # type: ignore[method-assign,assignment]
    desk.realtime()
    desk.realtime()
    assert len(set(rejected)) == 2
    desk.venue = real  # type: ignore[method-assign]
    desk.realtime()
    assert desk.positions()[0].state == "closed"
    desk.assert_books_equal()


@pytest.mark.parametrize(
    ("price", "reason"), [("58000", "stop_loss"), ("62000", "take_profit"), ("60600", None)]
)
def test_exits_by_the_profile(price: str, reason: str | None) -> None:
    desk = Desk(connection=connection(exits=ExitProfile(D("0.03"), D("0.02"))))
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(price)
    desk.realtime()
    assert desk.positions()[0].exit_reason == (reason or "")


def test_a_trailing_stop_remembers_the_best_price_between_ticks() -> None:
    desk = Desk(connection=connection(exits=ExitProfile(None, None, D("0.01"), D("0.02"))))
    desk.execute(desk.signal())
    for price in (61500, 62000, 61500):
        desk.feed.prices["BTC/USDT"] = D(price)
        desk.realtime()
        assert desk.positions()[0].state == "open"
    desk.feed.prices["BTC/USDT"] = D(61300)
    desk.realtime()
    assert desk.positions()[0].exit_reason == "trailing_stop"
    desk.assert_books_equal()


def test_an_opposite_signal_closes_instead_of_opening() -> None:
    desk = Desk()
    desk.execute(desk.signal())
    desk.now += 60
    outcome = desk.execute(desk.signal(direction="short", number=1))
    assert outcome == {"1-BTC/USDT-short": "signal_reversal"}
    assert desk.positions()[0].exit_reason == "signal_reversal"
    desk.assert_books_equal()


def test_swap_accounts_go_short_and_profit_from_a_fall() -> None:
    symbols = ("BTC/USDT:USDT",)
    desk = Desk(connection=connection(market_type="swap", symbols=symbols))
    desk.feed.prices = {symbols[0]: D(60000)}
    desk.execute(desk.signal(symbols[0], "short"))
    desk.feed.prices[symbols[0]] = D(58000)
    desk.realtime()
    (position,) = desk.positions()
    assert (position.exit_reason, position.realised > 0) == ("take_profit", True)
    desk.assert_books_equal()


def test_two_batches_at_once_work_one_after_the_other() -> None:
    desk = Desk()
    desk.engines.acquire(desk.subject, "execute", "other", desk.now, 55.0, None)
    with pytest.raises(LeaseHeld):
        desk.execute(desk.signal())
    desk.now += 56
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}


def test_a_holder_whose_lease_ran_out_cannot_store_an_intent() -> None:
    desk = Desk()
    stolen = {"done": False}
    real = desk.feed.markets

    def markets(symbols: Any) -> Any:
        if not stolen["done"]:
            stolen["done"] = True
            desk.engines.acquire(desk.subject, "execute", "other", desk.now + 56, 55.0, None)
        return real(symbols)

    desk.feed.markets = markets  # type: ignore[method-assign]
    with pytest.raises(StaleWrite):
        desk.execute(desk.signal())
    assert desk.orders() == ()
    assert desk.ledger.orders(TENANT, CONNECTION_ID) == ()


@pytest.mark.parametrize("paused", ["engine", "global"])
def test_pause_stops_entries_and_keeps_exits(paused: str) -> None:
    desk = Desk()
    desk.execute(desk.signal())
    subject = desk.subject if paused == "engine" else coordinator_subject(TENANT)
    engine = desk.engines.get(subject)
    assert engine is not None
    desk.tables.engines[subject] = replace(engine, status=Status.PAUSED)
    assert desk.execute(desk.signal("ETH/USDT", number=1)) == {"1-ETH/USDT-long": "ENGINE_NOT_RUNNING"}
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime()
    assert desk.positions()[0].state == "closed"


def test_frozen_exits_stay() -> None:
    desk = Desk(connection=connection(freeze_exits=True))
    desk.execute(desk.signal())
    engine = desk.engines.get(desk.subject)
    assert engine is not None
    desk.tables.engines[desk.subject] = replace(engine, status=Status.PAUSED)
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime()
    assert desk.positions()[0].state == "open"


def test_an_account_that_cannot_be_read_refuses_entries() -> None:
    desk = faulty(FaultKind.RESET_BEFORE, method="fetch_balance")
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "EQUITY_UNKNOWN"}
    assert "create_order" not in desk.counts.calls


class Scripted:
    """A venue in front of the real one that answers the first calls of a method by script."""

    def __init__(self, venue: Any, script: dict[str, list[Any]]) -> None:
        self.venue = venue
        self.script = script

    def __getattr__(self, name: str) -> Any:
        answers = self.script.get(name)
        if not answers:
            return getattr(self.venue, name)
        answer = answers.pop(0)

        def scripted(*arguments: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer(*arguments)

        return scripted


def scripted(desk: Desk, **script: list[Any]) -> Desk:
    real = desk.venue
    desk.venue = lambda wanted: Scripted(real(wanted), script)  # type: ignore[method-assign,assignment]
    return desk


def accepted(approved: Any, now: float) -> VenueOrder:
    order = approved.order
    return VenueOrder(
        order.client_order_id, "v1", order.symbol, order.side, OrderState.ACCEPTED, order.quantity
    )


def test_a_duplicate_reply_after_denied_lookups_adopts_the_earlier_attempt() -> None:
    denied = OrderNotFound("not visible yet")
    desk = scripted(faulty(FaultKind.REPLY_LOST), fetch_order=[denied, denied])
    desk.execute(desk.signal())
    for _ in range(3):
        desk.realtime()
    (order,) = desk.orders()
    assert order.state == OrderState.FILLED
    assert desk.counts.calls["create_order"] == 2
    desk.assert_books_equal()


def test_the_same_id_is_not_sent_again_within_ten_seconds() -> None:
    desk = faulty(FaultKind.RESET_BEFORE)
    desk.execute(desk.signal())
    for _ in range(3):
        desk.realtime(later=3)
    assert desk.counts.calls["create_order"] == 1
    desk.realtime(later=3)
    assert desk.counts.calls["create_order"] == 2


def test_an_accepted_order_that_the_venue_denies_later_is_never_sent_again() -> None:
    desk = scripted(Desk(), create_order=[accepted])
    desk.execute(desk.signal())
    for _ in range(4):
        desk.realtime()
    (order,) = desk.orders()
    assert order.state == OrderState.ACCEPTED
    assert "create_order" not in desk.counts.calls, "only the scripted one was sent"
    assert desk.metrics["orders_lost_at_venue"] == 4


def test_fills_that_come_in_two_reports_are_each_counted_once() -> None:
    desk = scripted(Desk(), create_order=[accepted])
    desk.execute(desk.signal())
    (order,), (position,) = desk.orders(), desk.positions()
    half = order.quantity / 2
    fills = [Fill(name, order.symbol, "buy", half, D(60000), D(1), "USDT", desk.now) for name in ("t1", "t2")]
    for known in (fills[:1], fills[:1], fills):
        seen = replace(accepted(approved(order), 0), state=OrderState.PARTIALLY_FILLED, fills=tuple(known))
        placed = orders.settle(desk.world(), TENANT, order, position, seen)
        order, position = placed.order, placed.position
    assert (position.quantity, position.fees) == (order.quantity, D(2))
    assert order.state == OrderState.FILLED


def test_a_late_exit_keeps_its_one_id() -> None:
    desk = Desk(plan=ScriptedFaults({"create_order": [None, Fault(FaultKind.RESET_BEFORE)]}))
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    for later in (30, 2000, 2000):
        desk.realtime(later=later)
    assert sorted((o.leg, o.state) for o in desk.orders()) == [("entry", "FILLED"), ("exit", "FILLED")]


def test_a_signal_against_a_position_that_is_leaving_sends_no_second_exit() -> None:
    lost = Fault(FaultKind.REPLY_LOST)
    away = [Fault(FaultKind.RESET_BEFORE)] * 9
    desk = Desk(plan=ScriptedFaults({"create_order": [None, lost], "fetch_order": away}))
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime()
    outcome = desk.execute(desk.signal(direction="short", number=1))
    assert outcome == {"1-BTC/USDT-short": "POSITION_BUSY"}
    assert len(desk.orders()) == 2


def test_the_cooldown_outlives_the_batch() -> None:
    desk = Desk()
    desk.execute(desk.signal())
    desk.feed.prices["BTC/USDT"] = D(59000)
    desk.realtime(later=10)
    assert desk.execute(desk.signal(number=1)) == {"1-BTC/USDT-long": "COOLDOWN"}
    desk.now += 10
    assert desk.execute(desk.signal(number=2)) == {"2-BTC/USDT-long": "APPROVED"}


def test_the_equity_peak_is_kept_when_prices_fall() -> None:
    desk = Desk(connection=connection(exits=ExitProfile(None, None)))
    desk.execute(desk.signal())
    seen = []
    for price in (60000, 62000, 61000):
        desk.feed.prices["BTC/USDT"] = D(price)
        desk.realtime()
        engine = desk.engines.get(desk.subject)
        assert engine is not None
        seen.append(engine.account)
    assert seen[1].equity > seen[2].equity > seen[0].equity
    assert [account.peak_equity for account in seen[1:]] == [seen[1].equity] * 2
