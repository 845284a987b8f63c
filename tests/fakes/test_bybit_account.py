"""The fake Bybit's positions, stops, balance, settings and keys, asked by ccxt's own class."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.fakes import fake_of
from tests.fakes.bybit import FakeBybit
from tests.fakes.ccxt_clients import SPOT, SWAP, client_of, refused
from tests.fakes.core_accounts import Key
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


def stop(client: Any, **more: Any) -> Any:
    return client.create_order(SWAP, "market", "sell", 0.01, None, {"clientOrderId": "stop", **more})


# Positions


def test_a_position_a_flat_one_and_funding(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01)
    fake.exchange.prices[SWAP] = Decimal(51_000)
    held = client.fetch_positions([SWAP])[0]
    assert (held["side"], held["contracts"], held["entryPrice"]) == ("long", 0.01, 50_000.1)
    assert held["unrealizedPnl"] == pytest.approx(9.999)
    fake.exchange.pay_funding(SWAP, Decimal("0.0001"))
    paid = client.fetch_funding_history(SWAP)[0]
    assert paid["amount"] == pytest.approx(0.051), "what was paid is positive in executions"
    log = client.privateGetV5AccountTransactionLog({"type": "SETTLEMENT"})["result"]["list"]
    assert float(log[0]["funding"]) == pytest.approx(-0.051), "and negative in the transaction log"
    assert client.fetch_my_trades(SWAP)[0]["amount"] == 0.01
    fake.exchange.close_by_hand(SWAP)
    flat = client.fetch_positions([SWAP])[0]
    assert (flat["side"], flat["contracts"]) == (None, 0)
    assert client.fetch_positions() == [], "by settlement coin only what is not flat"


def test_reduce_only_never_opens_and_never_closes_more_than_there_is(fake, client) -> None:
    reduce = partial(client.create_order, SWAP, "market", "sell", 0.05, None, {"reduceOnly": True})
    assert refused("InvalidOrder", reduce) == 110017
    client.create_order(SWAP, "market", "buy", 0.02)
    reduce()
    assert fake.exchange.main.open_positions() == []


def test_a_trailing_percentage_is_ignored_and_a_plain_market_order_fills(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01, None, {"trailingPercent": 1, "clientOrderId": "trail"})
    assert fake.exchange.order("trail").status == "filled"


def test_a_stop_waits_triggers_and_reduces(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01)
    stop(client, stopLossPrice=49_000)
    waiting = client.fetch_open_orders(SWAP, params={"orderLinkId": "stop"})[0]
    assert (waiting["status"], waiting["stopLossPrice"], waiting["reduceOnly"]) == ("open", 49_000, True)
    assert waiting["info"]["orderStatus"] == "Untriggered"
    assert len(client.fetch_open_orders(SWAP, params={"trigger": True})) == 1
    fake.exchange.prices[SWAP] = Decimal(48_900)
    assert client.fetch_open_orders(SWAP) == []
    assert fake.exchange.main.open_positions() == []
    ended = client.fetch_open_orders(SWAP, params={"orderLinkId": "stop"})[0]
    assert (ended["status"], ended["average"]) == ("closed", 48_899.9)


def test_a_stop_that_finds_nothing_to_reduce_is_rejected_when_it_triggers(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01)
    stop(client, stopLossPrice=49_000)
    fake.exchange.close_by_hand(SWAP)
    fake.exchange.prices[SWAP] = Decimal(48_900)
    ended = client.fetch_open_orders(SWAP, params={"orderLinkId": "stop"})[0]
    assert (ended["status"], ended["filled"]) == ("rejected", 0)
    assert fake.exchange.main.open_positions() == []


def test_a_canceled_stop_was_deactivated(client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01)
    stop(client, stopLossPrice=49_000)
    client.cancel_order(None, SWAP, {"orderLinkId": "stop"})
    ended = client.fetch_open_orders(SWAP, params={"orderLinkId": "stop"})[0]
    assert (ended["status"], ended["info"]["orderStatus"]) == ("canceled", "Deactivated")


@pytest.mark.parametrize(
    ("price", "direction", "code"), [(51_000, "below", 110093), (49_000, "above", 110092)]
)
def test_a_condition_that_holds_already_is_refused(client, price, direction, code) -> None:
    call = partial(stop, client, triggerPrice=price, triggerDirection=direction)
    assert refused("InvalidOrder", call) == code


def test_spot_stops_are_canceled_under_their_own_filter_only(client) -> None:
    client.create_order(SPOT, "market", "buy", 0.01)
    client.create_order(SPOT, "market", "sell", 0.005, None, {"clientOrderId": "st", "triggerPrice": 49_000})
    wrong = partial(client.cancel_order, None, SPOT, {"orderLinkId": "st"})
    assert refused("OrderNotFound", wrong) == 170213
    client.cancel_order(None, SPOT, {"orderLinkId": "st", "trigger": True})
    assert client.fetch_open_orders(SPOT) == []


def test_the_stop_loss_of_a_position_ends_with_it(fake, client) -> None:
    order = {"category": "linear", "symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": 0}
    set_stop = partial(client.privatePostV5PositionTradingStop, {**order, "stopLoss": "49000"})
    assert refused("BadRequest", set_stop) == 10001
    client.create_order(SWAP, "market", "buy", 0.01)
    set_stop()
    assert client.fetch_positions([SWAP])[0]["stopLossPrice"] == 49_000
    row = client.fetch_open_orders(SWAP)[0]["info"]
    assert (row["stopOrderType"], row["createType"]) == ("StopLoss", "CreateByStopLoss")
    fake.exchange.close_by_hand(SWAP)
    client.fetch_positions([SWAP])
    assert client.fetch_open_orders(SWAP) == []


def test_a_partial_take_profit_closes_its_size(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.02)
    order = {"category": "linear", "symbol": "BTCUSDT", "tpslMode": "Partial", "positionIdx": 0}
    client.privatePostV5PositionTradingStop({**order, "takeProfit": "51000", "tpSize": "0.005"})
    assert client.fetch_open_orders(SWAP)[0]["info"]["stopOrderType"] == "PartialTakeProfit"
    fake.exchange.prices[SWAP] = Decimal(51_000)
    assert client.fetch_positions([SWAP])[0]["contracts"] == 0.015


# Settings and balance


def test_settings_that_are_as_wished_already_say_so(client) -> None:
    client.set_leverage(5, SWAP)
    assert refused("BadRequest", client.set_leverage, 5, SWAP) == 110043
    assert refused("BadRequest", client.set_leverage, 500, SWAP) == 110013
    assert refused("NoChange", client.set_position_mode, False, SWAP) == 110025
    assert refused("MarginModeAlreadySet", client.set_margin_mode, "cross") == 110026


def test_the_margin_mode_is_the_whole_accounts(fake, client) -> None:
    client.set_margin_mode("isolated", SWAP)
    assert fake.exchange.main.margin_mode_of("ETH/USDT:USDT") == "isolated"
    whole = client.fetch_balance()["info"]["result"]["list"][0]
    assert (whole["totalAvailableBalance"], whole["totalEquity"]) == ("", "10000")


def test_hedge_mode_holds_both_sides(fake, client) -> None:
    client.set_position_mode(True, SWAP)
    assert refused("BadRequest", client.create_order, SWAP, "market", "buy", 0.01) == 10001
    for side in ("buy", "sell"):
        client.create_order(SWAP, "market", side, 0.01, None, {"hedged": True})
    rows = client.fetch_positions([SWAP])
    assert [(row["side"], row["contracts"], row["hedged"]) for row in rows] == [
        ("long", 0.01, True),
        ("short", 0.01, True),
    ]
    assert refused("BadRequest", client.set_position_mode, False, SWAP) == 110024
    client.create_order(SWAP, "market", "sell", 0.01, None, {"hedged": True, "reduceOnly": True})
    assert [row["contracts"] for row in client.fetch_positions([SWAP])] == [0, 0.01]


def test_the_balance_of_the_unified_wallet(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.1)
    client.create_order(SPOT, "limit", "buy", 0.01, 40_000)
    coin = client.fetch_balance()["USDT"]
    assert coin["total"] == pytest.approx(10_000 - 0.1 * 50_000.1 * 0.00055)
    assert coin["used"] == pytest.approx(250 + 400)
    row = client.fetch_balance()["info"]["result"]["list"][0]["coin"][0]
    assert row["availableToWithdraw"] == ""


def test_what_a_key_may_do(fake, client) -> None:
    fake.exchange.add_key("main", Key(key="reader", secret="s1", trade=False))
    fake.exchange.add_key("main", Key(key="thief", secret="s2", withdraw=True))
    reader, thief = client_of(fake, "reader"), client_of(fake, "thief")
    rights = reader.privateGetV5UserQueryApi()["result"]
    assert (rights["readOnly"], rights["permissions"]["ContractTrade"]) == (1, [])
    assert "Withdraw" in thief.privateGetV5UserQueryApi()["result"]["permissions"]["Wallet"]
    assert refused("PermissionDenied", reader.create_order, SWAP, "market", "buy", 0.01) == 10005
    assert reader.fetch_positions([SWAP])[0]["contracts"] == 0


def test_keys_signatures_and_clocks(fake, client) -> None:
    client.secret = "wrong"
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 10004
    client.secret = fake.secret
    for skew in (-3, 6):
        fake.faults.skew = skew
        assert refused("InvalidNonce", client.create_order, SWAP, "market", "buy", 0.01) == 10002
    client.load_time_difference()
    client.create_order(SWAP, "market", "buy", 0.01)
    fake.exchange.revoke(fake.key)
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 33004
    client.apiKey = "nobody"
    assert refused("AuthenticationError", client.fetch_positions, [SWAP]) == 10003
