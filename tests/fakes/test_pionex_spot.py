"""Spot trading on the fake Pionex, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.fakes.pionex import FakePionex
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


def test_a_limit_order_rests_is_found_and_is_cancelled_by_its_id(client: PionexClient) -> None:
    receipt = data(client.post(ORDER, **LIMIT, clientOrderId="a-1"))
    assert receipt == {"orderId": receipt["orderId"], "clientOrderId": "a-1"}
    order = data(client.get("/api/v1/trade/orderByClientOrderId", clientOrderId="a-1"))
    assert order == {
        "orderId": receipt["orderId"],
        "symbol": "BTC_USDT",
        "type": "LIMIT",
        "side": "BUY",
        "price": "49000",
        "size": "0.01",
        "amount": "0",
        "filledSize": "0",
        "filledAmount": "0",
        "fee": "0",
        "feeCoin": "BTC",
        "status": "OPEN",
        "IOC": False,
        "clientOrderId": "a-1",
        "source": "API",
        "createTime": int(NOW * 1000),
        "updateTime": int(NOW * 1000),
    }
    assert data(client.get("/api/v1/trade/openOrders", symbol="BTC_USDT"))["orders"] == [order]
    assert data(client.get("/api/v1/account/balances"))["balances"] == [
        {"coin": "USDT", "free": "9510.00000000", "frozen": "490.00000000"}
    ]
    assert code(client.delete(ORDER, symbol="BTC_USDT", clientOrderId="a-1")) == "TRADE_PARAMETER_ERROR"
    assert (
        code(client.delete(ORDER, symbol="BTC_USDT", orderId=str(order["orderId"])))
        == "TRADE_PARAMETER_ERROR"
    )
    assert code(client.delete(ORDER, symbol="ETH_USDT", orderId=order["orderId"])) == "TRADE_ORDER_NOT_FOUND"
    assert client.delete(ORDER, symbol="BTC_USDT", orderId=order["orderId"]).json().keys() == {
        "result",
        "timestamp",
    }
    closed = data(client.get(ORDER, orderId=order["orderId"]))
    assert (closed["status"], closed["filledSize"]) == ("CLOSED", "0")
    assert data(client.get("/api/v1/trade/openOrders", symbol="BTC_USDT"))["orders"] == []
    assert code(client.delete(ORDER, symbol="BTC_USDT", orderId=order["orderId"])) == "TRADE_ORDER_NOT_FOUND"


def test_parameters_of_a_post_belong_into_its_body(client: PionexClient) -> None:
    assert code(client.send("POST", ORDER, LIMIT, "{}")) == "TRADE_INVALID_SYMBOL"
    plain = {"Content-Type": "text/plain"}
    assert code(client.send("POST", ORDER, {}, "{}", plain)) == "TRADE_PARAMETER_ERROR"
    assert code(client.send("POST", ORDER, {}, "no json")) == "TRADE_PARAMETER_ERROR"


def test_a_market_buy_takes_an_amount_and_a_market_sell_a_size(fake, client) -> None:
    buy = {"symbol": "BTC_USDT", "side": "BUY", "type": "MARKET"}
    assert code(client.post(ORDER, **buy, size="0.01")) == "TRADE_PARAMETER_ERROR"
    assert code(client.post(ORDER, **buy, amount="0")) == "TRADE_PARAMETER_ERROR"
    bought = data(client.post(ORDER, **buy, amount="500.0001"))["orderId"]
    order = data(client.get(ORDER, orderId=bought))
    assert (order["status"], order["size"], order["amount"]) == ("CLOSED", "0", "500.0001")
    assert (order["filledSize"], order["filledAmount"]) == ("0.01", "500.0001")
    assert (order["fee"], order["feeCoin"]) == ("0.000005", "BTC")
    sell = {"symbol": "BTC_USDT", "side": "SELL", "type": "MARKET"}
    assert code(client.post(ORDER, **sell, amount="500")) == "TRADE_PARAMETER_ERROR"
    assert code(client.post(ORDER, **sell, size="100.1")) == "TRADE_SIZE_FILTER_DENIED"
    sold = data(client.get(ORDER, orderId=data(client.post(ORDER, **sell, size="0.009"))["orderId"]))
    assert (sold["status"], sold["filledSize"], sold["feeCoin"]) == ("CLOSED", "0.009", "USDT")
    coins = {row["coin"]: row["free"] for row in data(client.get("/api/v1/account/balances"))["balances"]}
    assert coins["BTC"] == "0.00099500"


def test_a_partial_fill_that_is_cancelled_keeps_its_fills(fake, client) -> None:
    placed = data(client.post(ORDER, **LIMIT, clientOrderId="p"))["orderId"]
    fake.exchange.liquidity["BTC/USDT"] = Decimal("0.004")
    fake.exchange.prices["BTC/USDT"] = Decimal(49_000)
    data(client.delete(ORDER, symbol="BTC_USDT", orderId=placed))
    order = data(client.get(ORDER, orderId=placed))
    assert (order["status"], order["filledSize"], order["filledAmount"]) == ("CLOSED", "0.004", "196")
    (fill,) = data(client.get("/api/v1/trade/fillsByOrderId", orderId=placed))["fills"]
    assert fill == {
        "id": fill["id"],
        "orderId": placed,
        "symbol": "BTC_USDT",
        "side": "BUY",
        "role": "MAKER",
        "price": "49000",
        "size": "0.004",
        "fee": "0.000002",
        "feeCoin": "BTC",
        "timestamp": int(NOW * 1000),
    }
    assert (
        data(client.get("/api/v1/trade/fillsByOrderId", orderId=placed, fromId=fill["id"] + 1))["fills"] == []
    )
    assert data(client.get("/api/v1/trade/fillsByOrderId", orderId=1))["fills"] == []


def test_an_immediate_order_never_rests(client: PionexClient) -> None:
    placed = data(client.post(ORDER, **LIMIT, IOC=True))["orderId"]
    order = data(client.get(ORDER, orderId=placed))
    assert (order["status"], order["IOC"], order["filledSize"]) == ("CLOSED", True, "0")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"symbol": "BTC_EUR"}, "TRADE_INVALID_SYMBOL"),
        ({"symbol": "BTC_USDT_PERP"}, "TRADE_INVALID_SYMBOL"),
        ({"side": "buy"}, "TRADE_PARAMETER_ERROR"),
        ({"type": "STOP"}, "TRADE_PARAMETER_ERROR"),
        ({"size": 0.01}, "TRADE_PARAMETER_ERROR"),
        ({"size": "0"}, "TRADE_PARAMETER_ERROR"),
        ({"price": None}, "TRADE_PARAMETER_ERROR"),
        ({"clientOrderId": "a_1"}, "TRADE_PARAMETER_ERROR"),
        ({"clientOrderId": "a" * 65}, "TRADE_PARAMETER_ERROR"),
        ({"reduceOnly": True}, "TRADE_PARAMETER_ERROR"),
        ({"size": "0.0000001"}, "TRADE_SIZE_FILTER_DENIED"),
        ({"size": "0.0100001"}, "TRADE_SIZE_FILTER_DENIED"),
        ({"size": "1001"}, "TRADE_SIZE_FILTER_DENIED"),
        ({"price": "49000.001"}, "TRADE_PRICE_FILTER_DENIED"),
        ({"price": "55001"}, "TRADE_PRICE_FILTER_DENIED"),
        ({"side": "SELL", "price": "44999"}, "TRADE_PRICE_FILTER_DENIED"),
        ({"size": "0.0002"}, "TRADE_AMOUNT_FILTER_DENIED"),
        ({"size": "1"}, "TRADE_NOT_ENOUGH_MONEY"),
        ({"side": "SELL", "price": "51000"}, "TRADE_NOT_ENOUGH_MONEY"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_what_is_refused_is_not_placed(fake, client, change, expected, status) -> None:
    fake.failure_status = status
    reply = client.post(ORDER, **(LIMIT | change))
    assert (reply.status_code, code(reply)) == (status, expected)
    assert fake.exchange.main.orders == {}


@pytest.mark.parametrize("counts", [False, True])
def test_a_client_id_is_taken_while_open_and_maybe_afterwards(fake, client, counts) -> None:
    fake.closed_client_ids_count(counts)
    first = data(client.post(ORDER, **LIMIT, clientOrderId="same"))["orderId"]
    assert code(client.post(ORDER, **LIMIT, clientOrderId="same")) == "TRADE_REPEAT_CLIENT_ORDER_ID"
    data(client.delete(ORDER, symbol="BTC_USDT", orderId=first))
    again = client.post(ORDER, **LIMIT, clientOrderId="same").json()
    assert again["result"] is not counts
    assert len(fake.exchange.main.orders) == (1 if counts else 2)


def test_lists_are_newest_first_and_bounded(fake: FakePionex, client: PionexClient) -> None:
    placed = []
    for moment in range(4):
        fake.exchange.now = NOW + moment
        placed.append(data(client.post(ORDER, **LIMIT))["orderId"])
    path = "/api/v1/trade/allOrders"

    def ids(**query: int) -> list[int]:
        return [row["orderId"] for row in data(client.get(path, symbol="BTC_USDT", **query))["orders"]]

    assert ids() == placed[::-1]
    assert ids(limit=2) == placed[:1:-1]
    assert ids(startTime=int(NOW + 1) * 1000, endTime=int(NOW + 2) * 1000) == [placed[2], placed[1]]
    assert code(client.get(path, symbol="BTC_USDT", limit=201)) == "TRADE_PARAMETER_ERROR"
    assert code(client.get(path)) == "TRADE_INVALID_SYMBOL"
    fake.exchange.prices["BTC/USDT"] = Decimal(49_000)
    fills = data(client.get("/api/v1/trade/fills", symbol="BTC_USDT"))["fills"]
    assert [row["orderId"] for row in fills] == placed[::-1]
    order = fake.exchange.main.orders[placed[0]]
    for _ in range(100):
        fake.exchange.force_fill(order, Decimal("0.000001"))
    assert len(data(client.get("/api/v1/trade/fills", symbol="BTC_USDT"))["fills"]) == 100


def test_many_orders_at_once_and_their_end(fake: FakePionex, client: PionexClient) -> None:
    rows = [{"side": "BUY", "type": "LIMIT", "size": "0.01", "price": f"{48_000 + n}"} for n in range(3)]
    placed = data(client.post("/api/v1/trade/massOrder", symbol="BTC_USDT", orders=rows))["orderIds"]
    assert len(placed) == 3
    too_many = client.post("/api/v1/trade/massOrder", symbol="BTC_USDT", orders=rows * 7)
    assert code(too_many) == "TRADE_PARAMETER_ERROR"
    fake.max_open_orders = 3
    assert code(client.post(ORDER, **LIMIT)) == "TRADE_OPEN_ORDER_EXCEED_LIMIT"
    assert data(client.delete("/api/v1/trade/allOrders", symbol="BTC_USDT")) is None
    assert data(client.get("/api/v1/trade/openOrders", symbol="BTC_USDT"))["orders"] == []
