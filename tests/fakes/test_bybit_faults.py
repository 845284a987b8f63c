"""The fake Bybit's limits and faults, as ccxt's own class meets them."""

import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.fakes import fake_of
from tests.fakes.bybit import FakeBybit
from tests.fakes.bybit_words import envelope
from tests.fakes.ccxt_clients import SWAP, client_of, errors, refused
from tests.fakes.faults import (
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
from tests.fakes.limits import Rule
from tests.fakes.server import served


@pytest.fixture
def fake() -> Iterator[FakeBybit]:
    with served(fake_of("bybit")) as bybit:
        assert isinstance(bybit, FakeBybit)
        bybit.limits.rules = ()
        yield bybit


@pytest.fixture
def client(fake: FakeBybit) -> Any:
    return client_of(fake)


def test_the_eleventh_order_within_a_second_is_refused_inside_a_200(fake, client) -> None:
    fake.limits.rules = fake.new_limits().rules
    moment = time.time()
    fake.wire_clock = lambda: moment
    order = partial(client.create_order, SWAP, "limit", "buy", 0.001, 49_000)
    for _ in range(10):
        order()
    assert refused("RateLimitExceeded", order) == 10006
    assert len(fake.exchange.main.orders) == 10
    assert client.last_response_headers["X-Bapi-Limit-Status"] == "0"
    assert client.fetch_positions([SWAP]), "another route has a limit of its own"
    moment += 1.1
    order()


def test_limits_that_are_forced_and_a_banned_address(fake, client) -> None:
    fake.faults.on("create_order", rate_limited(0.0))
    assert refused("RateLimitExceeded", client.create_order, SWAP, "market", "buy", 0.01) == 10006
    fake.faults.on("create_order", banned(60.0))
    for _ in range(2):
        with pytest.raises(errors.RateLimitExceeded, match="403"):
            client.create_order(SWAP, "market", "buy", 0.01)
    assert not fake.exchange.main.orders


def test_an_address_that_asks_too_often_is_banned_for_ten_minutes(fake, client) -> None:
    fake.limits.rules = (Rule(name="address", limit=3, seconds=5.0, counts="requests"),)
    moment = time.time() + 60
    fake.wire_clock = lambda: moment
    for _ in range(3):
        client.fetch_time()
    for later in (0, 599):
        fake.wire_clock = lambda later=later: moment + later
        with pytest.raises(errors.RateLimitExceeded, match="403"):
            client.fetch_time()
    fake.wire_clock = lambda: moment + 601
    client.fetch_time()


@pytest.mark.parametrize(
    ("fault", "kind", "executed"),
    [
        (lost(), "RequestTimeout", True),
        (swallowed(), "RequestTimeout", False),
        (reset_after(), "NetworkError", True),
        (reset_before(), "NetworkError", False),
        (html_body(status=502), "ExchangeNotAvailable", True),
        (
            answered(503, envelope({}, 0.0, 10016, "Service unavailable"), executed=True),
            "ExchangeError",
            True,
        ),
        (answered(200, envelope({}, 0.0, 10016, "Server error."), executed=True), "ExchangeError", True),
        (answered(200, envelope({}, 0.0, 10000, "Server Timeout"), executed=False), "ExchangeError", False),
    ],
    ids=["lost", "swallowed", "reset after", "reset before", "502 page", "503", "10016", "10000"],
)
def test_what_nobody_knows_is_settled_by_a_look_up(fake, client, fault, kind, executed) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(getattr(errors, kind)) as caught:
        client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "ask"})
    assert type(caught.value).__name__ == kind
    assert bool(client.fetch_open_orders(SWAP, params={"orderLinkId": "ask"})) == executed
    assert not fake.faults.pending


def test_a_null_body_is_an_order_without_id(fake, client) -> None:
    fake.faults.on("create_order", null_body())
    assert client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "null"})["id"] is None
    assert fake.exchange.order("null").status == "filled"


def test_late_fills_overfills_and_rows_told_twice(fake, client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "odd"})
    client.cancel_order(None, SWAP, {"orderLinkId": "odd"})
    order = fake.exchange.order("odd")
    trade = fake.exchange.force_fill(order, Decimal("0.011"))
    fake.exchange.repeat_trade(trade, price=Decimal(49_001))
    row = client.fetch_open_orders(SWAP, params={"orderLinkId": "odd"})[0]
    assert (row["status"], row["filled"], row["amount"]) == ("canceled", 0.011, 0.01)
    told = client.fetch_my_trades(SWAP)
    assert len({trade["id"] for trade in told}) == 1
    assert sorted(trade["price"] for trade in told) == [49_000, 49_001]
