"""What every real connector says when a call goes wrong: unknown, not sent, or refused."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import OrderNotFound, VenueNotSent, VenueUnauthorized, VenueUnknown
from tests.exchanges.contract.worlds import READS, REAL, REAL_SWAPS, on
from tests.exchanges.venue_world import raised
from tests.fakes.faults import (
    answered,
    banned,
    html_body,
    lost,
    not_a_number,
    null_body,
    rate_limited,
    reset_after,
    reset_before,
    swallowed,
)

D = Decimal

EXECUTED = {
    "reply lost": lost(),
    "reset after": reset_after(),
    "503 after": answered(503, "Service Unavailable", executed=True),
    "504 after": answered(504, "", executed=True),
    "html 502": html_body(status=502),
    "html 200": html_body(),
    "null": null_body(),
    "not json": answered(200, '{"half": ', executed=True),
}
NOT_EXECUTED = {
    "swallowed": swallowed(),
    "reset before": reset_before(),
    "503 before": answered(503, "Service Unavailable", executed=False),
    "null before": null_body(executed=False),
    "html before": html_body(executed=False),
}


@pytest.fixture(autouse=True)
def warm(site):
    """Ask once what is asked once (rules, a token), so that faults meet the order that they are meant for."""
    site.venue.fetch_balance(site.now())
    site.feed.markets((site.symbol,))
    yield
    assert not site.fake.faults.pending


def found(site, intent):
    """Look an order up as reconciliation does: several times, since some exchanges show it late."""
    for _ in range(READS):
        try:
            return site.look(intent)
        except (OrderNotFound, VenueUnknown):
            continue
    return site.look(intent)


def orders_of(site):
    return site.fake.exchange.main.orders


@on(*REAL)
@pytest.mark.parametrize("fault", EXECUTED.values(), ids=EXECUTED)
def test_an_order_that_was_taken_is_unknown_until_it_is_found(site, fault):
    site.fake.faults.on(site.route("create_order"), fault)
    intent = site.order("buy")
    error = raised(lambda: site.send(intent))
    assert type(error) is VenueUnknown, repr(error)
    seen = found(site, replace(intent, state=OrderState.UNKNOWN))
    assert seen.state == OrderState.FILLED
    assert not seen.missing
    assert len(orders_of(site)) == 1


@on(*REAL)
@pytest.mark.parametrize("fault", NOT_EXECUTED.values(), ids=NOT_EXECUTED)
def test_an_order_that_was_not_taken_is_unknown_until_it_is_absent(site, fault):
    site.fake.faults.on(site.route("create_order"), fault)
    intent = site.order("buy")
    error = raised(lambda: site.send(intent))
    assert type(error) is VenueUnknown, repr(error)
    assert type(raised(lambda: site.look(replace(intent, state=OrderState.UNKNOWN)))) is OrderNotFound
    assert not orders_of(site)


@on(*REAL_SWAPS)
@pytest.mark.parametrize("fault", [lost(), reset_before()], ids=["taken", "not taken"])
def test_stops_are_unknown_and_found_in_the_same_way(site, fault):
    if not site.abilities.native_stops:
        pytest.skip("no stops here")
    site.placed(site.order("buy"))
    route = "futures_create_algo" if site.name == "binance" else "create_order"
    site.fake.faults.on(route, fault)
    intent = site.stop("sell", "45000")
    assert type(raised(lambda: site.send(intent))) is VenueUnknown
    forgotten = replace(intent, state=OrderState.UNKNOWN)
    if fault.executed:
        assert found(site, forgotten).state == OrderState.ACCEPTED
    else:
        assert type(raised(lambda: site.look(forgotten))) is OrderNotFound


@on(*REAL)
def test_a_refused_connection_has_sent_nothing(site):
    with site.fake.server.refusing():
        error = raised(lambda: site.send(site.order("buy")))
    assert isinstance(error, VenueNotSent), repr(error)
    assert error.reason == "NOT_CONNECTED"
    # A market buy at Pionex asks for a price first, and that question already fails.
    assert site.gate.told[-1] == "failed" or (site.name, site.type) == ("pionex", "spot")
    assert not orders_of(site)


@on(*REAL)
def test_a_limit_stops_everybody_until_it_is_over(site):
    site.fake.faults.on(site.route("create_order"), rate_limited(retry_after=77.0))
    error = raised(lambda: site.send(site.order("buy")))
    assert isinstance(error, VenueNotSent), repr(error)
    assert error.reason == "RATE_LIMIT"
    kind, pause, _ = site.gate.told[-1]
    assert kind == "limited"
    assert pause is None or pause >= 10
    assert not orders_of(site)


@on(("binance", "spot"), ("binance", "swap"))
def test_a_ban_is_told_as_one(site):
    site.fake.faults.on(site.route("create_order"), banned(retry_after=300.0))
    assert isinstance(raised(lambda: site.send(site.order("buy"))), VenueNotSent)
    kind, pause, was_banned = site.gate.told[-1]
    assert (kind, was_banned) == ("limited", True)
    assert pause == pytest.approx(300, abs=2)


@on(*REAL)
def test_a_revoked_key_pauses_the_connection(site):
    site.fake.exchange.revoke(site.fake.key)
    for call in (
        lambda: site.send(site.order("buy")),
        lambda: site.venue.fetch_balance(site.now()),
        lambda: site.look(site.order("buy")),
    ):
        error = raised(call)
        assert type(error) is VenueUnauthorized, repr(error)
    assert not orders_of(site)


@on(*REAL)
def test_a_cancel_whose_reply_is_lost_is_found_out_later(site):
    booked, _ = site.placed(site.order("buy", "limit", "0.01", "40000"))
    site.fake.faults.on(site.route("cancel_order"), lost())
    error = raised(lambda: site.venue.cancel_order(booked, site.now()))
    assert type(error) is VenueUnknown, repr(error)
    assert site.cancelled(booked).state == OrderState.CANCELED


@on(*REAL)
def test_a_cancel_that_loses_the_race_returns_the_filled_order(site):
    booked, _ = site.placed(site.order("buy", "limit", "0.01", "49000"))
    site.price("48000")
    seen = site.venue.cancel_order(booked, site.now())
    assert (seen.state, seen.filled) == (OrderState.FILLED, D("0.01"))
    assert not seen.missing


@on(*REAL)
@pytest.mark.parametrize(
    "fault", [html_body(), null_body(), answered(503, "down", executed=False), swallowed()], ids=str
)
def test_what_cannot_be_read_is_never_flat_nor_empty(site, fault):
    site.placed(site.order("buy"))
    for question in (
        lambda: site.venue.fetch_positions((site.symbol,), site.now()),
        lambda: site.venue.fetch_balance(site.now()),
        lambda: site.venue.fetch_open_orders((site.symbol,), site.now()),
    ):
        site.fake.faults.on("*", fault)
        error = raised(question)
        assert type(error) is VenueUnknown, repr(error)
        site.fake.faults.clear()


@on(*REAL)
def test_a_balance_that_is_no_number_is_unknown(site):
    names = (
        "free",
        "walletBalance",
        "balance",
        "wallet_balance",
        "total",
        "available_funds",
        "availableBalance",
    )
    site.fake.faults.on("*", not_a_number(*names, "locked", "frozen", "availableMargin", "available"))
    error = raised(lambda: site.venue.fetch_balance(site.now()))
    assert type(error) is VenueUnknown, repr(error)


@on(*REAL)
def test_trades_that_cannot_be_read_leave_the_cumulative_figure_ahead(site):
    booked, _ = site.placed(site.order("buy"))
    site.look(booked)
    asked = site.fake.requests[-1].route
    assert any(word in asked for word in ("trade", "fill", "exec")), asked
    site.fake.faults.on(asked, answered(503, "down", executed=False))
    seen = site.look(booked)
    assert (seen.state, seen.fills) == (OrderState.FILLED, ())
    assert seen.missing == seen.filled > 0
    assert not site.look(booked).missing


@on(*REAL)
def test_one_account_is_one_order_whatever_happens_in_between(site):
    intent = site.order("buy", "limit", "0.01", "40000")
    site.fake.faults.on(site.route("create_order"), reset_after())
    assert type(raised(lambda: site.send(intent))) is VenueUnknown
    seen = found(site, replace(intent, state=OrderState.UNKNOWN))
    booked = replace(intent, venue_order_id=seen.venue_order_id, state=seen.state)
    assert site.cancelled(booked).state == OrderState.CANCELED
    assert len(orders_of(site)) == 1
