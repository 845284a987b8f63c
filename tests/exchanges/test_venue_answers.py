"""Answers that decide what a look-up, a cancel or a list may say: half an answer is none."""

import pytest
from requests.exceptions import ReadTimeout

from chalicelib.errors import OrderNotFound, VenueNotSent, VenueUnknown
from tests.exchanges.venue_world import (
    NOW,
    SPOT,
    SWAP,
    StubRules,
    approved,
    body,
    order,
    raised,
    reset,
    stop,
    venue_of,
)


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
def test_unknown_orders_are_searched_before_a_cancel_gives_up(exchange):
    code = {"binance": "-2011", "bybit": "110001", "bingx": "80018"}[exchange]
    venue, session, _ = venue_of(exchange, (400, body(exchange, code), {}), ReadTimeout("no"), *[reset()] * 5)
    error = raised(lambda: venue.cancel_order(stop("sell", "0.01", "45000"), NOW))
    assert type(error) is VenueUnknown
    assert len(session.sent) > 2


def test_a_failed_step_leaves_the_look_up_open():
    absent, open_orders, closed = (400, body("binance", "-2013"), {}), (200, "[]", {}), (503, "down", {})
    for steps in (
        (absent, open_orders, closed, open_orders),
        (closed, open_orders, open_orders, open_orders),
    ):
        venue, session, _ = venue_of("binance", *steps, market_type="spot")
        error = raised(lambda v=venue: v.fetch_order(order(SPOT, "buy", "market", "0.01"), NOW))
        assert type(error) is VenueUnknown
        assert len(session.sent) == 4
    venue, session, _ = venue_of("binance", absent, *[open_orders] * 3, market_type="spot")
    assert type(raised(lambda: venue.fetch_order(order(SPOT, "buy", "market", "0.01"), NOW))) is OrderNotFound


def test_a_limit_ends_the_look_up_at_once():
    venue, session, _ = venue_of("binance", (429, "slow", {}), market_type="spot")
    error = raised(lambda: venue.fetch_order(order(SPOT, "buy", "market", "0.01"), NOW))
    assert isinstance(error, VenueNotSent)
    assert len(session.sent) == 1


def test_rules_are_read_again_after_an_order_that_they_should_have_stopped():
    for code, told in (("-1013", ["swap"]), ("-2019", [])):
        rules = StubRules("binance")
        venue, _, _ = venue_of("binance", (400, body("binance", code), {}), rules=rules)
        raised(lambda v=venue: v.create_order(approved(order(SWAP, "buy", "market", "0.01")), NOW))
        assert rules.told == told


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx", "pionex"])
@pytest.mark.parametrize("text", ["{}", "null", '{"error": "who knows"}', "<html>", '"ok"', "[NaN"])
def test_a_list_that_is_none_is_never_empty(exchange, text):
    # ccxt makes an empty list of {}: an account that is flat, without orders.
    venue, _, _ = venue_of(exchange, *[(200, text, {})] * 3)
    for question in (
        lambda: venue.fetch_positions((SWAP,), NOW),
        lambda: venue.fetch_open_orders((SWAP,), NOW),
        lambda: venue.fetch_balance(NOW),
    ):
        error = raised(question)
        assert type(error) is VenueUnknown, repr(error)
