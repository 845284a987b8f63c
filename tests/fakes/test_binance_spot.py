"""The fake Binance's market data and spot orders, asked by ccxt over TLS under the real host names."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.binance import FakeBinance
from tests.fakes.binance_client import BINANCE, SPOT, SWAP, client_ids, client_of, errors
from tests.fakes.server import served


@pytest.fixture
def fake() -> Iterator[FakeBinance]:
    with served(FakeBinance()) as binance:
        yield binance


@pytest.fixture
def client(fake: FakeBinance) -> Any:
    return client_of(fake)


def test_trading_rules_are_those_of_the_exchange(fake, client) -> None:
    spot, swap = client.markets[SPOT], client.markets[SWAP]
    assert (spot["precision"]["amount"], spot["precision"]["price"]) == (0.00001, 0.01)
    assert (spot["limits"]["cost"]["min"], swap["limits"]["cost"]["min"]) == (5, 100)
    assert (swap["precision"]["amount"], swap["precision"]["price"]) == (0.001, 0.1)
    assert swap["contractSize"] == 1
    assert swap["linear"]


def test_everything_that_ccxt_loads_by_default_is_there(fake) -> None:
    client = BINANCE({"apiKey": fake.key, "secret": fake.secret, "timeout": 3000})
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
    assert client_ids(fake) == ["cts-1", "cts-2", "cts-2"]


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
