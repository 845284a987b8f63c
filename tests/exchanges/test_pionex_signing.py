"""Pionex: what is signed, and what goes over the wire."""

import json
from urllib.parse import urlsplit

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors, load_exchange_class
from tests.exchanges.pionex_wire import NOW, SECRET, SPOT_ORDER, client_on, failure, success

load_exchange_class("pionex")
from chalicelib.exchanges.pionex_transport import signature, signed_text  # noqa: E402

ORDERS = {"limit": 1, "symbol": "BTC_USDT", "timestamp": NOW}
ORDER_BODY = (
    '{"symbol":"BTC_USDT","side":"BUY","type":"LIMIT","size":"0.1","price":"30000","clientOrderId":"a"}'
)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "expected"),
    [
        # The published example: a body on a GET, and a space after its colon.
        (
            "GET",
            "/api/v1/trade/allOrders",
            ORDERS,
            '{"symbol": "BTC_USDT"}',
            "ec83d21e1237cbe7e0172f79c0e3a4741c86f6b201ba762f21149bf195519be1",
        ),
        (
            "GET",
            "/api/v1/trade/allOrders",
            ORDERS,
            None,
            "25dbbd2a6478ec4870653249d644cfb246eee4da347645cc98373f275e189242",
        ),
        (
            "GET",
            "/api/v1/trade/allOrders",
            ORDERS,
            '{"symbol":"BTC_USDT"}',
            "b4274ae21701aca7cd033b62ce3d5eed1fa2b3f95dff218dc003f05e9e7e9175",
        ),
        (
            "POST",
            "/api/v1/trade/order",
            {"timestamp": NOW},
            ORDER_BODY,
            "669afbf47a558fe18239865fc80ac3826d9e08ea1c981471df1deb8adb99a1a4",
        ),
    ],
)
def test_signature_vectors(method, path, query, body, expected):
    assert signature(SECRET, signed_text(method, path, query, body)) == expected


def test_a_signed_get_has_its_parameters_in_the_query_and_no_body():
    client, _ = client_on({})
    request = client.sign("api/v1/trade/allOrders", ["private"], "GET", {"symbol": "BTC_USDT", "limit": 1})
    assert request["url"] == (
        "https://api.pionex.com/api/v1/trade/allOrders?limit=1&symbol=BTC_USDT&timestamp=1655896754515"
    )
    assert request["body"] is None
    assert request["headers"] == {
        "PIONEX-KEY": "key",
        "PIONEX-SIGNATURE": "25dbbd2a6478ec4870653249d644cfb246eee4da347645cc98373f275e189242",
    }


def test_an_order_leaves_as_the_bytes_that_were_signed():
    client, wire = client_on({"POST /api/v1/trade/order": success(orderId=1, clientOrderId="a")})
    client.create_order("BTC/USDT", "limit", "buy", 0.1, 30000, {"clientOrderId": "a"})
    sent = wire.sent[-1]
    query = urlsplit(sent.url).query
    assert query == f"timestamp={NOW}"
    assert json.loads(sent.body) == json.loads(ORDER_BODY)
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["PIONEX-KEY"] == "key"
    signed = f"POST/api/v1/trade/order?{query}{sent.body.decode()}"
    assert sent.headers["PIONEX-SIGNATURE"] == signature(SECRET, signed)


def test_a_cancel_carries_a_signed_json_body_on_delete():
    client, wire = client_on({"DELETE /api/v1/trade/order": {"result": True, "timestamp": NOW}})
    client.cancel_order("1234567890", "BTC/USDT")
    sent = wire.sent[-1]
    assert sent.body == b'{"symbol":"BTC_USDT","orderId":1234567890}'
    assert urlsplit(sent.url).query == f"timestamp={NOW}"
    signed = f"DELETE/api/v1/trade/order?timestamp={NOW}" + sent.body.decode()
    assert sent.headers["PIONEX-SIGNATURE"] == signature(SECRET, signed)


def test_values_are_encoded_on_the_wire_and_plain_in_the_signature():
    client, wire = client_on({"GET /api/v1/x": success()})
    client.request("api/v1/x", ["private"], "GET", {"symbols": "BTC_USDT,ETH_USDT", "note": "a b&c=d/ü"})
    sent = wire.sent[-1]
    assert urlsplit(sent.url).query == (
        f"note=a%20b%26c%3Dd%2F%C3%BC&symbols=BTC_USDT%2CETH_USDT&timestamp={NOW}"
    )
    plain = f"GET/api/v1/x?note=a b&c=d/ü&symbols=BTC_USDT,ETH_USDT&timestamp={NOW}"
    assert sent.headers["PIONEX-SIGNATURE"] == signature(SECRET, plain)


def test_public_requests_are_not_signed():
    client, wire = client_on({"GET /api/v1/market/depth": success(bids=[], asks=[], updateTime=NOW)})
    client.fetch_order_book("BTC/USDT")
    assert "PIONEX-SIGNATURE" not in wire.sent[-1].headers
    assert "timestamp" not in wire.queries("depth")[0]


def test_without_a_key_nothing_private_is_sent():
    client, wire = client_on({}, apiKey="", secret="")
    with pytest.raises(ccxt_errors().AuthenticationError):
        client.fetch_position_mode()
    assert wire.sent == []


def test_the_clock_of_the_exchange_is_read_off_a_public_reply():
    client, wire = client_on({"GET /api/v1/market/depth": success(bids=[], asks=[])})
    client.milliseconds = lambda: NOW + 4321
    assert client.fetch_time() == NOW
    assert wire.queries("depth") == [{"symbol": "BTC_USDT", "limit": "1"}]
    assert client.load_time_difference() == 4321
    assert client.nonce() == NOW


def test_the_date_header_stands_in_for_a_missing_timestamp():
    client, wire = client_on({"GET /api/v1/market/depth": {"result": True, "data": {}}})
    wire.headers["Date"] = "Wed, 22 Jun 2022 11:19:14 GMT"
    assert client.fetch_time() == 1_655_896_754_000


def test_loading_markets_sets_the_clock_if_asked_to():
    client, _ = client_on({}, options={"adjustForTimeDifference": True})
    client.milliseconds = lambda: NOW - 5000
    client.load_markets()
    assert client.nonce() == NOW


def test_a_refused_timestamp_corrects_the_clock_for_the_next_call():
    seen = []

    def order(query, _):
        seen.append(int(query["timestamp"]))
        return failure("INVALID_TIMESTAMP") if len(seen) == 1 else success(**SPOT_ORDER)

    client, _ = client_on({"GET /api/v1/trade/order": order})
    client.milliseconds = lambda: NOW + 30_000
    with pytest.raises(ccxt_errors().InvalidNonce):
        client.fetch_order("1234567890", "BTC/USDT")
    client.fetch_order("1234567890", "BTC/USDT")
    assert seen == [NOW + 30_000, NOW]
