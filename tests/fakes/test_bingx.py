"""The fake BingX's market data, orders and trades, asked by ccxt's own synchronous class over TLS."""

import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.fakes import fake_of
from tests.fakes.bingx import FakeBingx
from tests.fakes.ccxt_clients import SPOT, SWAP, client_of, errors, refused
from tests.fakes.server import served

NAME = "BTC-USDT"
NOW = 1_800_000_000.0


@pytest.fixture
def fake() -> Iterator[FakeBingx]:
    with served(fake_of("bingx")) as bingx:
        assert isinstance(bingx, FakeBingx)
        bingx.limits.rules = ()
        yield bingx


@pytest.fixture
def client(fake: FakeBingx) -> Any:
    return client_of(fake)


def found(client: Any, client_id: str) -> dict[str, Any]:
    """Look an order up by its client id as the notes on exchanges say, with the raw route."""
    answer = client.swapV2PrivateGetTradeOrder({"symbol": NAME, "clientOrderID": client_id})
    return client.parse_order(answer["data"]["order"], client.market(SWAP))


def stop(client: Any, side: str = "sell", price: float = 49_000, **more: Any) -> Any:
    parameters = {"clientOrderId": "stop", "stopLossPrice": price, **more}
    return client.create_order(SWAP, "market", side, 0.01, None, parameters)


def fills(client: Any, **more: Any) -> list[dict[str, Any]]:
    """Return the rows of the fill history around now."""
    moment = round(time.time() * 1000)
    window = {"symbol": NAME, "startTs": moment - 3_600_000, "endTs": moment + 3_600_000}
    answer = client.swapV2PrivateGetTradeFillHistory({**window, **more})
    return answer["data"]["fill_history_orders"]


# Market data


def test_markets_carry_steps_and_limits(client) -> None:
    swap, spot = client.market(SWAP), client.market(SPOT)
    assert (swap["id"], swap["precision"]["price"], swap["precision"]["amount"]) == (NAME, 0.1, 0.001)
    assert (swap["limits"]["cost"]["min"], swap["active"], swap["linear"]) == (5.0, True, True)
    assert (spot["id"], spot["precision"]["amount"], spot["active"]) == (NAME, 0.00001, True)


def test_tickers_best_prices_and_clock(fake, client) -> None:
    fake.exchange.prices[SWAP] = Decimal("51000.5")
    for ticker in (client.fetch_ticker(SWAP), client.fetch_tickers([SWAP, "ETH/USDT:USDT"])[SWAP]):
        assert (ticker["close"], ticker["bid"], ticker["ask"]) == (51_000.5, 51_000.4, 51_000.6)
    assert client.fetch_tickers([SPOT])[SPOT]["close"] == 50_000
    assert client.fetch_bids_asks([SWAP])[SWAP]["bid"] == 51_000.4
    assert abs(client.fetch_time() - time.time() * 1000) < 5000


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_candles_come_in_order_and_from_a_start(fake, client, symbol) -> None:
    fake.exchange.now = NOW + 30
    latest = client.fetch_ohlcv(symbol, "1m", limit=3)
    assert [row[0] for row in latest] == [1_799_999_880_000, 1_799_999_940_000, 1_800_000_000_000]
    since = client.fetch_ohlcv(symbol, "1m", since=1_799_990_040_000, limit=2)
    assert [row[0] for row in since] == [1_799_990_040_000, 1_799_990_100_000]


def test_a_page_of_candles_has_an_end(client) -> None:
    asked = {"symbol": NAME, "interval": "1m", "limit": 1441}
    assert refused("ExchangeError", client.swapV3PublicGetQuoteKlines, asked) == 109414


# Orders


def test_client_ids_are_folded_to_lower_case(fake, client) -> None:
    receipt = client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "Ab-1"})
    assert (receipt["clientOrderId"], receipt["status"]) == ("ab-1", "open")
    assert found(client, "AB-1")["id"] == found(client, "ab-1")["id"] == receipt["id"]
    again = partial(client.create_order, SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "AB-1"})
    assert refused("DuplicateOrderId", again) == 109201


def test_look_ups_by_client_id_need_the_raw_route(client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "a-1"})
    assert refused("BadRequest", client.fetch_order, None, SWAP, {"clientOrderId": "a-1"}) == 109400
    order = found(client, "a-1")
    assert (order["amount"], order["price"], order["clientOrderId"]) == (0.01, 49_000, "a-1")
    assert client.fetch_order(order["id"], SWAP)["clientOrderId"] == "a-1"
    assert refused("OrderNotFound", found, client, "nobody") == 80016


def test_a_filled_market_order_is_found_and_told_in_its_receipt(client) -> None:
    receipt = client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "a-2"})
    assert (receipt["status"], receipt["filled"], receipt["average"]) == ("closed", 0.01, 50_000.1)
    order = found(client, "a-2")
    assert (order["status"], order["filled"]) == ("closed", 0.01)
    assert order["fee"]["cost"] == pytest.approx(0.01 * 50_000.1 * 0.0005)
    assert float(order["info"]["commission"]) < 0, "a fee that was paid is negative on the wire"
    assert client.fetch_open_orders(SWAP) == []
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "a-3"})
    assert [row["clientOrderId"] for row in client.fetch_canceled_and_closed_orders(SWAP)] == ["a-2"]
    assert sorted(row["clientOrderId"] for row in client.fetch_orders(SWAP)) == ["a-2", "a-3"]


def test_a_client_id_is_accepted_once_whatever_became_of_its_order(fake, client) -> None:
    fake.exchange.now = NOW
    again = partial(client.create_order, SWAP, "market", "buy", 0.01, None, {"clientOrderId": "once"})
    again()
    assert refused("DuplicateOrderId", again) == 109201
    fake.exchange.now = NOW + 2
    assert refused("DuplicateOrderId", again) == 101481
    assert len(fake.exchange.main.orders) == 1


def test_cancel_by_client_id_and_what_cannot_be_canceled(client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "c-1"})
    assert client.cancel_order(None, SWAP, {"clientOrderId": "c-1"})["status"] == "canceled"
    assert refused("ExchangeError", client.cancel_order, None, SWAP, {"clientOrderId": "c-1"}) == 80018
    assert refused("ExchangeError", client.cancel_order, "17", SWAP) == 109414
    for _ in range(2):
        client.create_order(SWAP, "limit", "buy", 0.01, 49_000)
    assert len(client.cancel_all_orders(SWAP)) == 2


def test_what_an_unknown_order_is_called_can_be_the_newer_word(fake, client) -> None:
    fake.orders.unknown_order["DELETE"] = (109421, "order not exist")
    assert refused("OrderNotFound", client.cancel_order, "17", SWAP) == 109421


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("quantity", "1000", 101204),
        ("quantity", "20000", 101209),
        ("quantity", "0.0001", 101400),
        ("quantity", "0.0015", 110425),
        ("quantity", "", 80014),
        ("price", "49000.05", 110400),
        ("price", "4000", 101400),
        ("symbol", "NOPE-USDT", 109425),
        ("positionSide", "LONG", 109400),
        ("reduceOnly", "true", 101290),
        ("clientOrderID", "x" * 41, 109400),
        ("stopLoss", "{}", 109400),
    ],
)
def test_what_is_refused(client, field, value, code) -> None:
    order = {"symbol": NAME, "side": "BUY", "positionSide": "BOTH", "type": "LIMIT", "quantity": "0.001"}
    with pytest.raises(errors.ExchangeError, match=f'"code":{code},'):
        client.swapV2PrivatePostTradeOrder({**order, "price": "49000", field: value})


def test_post_only_is_refused_where_it_would_take(client) -> None:
    post = partial(client.create_order, SWAP, "limit", "buy", 0.01)
    assert refused("ExchangeError", post, 51_000, {"postOnly": True}) == 101215
    assert post(49_000, {"postOnly": True})["status"] == "open"


# Stops


def test_a_reduce_only_stop_waits_and_reduces(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01)
    stop(client, reduceOnly=True)
    waiting = client.fetch_open_orders(SWAP)[0]
    assert (waiting["status"], waiting["stopLossPrice"], waiting["reduceOnly"]) == ("open", 49_000, True)
    assert (waiting["info"]["type"], waiting["info"]["status"]) == ("STOP_MARKET", "NEW")
    fake.exchange.prices[SWAP] = Decimal(48_900)
    assert (found(client, "stop")["status"], found(client, "stop")["average"]) == ("closed", 48_899.9)
    assert client.fetch_positions() == []


def test_a_stop_that_is_not_reduce_only_opens_a_position(fake, client) -> None:
    stop(client)
    fake.exchange.prices[SWAP] = Decimal(48_900)
    position = client.fetch_positions([SWAP])[0]
    assert (position["side"], position["contracts"]) == ("short", 0.01)


def test_a_reduce_only_stop_needs_a_position_when_it_is_placed_and_when_it_triggers(fake, client) -> None:
    assert refused("ExchangeError", stop, client, reduceOnly=True) == 101290
    client.create_order(SWAP, "market", "buy", 0.01)
    stop(client, reduceOnly=True)
    fake.exchange.close_by_hand(SWAP)
    fake.exchange.prices[SWAP] = Decimal(48_900)
    assert found(client, "stop")["info"]["status"] == "FAILED"
    assert client.fetch_positions() == []


@pytest.mark.parametrize(("side", "price", "code"), [("sell", 51_000, 110411), ("buy", 49_000, 110412)])
def test_a_stop_on_the_wrong_side_of_the_price_is_refused(client, side, price, code) -> None:
    assert refused("ExchangeError", stop, client, side, price) == code


def test_a_trigger_order_follows_the_way_that_leads_to_its_price(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01, None, {"triggerPrice": 49_000, "clientOrderId": "dip"})
    fake.exchange.prices[SWAP] = Decimal(48_900)
    assert (found(client, "dip")["status"], found(client, "dip")["average"]) == ("closed", 48_900.1)


# Trades


def test_ccxts_list_of_trades_lacks_id_and_side_and_its_time_is_eight_hours_off(fake, client) -> None:
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "t-1"})
    trade = client.fetch_my_trades(SWAP)[0]
    assert (trade["id"], trade["side"], trade["amount"]) == (None, None, 0.01)
    made = fake.exchange.main.trades[0].time
    assert trade["timestamp"] / 1000 - made == pytest.approx(8 * 3600, abs=1)


def test_the_fill_history_is_complete(fake, client) -> None:
    order = client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "t-2"})
    client.create_order(SWAP, "market", "sell", 0.01)
    sold, bought = fills(client)
    assert (bought["side"], bought["role"], bought["qty"], bought["price"]) == (
        "buy",
        "taker",
        "0.01",
        "50000.1",
    )
    assert (bought["orderId"], bought["commission"], bought["commissionAsset"]) == (
        order["id"],
        "-0.2500005",
        "USDT",
    )
    assert bought["filledTime"].endswith("+0800")
    assert sold["tradeId"] != bought["tradeId"]
    assert [row["tradeId"] for row in fills(client, orderId=order["id"])] == [bought["tradeId"]]
    assert [row["tradeId"] for row in fills(client, lastFillId=bought["tradeId"])] == [sold["tradeId"]]
    assert [row["tradeId"] for row in fills(client, pageSize=1, pageIndex=2)] == [bought["tradeId"]]


def test_windows_of_the_lists_are_limited(client) -> None:
    week = {"symbol": NAME, "startTs": 1, "endTs": 7 * 86_400_000 + 2}
    assert refused("BadRequest", client.swapV2PrivateGetTradeFillHistory, week) == 109400
    orders = {"symbol": NAME, "startTime": 1, "endTime": 7 * 86_400_000 + 2}
    assert refused("BadRequest", client.swapV2PrivateGetTradeAllOrders, orders) == 80014


def test_orders_may_become_visible_late_and_others_are_listed(fake, client) -> None:
    fake.exchange.hidden_reads = 1
    client.create_order(SWAP, "market", "buy", 0.01, None, {"clientOrderId": "late"})
    assert refused("OrderNotFound", found, client, "late") == 80016
    assert found(client, "late")["filled"] == 0.01
    fake.exchange.hidden_reads = 0
    fake.exchange.external_order(SWAP, "buy", Decimal("0.01"), Decimal(49_000))
    assert [row["amount"] for row in client.fetch_open_orders(SWAP)] == [0.01]


def test_late_fills_overfills_and_rows_told_twice(fake, client) -> None:
    client.create_order(SWAP, "limit", "buy", 0.01, 49_000, {"clientOrderId": "odd"})
    client.cancel_order(None, SWAP, {"clientOrderId": "odd"})
    trade = fake.exchange.force_fill(fake.exchange.order("odd"), Decimal("0.011"))
    fake.exchange.repeat_trade(trade, price=Decimal(49_001))
    order = found(client, "odd")
    assert (order["status"], order["filled"], order["amount"]) == ("canceled", 0.011, 0.01)
    rows = fills(client)
    assert len({row["tradeId"] for row in rows}) == 1
    assert sorted(row["price"] for row in rows) == ["49000", "49001"]
