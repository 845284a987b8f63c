"""The fake Binance's futures, asked by ccxt: orders, the Algo Service, positions, settings, funding."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.binance import FakeBinance
from tests.fakes.binance_client import SWAP, client_of, errors
from tests.fakes.server import served


@pytest.fixture
def fake() -> Iterator[FakeBinance]:
    with served(FakeBinance()) as binance:
        yield binance


@pytest.fixture
def client(fake: FakeBinance) -> Any:
    return client_of(fake)


def test_a_position_is_opened_shown_and_closed(fake, client) -> None:
    client.set_leverage(10, SWAP)
    client.create_order(SWAP, "market", "buy", 0.1, None, {"clientOrderId": "cts-1"})
    fake.exchange.prices[SWAP] = Decimal(51_000)
    (position,) = client.fetch_positions([SWAP])
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.1, 50_000.1)
    assert position["unrealizedPnl"] == pytest.approx(99.99)
    (old,) = client.fetch_positions([SWAP], {"useV2": True})
    assert (old["leverage"], old["marginMode"]) == (10, "cross")
    balance = client.fetch_balance({"type": "swap"})["USDT"]
    assert balance["total"] == pytest.approx(10_000 - 2.500005 + 99.99)
    assert balance["free"] == pytest.approx(10_000 - 2.500005 + 99.99 - 510)
    closed = client.create_order(SWAP, "market", "sell", 0.1, None, {"reduceOnly": True})
    assert (closed["status"], closed["average"]) == ("closed", 50_999.9)
    assert client.fetch_positions([SWAP]) == []
    rows = client.fetch_my_trades(SWAP)
    assert [row["info"]["realizedPnl"] for row in rows] == ["0.00000000", "99.98000000"]
    assert fake.exchange.main.total("swap", "USDT") == Decimal("10094.93")


def test_futures_orders_are_found_by_client_id_and_canceled(fake, client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 40_000, {"clientOrderId": "cts-1"})
    with pytest.raises(errors.InvalidOrder, match="-4116"):
        client.create_order(SWAP, "limit", "buy", 0.01, 40_000, {"clientOrderId": "cts-1"})
    assert client.fetch_order(None, SWAP, {"clientOrderId": "cts-1"})["status"] == "open"
    assert len(client.fetch_open_orders(SWAP)) == 1
    assert client.cancel_order(None, SWAP, {"clientOrderId": "cts-1"})["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound, match="-2013"):
        client.fetch_order(None, SWAP, {"clientOrderId": "cts-0"})
    assert client.fetch_orders(SWAP)[0]["clientOrderId"] == "cts-1"


def test_a_futures_stop_is_an_order_of_the_algo_service_and_trades_as_another(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    stop = client.create_order(
        SWAP,
        "market",
        "sell",
        0.1,
        None,
        {"stopLossPrice": 48_000, "reduceOnly": True, "clientOrderId": "cts-stop"},
    )
    assert (stop["status"], stop["clientOrderId"]) == ("open", "cts-stop")
    with pytest.raises(errors.OrderNotFound, match="-2013"):
        client.fetch_order(stop["id"], SWAP)
    assert client.fetch_open_orders(SWAP) == []
    assert [order["id"] for order in client.fetch_open_orders(SWAP, None, None, {"trigger": True})] == [
        stop["id"]
    ]
    fake.exchange.prices[SWAP] = Decimal(47_900)
    ended = client.fetch_order(None, SWAP, {"clientOrderId": "cts-stop", "trigger": True})
    assert (ended["status"], ended["info"]["algoStatus"]) == ("closed", "FINISHED")
    actual = client.fetch_order(ended["info"]["actualOrderId"], SWAP)
    assert (actual["filled"], actual["average"], actual["reduceOnly"]) == (0.1, 47_899.9, True)
    assert client.fetch_my_trades(SWAP)[-1]["order"] == actual["id"]
    assert client.fetch_positions([SWAP]) == []


def test_a_futures_stop_is_canceled_by_its_client_id(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    named = {"clientOrderId": "cts-stop", "trigger": True}
    client.create_order(
        SWAP, "market", "sell", 0.1, None, {"stopLossPrice": 48_000, "clientOrderId": "cts-stop"}
    )
    client.cancel_order(None, SWAP, named)
    assert client.fetch_order(None, SWAP, named)["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound, match="-2011"):
        client.cancel_order(None, SWAP, named)


def test_a_stop_that_has_nothing_to_reduce_is_rejected_when_it_triggers(fake, client) -> None:
    named = {"clientOrderId": "cts-stop", "trigger": True}
    parameters = {"stopLossPrice": 48_000, "clientOrderId": "cts-stop", "reduceOnly": True}
    client.create_order(SWAP, "market", "sell", 0.1, None, parameters)
    fake.exchange.prices[SWAP] = Decimal(47_000)
    ended = client.fetch_order(None, SWAP, named)
    assert (ended["status"], ended["info"]["actualOrderId"]) == ("rejected", "")
    assert client.fetch_my_trades(SWAP) == []


@pytest.mark.parametrize(
    ("kind", "side", "amount", "price", "parameters", "error", "words"),
    [
        ("limit", "buy", 0.001, 40_000, {}, errors.InvalidOrder, "-4164.*smaller than 100"),
        ("market", "buy", 9, None, {}, errors.InsufficientFunds, "-2019"),
        ("market", "sell", 0.1, None, {"reduceOnly": True}, errors.InvalidOrder, "-2022"),
        ("limit", "buy", 0.01, 51_000, {"postOnly": True}, errors.OrderNotFillable, "-5022"),
        ("market", "sell", 0.1, None, {"stopLossPrice": 51_000}, errors.OrderImmediatelyFillable, "-2021"),
        ("limit", "buy", 0.01, 40_000, {"positionSide": "LONG"}, errors.OperationRejected, "-4061"),
        ("limit", "buy", 0.01, 40_000, {"quantity": "0.0101"}, errors.BadRequest, "-1111"),
        ("limit", "buy", 0.01, 40_000, {"price": "40000.01"}, errors.BadRequest, "-4014"),
    ],
)
def test_futures_orders_that_are_refused(
    fake, client, kind, side, amount, price, parameters, error, words
) -> None:
    with pytest.raises(error, match=words):
        client.create_order(SWAP, kind, side, amount, price, parameters)
    assert fake.exchange.main.orders == {}


def test_a_conditional_order_at_the_old_address_is_refused(fake, client) -> None:
    with pytest.raises(errors.ExchangeError, match="-4120"):
        client.fapiPrivatePostOrder({"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"})


def test_hedge_mode_holds_two_positions(fake, client) -> None:
    client.set_position_mode(True, SWAP)
    client.create_order(SWAP, "market", "buy", 0.1, None, {"hedged": True})
    client.create_order(SWAP, "market", "sell", 0.2, None, {"hedged": True})
    sides = {row["side"]: row["contracts"] for row in client.fetch_positions([SWAP])}
    assert sides == {"long": 0.1, "short": 0.2}
    client.create_order(SWAP, "market", "buy", 0.2, None, {"hedged": True, "reduceOnly": True})
    assert [row["side"] for row in client.fetch_positions([SWAP])] == ["long"]
    with pytest.raises(errors.ExchangeError, match="-1106"):
        client.create_order(SWAP, "market", "sell", 0.1, None, {"reduceOnly": True, "positionSide": "LONG"})


def test_settings_of_the_account(fake, client) -> None:
    assert client.set_leverage(7, SWAP)["leverage"] == 7
    assert client.set_leverage(7, SWAP)["leverage"] == 7
    with pytest.raises(errors.BadRequest, match="-4028"):
        client.set_leverage(125, SWAP)
    client.set_margin_mode("isolated", SWAP)
    with pytest.raises(errors.MarginModeAlreadySet, match="-4046"):
        client.set_margin_mode("isolated", SWAP)
    with pytest.raises(errors.OperationRejected, match="-4059"):
        client.set_position_mode(False, SWAP)
    client.create_order(SWAP, "market", "buy", 0.1)
    with pytest.raises(errors.OperationRejected, match="-4048"):
        client.set_margin_mode("cross", SWAP)
    with pytest.raises(errors.OperationRejected, match="-4068"):
        client.set_position_mode(True, SWAP)
    assert client.fetch_leverages([SWAP])[SWAP]["longLeverage"] == 7


def test_funding_is_paid_and_told(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    fake.exchange.pay_funding(SWAP, Decimal("0.0001"))
    (row,) = client.fetch_funding_history(SWAP, int((time.time() - 60) * 1000))
    assert (row["amount"], row["code"]) == (-0.5, "USDT")


def test_orders_and_closes_by_hand_are_seen(fake, client) -> None:
    fake.exchange.external_order(SWAP, "buy", Decimal("0.01"), Decimal(40_000), client_id="web_1")
    client.create_order(SWAP, "market", "buy", 0.1)
    assert [order["clientOrderId"] for order in client.fetch_open_orders(SWAP)] == ["web_1"]
    fake.exchange.close_by_hand(SWAP)
    assert client.fetch_positions([SWAP]) == []
