"""The fake Bybit, asked by ccxt's own synchronous class over TLS under the real host name."""

import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.fakes import fake_of
from tests.fakes.bybit import FakeBybit
from tests.fakes.ccxt_clients import SPOT, SWAP, client_of, code_of, errors, refused
from tests.fakes.core_values import Order
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


def found(client: Any, link: str, symbol: str = SWAP) -> dict[str, Any]:
    """Look an order up by its client id as the notes on exchanges say."""
    rows = client.fetch_open_orders(symbol, params={"orderLinkId": link})
    assert len(rows) == 1
    return rows[0]


# Market data


def test_markets_carry_steps_and_limits(client) -> None:
    spot, swap = client.market(SPOT), client.market(SWAP)
    assert (spot["precision"]["price"], spot["limits"]["cost"]["min"]) == (0.01, 5.0)
    assert (swap["precision"]["amount"], swap["limits"]["cost"]["min"], swap["linear"]) == (0.001, 5.0, True)
    assert (spot["id"], swap["id"]) == ("BTCUSDT", "BTCUSDT")


def test_tickers_candles_book_and_clock(fake, client) -> None:
    fake.exchange.prices[SWAP] = Decimal("51000.5")
    ticker = client.fetch_ticker(SWAP)
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (51000.5, 51000.4, 51000.6)
    assert set(client.fetch_tickers(["BTC/USDT", "ETH/USDT"])) == {"BTC/USDT", "ETH/USDT"}
    assert client.fetch_order_book(SWAP)["asks"] == [[51000.6, 5.0]]
    assert abs(client.fetch_time() - time.time() * 1000) < 5000


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_candles_come_in_order_and_from_a_start(fake, client, symbol) -> None:
    fake.exchange.now = 1_800_000_030.0
    latest = client.fetch_ohlcv(symbol, "1m", limit=3)
    assert [row[0] for row in latest] == [1_799_999_880_000, 1_799_999_940_000, 1_800_000_000_000]
    since = client.fetch_ohlcv(symbol, "1m", since=1_799_990_000_000, limit=2)
    assert [row[0] for row in since] == [1_799_990_040_000, 1_799_990_100_000]


# Orders


def test_a_limit_order_rests_and_is_found_by_its_client_id(client) -> None:
    receipt = client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "a-1"})
    assert (receipt["clientOrderId"], receipt["status"], receipt["amount"]) == ("a-1", None, None)
    order = found(client, "a-1")
    assert (order["status"], order["amount"], order["price"], order["id"]) == (
        "open",
        0.01,
        49_000,
        receipt["id"],
    )
    assert client.fetch_open_orders(SWAP, params={"orderLinkId": "nobody"}) == []


def test_a_filled_market_order_is_still_found_by_its_client_id(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "a-2"})
    order = found(client, "a-2")
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.01, 50_000.1)
    assert order["price"] > order["average"], "a market order says the price it was protected by"
    assert client.fetch_open_orders(SWAP) == []
    trade = client.fetch_order_trades(None, SWAP, params={"clientOrderId": "a-2"})[0]
    assert (trade["order"], trade["side"], trade["fee"]["currency"]) == (order["id"], "buy", "USDT")
    assert trade["fee"]["cost"] == pytest.approx(0.01 * 50_000.1 * 0.00055)
    assert trade["id"] != order["id"]


def test_ended_orders_are_only_in_the_history_after_a_restart_of_the_exchange(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "a-3"})
    fake.restart()
    assert client.fetch_open_orders(SWAP, params={"orderLinkId": "a-3"}) == []
    history = client.privateGetV5OrderHistory({"category": "linear", "orderLinkId": "a-3"})
    assert history["result"]["list"][0]["orderStatus"] == "Filled"


def test_canceled_orders_leave_the_history_after_a_day_and_filled_ones_after_a_week(fake, client) -> None:
    fake.exchange.now = 1_800_000_000.0
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "dead"})
    client.cancel_order(None, SWAP, {"orderLinkId": "dead"})
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "done"})

    def known() -> list[str]:
        return [row["clientOrderId"] for row in client.fetch_canceled_and_closed_orders(SWAP)]

    assert sorted(known()) == ["dead", "done"]
    fake.exchange.now += 86_401
    assert known() == ["done"]
    fake.exchange.now += 6 * 86_400
    assert known() == []


@pytest.mark.parametrize(("symbol", "code"), [(SWAP, 110072), (SPOT, 170141)])
def test_a_client_id_is_accepted_once(fake, client, symbol, code) -> None:
    client.create_order(symbol, "market", "buy", 0.001, None, {"clientOrderId": "once"})
    again = partial(client.create_order, symbol, "market", "buy", 0.001, None, {"clientOrderId": "once"})
    assert refused("InvalidOrder", again) == code
    assert len(fake.exchange.main.orders) == 1


def test_cancel_by_client_id_and_what_cannot_be_canceled(fake, client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "c-1"})
    client.cancel_order(None, SWAP, {"orderLinkId": "c-1"})
    assert found(client, "c-1")["status"] == "canceled"
    again = partial(client.cancel_order, None, SWAP, {"orderLinkId": "c-1"})
    assert refused("OrderNotFound", again) == 110001
    assert refused("OrderNotFound", client.cancel_order, "17", SPOT) == 170213


def test_cancel_all_takes_one_symbol_or_the_whole_category(client) -> None:
    for symbol, price in ((SWAP, 49_000), ("ETH/USDT:USDT", 2_400), (SPOT, 49_000)):
        client.create_order(symbol, "limit", "buy", 0.01, price)
    assert len(client.cancel_all_orders(SWAP)) == 1
    assert len(client.cancel_all_orders(None, {"category": "linear"})) == 1
    assert len(client.fetch_open_orders(SPOT)) == 1


def test_a_late_cancel_lets_the_order_fill_meanwhile(fake, client) -> None:
    fake.exchange.now = 1_800_000_000.0
    fake.late_cancels.delay = 1.0
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "c-2"})
    client.cancel_order(None, SWAP, {"orderLinkId": "c-2"})
    assert found(client, "c-2")["status"] == "open"
    fake.exchange.prices[SWAP] = Decimal(48_990)
    fake.exchange.now += 1
    assert found(client, "c-2")["status"] == "closed"


def test_spot_orders_by_quantity_by_value_and_their_fees(fake, client) -> None:
    client.create_order(SPOT, "market", "buy", 0.01, None, {"clientOrderId": "s-1"})
    assert (found(client, "s-1", SPOT)["filled"], found(client, "s-1", SPOT)["amount"]) == (0.01, 0.01)
    client.create_market_buy_order_with_cost(SPOT, 100, {"clientOrderId": "s-2"})
    assert found(client, "s-2", SPOT)["filled"] == 0.00199
    fee = client.fetch_my_trades(SPOT)[0]["fee"]
    assert (fee["currency"], fee["cost"]) == ("BTC", pytest.approx(0.00001))
    coins = client.fetch_balance()
    assert coins["BTC"]["total"] == pytest.approx(0.01199 * 0.999)


def test_a_partly_filled_spot_order_that_is_canceled_reads_closed(fake, client) -> None:
    fake.exchange.liquidity[SPOT] = Decimal("0.004")
    client.create_order(SPOT, "limit", "buy", 0.01, 50_000.01, {"clientOrderId": "p-1"})
    client.cancel_order(None, SPOT, {"orderLinkId": "p-1"})
    order = found(client, "p-1", SPOT)
    assert (order["status"], order["info"]["orderStatus"]) == ("closed", "PartiallyFilledCanceled")
    assert (order["filled"], order["remaining"]) == (0.004, 0)


def test_post_only_and_time_in_force_end_at_once(client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 51_000, {"clientOrderId": "po", "postOnly": True})
    order = found(client, "po")
    assert (order["status"], order["info"]["rejectReason"]) == ("canceled", "EC_PostOnlyWillTakeLiquidity")
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "ioc", "timeInForce": "IOC"})
    assert (found(client, "ioc")["status"], found(client, "ioc")["filled"]) == ("canceled", 0)


def test_an_order_is_amended_in_place(fake, client) -> None:
    order = client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "m-1"})
    client.edit_order(order["id"], SWAP, "limit", "buy", 0.02, 48_000)
    assert (found(client, "m-1")["amount"], found(client, "m-1")["price"]) == (0.02, 48_000)
    client.edit_order(order["id"], SWAP, "limit", "buy", 0.02, 51_000)
    assert found(client, "m-1")["status"] == "closed"
    assert refused("OrderNotFound", client.edit_order, order["id"], SWAP, "limit", "buy", 0.03) == 110001


@pytest.mark.parametrize(
    ("symbol", "amount", "price", "kind", "code"),
    [
        (SWAP, 1000.0, 49_000.0, "InsufficientFunds", 110007),
        (SPOT, 1.0, 49_000.0, "InsufficientFunds", 170131),
        (SWAP, 20_000.0, 49_000.0, "BadRequest", 10001),
        (SPOT, 20_000.0, 49_000.0, "InvalidOrder", 170135),
        (SPOT, 0.0001, 49_000.0, "InvalidOrder", 170140),
        (SWAP, 0.001, 4_000.0, "InvalidOrder", 110094),
    ],
)
def test_what_is_too_much_or_too_little(client, symbol, amount, price, kind, code) -> None:
    assert refused(kind, client.create_order, symbol, "limit", "buy", amount, price) == code


@pytest.mark.parametrize(
    ("category", "field", "value", "code"),
    [
        ("linear", "qty", "0.0015", 10001),
        ("linear", "qty", "0.0001", 10001),
        ("linear", "price", "49000.05", 10001),
        ("linear", "symbol", "NOPEUSDT", 10001),
        ("linear", "orderLinkId", "x" * 37, 10001),
        ("linear", "reduceOnly", "true", 10001),
        ("linear", "takeProfit", "60000", 10001),
        ("nothing", "qty", "0.01", 10001),
        ("spot", "qty", "0.0010001", 170137),
        ("spot", "price", "49000.005", 170134),
        ("spot", "symbol", "NOPEUSDT", 170121),
    ],
)
def test_filters_that_ccxt_would_round_away(client, category, field, value, code) -> None:
    order = {"category": category, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01"}
    with pytest.raises(errors.ExchangeError) as caught:
        client.privatePostV5OrderCreate({**order, "price": "49000", field: value})
    assert code_of(caught.value) == code


def test_lists_are_cut_into_pages(fake, client) -> None:
    for _ in range(25):
        fake.exchange.external_order(SWAP, "buy", Decimal("0.001"), Decimal(49_000))
    assert len(client.fetch_open_orders(SWAP)) == 20, "the exchange's default page"
    assert len(client.fetch_open_orders(SWAP, limit=50)) == 25
    assert len(client.fetch_open_orders(SWAP, params={"paginate": True})) == 25


def test_orders_may_become_visible_late(fake, client) -> None:
    fake.exchange.hidden_reads = 1
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "late"})
    assert client.fetch_open_orders(SWAP, params={"orderLinkId": "late"}) == []
    assert found(client, "late")["filled"] == 0.01


def test_orders_of_others_are_listed(fake, client) -> None:
    order = fake.exchange.external_order(SWAP, "buy", Decimal("0.01"), Decimal(49_000))
    assert isinstance(order, Order)
    rows = client.fetch_open_orders(SWAP)
    assert [(row["clientOrderId"], row["amount"]) for row in rows] == [(None, 0.01)]
