"""Faults of the fake OrangeX: on the way of an order, in answers, and in the matching."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from tests.fakes import faults
from tests.fakes.orangex import FakeOrangex
from tests.fakes.orangex_client import OrangexClient, client_of, result, standing

PERPETUAL = "BTC-USDT-PERPETUAL"
LIMIT = {"instrument_name": PERPETUAL, "amount": "0.01", "type": "limit", "price": "49000"}


@pytest.fixture
def fake() -> Iterator[FakeOrangex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeOrangex) -> Iterator[OrangexClient]:
    with client_of(fake) as client:
        yield client


@pytest.mark.parametrize(
    ("fault", "orders"), [(faults.lost(), 1), (faults.swallowed(), 0), (faults.late(0.01), 1)]
)
def test_silence_after_or_before_or_ahead_of_an_order(fake, client, fault, orders) -> None:
    fake.faults.on("create_order", fault)
    client.timeout = 0.15
    with pytest.raises(requests.ReadTimeout):
        client.post("/private/buy", **LIMIT)
    time.sleep(0.05)
    assert len(fake.exchange.main.orders) == orders
    assert fake.faults.pending == 0


@pytest.mark.parametrize(("fault", "orders"), [(faults.reset_after(), 1), (faults.reset_before(), 0)])
def test_a_reset_after_or_before_an_order(fake, client, fault, orders) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(requests.ConnectionError):
        client.post("/private/sell", **(LIMIT | {"price": "51000"}))
    assert len(fake.exchange.main.orders) == orders


def test_a_refused_connection_executes_nothing(fake: FakeOrangex, client: OrangexClient) -> None:
    with fake.server.refusing(), pytest.raises(requests.ConnectionError):
        client.post("/private/buy", **LIMIT)
    assert fake.exchange.main.orders == {}


ERROR = {"error": {"code": 9999, "message": "System error, try later", "data": {}}}


@pytest.mark.parametrize(
    ("fault", "status", "text", "orders"),
    [
        (faults.null_body(), 200, "null", 1),
        (faults.empty_body(), 200, "", 1),
        (faults.html_body(status=502), 502, faults.HTML, 1),
        (faults.html_body(executed=False), 200, faults.HTML, 0),
        (faults.answered(503, "", executed=True), 503, "", 1),
        (faults.answered(200, ERROR, executed=True), 200, None, 1),
        (faults.answered(200, ERROR, executed=False), 200, None, 0),
        (faults.rate_limited(), 429, "Too Many Requests", 0),
        (faults.banned(), 429, "Too Many Requests", 0),
    ],
)
def test_another_answer_to_an_order(fake, client, fault, status, text, orders) -> None:
    fake.faults.on("create_order", fault)
    reply = client.post("/private/buy", **LIMIT)
    assert (reply.status_code, len(fake.exchange.main.orders)) == (status, orders)
    assert reply.json() == ERROR if text is None else reply.text == text


def test_a_receipt_without_an_id(fake: FakeOrangex, client: OrangexClient) -> None:
    fake.faults.on("create_order", faults.altered(lambda body: body | {"result": {"order": {}}}))
    assert result(client.post("/private/buy", **LIMIT)) == {"order": {}}
    assert len(fake.exchange.main.orders) == 1


def test_numbers_that_are_none_and_rows_that_come_twice(fake, client) -> None:
    fake.faults.on("balance", faults.not_a_number("wallet_balance"))
    assets = result(client.post("/private/get_assets_info", asset_type=["ALL"]))
    assert assets["PERPETUAL"]["wallet_balance"] == "NaN"
    placed = result(client.post("/private/buy", instrument_name=PERPETUAL, amount="0.01", type="market"))
    trade = fake.exchange.main.trades[0]
    fake.exchange.repeat_trade(trade, Decimal(1))
    number = placed["order"]["order_id"]
    rows = result(client.post("/private/get_user_trades_by_order", order_id=number))["trades"]
    assert [(row["trade_id"], row["price"]) for row in rows] == [
        (str(trade.id), "1"),
        (str(trade.id), "50000.1"),
    ]
    assert result(client.post("/private/get_order_state", order_id=number))["filled_amount"] == "0.01"


def test_partial_fill_late_fill_and_overfill(fake: FakeOrangex, client: OrangexClient) -> None:
    number = result(client.post("/private/buy", **LIMIT))["order"]["order_id"]
    (order,) = fake.exchange.main.orders.values()

    def state() -> tuple[str, str]:
        row = result(client.post("/private/get_order_state", order_id=number))
        return row["order_state"], row["filled_amount"]

    fake.exchange.liquidity["BTC/USDT:USDT"] = Decimal("0.004")
    fake.exchange.prices["BTC/USDT:USDT"] = Decimal(49_000)
    assert state() == ("open", "0.004")
    result(client.post("/private/cancel", order_id=number))
    fake.exchange.force_fill(order, Decimal("0.002"))
    assert state() == ("canceled", "0.006")
    fake.exchange.force_fill(order, Decimal("0.005"))
    assert state() == ("canceled", "0.011")


def test_an_order_that_a_number_of_reads_does_not_show(fake, client) -> None:
    fake.exchange.hidden_reads = 2
    number = result(client.post("/private/buy", **LIMIT))["order"]["order_id"]
    replies = [client.post("/private/get_order_state", order_id=number).json() for _ in range(3)]
    assert ["result" in reply for reply in replies] == [False, False, True]
    assert ["error" in reply for reply in replies] == [False] * 3
