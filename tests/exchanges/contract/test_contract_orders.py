"""What every venue owes the flows: orders of each type, their trades, look-ups and cancels."""

import time
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import DuplicateClientOrderId, OrderNotFound, VenueRejected
from tests.exchanges.contract.worlds import ALL, REAL, on
from tests.exchanges.venue_world import raised

D = Decimal
STANDING = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


@on(*ALL)
def test_a_market_order_fills_and_its_trades_are_told(site):
    booked, seen = site.placed(site.order("buy"))
    assert seen.state == OrderState.FILLED
    assert seen.venue_order_id
    assert seen.client_order_id == booked.client_order_id
    assert not seen.missing
    total = sum(fill.quantity for fill in seen.fills)
    assert total == pytest.approx(D("0.01"), rel=D("0.001"))
    for fill in seen.fills:
        assert fill.trade_id
        assert (fill.symbol, fill.side) == (site.symbol, "buy")
        assert fill.price == pytest.approx(D(50_000), rel=D("0.001"))
        assert fill.fee > 0
        assert fill.fee_currency in ("USDT", "BTC")
        assert abs(fill.time - site.now()) < 60
    assert site.look(booked).fills == tuple(
        replace(fill, time=pytest.approx(fill.time, abs=0.01)) for fill in seen.fills
    )
    assert site.held() == pytest.approx(total, rel=D("0.002"))


@on(*ALL)
def test_an_exit_closes_what_an_entry_opened(site):
    _, seen = site.placed(site.order("buy"))
    quantity = "0.009" if site.type == "spot" else "0.01"
    _, sold = site.placed(site.exit("sell", quantity))
    assert sold.state == OrderState.FILLED
    assert sold.reduce_only
    assert site.held() == pytest.approx(seen.filled - D(quantity), abs=D("0.0001"))


@on(*ALL)
def test_a_limit_order_rests_is_found_and_is_cancelled(site):
    booked, seen = site.placed(site.order("buy", "limit", "0.01", "40000"))
    assert seen.state == OrderState.ACCEPTED
    for listed in (
        site.venue.fetch_open_orders((site.symbol,), site.now()),
        site.venue.fetch_open_orders(site.symbols, site.now()),
    ):
        (one,) = listed
        assert (one.client_order_id, one.venue_order_id) == (booked.client_order_id, booked.venue_order_id)
        assert (one.symbol, one.side, one.type, one.quantity) == (site.symbol, "buy", "limit", D("0.01"))
        assert (one.price, one.state, one.filled) == (D(40_000), OrderState.ACCEPTED, 0)
    # Killed before the reply was stored: the exchange's id is not known.
    found = site.look(replace(booked, venue_order_id="", state=OrderState.UNKNOWN))
    assert (found.venue_order_id, found.state) == (booked.venue_order_id, OrderState.ACCEPTED)
    ended = site.cancelled(booked)
    assert (ended.state, ended.filled, ended.fills) == (OrderState.CANCELED, 0, ())
    assert site.venue.fetch_open_orders(site.symbols, site.now()) == ()
    assert site.venue.cancel_order(booked, site.now()).state == OrderState.CANCELED
    assert (
        site.look(replace(booked, venue_order_id="", state=OrderState.UNKNOWN)).state == OrderState.CANCELED
    )


@on(*ALL)
def test_a_cancel_that_comes_too_late_returns_the_filled_order(site):
    booked, _ = site.placed(site.order("buy"))
    seen = site.venue.cancel_order(booked, site.now())
    assert seen.state == OrderState.FILLED
    assert not seen.missing


@on(*REAL)
def test_a_partial_fill_survives_the_cancel(site):
    site.fake.exchange.liquidity[site.symbol] = D("0.004")
    booked, _ = site.placed(site.order("buy", "limit", "0.01", "50100"))
    seen = site.look(booked)
    assert (seen.state, seen.filled) == (OrderState.PARTIALLY_FILLED, D("0.004"))
    assert sum(fill.quantity for fill in seen.fills) == D("0.004")
    ended = site.cancelled(booked)
    assert (ended.state, ended.filled) == (OrderState.CANCELED, D("0.004"))
    assert sum(fill.quantity for fill in ended.fills) == D("0.004")


@on(*REAL)
def test_a_fill_after_the_cancel_is_told(site):
    booked, _ = site.placed(site.order("buy", "limit", "0.01", "40000"))
    site.cancelled(booked)
    placed = next(iter(site.fake.exchange.main.orders.values()))
    site.fake.exchange.force_fill(placed, D("0.002"), D(40_000))
    seen = site.look(booked)
    assert seen.state == OrderState.CANCELED
    assert [fill.quantity for fill in seen.fills] == [D("0.002")]


@on(*REAL)
def test_a_trade_told_twice_counts_once(site, caplog):
    booked, seen = site.placed(site.order("buy"))
    trade = site.fake.exchange.main.trades[0]
    site.fake.exchange.repeat_trade(trade, trade.price + 1)
    (fill,) = site.look(booked).fills
    assert fill.trade_id == seen.fills[0].trade_id
    assert "came twice with different figures" in caplog.text


@on(*REAL)
def test_all_trades_of_an_order_with_many(site):
    booked, _ = site.placed(site.order("buy", "limit", "0.15", "40000"))
    placed = next(iter(site.fake.exchange.main.orders.values()))
    for _ in range(150):
        site.fake.exchange.force_fill(placed, D("0.001"), D(40_000))
    seen = site.look(booked)
    assert seen.state == OrderState.FILLED
    assert len(seen.fills) == 150
    assert not seen.missing


@on(*REAL)
def test_more_open_orders_than_one_page(site):
    quantity = D("0.004") if site.type == "swap" else D("0.001")
    for number in range(70):
        site.fake.exchange.external_order(site.symbol, "buy", quantity, D(30_000 + number))
    assert len(site.venue.fetch_open_orders((site.symbol,), site.now())) == 70
    assert len(site.venue.fetch_open_orders(site.symbols, site.now())) == 70


@on(*REAL)
def test_a_rebate_is_a_negative_fee(site):
    policies = site.fake.exchange.policies
    policies[site.type] = replace(policies[site.type], maker_fee=D("-0.0001"))
    booked, _ = site.placed(site.order("buy", "limit", "0.01", "49000"))
    site.price("48900")
    (fill,) = site.look(booked).fills
    assert fill.fee < 0


@on(*ALL)
def test_an_order_that_was_never_sent_is_absent(site):
    with pytest.raises(OrderNotFound):
        site.look(site.order("buy"))
    with pytest.raises(OrderNotFound):
        site.venue.cancel_order(site.order("buy", "limit", "0.01", "40000"), site.now())


@on(*REAL)
def test_the_whole_ladder_is_asked_before_an_order_is_absent(site):
    site.venue.fetch_balance(site.now())
    before = site.requests
    assert isinstance(raised(lambda: site.look(site.order("buy"))), OrderNotFound)
    asked = [seen.route for seen in site.fake.requests[before:]]
    for part in ("open", ("closed", "all_orders"), ("trade", "fill", "execution")):
        parts = (part,) if isinstance(part, str) else part
        assert any(one in route for route in asked for one in parts), (part, asked)


@on(*ALL)
def test_the_same_client_id_twice(site):
    intent = site.order("buy", "limit", "0.01", "40000")
    site.send(intent)
    if site.abilities.rejects_duplicates:
        with pytest.raises(DuplicateClientOrderId):
            site.send(intent)
        assert len(site.venue.fetch_open_orders((site.symbol,), site.now())) == 1
    else:
        # Which is why such an order is never sent again by the engine.
        site.send(intent)
        assert not site.abilities.resend_after_absence
        assert len(site.venue.fetch_open_orders((site.symbol,), site.now())) == 2


@on(*REAL)
def test_post_only_never_takes(site):
    intent = site.order("buy", "limit", "0.01", "50500", post_only=True)
    try:
        booked, seen = site.placed(intent)
    except VenueRejected:
        return
    seen = site.look(booked)
    assert (seen.filled, seen.state in STANDING) == (0, False)


@on(*REAL)
def test_orders_of_somebody_else_are_told_and_can_be_cancelled(site):
    placed = site.fake.exchange.external_order(site.symbol, "buy", D("0.01"), D(40_000))
    (seen,) = site.venue.fetch_open_orders((site.symbol,), site.now())
    assert (seen.side, seen.type, seen.quantity, seen.price) == ("buy", "limit", D("0.01"), D(40_000))
    external = replace(
        site.order("buy", "limit", "0.01", "40000"),
        client_order_id="external-1",
        leg="external",
        venue_order_id=seen.venue_order_id,
    )
    assert site.look(external).state == OrderState.ACCEPTED
    assert site.cancelled(external).state == OrderState.CANCELED
    assert placed.status == "canceled"


@on(*REAL)
def test_what_breaks_the_rules_is_refused_without_a_request(site):
    site.venue.fetch_balance(site.now())
    site.feed.markets((site.symbol,))
    before = site.requests
    for intent in (
        site.order("buy", "limit", "0.0100000001", "40000"),
        site.order("buy", "limit", "0.01", "40000.001"),
        site.order("buy", "limit", "0.000000001", "40000"),
        site.order("buy", "limit", "0.001", "1"),
    ):
        error = raised(lambda one=intent: site.send(one))
        assert isinstance(error, VenueRejected), error
        assert error.reason == "INVALID_ORDER"
    assert site.requests == before


@on(*ALL)
def test_not_enough_money_is_final(site):
    intent = site.order("buy", "limit", "99", "40000")
    if site.name == "orangex":
        # It takes the order and gives it up afterwards.
        booked, _ = site.placed(intent)
        seen = site.look(booked)
        assert (seen.state in STANDING, seen.filled) == (False, 0)
        return
    error = raised(lambda: site.send(intent))
    assert isinstance(error, VenueRejected), error
    assert error.reason == "INSUFFICIENT_FUNDS"


@on(("binance", "spot"), ("binance", "swap"), ("bybit", "swap"), ("bingx", "swap"), ("pionex", "swap"))
@pytest.mark.parametrize("skew", [-30.0, 30.0])
def test_a_wrong_clock_is_set_right_once(site, skew):
    site.fake.faults.skew = skew
    site.venue.fetch_balance(site.now())
    _, seen = site.placed(site.order("buy"))
    assert seen.state == OrderState.FILLED
    assert len(site.fake.exchange.main.orders) == 1
    assert time.time() - site.now() < 1
