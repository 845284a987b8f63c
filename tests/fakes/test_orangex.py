"""The fake OrangeX: transport, access, limits and market data, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from tests.fakes.core_accounts import Key
from tests.fakes.orangex import FakeOrangex
from tests.fakes.orangex_client import NOW, URL, OrangexClient, client_of, code, result, standing
from tests.fakes.orangex_tokens import digest, signature, string_to_sign

PERPETUAL = "BTC-USDT-PERPETUAL"
MINUTE = int(NOW) // 60 * 60

VECTOR_ID, VECTOR_SECRET = "e429d4d1", "testclientSecret"
VECTOR_TIME, VECTOR_NONCE = "1648544509453", "401000476306309121"
VECTOR_DIGEST = "dce523fe2731c55ff30d775bdcb2b1b3cc4295ad69f90cba686fae224bbbb032"
VECTOR_SIGNATURE = (
    "64636535323366653237333163353566663330643737356264636232623162336363343239356164363966393063626136383666"
    "616532323462626262303332"
)


@pytest.fixture
def fake() -> Iterator[FakeOrangex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeOrangex) -> Iterator[OrangexClient]:
    with client_of(fake) as client:
        yield client


# Transport


def test_replies_have_ids_as_text_and_milliseconds(fake: FakeOrangex, client: OrangexClient) -> None:
    body = client.send(
        "/public/ping", {"jsonrpc": "2.0", "id": 77, "method": "/public/ping", "params": {}}
    ).json()
    assert body == {
        "id": "77",
        "jsonrpc": "2.0",
        "usIn": int(NOW * 1000),
        "usOut": int(NOW * 1000),
        "usDiff": 0,
        "result": "pong",
    }
    fake.faults.skew = 5
    assert client.get("/public/ping").json()["usOut"] == (NOW + 5) * 1000


def test_a_method_that_nobody_knows_and_one_that_is_not_the_path(client: OrangexClient) -> None:
    assert code(client.post("/public/get_time")) == 1000
    assert code(client.post("/private/cancel_by_id", order_id="1")) == 1000
    assert code(client.send("/private/buy", {"id": 1, "method": "/private/sell", "params": {}})) == 1001
    assert code(client.send("/private/buy", ["no object"])) == 1001
    assert code(client.get("/private/get_order_state", order_id="1")) == 1000
    bare = client.session.post(URL, json={"method": "/public/ping"}, allow_redirects=False, timeout=5)
    assert bare.status_code == 302


def test_the_sixth_request_in_a_second_is_refused(fake: FakeOrangex, client: OrangexClient) -> None:
    times = [NOW]
    fake.wire_clock = lambda: times[0]
    fake.limits = fake.new_limits()
    assert [client.get("/public/ping").status_code for _ in range(6)] == [200] * 5 + [429]
    times[0] = NOW + 1
    assert client.get("/public/ping").status_code == 200
    times[0] = NOW + 2
    fake.limit_to(7)
    assert [client.get("/public/ping").status_code for _ in range(8)] == [200] * 7 + [429]


# Access


def test_the_published_signature_is_reproduced() -> None:
    told = string_to_sign(VECTOR_ID, VECTOR_TIME, VECTOR_NONCE)
    assert digest(VECTOR_SECRET, told) == VECTOR_DIGEST
    assert signature(VECTOR_SECRET, told) == VECTOR_SIGNATURE


@pytest.mark.parametrize(
    ("signed", "accepts_single", "granted"),
    [
        (VECTOR_SIGNATURE, False, True),
        (VECTOR_DIGEST, False, False),
        (VECTOR_DIGEST, True, True),
        ("00", True, False),
    ],
)
def test_the_signature_is_hexadecimal_twice(fake, client, signed, accepts_single, granted) -> None:
    fake.exchange.add_key("main", Key(key=VECTOR_ID, secret=VECTOR_SECRET))
    fake.tokens.accepts_single_hex = accepts_single
    reply = client.post(
        "/public/auth",
        grant_type="client_signature",
        client_id=VECTOR_ID,
        timestamp=VECTOR_TIME,
        nonce=VECTOR_NONCE,
        signature=signed,
    )
    assert ("result" in reply.json()) is granted
    assert granted or code(reply) == 10000


def test_a_token_is_good_in_the_header_only(client: OrangexClient) -> None:
    assert result(client.post("/private/get_positions", currency="PERPETUAL")) == []
    token, client.token = client.token, ""
    assert code(client.post("/private/get_positions", access_token=token)) == 10000
    client.token = "made-up"
    assert code(client.post("/private/get_positions")) == 10000


def test_credentials_expiry_and_refresh(fake: FakeOrangex, client: OrangexClient) -> None:
    auth = "/public/auth"
    wrong = {"grant_type": "client_credentials", "client_id": fake.key, "client_secret": "wrong"}
    assert code(client.post(auth, **wrong)) == 10000
    assert code(client.post(auth, **(wrong | {"client_id": "nobody"}))) == 10000
    granted = result(client.get(auth, **(wrong | {"client_secret": fake.secret})))
    assert (granted["token_type"], granted["expires_in"]) == ("bearer", 43199)
    fake.wire_clock = lambda: NOW + 43_199
    assert code(client.post("/private/get_positions")) == 10000
    refresh = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
    client.token = result(client.post(auth, **refresh))["access_token"]
    assert result(client.post("/private/get_positions")) == []
    assert code(client.post(auth, **refresh)) == 10000


def test_scopes_follow_the_permissions(fake: FakeOrangex, client: OrangexClient) -> None:
    key = fake.exchange.key(fake.key)[1]
    key.trade = False
    credentials = {"grant_type": "client_credentials", "client_id": fake.key, "client_secret": fake.secret}
    granted = result(client.post("/public/auth", **credentials))
    assert granted["scope"] == "account:read trade:read wallet:read"
    assert code(client.post("/private/buy", instrument_name=PERPETUAL, amount="0.01", type="market")) == 2033
    assert result(client.post("/private/get_user_position", instrument_name=PERPETUAL)) == []
    fake.exchange.revoke(fake.key)
    assert code(client.post("/private/get_user_position", instrument_name=PERPETUAL)) == 10000
    assert code(client.post("/public/auth", **credentials)) == 10000


@pytest.mark.parametrize("one", [False, True])
def test_a_new_token_may_end_the_old_one(fake: FakeOrangex, client: OrangexClient, one: bool) -> None:
    fake.tokens.one_per_key = one
    old = client.token
    client.sign_in()
    assert result(client.post("/private/get_positions")) == []
    client.token = old
    assert ("error" in client.post("/private/get_positions").json()) is one


# Market data


def test_instruments_have_base_and_quote_swapped(client: OrangexClient) -> None:
    rows = result(client.post("/public/get_instruments", currency="PERPETUAL"))
    assert [row["instrument_name"] for row in rows] == [PERPETUAL, "ETH-USDT-PERPETUAL"]
    bitcoin = rows[0]
    assert (bitcoin["base_currency"], bitcoin["quote_currency"], bitcoin["kind"]) == (
        "USDT",
        "BTC",
        "perpetual",
    )
    assert (bitcoin["tick_size"], bitcoin["min_qty"], bitcoin["min_notional"]) == ("0.1", "0.001", "10")
    assert (rows[1]["tick_size"], rows[1]["min_qty"]) == ("0.01", "0.01")
    spot = result(client.get("/public/get_instruments", currency="SPOT", kind="spot"))
    assert [row["instrument_name"] for row in spot] == ["BTC-USDT-SPOT", "ETH-USDT-SPOT", "BNB-USDT-SPOT"]
    assert result(client.get("/public/get_instruments", currency="EUR")) == []


def test_tickers_of_spot_have_no_suffix(client: OrangexClient) -> None:
    rows = result(client.get("/public/tickers", currency="SPOT"))
    assert [row["instrument_name"] for row in rows] == ["BTC-USDT", "ETH-USDT", "BNB-USDT"]
    assert result(client.get("/public/tickers")) == []
    (row,) = result(client.post("/public/tickers", instrument_name=PERPETUAL))
    assert (row["last_price"], row["best_bid_price"], row["best_ask_price"]) == (
        "50000",
        "49999.9",
        "50000.1",
    )
    assert result(client.post("/public/ticker", instrument_name=PERPETUAL)) == row
    assert code(client.post("/public/ticker", instrument_name="XXX-USDT-PERPETUAL")) == 5001


def test_the_book_has_fifty_levels_unless_asked(client: OrangexClient) -> None:
    book = result(client.get("/public/get_order_book", instrument_name="BTC-USDT-SPOT"))
    assert (len(book["bids"]), book["asks"][0]) == (50, ["50000.01", "1"])
    book = result(client.get("/public/get_order_book", instrument_name=PERPETUAL, depth=2))
    assert book["bids"] == [["49999.9", "1"], ["49999.8", "1"]]
    last = result(client.get("/public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=3))
    assert [row["price"] for row in last["trades"]] == ["50000"] * 3


@pytest.mark.parametrize("path", ["/public", "/private"])
def test_candles_are_in_seconds(fake: FakeOrangex, client: OrangexClient, path: str) -> None:
    method = f"{path}/get_tradingview_chart_data"
    fake.exchange.prices["BTC/USDT"] = Decimal(50_100)
    asked = {
        "instrument_name": "BTC-USDT",
        "resolution": "1",
        "start_timestamp": MINUTE - 120,
        "end_timestamp": MINUTE + 3600,
    }
    rows = result(client.post(method, **asked))
    assert [row["tick"] for row in rows] == [MINUTE - 120, MINUTE - 60, MINUTE]
    assert (rows[-1]["open"], rows[-1]["close"], rows[-1]["volume"]) == ("50000", "50100", "2")
    assert result(client.post(method, **(asked | {"start_timestamp": MINUTE * 1000}))) == []
    for wrong, expected in (
        ({"start_timestamp": MINUTE - 1500 * 60}, 5221),
        ({"instrument_name": "BTC-USDT-SPOT"}, 5001),
        ({"resolution": "1m"}, 8000),
    ):
        assert code(client.post(method, **(asked | wrong))) == expected


def test_old_candles_are_public_only_and_either_path_may_be_missing(fake, client) -> None:
    asked = {"instrument_name": PERPETUAL, "resolution": "1"}
    old = asked | {"start_timestamp": MINUTE - 200_000, "end_timestamp": MINUTE - 199_000}
    assert len(result(client.post("/public/get_tradingview_chart_data", **old))) == 17
    assert code(client.post("/private/get_tradingview_chart_data", **old)) == 5221
    fake.public_candles = False
    assert code(client.post("/public/get_tradingview_chart_data", **old)) == 1000
    fake.private_candles = False
    assert code(client.post("/private/get_tradingview_chart_data", **asked)) == 1000
    client.token = ""
    assert code(client.post("/private/get_tradingview_chart_data", **asked)) == 10000


def test_the_served_name_is_the_real_one(fake: FakeOrangex) -> None:
    reply = requests.get("https://api.orangex.com/api/v1/public/ping", timeout=5)
    assert reply.json()["result"] == "pong"
    assert [seen.request.host for seen in fake.asked("time")] == ["api.orangex.com"]
