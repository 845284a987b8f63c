"""What ccxt makes of the fake Binance's refusals, limits, clocks, and of calls that go wrong."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.fakes.binance import FakeBinance
from tests.fakes.binance_client import BINANCE, SPOT, SWAP, client_ids, client_of, errors
from tests.fakes.core_accounts import Key
from tests.fakes.faults import (
    altered,
    answered,
    banned,
    html_body,
    lost,
    null_body,
    rate_limited,
    reset_after,
    reset_before,
    swallowed,
)
from tests.fakes.server import served


@pytest.fixture
def fake() -> Iterator[FakeBinance]:
    with served(FakeBinance()) as binance:
        yield binance


@pytest.fixture
def client(fake: FakeBinance) -> Any:
    return client_of(fake)


def test_keys_and_permissions(fake, client) -> None:
    told = client.sapiGetAccountApiRestrictions()
    assert (told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (False, True)
    fake.exchange.add_key("main", Key(key="reader", secret="quiet", trade=False))
    reader = client_of(fake, "reader")
    reader.fetch_balance()
    reader.options["hasAlreadyAuthenticatedSuccessfully"] = False
    with pytest.raises(errors.AuthenticationError, match="-2015"):
        reader.create_order(SPOT, "market", "buy", 0.01)
    client.secret = "wrong"
    with pytest.raises(errors.AuthenticationError, match="-1022"):
        client.fetch_balance()
    client.secret = fake.secret
    fake.exchange.revoke(fake.key)
    with pytest.raises(errors.AuthenticationError, match="-2015"):
        client.fetch_balance()
    assert fake.exchange.main.orders == {}


@pytest.mark.parametrize(("skew", "words"), [(-3, "1000ms ahead"), (11, "outside of the recvWindow")])
def test_a_wrong_clock_is_refused_until_it_is_set(fake, client, skew, words) -> None:
    fake.faults.skew = skew
    with pytest.raises(errors.InvalidNonce, match=words):
        client.create_order(SPOT, "market", "buy", 0.01)
    assert fake.exchange.main.orders == {}
    client.options["adjustForTimeDifference"] = True
    client.load_time_difference()
    assert client.create_order(SPOT, "market", "buy", 0.01)["status"] == "closed"


def test_weights_are_counted_as_documented(fake, client) -> None:
    fake.wire_clock = lambda: 1_800_000_000.0
    client.nonce = lambda: 1_800_000_000_000
    fake.limits.log.clear()
    client.fetch_ohlcv(SWAP, "1m", None, 99)
    client.fetch_ohlcv(SWAP, "1m", None, 500)
    client.fetch_open_orders(SWAP)
    client.fetch_balance({"type": "swap"})
    assert [charge.weight for charge in fake.limits.log] == [1, 5, 1, 5]
    assert client.last_response_headers["X-Mbx-Used-Weight-1m"] == "12"
    assert fake.limits.peak(60, "swap") == 12


@pytest.mark.parametrize(("fault", "status"), [(rate_limited(3), "429"), (banned(120), "418")])
def test_too_many_calls_are_refused_with_the_time_to_wait(fake, client, fault, status) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(errors.DDoSProtection, match=f"{status}.*-1003"):
        client.create_order(SPOT, "market", "buy", 0.01)
    assert client.last_response_headers["Retry-After"] in ("3", "120")
    assert fake.exchange.main.orders == {}
    assert fake.limits.refused() == []
    with pytest.raises(errors.DDoSProtection):
        client.fetch_balance()
    assert [charge.route for charge in fake.limits.refused()] == ["account"]


def test_orders_have_a_limit_of_their_own(fake, client) -> None:
    fake.wire_clock = lambda: 1_800_000_000.0
    client.nonce = lambda: 1_800_000_000_000
    for _ in range(100):
        client.create_order(SPOT, "limit", "buy", 0.001, 10_000)
    with pytest.raises(errors.DDoSProtection, match=r"429.*-1015"):
        client.create_order(SPOT, "limit", "buy", 0.001, 10_000)
    assert len(client.fetch_open_orders(SPOT)) == 100


LIMIT = (SPOT, "limit", "buy", 0.001, 40_000, {"clientOrderId": "cts-1"})


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        (lost(), errors.RequestTimeout, True),
        (swallowed(), errors.RequestTimeout, False),
        (reset_after(), errors.NetworkError, True),
        (reset_before(), errors.NetworkError, False),
        (answered(503, {"code": -1008, "msg": "Server is overloaded."}, True), errors.OperationFailed, True),
        (answered(400, {"code": -1007, "msg": "Timeout waiting."}, True), errors.RequestTimeout, True),
        (answered(400, {"code": -1006, "msg": "Unexpected."}, False), errors.OperationFailed, False),
        (html_body(executed=True, status=502), errors.ExchangeNotAvailable, True),
        (answered(504, "", executed=False), errors.NetworkError, False),
        (answered(200, {"code": -1000, "msg": "Unknown."}, False), errors.OperationFailed, False),
    ],
)
def test_what_ccxt_makes_of_a_create_that_goes_wrong(fake, client, fault, error, placed) -> None:
    fake.faults.on("create_order", fault)
    client.timeout = 300
    with pytest.raises(error):
        client.create_order(*LIMIT)
    client.timeout = 3000
    assert client_ids(fake) == ["cts-1"] * placed
    if placed:
        assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "open"
    else:
        assert client.create_order(*LIMIT)["status"] == "open"


def test_a_refused_connection_places_nothing(fake, client) -> None:
    with fake.server.refusing(), pytest.raises(errors.NetworkError) as raised:
        client.create_order(*LIMIT)
    assert "Connection refused" in str(raised.value.__cause__)
    assert client.create_order(*LIMIT)["status"] == "open"
    assert client_ids(fake) == ["cts-1"]


def test_ccxt_makes_an_order_without_id_of_a_null_body(fake, client) -> None:
    fake.faults.on("create_order", null_body())
    order = client.create_order(*LIMIT)
    assert order["id"] is None
    assert client_ids(fake) == ["cts-1"]


def test_a_cancel_whose_reply_is_lost_has_canceled(fake, client) -> None:
    client.create_order(*LIMIT)
    fake.faults.on("cancel_order", lost())
    client.timeout = 300
    with pytest.raises(errors.RequestTimeout):
        client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "canceled"


def test_the_demo_environment_is_there_too(fake) -> None:
    client = BINANCE({"apiKey": fake.key, "secret": fake.secret, "timeout": 3000, "enableRateLimit": False})
    client.options["fetchMarkets"] = {"types": ["spot", "linear"]}
    client.enable_demo_trading(True)
    assert client.create_order(SWAP, "market", "buy", 0.01)["status"] == "closed"
    assert {seen.request.host for seen in fake.requests} == {"demo-api.binance.com", "demo-fapi.binance.com"}


def test_an_unknown_address_is_not_found(fake) -> None:
    assert requests.get("https://api.binance.com/api/v3/nothing", verify=True, timeout=1).status_code == 404
    assert requests.get("https://fapi.binance.com/api/v3/time", verify=True, timeout=1).status_code == 404


def test_a_fill_may_win_the_race_against_a_cancel(fake, client) -> None:
    client.create_order(*LIMIT)

    def fills_before(route: str, _: object) -> None:
        if route == "cancel_order":
            fake.exchange.prices[SPOT] = Decimal(39_000)

    fake.watch = fills_before
    with pytest.raises(errors.OrderNotFound, match="-2011"):
        client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "closed"


def test_a_position_query_may_come_back_empty(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    fake.faults.on("positions", altered(lambda _: []))
    assert client.fetch_positions([SWAP]) == []
    assert len(client.fetch_positions([SWAP])) == 1
