"""What every venue owes the flows: one suite over five exchanges, spot and swap, and the paper exchange."""

import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from chalicelib.domain.order import OrderState
from chalicelib.domain.venue import KeyPermissions
from chalicelib.errors import DuplicateClientOrderId, OrderNotFound, VenueRejected
from tests.exchanges.contract.worlds import ALL, REAL, REAL_SWAPS, SWAPS, world
from tests.exchanges.venue_world import raised

D = Decimal
STANDING = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


@pytest.fixture
def site(request):
    with world(*request.param) as made:
        yield made


def on(*sites):
    return pytest.mark.parametrize("site", sites, ids="-".join, indirect=True)


@on(*ALL)
def test_markets(site):
    market = site.feed.markets((site.symbol,))[site.symbol]
    assert (market.base, market.quote, market.type) == ("BTC", "USDT", site.type)
    assert 0 < market.amount_step <= market.min_amount < D("0.01")
    assert market.price_step in (D("0.1"), D("0.01"))
    assert market.min_notional >= 5


@on(*ALL)
def test_tickers(site):
    site.price("51000")
    tickers = site.feed.tickers(site.symbols, site.now())
    assert set(tickers) == set(site.symbols)
    ticker = tickers[site.symbol]
    assert ticker.bid < ticker.last == 51000 < ticker.ask
    assert ticker.time <= site.now()


@on(*REAL)
def test_candles_of_many_pages(site):
    now, step = site.now(), 300
    end = int(now) // step * step
    start = end - 2300 * step
    # The first price was set before the first candle that is asked for.
    site.fake.exchange.hand.note(site.symbol, D(50_000), start - step)
    candles = site.feed.closed_candles((site.symbol,), step, start, now)
    assert candles.bars == 2300
    assert np.isfinite(candles.close).all()
    assert candles.open_time[-1] == end - step


@on(*ALL)
def test_balance(site):
    balance = site.venue.fetch_balance(site.now())
    assert balance.cash == balance.free == 10_000
    site.placed(site.order("buy", quantity="0.02"))
    balance = site.venue.fetch_balance(site.now())
    if site.type == "spot":
        assert balance.cash == pytest.approx(D(9000), rel=D("0.001"))
    else:
        # A swap costs its fee only; what it binds is not free.
        assert 9_990 < balance.cash < 10_000
        assert balance.free < balance.cash - 40 or site.name == "paper"


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


@on(*SWAPS)
def test_a_short_position(site):
    site.placed(site.order("sell"))
    (position,) = site.venue.fetch_positions(site.symbols, site.now())
    assert (position.symbol, position.direction, position.quantity) == (site.symbol, "short", D("0.01"))
    assert position.entry_price == pytest.approx(D(50_000), rel=D("0.001"))
    site.placed(site.exit("buy"))
    assert site.venue.fetch_positions(site.symbols, site.now()) == ()


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


@on(*SWAPS)
def test_a_stop_protects_a_position(site):
    site.placed(site.order("buy"))
    intent = site.stop("sell", "45000")
    before = site.requests
    if not site.abilities.native_stops:
        with pytest.raises(VenueRejected) as refused:
            site.send(intent)
        assert refused.value.reason in ("NOT_SUPPORTED", "REJECTED")
        assert site.requests == before
        return
    booked, seen = site.placed(intent)
    assert (seen.state, seen.type, seen.trigger_price) == (OrderState.ACCEPTED, "stop", D(45_000))
    (listed,) = site.venue.fetch_open_orders((site.symbol,), site.now())
    assert (listed.type, listed.trigger_price, listed.reduce_only) == ("stop", D(45_000), True)
    assert listed.client_order_id == booked.client_order_id
    site.price("45100")
    assert site.look(booked).state == OrderState.ACCEPTED
    site.price("44900")
    seen = site.look(booked)
    assert (seen.state, seen.filled, seen.missing) == (OrderState.FILLED, D("0.01"), 0)
    assert site.held() == 0


@on(*REAL_SWAPS)
def test_a_stop_of_a_short_position_triggers_as_the_price_rises(site):
    if not site.abilities.native_stops:
        pytest.skip("no stops here")
    site.placed(site.order("sell"))
    booked, _ = site.placed(site.stop("buy", "55000"))
    site.price("54000")
    assert site.look(booked).state == OrderState.ACCEPTED
    site.price("55100")
    assert site.look(booked).state == OrderState.FILLED
    assert site.held() == 0


@on(*REAL_SWAPS)
def test_a_stop_is_cancelled_and_found_again_after_a_restart(site):
    if not site.abilities.native_stops:
        pytest.skip("no stops here")
    site.placed(site.order("buy"))
    booked, _ = site.placed(site.stop("sell", "45000"))
    forgotten = replace(booked, venue_order_id="", state=OrderState.UNKNOWN)
    assert site.another().fetch_order(forgotten, site.now()).state == OrderState.ACCEPTED
    assert site.cancelled(booked).state == OrderState.CANCELED
    assert site.venue.fetch_open_orders(site.symbols, site.now()) == ()
    site.price("44000")
    assert site.held() == D("0.01")


@on(*REAL_SWAPS)
def test_a_stop_never_opens_a_position(site):
    if not site.abilities.native_stops:
        pytest.skip("no stops here")
    site.placed(site.order("buy"))
    booked, _ = site.placed(site.stop("sell", "45000"))
    site.fake.exchange.close_by_hand(site.symbol)
    site.price("44000")
    assert site.held() == 0
    with suppress(OrderNotFound):
        assert site.look(booked).filled == 0


@on(*SWAPS)
def test_an_exit_that_comes_too_late_never_opens_a_position(site):
    # Refused at once, or taken and ended without a fill.
    with suppress(VenueRejected):
        _, seen = site.placed(site.exit("sell"))
        assert seen.filled == 0
    assert site.held() == 0


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
def test_what_was_closed_by_hand_is_gone(site):
    site.placed(site.order("buy"))
    site.fake.exchange.close_by_hand(site.symbol)
    assert site.held() < D("0.0001")


@on(*REAL_SWAPS)
def test_settings_are_made_once(site):
    account = site.fake.exchange.main
    site.venue.configure(site.symbol, 7, "isolated", "one_way", site.now())
    assert (account.leverage_of(site.symbol), account.hedge) == (7, False)
    assert account.margin_mode_of(site.symbol) == "isolated"
    before = site.requests
    site.venue.configure(site.symbol, 7, "isolated", "one_way", site.now())
    assert site.requests == before
    site.venue.configure(site.symbol, 5, "isolated", "one_way", site.now())
    assert account.leverage_of(site.symbol) == 5
    # Another process knows nothing of it: that all is so already is no error.
    site.another().configure(site.symbol, 5, "isolated", "one_way", site.now())


@on(*REAL_SWAPS)
def test_both_sides_of_a_symbol_in_hedge_mode(site):
    if site.name == "orangex":
        site.fake.exchange.main.hedge = True
    site.venue.configure(site.symbol, 5, "cross", "hedge", site.now())
    assert site.fake.exchange.main.hedge
    site.placed(site.order("buy", quantity="0.02", position_side="long"))
    site.placed(site.order("sell", quantity="0.03", position_side="short"))
    held = {one.direction: one.quantity for one in site.venue.fetch_positions(site.symbols, site.now())}
    assert held == {"long": D("0.02"), "short": D("0.03")}
    if site.abilities.native_stops:
        booked, _ = site.placed(site.stop("sell", "45000", "0.02", position_side="long"))
        (listed,) = site.venue.fetch_open_orders((site.symbol,), site.now())
        assert listed.position_side == "long"
        site.cancelled(booked)
    site.placed(site.exit("sell", "0.02", position_side="long"))
    site.placed(site.exit("buy", "0.01", position_side="short"))
    held = {one.direction: one.quantity for one in site.venue.fetch_positions(site.symbols, site.now())}
    assert held == {"short": D("0.02")}


@on(*ALL)
def test_settings_mean_nothing_where_there_are_none(site):
    if site.type == "spot":
        before = site.requests
        site.venue.configure(site.symbol, 3, "isolated", "one_way", site.now())
        assert site.venue.fetch_funding((site.symbol,), 0.0, site.now()) == ()
        assert site.requests == before


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


@on(*REAL_SWAPS)
def test_funding(site):
    since = site.now() - 5
    site.placed(site.order("buy"))
    site.fake.exchange.pay_funding(site.symbol, D("0.0001"))
    site.fake.exchange.pay_funding(site.symbol, D("-0.0002"))
    for symbols in (site.symbols, (site.symbol,)):
        paid = site.venue.fetch_funding(symbols, since, site.now())
        if site.name == "orangex":
            # Nothing of its API tells.
            assert paid == ()
            return
        assert sorted(one.amount for one in paid) == [D("-0.05"), D("0.1")]
        assert len({one.payment_id for one in paid}) == 2
        assert {one.symbol for one in paid} == {site.symbol}
    assert site.venue.fetch_funding(site.symbols, site.now() + 60, site.now()) == ()


@on(*REAL)
def test_permissions(site):
    told = site.venue.permissions(site.now())
    if site.name in ("pionex", "bingx"):
        assert told == KeyPermissions(None, None)
    else:
        assert told == KeyPermissions(trade=True, withdraw=False)


@on(*REAL)
def test_a_hundred_symbols_are_few_requests(site):
    site.feed.markets(site.symbols)
    site.venue.fetch_balance(site.now())
    before = site.requests
    site.feed.tickers(site.symbols, site.now())
    site.venue.fetch_positions(site.symbols, site.now())
    if site.name != "orangex":
        assert site.requests - before <= 3


@on(("binance", "spot"), ("binance", "swap"), ("bybit", "swap"), ("bingx", "swap"), ("pionex", "swap"))
@pytest.mark.parametrize("skew", [-30.0, 30.0])
def test_a_wrong_clock_is_set_right_once(site, skew):
    site.fake.faults.skew = skew
    site.venue.fetch_balance(site.now())
    _, seen = site.placed(site.order("buy"))
    assert seen.state == OrderState.FILLED
    assert len(site.fake.exchange.main.orders) == 1
    assert time.time() - site.now() < 1
