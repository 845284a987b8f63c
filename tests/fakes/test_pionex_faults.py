"""Faults of the fake Pionex: on the way of an order, in answers, and in the matching."""

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
import requests

from tests.fakes import faults
from tests.fakes.pionex import FakePionex
from tests.fakes.pionex_client import PionexClient, client_of, code, data, standing

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


@pytest.mark.parametrize(
    ("fault", "orders"), [(faults.lost(), 1), (faults.swallowed(), 0), (faults.late(0.01), 1)]
)
def test_silence_after_or_before_or_ahead_of_an_order(fake, client, fault, orders) -> None:
    fake.faults.on("create_order", fault)
    client.timeout = 0.15
    with pytest.raises(requests.ReadTimeout):
        client.post(ORDER, **LIMIT, clientOrderId="f")
    time.sleep(0.05)
    assert len(fake.exchange.main.orders) == orders
    assert fake.faults.pending == 0


@pytest.mark.parametrize(("fault", "orders"), [(faults.reset_after(), 1), (faults.reset_before(), 0)])
def test_a_reset_after_or_before_an_order(fake, client, fault, orders) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(requests.ConnectionError):
        client.post(ORDER, **LIMIT, clientOrderId="f")
    assert len(fake.exchange.main.orders) == orders


@pytest.mark.parametrize(
    ("fault", "status", "text", "orders"),
    [
        (faults.null_body(), 200, "null", 1),
        (faults.empty_body(), 200, "", 1),
        (faults.html_body(status=502), 502, faults.HTML, 1),
        (faults.html_body(executed=False), 200, faults.HTML, 0),
        (faults.answered(503, "unknown", executed=True), 503, "unknown", 1),
        (faults.rate_limited(), 429, None, 0),
        (faults.banned(), 429, None, 0),
    ],
)
def test_another_answer_to_an_order(fake, client, fault, status, text, orders) -> None:
    fake.faults.on("create_order", fault)
    reply = client.post(ORDER, **LIMIT, clientOrderId="f")
    assert (reply.status_code, len(fake.exchange.main.orders)) == (status, orders)
    assert text is None or reply.text == text


def test_numbers_that_are_none_and_rows_that_come_twice(fake: FakePionex, client: PionexClient) -> None:
    fake.faults.on("balance", faults.not_a_number("free"))
    assert data(client.get("/api/v1/account/balances"))["balances"][0]["free"] == "NaN"
    buy = {"symbol": "BTC_USDT", "side": "BUY", "type": "MARKET", "amount": "500"}
    placed = data(client.post(ORDER, **buy))["orderId"]
    trade = fake.exchange.main.trades[0]
    fake.exchange.repeat_trade(trade, Decimal(1))
    rows = data(client.get("/api/v1/trade/fillsByOrderId", orderId=placed))["fills"]
    assert [(row["id"], row["price"]) for row in rows] == [(trade.id, "1"), (trade.id, "50000.01")]
    assert data(client.get(ORDER, orderId=placed))["filledSize"] == "0.009999"


def test_an_order_that_becomes_visible_late(fake: FakePionex, client: PionexClient) -> None:
    fake.exchange.hidden_reads = 1
    data(client.post(ORDER, **LIMIT, clientOrderId="late"))
    by_client_id = "/api/v1/trade/orderByClientOrderId"
    assert code(client.get(by_client_id, clientOrderId="late")) == "TRADE_ORDER_NOT_FOUND"
    assert data(client.get(by_client_id, clientOrderId="late"))["status"] == "OPEN"


def test_a_late_fill_and_an_overfill(fake: FakePionex, client: PionexClient) -> None:
    placed = data(client.post(ORDER, **LIMIT))["orderId"]
    data(client.delete(ORDER, symbol="BTC_USDT", orderId=placed))
    fake.exchange.force_fill(fake.exchange.main.orders[placed], Decimal("0.011"))
    order = data(client.get(ORDER, orderId=placed))
    assert (order["status"], order["size"], order["filledSize"]) == ("CLOSED", "0.01", "0.011")


def test_a_duplicate_is_looked_for_among_orders_of_this_market_only(fake, client) -> None:
    fake.exchange.policies["spot"] = replace(fake.exchange.policies["spot"], client_ids="ever")
    data(
        client.post(
            "/uapi/v1/trade/order",
            symbol="BTC_USDT_PERP",
            side="BUY",
            type="LIMIT",
            size="0.01",
            price="49000",
            clientOrderId="x",
        )
    )
    assert data(client.post(ORDER, **LIMIT, clientOrderId="x"))["clientOrderId"] == "x"
