"""The fake Binance, asked by ccxt's own synchronous class over TLS under the real host names."""

import importlib
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from chalicelib.exchanges.ccxt_public import load_exchange_class
from tests.fakes import fake_of
from tests.fakes.binance import FakeBinance
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
from tests.fakes.server import served

BINANCE = load_exchange_class("binance")
errors = importlib.import_module("ccxt.base.errors")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
HALF = Decimal("0.5")


def client_of(fake: FakeBinance, key: str | None = None, **options: Any) -> Any:
    """Return ccxt's client of an account, with a short timeout and nothing else unusual."""
    client = BINANCE(
        {
            "apiKey": key or fake.key,
            "secret": fake.exchange.key(key or fake.key)[1].secret,
            "timeout": 300,
            "enableRateLimit": False,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot", "linear"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
                **options,
            },
        }
    )
    client.load_markets()
    return client


@pytest.fixture
def fake() -> Iterator[FakeBinance]:
    with served(fake_of("binance")) as binance:
        assert isinstance(binance, FakeBinance)
        yield binance


@pytest.fixture
def client(fake: FakeBinance) -> Any:
    return client_of(fake)


def spot_client_ids(fake: FakeBinance) -> list[str]:
    return [order.client_id for order in fake.exchange.main.orders.values()]


# Public data


def test_trading_rules_are_those_of_the_exchange(fake, client) -> None:
    spot, swap = client.markets[SPOT], client.markets[SWAP]
    assert (spot["precision"]["amount"], spot["precision"]["price"]) == (0.00001, 0.01)
    assert (spot["limits"]["cost"]["min"], swap["limits"]["cost"]["min"]) == (5, 100)
    assert (swap["precision"]["amount"], swap["precision"]["price"]) == (0.001, 0.1)
    assert swap["contractSize"] == 1
    assert swap["linear"]


def test_everything_that_ccxt_loads_by_default_is_there(fake) -> None:
    client = BINANCE({"apiKey": fake.key, "secret": fake.secret, "timeout": 300})
    client.options["fetchMargins"] = True
    client.options["fetchCurrencies"] = True
    assert SPOT in client.load_markets()
    assert client.currencies["BTC"]["code"] == "BTC"


def test_prices(fake, client) -> None:
    spot = client.fetch_tickers([SPOT])[SPOT]
    assert (spot["last"], spot["bid"], spot["ask"]) == (50_000, 49_999.99, 50_000.01)
    swap = client.fetch_tickers([SWAP])[SWAP]
    assert (swap["last"], swap["bid"], swap["ask"]) == (50_000, None, None)
    book = client.fetch_bids_asks([SWAP])[SWAP]
    assert (book["bid"], book["ask"]) == (49_999.9, 50_000.1)
    assert client.fetch_order_book(SPOT, 5)["asks"][0][0] == 50_000.01
    assert abs(client.fetch_time() / 1000 - time.time()) < 1


def test_candles_follow_the_prices(fake, client) -> None:
    exchange = fake.exchange
    exchange.now = 1_800_000_000.0
    exchange.prices[SPOT] = Decimal(51_000)
    exchange.now = 1_800_000_030.0
    exchange.prices[SPOT] = Decimal(49_000)
    exchange.now = 1_800_000_060.0
    rows = client.fetch_ohlcv(SPOT, "1m", 1_799_999_940_000, 10)
    assert [row[0] // 1000 for row in rows] == [1_799_999_940, 1_800_000_000, 1_800_000_060]
    assert rows[1][1:5] == [51_000, 51_000, 49_000, 49_000]
    assert client.fetch_ohlcv(SWAP, "1m", None, 3)[-1][0] == 1_800_000_060_000


# Spot orders


def test_a_market_buy_pays_its_fee_in_what_it_gets(fake, client) -> None:
    order = client.create_order(SPOT, "market", "buy", 0.01, None, {"clientOrderId": "cts-1"})
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 0.01, "cts-1")
    assert order["fees"][0]["currency"] == "BTC"
    balance = client.fetch_balance({"type": "spot"})
    assert balance["BTC"]["free"] == 0.00999
    (trade,) = client.fetch_my_trades(SPOT)
    assert (trade["price"], trade["fee"]["cost"], trade["order"]) == (50_000.01, 0.00001, order["id"])


def test_fees_in_bnb(fake, client) -> None:
    fake.exchange.main.fee_currency = "BNB"
    fake.exchange.main.add("spot", "BNB", Decimal(1))
    client.create_order(SPOT, "market", "buy", 0.01)
    (trade,) = client.fetch_my_trades(SPOT)
    assert trade["fee"] == {"currency": "BNB", "cost": pytest.approx(0.001)}
    assert client.fetch_balance({"type": "spot"})["BTC"]["total"] == 0.01


def test_a_buy_by_cost(fake, client) -> None:
    order = client.create_order(SPOT, "market", "buy", 0, None, {"cost": 100})
    assert (order["filled"], order["status"]) == (0.00199, "closed")


def test_a_limit_order_rests_locks_money_and_is_found_and_canceled(fake, client) -> None:
    client.create_order(SPOT, "limit", "buy", 0.01, 40_000, {"clientOrderId": "cts-1"})
    assert client.fetch_balance({"type": "spot"})["USDT"] == {"free": 9600, "used": 400, "total": 10_000}
    found = client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert (found["status"], found["price"], found["filled"]) == ("open", 40_000, 0)
    assert [order["clientOrderId"] for order in client.fetch_open_orders(SPOT)] == ["cts-1"]
    canceled = client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert (canceled["status"], canceled["info"]["origClientOrderId"]) == ("canceled", "cts-1")
    assert client.fetch_open_orders(SPOT) == []
    assert client.fetch_orders(SPOT)[0]["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound, match="-2011"):
        client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})


def test_a_limit_order_fills_as_a_maker_when_the_price_comes(fake, client) -> None:
    client.create_order(SPOT, "limit", "buy", 0.01, 40_000, {"clientOrderId": "cts-1"})
    fake.exchange.prices[SPOT] = Decimal(39_000)
    found = client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert (found["status"], found["average"]) == ("closed", 40_000)
    (trade,) = client.fetch_order_trades(found["id"], SPOT)
    assert trade["takerOrMaker"] == "maker"


def test_orders_that_must_act_at_once_or_never(fake, client) -> None:
    fake.exchange.liquidity[SPOT] = Decimal("0.004")
    order = client.create_order(SPOT, "limit", "buy", 0.01, 51_000, {"timeInForce": "IOC"})
    assert (order["status"], order["filled"]) == ("expired", 0.004)
    with pytest.raises(errors.OrderImmediatelyFillable, match="immediately match"):
        client.create_order(SPOT, "limit", "buy", 0.01, 51_000, {"postOnly": True})
    assert client.create_order(SPOT, "limit", "buy", 0.01, 49_000, {"postOnly": True})["status"] == "open"


def test_a_spot_stop_sells_when_the_price_falls_through_it(fake, client) -> None:
    client.create_order(SPOT, "market", "buy", 0.01)
    client.create_order(
        SPOT, "market", "sell", 0.005, None, {"stopLossPrice": 45_000, "clientOrderId": "cts-stop"}
    )
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-stop"})["triggerPrice"] == 45_000
    fake.exchange.prices[SPOT] = Decimal(44_000)
    found = client.fetch_order(None, SPOT, {"clientOrderId": "cts-stop"})
    assert (found["status"], found["average"]) == ("closed", 43_999.99)


@pytest.mark.parametrize(
    ("amount", "price", "parameters", "error", "words"),
    [
        (0.0001, 40_000, {}, errors.BadRequest, "NOTIONAL"),
        (0.01, 40_000, {"quantity": "0.000000001"}, errors.InvalidOrder, "LOT_SIZE"),
        (0.01, 40_000, {"price": "40000.001"}, errors.InvalidOrder, "PRICE_FILTER"),
        (1, 40_000, {}, errors.InsufficientFunds, "insufficient balance"),
        (0.01, 40_000, {"clientOrderId": "no spaces"}, errors.BadRequest, "-1100"),
        (0.01, 40_000, {"stopLoss": {"triggerPrice": 1}}, errors.BadRequest, "-1104"),
        (0.01, 40_000, {"symbol": "NOUSDT"}, errors.BadSymbol, "-1121"),
    ],
)
def test_spot_orders_that_are_refused(fake, client, amount, price, parameters, error, words) -> None:
    with pytest.raises(error, match=words):
        client.create_order(SPOT, "limit", "buy", amount, price, parameters)
    assert fake.exchange.main.orders == {}


def test_a_client_id_is_unique_among_open_spot_orders_only(fake, client) -> None:
    client.create_order(SPOT, "limit", "buy", 0.001, 40_000, {"clientOrderId": "cts-1"})
    with pytest.raises(errors.InvalidOrder, match="Duplicate order sent"):
        client.create_order(SPOT, "limit", "buy", 0.001, 40_000, {"clientOrderId": "cts-1"})
    for _ in range(2):
        client.create_order(SPOT, "market", "buy", 0.001, None, {"clientOrderId": "cts-2"})
    assert spot_client_ids(fake) == ["cts-1", "cts-2", "cts-2"]


# Futures


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


def test_late_fills_overfills_and_repeated_trades_are_told(fake, client) -> None:
    client.create_order(SPOT, "limit", "buy", 0.01, 40_000, {"clientOrderId": "cts-1"})
    order = fake.exchange.order("cts-1")
    fake.exchange.force_fill(order, Decimal("0.004"))
    client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})
    late = fake.exchange.force_fill(order, Decimal("0.002"))
    fake.exchange.repeat_trade(late, Decimal(39_999))
    found = client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert (found["status"], found["filled"]) == ("canceled", 0.006)
    rows = client.fetch_my_trades(SPOT)
    assert [(row["id"], row["price"]) for row in rows[1:]] == [(str(late.id), 40_000), (str(late.id), 39_999)]
    fake.exchange.force_fill(order, Decimal("0.005"))
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["filled"] == 0.011


def test_an_order_may_become_visible_late(fake, client) -> None:
    fake.exchange.hidden_reads = 2
    client.create_order(SPOT, "market", "buy", 0.01, None, {"clientOrderId": "cts-1"})
    for _ in range(2):
        assert client.fetch_my_trades(SPOT) == []
        with pytest.raises(errors.OrderNotFound):
            client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "closed"
    assert len(client.fetch_my_trades(SPOT)) == 1


# Keys, clocks, limits


def test_keys_and_permissions(fake, client) -> None:
    told = client.sapiGetAccountApiRestrictions()
    assert (told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (False, True)
    fake.exchange.add_key("main", Key(key="reader", secret="quiet", trade=False))
    reader = client_of(fake, "reader")
    reader.fetch_balance()
    reader.options["hasAlreadyAuthenticatedSuccessfully"] = False
    with pytest.raises(errors.AuthenticationError, match="-2015"):
        reader.create_order(SPOT, "market", "buy", 0.01)
    client.secret = "wrong"
    with pytest.raises(errors.AuthenticationError, match="-1022"):
        client.fetch_balance()
    client.secret = fake.secret
    fake.exchange.revoke(fake.key)
    with pytest.raises(errors.AuthenticationError, match="-2015"):
        client.fetch_balance()
    assert fake.exchange.main.orders == {}


@pytest.mark.parametrize(("skew", "words"), [(-3, "1000ms ahead"), (11, "outside of the recvWindow")])
def test_a_wrong_clock_is_refused_until_it_is_set(fake, client, skew, words) -> None:
    fake.faults.skew = skew
    with pytest.raises(errors.InvalidNonce, match=words):
        client.create_order(SPOT, "market", "buy", 0.01)
    assert fake.exchange.main.orders == {}
    client.options["adjustForTimeDifference"] = True
    client.load_time_difference()
    assert client.create_order(SPOT, "market", "buy", 0.01)["status"] == "closed"


def test_weights_are_counted_as_documented(fake, client) -> None:
    fake.wire_clock = lambda: 1_800_000_000.0
    client.nonce = lambda: 1_800_000_000_000
    fake.limits.log.clear()
    client.fetch_ohlcv(SWAP, "1m", None, 99)
    client.fetch_ohlcv(SWAP, "1m", None, 500)
    client.fetch_open_orders(SWAP)
    client.fetch_balance({"type": "swap"})
    assert [charge.weight for charge in fake.limits.log] == [1, 5, 1, 5]
    assert client.last_response_headers["X-Mbx-Used-Weight-1m"] == "12"
    assert fake.limits.peak(60, "swap") == 12


@pytest.mark.parametrize(("fault", "status"), [(rate_limited(3), "429"), (banned(120), "418")])
def test_too_many_calls_are_refused_with_the_time_to_wait(fake, client, fault, status) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(errors.DDoSProtection, match=f"{status}.*-1003"):
        client.create_order(SPOT, "market", "buy", 0.01)
    assert client.last_response_headers["Retry-After"] in ("3", "120")
    assert fake.exchange.main.orders == {}
    assert fake.limits.refused() == []
    with pytest.raises(errors.DDoSProtection):
        client.fetch_balance()
    assert [charge.route for charge in fake.limits.refused()] == ["account"]


def test_orders_have_a_limit_of_their_own(fake, client) -> None:
    fake.wire_clock = lambda: 1_800_000_000.0
    client.nonce = lambda: 1_800_000_000_000
    for _ in range(100):
        client.create_order(SPOT, "limit", "buy", 0.001, 10_000)
    with pytest.raises(errors.DDoSProtection, match=r"429.*-1015"):
        client.create_order(SPOT, "limit", "buy", 0.001, 10_000)
    assert len(client.fetch_open_orders(SPOT)) == 100


# Calls that go wrong

LIMIT = (SPOT, "limit", "buy", 0.001, 40_000, {"clientOrderId": "cts-1"})


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        (lost(), errors.RequestTimeout, True),
        (swallowed(), errors.RequestTimeout, False),
        (reset_after(), errors.NetworkError, True),
        (reset_before(), errors.NetworkError, False),
        (answered(503, {"code": -1008, "msg": "Server is overloaded."}, True), errors.OperationFailed, True),
        (answered(400, {"code": -1007, "msg": "Timeout waiting."}, True), errors.RequestTimeout, True),
        (answered(400, {"code": -1006, "msg": "Unexpected."}, False), errors.OperationFailed, False),
        (html_body(executed=True, status=502), errors.ExchangeNotAvailable, True),
        (answered(504, "", executed=False), errors.NetworkError, False),
        (answered(200, {"code": -1000, "msg": "Unknown."}, False), errors.OperationFailed, False),
    ],
)
def test_what_ccxt_makes_of_a_create_that_goes_wrong(fake, client, fault, error, placed) -> None:
    fake.faults.on("create_order", fault)
    with pytest.raises(error):
        client.create_order(*LIMIT)
    time.sleep(0.02)
    assert spot_client_ids(fake) == ["cts-1"] * placed
    if placed:
        assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "open"
    else:
        assert client.create_order(*LIMIT)["status"] == "open"


def test_a_refused_connection_places_nothing(fake, client) -> None:
    with fake.server.refusing(), pytest.raises(errors.NetworkError) as raised:
        client.create_order(*LIMIT)
    assert "Connection refused" in str(raised.value.__cause__)
    assert client.create_order(*LIMIT)["status"] == "open"
    assert spot_client_ids(fake) == ["cts-1"]


def test_ccxt_makes_an_order_without_id_of_a_null_body(fake, client) -> None:
    fake.faults.on("create_order", null_body())
    order = client.create_order(*LIMIT)
    assert order["id"] is None
    assert spot_client_ids(fake) == ["cts-1"]


def test_a_cancel_whose_reply_is_lost_has_canceled(fake, client) -> None:
    client.create_order(*LIMIT)
    fake.faults.on("cancel_order", lost())
    with pytest.raises(errors.RequestTimeout):
        client.cancel_order(None, SPOT, {"clientOrderId": "cts-1"})
    assert client.fetch_order(None, SPOT, {"clientOrderId": "cts-1"})["status"] == "canceled"


def test_an_unknown_address_is_not_found(fake) -> None:
    assert requests.get("https://api.binance.com/api/v3/nothing", verify=True, timeout=1).status_code == 404
    assert requests.get("https://fapi.binance.com/api/v3/time", verify=True, timeout=1).status_code == 404
