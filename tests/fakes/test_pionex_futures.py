"""Futures on the fake Pionex, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.fakes.pionex import FakePionex
from tests.fakes.pionex_client import NOW, PionexClient, client_of, code, data, standing

TRADE, ACCOUNT = "/uapi/v1/trade", "/uapi/v1/account"
ORDER = f"{TRADE}/order"
SYMBOL = "BTC_USDT_PERP"
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "size": "0.01", "price": "49000"}
MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET_QTY", "size": "0.01"}


@pytest.fixture
def fake() -> Iterator[FakePionex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakePionex) -> Iterator[PionexClient]:
    with client_of(fake) as client:
        yield client


def placed(client: PionexClient, **body: object) -> int:
    """Place an order; its receipt has its id and nothing else."""
    receipt = data(client.post(ORDER, **body))
    assert list(receipt) == ["orderId"]
    return int(receipt["orderId"])


def order(client: PionexClient, order_id: int) -> dict[str, object]:
    row: dict[str, object] = data(client.get(ORDER, symbol=SYMBOL, orderId=order_id))
    return row


def test_a_limit_order_rests_and_its_cancel_comes_when_it_comes(fake, client) -> None:
    number = placed(client, **LIMIT, clientOrderId="a-1")
    found = data(client.get(f"{TRADE}/orderByClientOrderId", symbol=SYMBOL, clientOrderId="a-1"))
    assert found == {
        "orderId": number,
        "symbol": SYMBOL,
        "type": "LIMIT",
        "positionMode": "BUYSELL",
        "isolatedMode": "CROSS",
        "side": "BUY",
        "positionSide": "BOTH",
        "price": "49000",
        "origSize": "0.01",
        "size": "0.01",
        "amount": "0",
        "filledSize": "0",
        "filledAmount": "0",
        "status": "OPEN",
        "reduceOnly": False,
        "clientOrderId": "a-1",
        "source": "API",
        "createTime": int(NOW * 1000),
        "updateTime": int(NOW * 1000),
    }
    fake.late_cancels.delay = 3
    data(client.delete(ORDER, symbol=SYMBOL, orderId=number))
    assert data(client.get(f"{TRADE}/openOrders"))["orders"] == [found]
    fake.exchange.now = NOW + 3
    assert data(client.get(f"{TRADE}/openOrders", symbol=SYMBOL))["orders"] == []
    (ended,) = data(client.get(f"{TRADE}/historyOrders", symbol=SYMBOL))["orders"]
    assert (ended["status"], ended["filledSize"]) == ("CLOSED", "0")
    assert code(client.delete(ORDER, symbol=SYMBOL, orderId=number)) == "TRADE_ORDER_NOT_FOUND"
    assert code(client.delete(ORDER, symbol=SYMBOL, orderId=1)) == "TRADE_ORDER_NOT_FOUND"


def test_an_order_that_fills_before_its_late_cancel_is_filled(fake, client) -> None:
    number = placed(client, **LIMIT)
    fake.late_cancels.delay = 3
    data(client.delete(ORDER, symbol=SYMBOL, orderId=number))
    fake.exchange.prices["BTC/USDT:USDT"] = Decimal(49_000)
    fake.exchange.now = NOW + 3
    found = order(client, number)
    assert (found["status"], found["filledSize"]) == ("CLOSED", "0.01")


def test_a_market_order_opens_a_position(fake: FakePionex, client: PionexClient) -> None:
    number = placed(client, **MARKET)
    assert order(client, number)["filledAmount"] == "500.001"
    (fill,) = data(client.get(f"{TRADE}/fillsByOrderId", symbol=SYMBOL, orderId=number))["fills"]
    assert (fill["fee"], fill["feeCoin"], fill["feeType"]) == ("0.2500005", "USDT", "TRADING")
    assert data(client.get(f"{TRADE}/fills", symbol=SYMBOL))["fills"] == [fill]
    fake.exchange.prices["BTC/USDT:USDT"] = Decimal(51_000)
    (position,) = data(client.get(f"{ACCOUNT}/positions"))["positions"]
    assert (position["positionSide"], position["netSize"], position["avgPrice"]) == (
        "LONG",
        "0.01",
        "50000.1",
    )
    assert (position["unrealizedPnL"], position["leverage"]) == ("9.999", "20")
    (balance,) = data(client.get(f"{ACCOUNT}/balances"))["balances"]
    assert balance == {"coin": "USDT", "free": "9974.2499995", "frozen": "25.5", "debts": "0"}
    (detail,) = data(client.get(f"{ACCOUNT}/detail"))["balances"]
    assert (detail["assets"], detail["unrealizedPnL"]) == ("9999.7499995", "9.999")
    fake.exchange.close_by_hand("BTC/USDT:USDT")
    assert data(client.get(f"{ACCOUNT}/positions", symbol=SYMBOL)) == {"positions": []}


@pytest.mark.parametrize(
    ("kind", "price", "filled", "status"),
    [
        ("IOC", "51000", "0.004", "CLOSED"),
        ("FOK", "51000", "0", "CLOSED"),
        ("LIMIT", "51000", "0.004", "OPEN"),
        ("POSTONLY", "51000", "0", "CLOSED"),
        ("POSTONLY", "49000", "0", "OPEN"),
    ],
)
def test_the_types_of_orders_with_a_price(fake, client, kind, price, filled, status) -> None:
    fake.exchange.liquidity["BTC/USDT:USDT"] = Decimal("0.004")
    found = order(client, placed(client, **(LIMIT | {"type": kind, "price": price})))
    assert (found["type"], found["filledSize"], found["status"]) == (kind, filled, status)


def test_reduce_only_is_trimmed_to_the_position(fake: FakePionex, client: PionexClient) -> None:
    closing = MARKET | {"side": "SELL", "size": "0.05", "reduceOnly": True}
    assert code(client.post(ORDER, **closing)) == "TRADE_OPERATION_DENIED"
    placed(client, **MARKET)
    found = order(client, placed(client, **closing))
    assert (found["origSize"], found["size"], found["filledSize"]) == ("0.05", "0.01", "0.01")
    assert fake.exchange.main.open_positions() == []


def test_hedge_mode_needs_a_side_and_has_no_reduce_only(client: PionexClient) -> None:
    assert data(client.get(f"{ACCOUNT}/positionMode")) == {"positionMode": "BUYSELL"}
    assert code(client.post(ORDER, **MARKET, positionSide="LONG")) == "TRADE_PARAMETER_ERROR"
    for _ in range(2):
        assert data(client.post(f"{ACCOUNT}/positionMode", positionMode="OPENCLOSE")) is None
    assert code(client.post(ORDER, **MARKET)) == "TRADE_PARAMETER_ERROR"
    placed(client, **MARKET, positionSide="LONG")
    placed(client, **(MARKET | {"side": "SELL", "positionSide": "SHORT", "size": "0.002"}))
    held = data(client.get(f"{ACCOUNT}/positions", symbol=SYMBOL))["positions"]
    assert [(row["positionSide"], row["netSize"]) for row in held] == [("LONG", "0.01"), ("SHORT", "-0.002")]
    closing = MARKET | {"side": "SELL", "positionSide": "LONG"}
    assert code(client.post(ORDER, **closing, reduceOnly=True)) == "TRADE_PARAMETER_ERROR"
    assert order(client, placed(client, **closing))["positionMode"] == "OPENCLOSE"
    assert code(client.post(f"{ACCOUNT}/positionMode", positionMode="BUYSELL")) == "TRADE_OPERATION_DENIED"


def test_leverage_and_margin_mode(client: PionexClient) -> None:
    for _ in range(2):
        changed = data(client.post(f"{ACCOUNT}/leverage", symbol=SYMBOL, leverage="7"))
        assert changed == {"symbol": SYMBOL, "leverage": "7"}
    assert data(client.get(f"{ACCOUNT}/leverage", symbol=SYMBOL))["leverage"] == "7"
    assert code(client.post(f"{ACCOUNT}/leverage", symbol=SYMBOL, leverage="500")) == "TRADE_PARAMETER_ERROR"
    isolated = {"symbol": SYMBOL, "isolatedMode": "ISOLATED"}
    assert data(client.post(f"{TRADE}/isolatedMode", **isolated)) is None
    assert data(client.get(f"{TRADE}/isolatedMode", symbol=SYMBOL)) == isolated
    placed(client, **MARKET)
    (position,) = data(client.get(f"{ACCOUNT}/positions"))["positions"]
    assert position["isolatedMode"] == "ISOLATED_BOTH"
    back = client.post(f"{TRADE}/isolatedMode", symbol=SYMBOL, isolatedMode="CROSS")
    assert code(back) == "TRADE_OPERATION_DENIED"


def test_client_ids_are_remembered_for_two_hours(fake: FakePionex, client: PionexClient) -> None:
    number = placed(client, **MARKET, clientOrderId="same")
    fake.exchange.now = NOW + 7199
    assert code(client.post(ORDER, **MARKET, clientOrderId="same")) == "TRADE_REPEAT_CLIENT_ORDER_ID"
    lookup = {"symbol": SYMBOL, "clientOrderId": "same"}
    assert data(client.get(f"{TRADE}/orderByClientOrderId", **lookup))["orderId"] == number
    fake.exchange.now = NOW + 7201
    assert code(client.get(f"{TRADE}/orderByClientOrderId", **lookup)) == "TRADE_ORDER_NOT_FOUND"
    assert placed(client, **MARKET, clientOrderId="same") != number


def test_an_order_is_seen_only_some_time_after_its_receipt(fake, client) -> None:
    fake.exchange.visibility_delay = 2
    number = placed(client, **MARKET, clientOrderId="late")
    assert code(client.get(ORDER, symbol=SYMBOL, orderId=number)) == "TRADE_ORDER_NOT_FOUND"
    assert data(client.get(f"{TRADE}/historyOrders"))["orders"] == []
    assert data(client.get(f"{TRADE}/fills", symbol=SYMBOL))["fills"] == []
    fake.exchange.now = NOW + 2
    assert order(client, number)["filledSize"] == "0.01"


def test_a_rejection_may_come_after_the_receipt(fake: FakePionex, client: PionexClient) -> None:
    assert code(client.post(ORDER, **(LIMIT | {"size": "100"}))) == "TRADE_NOT_ENOUGH_MONEY"
    fake.rejected_after_receipt = frozenset({"INSUFFICIENT_FUNDS"})
    found = order(client, placed(client, **(LIMIT | {"size": "100"})))
    assert (found["status"], found["filledSize"]) == ("CLOSED", "0")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"symbol": "BTC_USDT"}, "TRADE_INVALID_SYMBOL"),
        ({"type": "MARKET"}, "TRADE_PARAMETER_ERROR"),
        ({"price": None}, "TRADE_PARAMETER_ERROR"),
        ({"size": None}, "TRADE_PARAMETER_ERROR"),
        ({"reduceOnly": "true"}, "TRADE_PARAMETER_ERROR"),
        ({"stopPrice": "1"}, "TRADE_PARAMETER_ERROR"),
        ({"size": "0.0005"}, "TRADE_SIZE_FILTER_DENIED"),
        ({"price": "49000.05"}, "TRADE_PRICE_FILTER_DENIED"),
        ({"size": "0.001", "price": "100"}, "TRADE_AMOUNT_FILTER_DENIED"),
    ],
)
def test_what_is_refused_is_not_placed(fake, client, change, expected) -> None:
    assert code(client.post(ORDER, **(LIMIT | change))) == expected
    assert fake.exchange.main.orders == {}


def test_spot_and_futures_know_nothing_of_each_others_orders(client: PionexClient) -> None:
    number = placed(client, **LIMIT, clientOrderId="x")
    assert code(client.get("/api/v1/trade/order", orderId=number)) == "TRADE_ORDER_NOT_FOUND"
    spot = client.get("/api/v1/trade/orderByClientOrderId", clientOrderId="x")
    assert code(spot) == "TRADE_ORDER_NOT_FOUND"
    elsewhere = client.get(ORDER, symbol="ETH_USDT_PERP", orderId=number)
    assert code(elsewhere) == "TRADE_ORDER_NOT_FOUND"


def test_pages_of_orders_and_fills(fake: FakePionex, client: PionexClient) -> None:
    numbers = []
    for moment in range(4):
        fake.exchange.now = NOW + moment
        numbers.append(placed(client, **MARKET))
    page = data(client.get(f"{TRADE}/historyOrders", limit=2))["orders"]
    assert [row["orderId"] for row in page] == [numbers[3], numbers[2]]
    older = data(client.get(f"{TRADE}/historyOrders", endTime=page[-1]["createTime"] - 1, limit=2))["orders"]
    assert [row["orderId"] for row in older] == [numbers[1], numbers[0]]
    fills = data(client.get(f"{TRADE}/fills", symbol=SYMBOL, limit=3, startTime=int(NOW) * 1000))["fills"]
    assert [row["orderId"] for row in fills] == numbers[:0:-1]
    assert code(client.get(f"{TRADE}/fills", symbol=SYMBOL, limit=201)) == "TRADE_PARAMETER_ERROR"


def test_many_orders_at_once_and_their_end(client: PionexClient) -> None:
    rows = [{"side": "BUY", "type": "LIMIT", "size": "0.01", "price": f"{48_000 + n}"} for n in range(2)]
    rows[0]["clientOrderId"] = "first"
    receipts = data(client.post(f"{TRADE}/massOrder", symbol=SYMBOL, orders=rows))["orderIds"]
    assert [row["clientOrderId"] for row in receipts] == ["first", ""]
    assert data(client.delete(f"{TRADE}/allOrders", symbol=SYMBOL)) is None
    assert data(client.get(f"{TRADE}/openOrders"))["orders"] == []


def test_funding_fees_have_a_sign(fake: FakePionex, client: PionexClient) -> None:
    placed(client, **MARKET)
    fake.exchange.pay_funding("BTC/USDT:USDT", Decimal("0.0001"))
    fake.exchange.now = NOW + 60
    fake.exchange.pay_funding("BTC/USDT:USDT", Decimal("-0.0002"))
    rows = data(client.get(f"{TRADE}/fundingFee", symbol=SYMBOL))["fundings"]
    assert [row["fundingFee"] for row in rows] == ["0.1", "-0.05"]
    assert rows[1] == {
        "symbol": SYMBOL,
        "isolatedMode": "CROSS",
        "fundingFee": "-0.05",
        "fundingCoin": "USDT",
        "timestamp": int(NOW * 1000),
    }
    late = data(client.get(f"{TRADE}/fundingFee", startTime=int(NOW + 60) * 1000))["fundings"]
    assert late == rows[:1]
