"""Pionex: the class against an exchange on the wire that checks signatures, times, weights and funds."""

import copy
import itertools
from decimal import Decimal

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors, load_exchange_class
from tests.exchanges.pionex_wire import validate
from tests.fakes import fake_of
from tests.fakes.faults import (
    answered,
    html_body,
    lost,
    not_a_number,
    null_body,
    rate_limited,
    reset_after,
    reset_before,
    swallowed,
)
from tests.fakes.server import served

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.fixture
def fake():
    with served(fake_of("pionex")) as found:
        yield found


def client_of(fake, **config):
    settings = {"apiKey": fake.key, "secret": fake.secret, "enableRateLimit": False, "timeout": 300}
    return load_exchange_class("pionex")({**settings, **config})


@pytest.fixture
def client(fake):
    fake.limits.rules = ()
    return client_of(fake)


def test_what_the_exchange_tells_everybody_satisfies_ccxt(client):
    for market in client.load_markets().values():
        validate("market", client, {}, "fetchMarkets", market)
    for symbol in (SPOT, SWAP):
        validate("ticker", client, {}, "fetchTicker", client.fetch_ticker(symbol), symbol)
        validate("order_book", client, {}, "fetchOrderBook", client.fetch_order_book(symbol, 5), symbol)
        candles = client.fetch_ohlcv(symbol, "5m", None, 600)
        assert len(candles) == 600
        assert {later[0] - earlier[0] for earlier, later in itertools.pairwise(candles)} == {300_000}
        validate("ohlcv", client, {}, "fetchOHLCV", candles[-1], symbol, client.milliseconds())
    assert abs(client.load_time_difference()) < 1000


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_an_order_rests_is_found_and_is_cancelled(client, symbol):
    named = {"clientOrderId": "rest-1"}
    placed = client.create_order(symbol, "limit", "buy", 0.01, 40000, named)
    with pytest.raises(ccxt_errors().DuplicateOrderId):
        client.create_order(symbol, "limit", "buy", 0.01, 40000, named)
    found = client.fetch_order(None, symbol, named)
    validate("order", client, {}, "fetchOrder", copy.deepcopy(found), symbol, client.milliseconds())
    assert (found["id"], found["status"], found["remaining"]) == (placed["id"], "open", 0.01)
    assert [order["id"] for order in client.fetch_open_orders(symbol)] == [placed["id"]]
    client.cancel_order(None, symbol, named)
    assert client.fetch_order(placed["id"], symbol)["status"] == "canceled"
    assert client.cancel_order(None, symbol, named)["status"] == "canceled"
    assert [order["status"] for order in client.fetch_closed_orders(symbol)] == ["canceled"]
    with pytest.raises(ccxt_errors().OrderNotFound):
        client.fetch_order(None, symbol, {"clientOrderId": "never-sent"})


def test_a_spot_buy_spends_what_it_was_told_to(client):
    bought = client.create_market_buy_order_with_cost(SPOT, 500)
    order = client.fetch_order(bought["id"], SPOT)
    assert (order["status"], order["type"]) == ("closed", "market")
    assert 499 < order["cost"] <= 500
    trades = client.fetch_order_trades(bought["id"], SPOT)
    validate("trade", client, {}, "fetchMyTrades", trades[0], SPOT, client.milliseconds(), False)
    assert sum(trade["amount"] for trade in trades) == order["filled"]
    balance = client.fetch_balance()
    validate("balance", client, {}, "fetchBalance", balance)
    assert balance["USDT"]["total"] == pytest.approx(10_000 - order["cost"])


def test_a_short_is_opened_seen_and_closed(client):
    client.set_margin_mode("isolated", SWAP)
    client.set_margin_mode("cross", SWAP)
    client.set_leverage(7, SWAP)
    client.create_order(SWAP, "market", "sell", 0.02)
    [position] = client.fetch_positions([SWAP])
    validate("position", client, {"collateral": True}, "fetchPositions", copy.deepcopy(position), SWAP, None)
    assert (position["side"], position["contracts"], position["leverage"]) == ("short", 0.02, 7.0)
    balance = client.fetch_balance({"type": "swap"})["USDT"]
    assert balance["free"] == pytest.approx(balance["total"] - 1000 / 7, abs=0.01)
    client.create_order(SWAP, "market", "buy", 0.02, None, {"reduceOnly": True})
    assert client.fetch_positions() == []


def test_long_and_short_side_by_side(client):
    client.set_position_mode(True)
    assert client.fetch_position_mode()["hedged"] is True
    client.create_order(SWAP, "market", "buy", 0.02, None, {"hedged": True})
    client.create_order(SWAP, "market", "sell", 0.01, None, {"positionSide": "SHORT"})
    held = {position["side"]: position["contracts"] for position in client.fetch_positions()}
    assert held == {"long": 0.02, "short": 0.01}
    client.create_order(SWAP, "market", "sell", 0.02, None, {"hedged": True, "reduceOnly": True})
    assert [position["side"] for position in client.fetch_positions()] == ["short"]


def test_funding_that_was_paid_is_negative(client, fake):
    client.create_order(SWAP, "market", "buy", 0.02)
    fake.exchange.pay_funding(SWAP, Decimal("0.001"))
    [payment] = client.fetch_funding_history(SWAP)
    assert payment["amount"] == pytest.approx(-1.0, rel=0.001)


def test_more_trades_than_a_page_are_read_whole(client):
    for _ in range(130):
        client.create_market_buy_order_with_cost(SPOT, 11)
    since = client.milliseconds() - 60_000
    assert len({trade["id"] for trade in client.fetch_my_trades(SPOT, since)}) == 130
    assert len(client.fetch_orders(SPOT, since)) == 130


@pytest.mark.parametrize("skew", [30, -30])
def test_a_wrong_clock_is_put_right_by_the_refusal(client, fake, skew):
    client.load_markets()
    fake.faults.skew = skew
    with pytest.raises(ccxt_errors().InvalidNonce):
        client.create_order(SPOT, "limit", "buy", 0.01, 40000)
    assert client.create_order(SPOT, "limit", "buy", 0.01, 40000)["id"]
    assert len(client.fetch_open_orders(SPOT)) == 1


@pytest.mark.parametrize(
    ("fault", "expected", "orders"),
    [
        (lost(), "RequestTimeout", 1),
        (swallowed(), "RequestTimeout", 0),
        (reset_before(), "NetworkError", 0),
        (reset_after(), "NetworkError", 1),
        (null_body(), "BadResponse", 1),
        (html_body(), "BadResponse", 1),
        (not_a_number("orderId"), "BadResponse", 1),
        (answered(503, "busy", executed=True), "ExchangeNotAvailable", 1),
        (answered(504, "", executed=False), "RequestTimeout", 0),
        (rate_limited(), "RateLimitExceeded", 0),
    ],
)
def test_nothing_that_proves_nothing_looks_like_a_refusal(client, fake, fault, expected, orders):
    client.load_markets()
    fake.faults.on("create_order", fault)
    with pytest.raises(ccxt_errors().OperationFailed) as caught:
        client.create_order(SPOT, "limit", "buy", 0.01, 40000)
    assert type(caught.value).__name__ == expected
    assert len(fake.exchange.main.open_orders("spot")) == orders


def test_a_revoked_key_is_a_matter_of_authentication(client, fake):
    fake.exchange.revoke(fake.key)
    with pytest.raises(ccxt_errors().AuthenticationError):
        client.fetch_position_mode()


def test_calls_of_weight_five_never_break_the_limit(fake):
    client = client_of(fake, enableRateLimit=True)
    client.load_markets()
    client.fetch_open_orders(SPOT)
    client.fetch_time()
    client.fetch_positions()
    assert {seen.status for seen in fake.requests} == {200}
