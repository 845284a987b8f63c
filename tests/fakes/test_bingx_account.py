"""The fake BingX's positions, settings, balance, keys, limits and faults, asked by ccxt's own class."""

import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import requests

from tests.fakes import fake_of
from tests.fakes.bingx import FakeBingx
from tests.fakes.ccxt_clients import SWAP, client_of, errors, refused
from tests.fakes.core_accounts import Key
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

NAME = "BTC-USDT"
BUSY = "The current system is busy, please try again later"


@pytest.fixture
def fake() -> Iterator[FakeBingx]:
    with served(fake_of("bingx")) as bingx:
        assert isinstance(bingx, FakeBingx)
        bingx.limits.rules = ()
        yield bingx


@pytest.fixture
def client(fake: FakeBingx) -> Any:
    return client_of(fake)


def buy(client: Any, **parameters: Any) -> Any:
    return client.create_order(SWAP, "market", "buy", 0.01, None, parameters)


# Positions and settings


def test_a_position_of_one_way_mode_says_its_direction(fake, client) -> None:
    assert client.fetch_positions([SWAP]) == []
    buy(client)
    fake.exchange.prices[SWAP] = Decimal(51_000)
    held = client.fetch_positions([SWAP])[0]
    assert (held["side"], held["contracts"], held["entryPrice"]) == ("long", 0.01, 50_000.1)
    assert held["unrealizedPnl"] == pytest.approx(9.999)
    assert held["info"]["onlyOnePosition"] is True
    fake.exchange.close_by_hand(SWAP)
    assert client.fetch_positions([SWAP]) == []


def test_funding_that_was_paid_is_negative(fake, client) -> None:
    buy(client)
    fake.exchange.pay_funding(SWAP, Decimal("0.0001"))
    paid = client.fetch_funding_history(SWAP)
    assert [(row["amount"], row["code"]) for row in paid] == [(-0.05, "USDT")]
    client.create_order(SWAP, "market", "sell", 0.02)
    fake.exchange.pay_funding(SWAP, Decimal("0.0001"))
    assert sorted(row["amount"] for row in client.fetch_funding_history(SWAP)) == [-0.05, 0.05]


def test_settings_follow_the_position_mode(fake, client) -> None:
    client.set_leverage(5, SWAP, {"side": "BOTH"})
    client.set_leverage(5, SWAP, {"side": "BOTH"})
    assert client.fetch_leverage(SWAP)["longLeverage"] == 5
    assert refused("BadRequest", client.set_leverage, 5, SWAP, {"side": "LONG"}) == 109400
    assert refused("ExchangeError", client.set_leverage, 500, SWAP, {"side": "BOTH"}) == 101414
    client.set_position_mode(True)
    assert client.fetch_position_mode(SWAP)["hedged"] is True
    assert refused("BadRequest", client.set_leverage, 5, SWAP, {"side": "BOTH"}) == 109400
    client.set_leverage(7, SWAP, {"side": "SHORT"})


def test_the_margin_mode_is_of_one_symbol_and_needs_it_to_be_flat(fake, client) -> None:
    client.set_margin_mode("isolated", SWAP)
    client.set_margin_mode("isolated", SWAP)
    assert client.fetch_margin_mode(SWAP)["marginMode"] == "isolated"
    assert client.fetch_margin_mode("ETH/USDT:USDT")["marginMode"] == "cross"
    buy(client)
    assert refused("BadRequest", client.set_margin_mode, "cross", SWAP) == 109400
    assert refused("ExchangeError", client.set_position_mode, True) == 104103


def test_hedge_mode_holds_both_sides(client) -> None:
    client.set_position_mode(True)
    assert refused("BadRequest", buy, client) == 109400
    assert refused("BadRequest", buy, client, positionSide="LONG", reduceOnly=False) == 109400
    close = {"hedged": True, "reduceOnly": True}
    assert refused("InvalidOrder", client.create_order, SWAP, "market", "sell", 0.01, None, close) == 101205
    for side in ("buy", "sell"):
        client.create_order(SWAP, "market", side, 0.01, None, {"hedged": True})
    held = {row["side"]: row["contracts"] for row in client.fetch_positions([SWAP])}
    assert held == {"long": 0.01, "short": 0.01}
    client.create_order(SWAP, "market", "sell", 0.01, None, close)
    assert [row["side"] for row in client.fetch_positions([SWAP])] == ["short"]


def test_a_stop_of_hedge_mode_needs_its_position(fake, client) -> None:
    client.set_position_mode(True)
    stop = partial(client.create_order, SWAP, "market", "sell", 0.01, None)
    parameters = {"hedged": True, "stopLossPrice": 49_000}
    assert refused("OrderNotFound", stop, parameters) == 80017
    client.create_order(SWAP, "market", "buy", 0.01, None, {"hedged": True})
    stop(parameters)
    fake.exchange.prices[SWAP] = Decimal(48_900)
    assert client.fetch_positions([SWAP]) == []


def test_the_balance_says_cash_and_what_is_free(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    client.create_order(SWAP, "limit", "buy", 0.1, 40_000)
    rows = {row["asset"]: row for row in client.fetch_balance({"type": "swap"})["info"]["data"]}
    cash = 10_000 - 0.1 * 50_000.1 * 0.0005
    assert float(rows["USDT"]["balance"]) == pytest.approx(cash)
    assert float(rows["USDT"]["availableMargin"]) == pytest.approx(cash - 0.01 - 250 - 200)
    assert float(rows["USDT"]["freezedMargin"]) == 200
    assert rows["USDC"]["balance"] == ""
    total = client.fetch_balance({"type": "swap"})["USDT"]["total"]
    assert total == pytest.approx(cash - 200.01), "ccxt's total is not the cash"


# Keys


def test_what_a_key_may_do(fake, client) -> None:
    fake.exchange.add_key("main", Key(key="reader", secret="s1", trade=False))
    fake.exchange.add_key("main", Key(key="thief", secret="s2", withdraw=True))
    reader, thief = client_of(fake, "reader"), client_of(fake, "thief")
    assert reader.accountV1PrivateGetAccountApiPermissions()["permissions"] == [2]
    assert thief.accountV1PrivateGetAccountApiPermissions()["permissions"] == [1, 2, 3, 5]
    assert refused("PermissionDenied", buy, reader) == 100004
    assert reader.fetch_positions([SWAP]) == []


def test_keys_signatures_and_clocks(fake, client) -> None:
    client.secret = "wrong"
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 100001
    client.secret = fake.secret
    for skew in (-3, 6):
        fake.faults.skew = skew
        assert refused("BadSymbol", buy, client) == 100421
    fake.faults.clear()
    buy(client)
    fake.exchange.revoke(fake.key)
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 100413
    client.apiKey = "nobody"
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 100413


def test_parameters_count_only_in_the_query_and_are_signed_as_they_are_sent(fake) -> None:
    url = "https://open-api.bingx.com/openApi/swap/v2/trade/order"
    headers = {"X-BX-APIKEY": fake.key}
    reply = requests.post(url, data={"timestamp": round(time.time() * 1000)}, headers=headers, timeout=1)
    assert reply.json()["code"] == 100421, "the time in the body is not seen"
    reply = requests.post(f"{url}?timestamp={round(time.time() * 1000)}", headers=headers, timeout=1)
    assert reply.json()["code"] == 100412


def test_the_exchange_of_play_money_answers_too(fake) -> None:
    client = client_of(fake)
    client.set_sandbox_mode(True)
    buy(client, clientOrderId="play")
    assert fake.asked("create_order")[-1].request.host == "open-api-vst.bingx.com"


# Limits and faults


def test_the_sixth_look_up_within_a_second_is_refused_inside_a_200(fake, client) -> None:
    fake.limits.rules = fake.new_limits().rules
    moment = time.time()
    fake.wire_clock = lambda: moment
    for _ in range(5):
        client.fetch_positions([SWAP])
    assert refused("OperationFailed", client.fetch_positions, [SWAP]) == 100410
    buy(client)
    moment += 1.1
    assert len(client.fetch_positions([SWAP])) == 1


def test_an_address_that_asks_too_often_gets_429(fake, client) -> None:
    fake.limits.rules = (Rule(name="address", limit=2, seconds=10.0, counts="requests", group="market"),)
    moment = time.time() + 60
    fake.wire_clock = lambda: moment
    for _ in range(2):
        client.fetch_time()
    assert refused("DDoSProtection", client.fetch_time) == 429
    assert client.last_response_headers["Retry-After"] == "10"
    fake.wire_clock = lambda: moment + 11
    client.fetch_time()


def test_limits_that_are_forced_and_a_banned_address(fake, client) -> None:
    fake.faults.on("create_order", rate_limited(0.0))
    assert refused("OperationFailed", buy, client) == 100410
    fake.faults.on("create_order", banned(60.0))
    for _ in range(2):
        with pytest.raises(errors.DDoSProtection, match="418"):
            buy(client)
    assert not fake.exchange.main.orders


@pytest.mark.parametrize(
    ("fault", "kind", "executed"),
    [
        (lost(), "RequestTimeout", True),
        (swallowed(), "RequestTimeout", False),
        (reset_after(), "NetworkError", True),
        (reset_before(), "NetworkError", False),
        (html_body(status=502), "ExchangeNotAvailable", True),
        (answered(503, {"code": 100503, "msg": "Server busy"}, executed=True), "ExchangeError", True),
        (answered(200, {"code": 109500, "msg": BUSY}, executed=True), "OperationFailed", True),
        (answered(200, {"code": 100500, "msg": BUSY}, executed=False), "OperationFailed", False),
    ],
    ids=["lost", "swallowed", "reset after", "reset before", "502 page", "503", "109500", "100500"],
)
def test_what_nobody_knows_is_settled_by_a_look_up(fake, client, fault, kind, executed) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(getattr(errors, kind)) as caught:
        buy(client, clientOrderId="ask")
    assert type(caught.value).__name__ == kind
    look_up = partial(client.swapV2PrivateGetTradeOrder, {"symbol": NAME, "clientOrderID": "ask"})
    if executed:
        assert look_up()["data"]["order"]["status"] == "FILLED"
    else:
        assert refused("OrderNotFound", look_up) == 80016
    assert not fake.faults.pending


def test_a_null_body_is_an_order_without_id(fake, client) -> None:
    fake.faults.on("create_order", null_body())
    assert buy(client, clientOrderId="null")["id"] is None
    assert fake.exchange.order("null").status == "filled"
