"""The fake Pionex: signatures, time, weights and bans, and market data, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from tests.fakes.core_accounts import Key
from tests.fakes.pionex import FakePionex, signature, signed_text
from tests.fakes.pionex_client import NOW, PionexClient, client_of, code, data, standing

ORDER = "/api/v1/trade/order"
LIMIT = {"symbol": "BTC_USDT", "side": "BUY", "type": "LIMIT", "size": "0.01", "price": "49000"}


@pytest.fixture
def fake() -> Iterator[FakePionex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakePionex) -> Iterator[PionexClient]:
    with client_of(fake) as client:
        yield client


# Signatures


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "expected"),
    [
        (
            "GET",
            "/api/v1/trade/allOrders",
            "symbol=BTC_USDT&limit=1&timestamp=1655896754515",
            '{"symbol": "BTC_USDT"}',
            "ec83d21e1237cbe7e0172f79c0e3a4741c86f6b201ba762f21149bf195519be1",
        ),
        (
            "GET",
            "/api/v1/trade/allOrders",
            "timestamp=1655896754515&symbol=BTC_USDT&limit=1",
            "",
            "25dbbd2a6478ec4870653249d644cfb246eee4da347645cc98373f275e189242",
        ),
        (
            "GET",
            "/api/v1/trade/allOrders",
            "limit=1&symbol=BTC_USDT&timestamp=1655896754515",
            '{"symbol":"BTC_USDT"}',
            "b4274ae21701aca7cd033b62ce3d5eed1fa2b3f95dff218dc003f05e9e7e9175",
        ),
        (
            "POST",
            "/api/v1/trade/order",
            "timestamp=1655896754515",
            '{"symbol":"BTC_USDT","side":"BUY","type":"LIMIT","size":"0.1","price":"30000","clientOrderId":"a"}',
            "669afbf47a558fe18239865fc80ac3826d9e08ea1c981471df1deb8adb99a1a4",
        ),
    ],
)
def test_the_published_signatures_are_reproduced(method, path, query, body, expected) -> None:
    secret = "NFqv4MB3hB0SOiEsJNDP9e0jDdKPWbDqS_Z1dbU4"
    assert signature(secret, signed_text(method, path, query, body)) == expected


def test_the_published_request_is_accepted_over_the_wire(fake: FakePionex) -> None:
    """The whole published example: its key's secret, its time, its odd body on a GET."""
    secret = "NFqv4MB3hB0SOiEsJNDP9e0jDdKPWbDqS_Z1dbU4"
    fake.exchange.add_key("main", Key(key="published", secret=secret))
    fake.wire_clock = lambda: 1655896754.515
    reply = requests.request(
        "GET",
        "https://api.pionex.com/api/v1/trade/allOrders?symbol=BTC_USDT&limit=1&timestamp=1655896754515",
        data='{"symbol": "BTC_USDT"}',
        headers={
            "PIONEX-KEY": "published",
            "PIONEX-SIGNATURE": "ec83d21e1237cbe7e0172f79c0e3a4741c86f6b201ba762f21149bf195519be1",
        },
        timeout=5,
    )
    assert data(reply) == {"orders": []}


def test_values_are_signed_decoded(client: PionexClient) -> None:
    """A comma travels as %2C and is signed as a comma."""
    reply = client.get("/api/v1/trade/orderByClientOrderId", clientOrderId="a,b c")
    assert "%2C" in str(reply.url)
    assert code(reply) == "TRADE_ORDER_NOT_FOUND"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"PIONEX-KEY": ""}, "APIKEY_LOST"),
        ({"PIONEX-SIGNATURE": ""}, "SIGNATURE_LOST"),
        ({"PIONEX-KEY": "nobody"}, "INVALID_APIKEY"),
        ({"PIONEX-SIGNATURE": "0" * 64}, "INVALID_SIGNATURE"),
    ],
)
@pytest.mark.parametrize(("declared", "status"), [(200, 200), (400, 401)])
def test_headers_are_checked(fake, client, headers, expected, declared, status) -> None:
    fake.failure_status = declared
    reply = client.send("GET", "/api/v1/account/balances", {}, headers=headers)
    assert (reply.status_code, code(reply)) == (status, expected)


@pytest.mark.parametrize(("skew", "valid"), [(19, True), (-19, True), (21, False), (-21, False)])
def test_a_timestamp_is_valid_for_twenty_seconds(fake, client, skew, valid) -> None:
    fake.faults.skew = skew
    reply = client.get("/api/v1/account/balances")
    assert reply.json()["timestamp"] == (NOW + skew) * 1000
    assert reply.json()["result"] is valid
    assert valid or code(reply) == "INVALID_TIMESTAMP"


def test_a_revoked_key_and_one_without_permission(fake: FakePionex, client: PionexClient) -> None:
    fake.exchange.key(fake.key)[1].trade = False
    assert code(client.post(ORDER, **LIMIT)) == "PERMISSION_DENIED"
    assert data(client.get("/api/v1/account/balances"))["balances"][0]["coin"] == "USDT"
    fake.exchange.revoke(fake.key)
    assert code(client.get("/api/v1/account/balances")) == "INVALID_APIKEY"


# Weights and bans


def test_more_than_ten_weight_in_a_second_is_a_ban_of_a_minute(fake, client) -> None:
    fake.limits = fake.new_limits()
    times = [NOW]
    fake.wire_clock = lambda: times[0]

    def ask() -> int:
        return client.public("/api/v1/market/depth", symbol="BTC_USDT").status_code

    assert [ask() for _ in range(10)] == [200] * 10
    times[0] = NOW + 1.0
    assert [ask() for _ in range(10)] == [200] * 10
    times[0] = NOW + 1.999
    reply = client.public("/api/v1/market/depth", symbol="BTC_USDT")
    assert (reply.status_code, reply.json()["result"], "Retry-After" in reply.headers) == (429, False, False)
    times[0] = NOW + 61
    assert ask() == 429
    times[0] = NOW + 71.9
    assert ask() == 429
    times[0] = NOW + 81.999
    assert ask() == 200
    assert [charge.time for charge in fake.limits.refused()] == [NOW + 1.999, NOW + 61, NOW + 71.9]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/common/symbols", {}),
        ("/api/v1/trade/openOrders", {"symbol": "BTC_USDT"}),
        ("/api/v1/trade/allOrders", {"symbol": "BTC_USDT"}),
        ("/api/v1/trade/fills", {"symbol": "BTC_USDT"}),
        ("/api/v1/trade/fillsByOrderId", {"orderId": 1}),
        ("/api/v1/market/klines", {"symbol": "BTC_USDT_PERP", "interval": "1M"}),
        ("/api/v1/market/bookTickers", {}),
        ("/uapi/v1/account/balances", {}),
        ("/uapi/v1/account/positions", {}),
        ("/uapi/v1/trade/openOrders", {}),
    ],
)
def test_calls_that_weigh_five(fake, client, path, query) -> None:
    fake.limits = fake.new_limits()
    assert [client.get(path, **query).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/account/balances", {}),
        ("/api/v1/market/klines", {"symbol": "BTC_USDT", "interval": "1M"}),
        ("/api/v1/market/tickers", {}),
        ("/api/v1/market/bookTickers", {"type": "SPOT"}),
    ],
)
def test_calls_that_weigh_one(fake, client, path, query) -> None:
    fake.limits = fake.new_limits()
    assert [client.get(path, **query).status_code for _ in range(11)] == [200] * 10 + [429]


def test_the_address_is_banned_for_all_its_keys(fake: FakePionex, client: PionexClient) -> None:
    fake.exchange.add_account("other")
    other = PionexClient("other-key", "other-secret", NOW)
    fake.limits = fake.new_limits()
    for _ in range(2):
        data(client.get("/uapi/v1/account/positions"))
    assert client.get("/uapi/v1/account/positions").status_code == 429
    assert other.get("/uapi/v1/account/positions").status_code == 429


# Market data


def test_symbols_have_the_documented_fields(client: PionexClient) -> None:
    spot = {row["symbol"]: row for row in data(client.public("/api/v1/common/symbols"))["symbols"]}
    assert spot["BTC_USDT"] == {
        "symbol": "BTC_USDT",
        "type": "SPOT",
        "baseCurrency": "BTC",
        "quoteCurrency": "USDT",
        "basePrecision": 6,
        "quotePrecision": 2,
        "amountPrecision": 8,
        "minAmount": "10",
        "minTradeSize": "0.000001",
        "maxTradeSize": "1000",
        "minTradeDumping": "0.000001",
        "maxTradeDumping": "100",
        "enable": True,
        "buyCeiling": "1.1",
        "sellFloor": "0.9",
    }
    swaps = data(client.public("/api/v1/common/symbols", type="PERP"))["symbols"]
    assert [row["symbol"] for row in swaps] == ["BTC_USDT_PERP", "ETH_USDT_PERP"]
    assert (swaps[0]["baseStep"], swaps[0]["quoteStep"], swaps[0]["status"]) == ("0.001", "0.1", "TRADING")
    named = data(client.public("/api/v1/common/symbols", symbols="ETH_USDT,BTC_USDT_PERP", type="SPOT"))
    assert [row["type"] for row in named["symbols"]] == ["SPOT", "PERP"]


def test_candles_are_paged_backwards_from_their_end(fake: FakePionex, client: PionexClient) -> None:
    fake.exchange.prices["BTC/USDT"] = Decimal(50_100)
    query = {"symbol": "BTC_USDT", "interval": "1M", "limit": 2}
    newest = data(client.public("/api/v1/market/klines", **query))["klines"]
    opened = int(NOW) // 60 * 60_000
    assert [row["time"] for row in newest] == [opened, opened - 60_000]
    assert (newest[0]["open"], newest[0]["close"], newest[0]["high"]) == ("50000", "50100", "50100")
    older = data(client.public("/api/v1/market/klines", **query, endTime=newest[-1]["time"] - 1))["klines"]
    assert [row["time"] for row in older] == [opened - 120_000, opened - 180_000]
    beyond = data(client.public("/api/v1/market/klines", **query, endTime=opened - 10_001 * 60_000))
    assert beyond == {"klines": []}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"symbol": "BTC_USDT", "interval": "1m"}, "MARKET_PARAMETER_ERROR"),
        ({"symbol": "BTC_USDT", "interval": "1H"}, "MARKET_PARAMETER_ERROR"),
        ({"symbol": "BTC_USDT", "interval": "1M", "limit": 501}, "MARKET_PARAMETER_ERROR"),
        ({"interval": "1M"}, "MARKET_PARAMETER_ERROR"),
        ({"symbol": "BTCUSDT", "interval": "1M"}, "MARKET_INVALID_SYMBOL"),
    ],
)
def test_candles_that_nobody_has(client, query, expected) -> None:
    assert code(client.public("/api/v1/market/klines", **query)) == expected


def test_tickers_have_no_bid_and_book_tickers_are_futures_by_default(client: PionexClient) -> None:
    tickers = data(client.public("/api/v1/market/tickers"))["tickers"]
    assert [row["symbol"] for row in tickers] == ["BNB_USDT", "BTC_USDT", "ETH_USDT"]
    assert tickers[1]["close"] == "50000"
    assert "bidPrice" not in tickers[1]
    books = data(client.public("/api/v1/market/bookTickers"))["tickers"]
    assert [row["symbol"] for row in books] == ["BTC_USDT_PERP", "ETH_USDT_PERP"]
    (book,) = data(client.public("/api/v1/market/bookTicker", symbol="BTC_USDT"))["tickers"]
    assert (book["bidPrice"], book["askPrice"]) == ("49999.99", "50000.01")
    depth = data(client.public("/api/v1/market/depth", symbol="BTC_USDT", limit=2))
    assert depth["bids"] == [["49999.99", "1"], ["49999.98", "1"]]
    assert depth["asks"] == [["50000.01", "1"], ["50000.02", "1"]]


def test_a_path_that_nobody_knows_is_404(client: PionexClient) -> None:
    assert client.public("/api/v1/time").status_code == 404
