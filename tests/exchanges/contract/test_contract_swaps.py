"""What every venue of swaps owes the flows: stops, both directions, settings, funding."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import OrderNotFound, VenueRejected
from tests.exchanges.contract.worlds import REAL_SWAPS, SWAPS, on

D = Decimal
STANDING = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


@on(*SWAPS)
def test_a_short_position(site):
    site.placed(site.order("sell"))
    (position,) = site.venue.fetch_positions(site.symbols, site.now())
    assert (position.symbol, position.direction, position.quantity) == (site.symbol, "short", D("0.01"))
    assert position.entry_price == pytest.approx(D(50_000), rel=D("0.001"))
    site.placed(site.exit("buy"))
    assert site.venue.fetch_positions(site.symbols, site.now()) == ()


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
