"""The paper exchange as a venue: its account in the ledger, its economy of calls, and its refusals."""

from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import (
    DuplicateClientOrderId,
    OrderNotFound,
    Retryable,
    StaleWrite,
    VenueNotSent,
    VenueRejected,
    VenueUnknown,
)
from chalicelib.exchanges.paper import ATTEMPTS, IDLE_BARS
from tests.exchanges.paper_world import (
    START,
    STEP,
    SYMBOL,
    CountedLedger,
    ScriptedFeed,
    a_connection,
    a_venue,
    an_order,
    cancel,
    cash,
    held,
    look_up,
    send,
)

D = Decimal
NOW = float(START)
CALM = (100.0, 101.0, 99.0, 100.0)


@pytest.fixture
def ledger():
    return CountedLedger()


def test_a_market_order_is_one_load_and_one_commit(ledger):
    venue = a_venue(ledger, ScriptedFeed())
    order = send(venue, an_order(), NOW)
    assert order.state == OrderState.FILLED
    assert (order.venue_order_id, order.fills[0].trade_id) == ("c1-1", "c1-t1")
    assert ledger.take_calls() == ["load", "commit"]
    send(venue, an_order("cts-2"), NOW)
    assert ledger.take_calls() == ["commit"]


def test_reads_load_once_and_write_nothing(ledger):
    send(a_venue(ledger, ScriptedFeed()), an_order(), NOW)
    ledger.take_calls()
    feed = ScriptedFeed(CALM)
    venue = a_venue(ledger, feed)
    assert held(venue, NOW + STEP) == {SYMBOL: D(1)}
    assert cash(venue, NOW + STEP) == D(10000) - D("100.05") - D("0.10005")
    assert venue.fetch_open_orders((SYMBOL,), NOW + STEP) == ()
    assert ledger.take_calls() == ["load"]
    assert feed.candle_calls == 0


def test_an_account_that_never_traded_has_its_starting_cash(ledger):
    venue = a_venue(ledger, ScriptedFeed())
    assert cash(venue, NOW) == D(10000)
    assert held(venue, NOW) == {}
    assert ledger.take_calls() == ["load"]


def test_a_restart_loses_nothing(ledger):
    feed = ScriptedFeed(CALM)
    send(a_venue(ledger, feed), an_order("cts-1", price=D(95)), NOW)
    send(a_venue(ledger, feed), an_order("cts-2"), NOW + 1)
    venue = a_venue(ledger, feed)
    assert [order.client_order_id for order in venue.fetch_open_orders((SYMBOL,), NOW + 2)] == ["cts-1"]
    assert look_up(venue, "cts-2", SYMBOL, NOW + 2).state == OrderState.FILLED
    state = venue.account_state(NOW + 2)
    assert [(order.client_order_id, order.venue_order_id) for order in state.orders] == [
        ("cts-1", "c1-1"),
        ("cts-2", "c1-2"),
    ]
    assert state.positions == {SYMBOL: D(1)}
    assert state.cash == D(10000) + state.realised - state.fees - D("100.05")


def test_resting_orders_are_matched_on_load_and_only_a_fill_is_written(ledger):
    feed = ScriptedFeed(CALM, (100.0, 100.5, 94.0, 95.0), CALM)
    send(a_venue(ledger, feed), an_order(price=D(95)), NOW)
    ledger.take_calls()
    assert len(a_venue(ledger, feed).fetch_open_orders((SYMBOL,), NOW + STEP)) == 1
    assert ledger.take_calls() == ["load", "order"]
    venue = a_venue(ledger, feed)
    assert venue.fetch_open_orders((SYMBOL,), NOW + 2 * STEP) == ()
    assert ledger.take_calls() == ["load", "order", "commit"]
    filled = look_up(venue, "cts-1", SYMBOL, NOW + 2 * STEP)
    assert (filled.state, filled.fills[0].price) == (OrderState.FILLED, D(95))
    assert held(a_venue(ledger, feed), NOW + 3 * STEP) == {SYMBOL: D(1)}
    assert ledger.take_calls() == ["load"]


def test_a_venue_that_lives_on_matches_each_new_candle_once(ledger):
    feed = ScriptedFeed(CALM, (100.0, 100.5, 94.0, 95.0))
    venue = a_venue(ledger, feed)
    send(venue, an_order(price=D(95)), NOW)
    for moment in (NOW + 1, NOW + STEP - 1, NOW + STEP, NOW + STEP + 7):
        assert len(venue.fetch_open_orders((SYMBOL,), moment)) == 1
    assert feed.candle_calls == 2
    assert venue.fetch_open_orders((SYMBOL,), NOW + 2 * STEP) == ()


def test_long_idle_matching_is_remembered(ledger):
    feed = ScriptedFeed(*[CALM] * (IDLE_BARS + 2))
    send(a_venue(ledger, feed), an_order(price=D(90)), NOW)
    ledger.take_calls()
    end = NOW + (IDLE_BARS + 1) * STEP
    a_venue(ledger, feed).fetch_open_orders((SYMBOL,), end)
    assert ledger.take_calls() == ["load", "order", "commit"]
    a_venue(ledger, feed).fetch_open_orders((SYMBOL,), end + STEP)
    assert ledger.take_calls() == ["load", "order"]


def test_a_used_client_order_id_is_refused_for_ever(ledger):
    feed = ScriptedFeed()
    venue = a_venue(ledger, feed)
    send(venue, an_order(), NOW)
    with pytest.raises(DuplicateClientOrderId):
        send(venue, an_order(), NOW)
    with pytest.raises(DuplicateClientOrderId):
        send(a_venue(ledger, feed), an_order(side="sell"), NOW)
    assert len(venue.account_state(NOW).orders) == 1


def test_a_used_id_is_a_duplicate_even_where_the_order_would_be_refused_now(ledger):
    send(a_venue(ledger, ScriptedFeed()), an_order(quantity=D(90)), NOW)
    with pytest.raises(DuplicateClientOrderId):
        send(a_venue(ledger, ScriptedFeed()), an_order(quantity=D(90)), NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": D(1000)}, "INSUFFICIENT_FUNDS"),
        ({"quantity": D("0.0001")}, "AMOUNT_STEP"),
        ({"quantity": D("0.01")}, "MIN_NOTIONAL"),
        ({"side": "sell", "reduce_only": True}, "REDUCE_ONLY"),
        ({"symbol": "DOGE/USDT"}, "BAD_SYMBOL"),
        ({"symbol": "ETH/BTC"}, "BAD_SYMBOL"),
        ({"symbol": "BTC/USDT:USDT"}, "BAD_SYMBOL"),
    ],
)
def test_a_refused_order_leaves_no_trace(ledger, changes, reason):
    venue = a_venue(ledger, ScriptedFeed())
    with pytest.raises(VenueRejected) as caught:
        send(venue, an_order(**changes), NOW)
    assert caught.value.reason == reason
    assert "commit" not in ledger.calls
    with pytest.raises(OrderNotFound):
        look_up(venue, "cts-1", SYMBOL, NOW)


def test_cancel(ledger):
    feed = ScriptedFeed(CALM)
    venue = a_venue(ledger, feed)
    send(venue, an_order(price=D(95)), NOW)
    ledger.take_calls()
    assert cancel(venue, "cts-1", SYMBOL, NOW + 1).state == OrderState.CANCELED
    assert ledger.take_calls() == ["commit"]
    assert cancel(venue, "cts-1", SYMBOL, NOW + 2).state == OrderState.CANCELED
    assert look_up(a_venue(ledger, feed), "cts-1", SYMBOL, NOW + STEP).state == OrderState.CANCELED
    assert "commit" not in ledger.take_calls()
    with pytest.raises(OrderNotFound):
        cancel(venue, "cts-9", SYMBOL, NOW)
    with pytest.raises(OrderNotFound):
        cancel(venue, "cts-1", "ETH/USDT", NOW)


def test_a_cancel_that_comes_after_the_fill_says_so(ledger):
    feed = ScriptedFeed((100.0, 100.5, 94.0, 95.0))
    send(a_venue(ledger, feed), an_order(price=D(95)), NOW)
    assert cancel(a_venue(ledger, feed), "cts-1", SYMBOL, NOW + STEP).state == OrderState.FILLED


def test_a_lost_race_is_done_again_on_the_new_account(ledger):
    feed = ScriptedFeed()
    first, second = a_venue(ledger, feed), a_venue(ledger, feed)
    assert cash(first, NOW) == cash(second, NOW)
    send(first, an_order("cts-1"), NOW)
    order = send(second, an_order("cts-2"), NOW)
    assert (order.venue_order_id, order.fills[0].trade_id) == ("c1-2", "c1-t2")
    cash(first, NOW)
    assert send(first, an_order("cts-3"), NOW).venue_order_id == "c1-3"
    assert held(a_venue(ledger, feed), NOW) == {SYMBOL: D(3)}


def test_two_that_send_the_same_order_at_once_make_one(ledger):
    feed = ScriptedFeed()
    first, second = a_venue(ledger, feed), a_venue(ledger, feed)
    cash(first, NOW), cash(second, NOW)
    send(first, an_order(), NOW)
    with pytest.raises(DuplicateClientOrderId):
        send(second, an_order(), NOW)
    assert held(a_venue(ledger, feed), NOW) == {SYMBOL: D(1)}


def test_a_fill_booked_by_another_is_not_booked_twice(ledger):
    feed = ScriptedFeed((100.0, 100.5, 94.0, 95.0))
    send(a_venue(ledger, feed), an_order(price=D(95)), NOW)
    slow = a_venue(ledger, feed)
    slow.fetch_open_orders((SYMBOL,), NOW + 1)
    held(a_venue(ledger, feed), NOW + STEP)
    assert held(slow, NOW + STEP) == {SYMBOL: D(1)}
    assert len(look_up(slow, "cts-1", SYMBOL, NOW + STEP).fills) == 1


def test_an_order_that_ends_between_the_two_reads_is_seen_as_ended(ledger):
    send(a_venue(ledger, ScriptedFeed()), an_order(price=D(95)), NOW)
    account_as_read = ledger.load("default", "c1")
    cancel(a_venue(ledger, ScriptedFeed()), "cts-1", SYMBOL, NOW)
    load = ledger.load
    answers = [account_as_read]
    ledger.load = lambda *place: answers.pop() if answers else load(*place)
    assert a_venue(ledger, ScriptedFeed()).fetch_open_orders((SYMBOL,), NOW) == ()


def test_races_are_bounded_and_provably_not_sent(ledger):
    class Contended(CountedLedger):
        def commit(self, tenant, account, orders):
            self.calls.append("commit")
            raise StaleWrite("moved")

    contended = Contended()
    with pytest.raises(VenueNotSent):
        send(a_venue(contended, ScriptedFeed()), an_order(), NOW)
    assert contended.calls.count("commit") == ATTEMPTS


def test_a_ledger_that_does_not_answer_leaves_the_order_unknown(ledger):
    venue = a_venue(ledger, ScriptedFeed())
    ledger.after = Retryable("throttled")
    with pytest.raises(VenueUnknown):
        send(venue, an_order(), NOW)
    assert look_up(venue, "cts-1", SYMBOL, NOW).state == OrderState.FILLED
    ledger.before = Retryable("throttled")
    with pytest.raises(VenueUnknown):
        send(venue, an_order("cts-2"), NOW)
    with pytest.raises(OrderNotFound):
        look_up(venue, "cts-2", SYMBOL, NOW)
    assert held(venue, NOW) == {SYMBOL: D(1)}


def test_without_a_price_nothing_is_sent(ledger):
    feed = ScriptedFeed()
    feed.price = None
    with pytest.raises(VenueNotSent):
        send(a_venue(ledger, feed), an_order(), NOW)
    assert "commit" not in ledger.calls


def test_a_market_that_cannot_be_read_is_never_flat(ledger):
    feed = ScriptedFeed(CALM)
    send(a_venue(ledger, feed), an_order(price=D(95)), NOW)

    def unreadable(*_: object):
        raise Retryable("no answer")

    feed.closed_candles = unreadable
    with pytest.raises(VenueNotSent):
        held(a_venue(ledger, feed), NOW + STEP)


def test_shorts_on_swaps(ledger):
    symbol = "BTC/USDT:USDT"
    venue = a_venue(ledger, ScriptedFeed(symbols=(symbol,)), a_connection("swap"))
    send(venue, an_order(symbol=symbol, side="sell"), NOW)
    assert held(venue, NOW) == {symbol: D(-1)}
    assert cash(venue, NOW) == D(10000) - D("0.09996")
