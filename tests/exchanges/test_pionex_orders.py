"""Pionex: orders and trades as they are read, found and cancelled."""

import copy

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.pionex_wire import (
    FILL,
    NOW,
    SPOT_ORDER,
    SWAP_ORDER,
    client_on,
    failure,
    success,
    validate,
)

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
CLOSED = {"status": "CLOSED"}
CANCELLED = {"result": True, "timestamp": NOW}


def parsed(row):
    client, _ = client_on({})
    client.load_markets()
    order = client.parse_order(row)
    validate("order", client, {}, "fetchOrder", copy.deepcopy(order), order["symbol"], NOW)
    return order


def test_the_sample_order_is_open_half_filled_and_exact():
    order = parsed(SPOT_ORDER)
    assert (order["id"], order["symbol"], order["status"]) == ("1234567890", SPOT, "open")
    assert (order["amount"], order["filled"], order["remaining"]) == (0.1, 0.05, 0.05)
    assert (order["cost"], order["average"], order["price"]) == (1500.0, 30000.0, 30000.0)
    assert order["fee"] == {"cost": 0.15, "currency": "USDT"}
    assert (order["type"], order["timeInForce"], order["side"]) == ("limit", "GTC", "sell")
    assert (order["timestamp"], order["lastUpdateTimestamp"]) == (1566676132311, 1566676132311)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "open"),
        ({**CLOSED, "filledSize": "0.1000"}, "closed"),
        ({**CLOSED, "filledSize": "0.1"}, "closed"),
        ({**CLOSED, "filledSize": "0.0999"}, "canceled"),
        ({**CLOSED, "filledSize": "0"}, "canceled"),
        ({**CLOSED, "filledSize": None}, None),
        ({"status": "PENDING"}, None),
        ({**CLOSED, "type": "MARKET", "size": "0.1", "filledSize": "0.05"}, "canceled"),
    ],
)
def test_closed_means_filled_or_cancelled_by_what_was_filled(change, status):
    assert parsed({**SPOT_ORDER, **change})["status"] == status


def test_an_overfill_stays_visible():
    client, _ = client_on({})
    client.load_markets()
    order = client.parse_order({**SPOT_ORDER, **CLOSED, "filledSize": "0.11"})
    assert (order["status"], order["amount"], order["filled"]) == ("closed", 0.1, 0.11)


def test_a_market_buy_is_measured_by_the_amount_it_filled():
    row = {**SPOT_ORDER, **CLOSED, "type": "MARKET", "side": "BUY", "price": "0", "amount": "100"}
    filled = {**row, "size": "0", "filledSize": "0.0033", "filledAmount": "99.1"}
    order = parsed(filled)
    assert (order["status"], order["type"], order["timeInForce"]) == ("closed", "market", "IOC")
    assert (order["filled"], order["amount"], order["cost"]) == (0.0033, 0.0033, 99.1)
    assert order["average"] == pytest.approx(99.1 / 0.0033)
    assert parsed({**filled, "filledSize": None})["status"] == "closed"
    nothing = {**row, "size": "0", "filledSize": "0", "filledAmount": "0"}
    assert parsed(nothing)["status"] == "canceled"


def test_an_immediate_or_cancel_order_says_so():
    assert parsed({**SPOT_ORDER, "IOC": True})["timeInForce"] == "IOC"


@pytest.mark.parametrize(
    ("pionex", "kind", "in_force", "post_only"),
    [
        ("LIMIT", "limit", "GTC", False),
        ("MARKET_QTY", "market", "IOC", False),
        ("IOC", "limit", "IOC", False),
        ("FOK", "limit", "FOK", False),
        ("POSTONLY", "limit", "PO", True),
    ],
)
def test_types_of_swap_orders(pionex, kind, in_force, post_only):
    order = parsed({**SWAP_ORDER, "type": pionex})
    assert (order["type"], order["timeInForce"], order["postOnly"]) == (kind, in_force, post_only)
    assert (order["symbol"], order["reduceOnly"]) == (SWAP, False)


def test_a_rejected_swap_order_looks_cancelled_with_nothing_filled():
    order = parsed({**SWAP_ORDER, **CLOSED, "filledSize": "0", "filledAmount": "0"})
    assert (order["status"], order["filled"]) == ("canceled", 0.0)


def test_a_reduce_only_order_that_was_trimmed_is_filled_at_its_trimmed_size():
    order = parsed({**SWAP_ORDER, **CLOSED, "origSize": "0.2", "size": "0.05", "reduceOnly": True})
    assert (order["status"], order["amount"], order["remaining"]) == ("closed", 0.05, 0.0)


def test_an_order_is_found_by_id_and_by_client_id_on_both_markets():
    client, wire = client_on(
        {
            "GET /api/v1/trade/order": success(**SPOT_ORDER),
            "GET /api/v1/trade/orderByClientOrderId": success(**SPOT_ORDER),
            "GET /uapi/v1/trade/order": success(**SWAP_ORDER),
            "GET /uapi/v1/trade/orderByClientOrderId": success(**SWAP_ORDER),
        }
    )
    stamp = {"timestamp": str(NOW)}
    assert client.fetch_order("1234567890", SPOT)["id"] == "1234567890"
    assert wire.queries("v1/trade/order")[-1] == {"orderId": "1234567890", **stamp}
    assert client.fetch_order(None, SPOT, {"clientOrderId": "c-1"})["id"] == "1234567890"
    assert wire.queries("ClientOrderId")[-1] == {"clientOrderId": "c-1", **stamp}
    assert client.fetch_order("22334455", SWAP)["id"] == "22334455"
    assert wire.queries("trade/order")[-1] == {"orderId": "22334455", "symbol": "BTC_USDT_PERP", **stamp}
    assert client.fetch_order(None, SWAP, {"clientOrderId": "c-1"})["clientOrderId"] == "swap-1"
    assert wire.queries("ClientOrderId")[-1]["symbol"] == "BTC_USDT_PERP"


def test_a_lookup_needs_a_symbol_an_id_and_a_number():
    client, _ = client_on({})
    with pytest.raises(ccxt_errors().ArgumentsRequired, match="symbol"):
        client.fetch_order("1")
    with pytest.raises(ccxt_errors().ArgumentsRequired, match="clientOrderId"):
        client.fetch_order(None, SPOT)
    with pytest.raises(ccxt_errors().BadRequest, match="c-1"):
        client.fetch_order("c-1", SPOT)


@pytest.mark.parametrize(("symbol", "prefix"), [(SPOT, "api"), (SWAP, "uapi")])
def test_a_cancel_by_client_id_looks_the_order_up_first(symbol, prefix):
    row = SPOT_ORDER if symbol == SPOT else SWAP_ORDER
    client, wire = client_on(
        {
            f"GET /{prefix}/v1/trade/orderByClientOrderId": success(**row),
            f"DELETE /{prefix}/v1/trade/order": CANCELLED,
        }
    )
    order = client.cancel_order(None, symbol, {"clientOrderId": "c-1"})
    assert wire.bodies() == [{"symbol": row["symbol"], "orderId": row["orderId"]}]
    assert (order["id"], order["status"]) == (str(row["orderId"]), None)


def test_a_cancel_of_what_has_ended_returns_it_and_sends_nothing():
    ended = {**SPOT_ORDER, **CLOSED, "filledSize": "0.1"}
    client, wire = client_on({"GET /api/v1/trade/orderByClientOrderId": success(**ended)})
    assert client.cancel_order(None, SPOT, {"clientOrderId": "c-1"})["status"] == "closed"
    assert wire.bodies() == []


def test_a_cancel_of_an_unknown_order_says_so():
    client, _ = client_on({"DELETE /api/v1/trade/order": failure("TRADE_ORDER_NOT_FOUND")})
    with pytest.raises(ccxt_errors().OrderNotFound):
        client.cancel_order("5", SPOT)


def test_all_orders_of_a_symbol_are_cancelled_at_once():
    client, wire = client_on(
        {"DELETE /api/v1/trade/allOrders": CANCELLED, "DELETE /uapi/v1/trade/allOrders": CANCELLED}
    )
    client.cancel_all_orders(SPOT)
    client.cancel_all_orders(SWAP)
    assert wire.bodies() == [{"symbol": "BTC_USDT"}, {"symbol": "BTC_USDT_PERP"}]
    with pytest.raises(ccxt_errors().ArgumentsRequired):
        client.cancel_all_orders()


def test_open_spot_orders_are_listed_by_symbol_only():
    client, wire = client_on({"GET /api/v1/trade/openOrders": success(orders=[SPOT_ORDER])})
    assert [order["id"] for order in client.fetch_open_orders(SPOT)] == ["1234567890"]
    assert wire.queries("openOrders") == [{"symbol": "BTC_USDT", "timestamp": str(NOW)}]
    with pytest.raises(ccxt_errors().ArgumentsRequired):
        client.fetch_open_orders()


def test_open_swap_orders_are_listed_by_symbol_or_all_together():
    client, wire = client_on({"GET /uapi/v1/trade/openOrders": success(orders=[SWAP_ORDER])})
    client.fetch_open_orders(SWAP)
    assert [order["symbol"] for order in client.fetch_open_orders(None, None, None, {"type": "swap"})] == [
        SWAP
    ]
    assert [query.get("symbol") for query in wire.queries("openOrders")] == ["BTC_USDT_PERP", None]
    assert {query["limit"] for query in wire.queries("openOrders")} == {"500"}


def test_a_list_of_open_orders_that_may_be_cut_off_is_refused():
    many = [{**SWAP_ORDER, "orderId": n} for n in range(1, 501)]
    client, _ = client_on({"GET /uapi/v1/trade/openOrders": success(orders=many)})
    with pytest.raises(ccxt_errors().ExchangeError, match="500 open orders"):
        client.fetch_open_orders(SWAP)


def test_closed_orders_are_those_that_have_ended_cancelled_ones_too():
    rows = [
        SPOT_ORDER,
        {**SPOT_ORDER, **CLOSED, "orderId": 2, "filledSize": "0.1"},
        {**SPOT_ORDER, **CLOSED, "orderId": 3, "filledSize": "0"},
    ]
    client, _ = client_on({"GET /api/v1/trade/allOrders": success(orders=rows)})
    ended = client.fetch_closed_orders(SPOT)
    assert {order["id"]: order["status"] for order in ended} == {"2": "closed", "3": "canceled"}
    assert len(client.fetch_orders(SPOT)) == 3


def test_all_swap_orders_are_the_open_and_the_ended_ones_each_once():
    filled = {**SWAP_ORDER, **CLOSED, "filledSize": "0.2"}
    client, wire = client_on(
        {
            "GET /uapi/v1/trade/openOrders": success(orders=[SWAP_ORDER, {**SWAP_ORDER, "orderId": 9}]),
            "GET /uapi/v1/trade/historyOrders": success(orders=[filled]),
        }
    )
    orders = {order["id"]: order["status"] for order in client.fetch_orders(SWAP)}
    assert orders == {"22334455": "closed", "9": "open"}
    asked = [request.url.partition("?")[0].rpartition("/")[2] for request in wire.sent[-2:]]
    assert asked == ["openOrders", "historyOrders"]


def test_a_fill_is_a_trade_with_its_fee():
    client, _ = client_on({"GET /api/v1/trade/fills": success(fills=[FILL])})
    [trade] = client.fetch_my_trades(SPOT)
    validate("trade", client, {}, "fetchMyTrades", copy.deepcopy(trade), SPOT, NOW, False)
    assert (trade["id"], trade["order"], trade["side"]) == ("777", "1234567890", "sell")
    assert (trade["price"], trade["amount"], trade["cost"]) == (30000.0, 0.05, 1500.0)
    assert (trade["fee"], trade["takerOrMaker"]) == ({"cost": 0.15, "currency": "USDT"}, "taker")


def test_a_rebate_is_a_negative_fee_in_its_own_coin():
    row = {**FILL, "fee": "-0.01", "feeCoin": "BTC", "role": "MAKER"}
    client, _ = client_on({"GET /api/v1/trade/fillsByOrderId": success(fills=[row])})
    [trade] = client.fetch_order_trades("1234567890", SPOT)
    assert (trade["fee"], trade["takerOrMaker"]) == ({"cost": -0.01, "currency": "BTC"}, "maker")


def test_one_trade_told_with_two_prices_stays_two_rows():
    rows = [FILL, FILL, {**FILL, "price": "31000"}]
    client, _ = client_on({"GET /api/v1/trade/fills": success(fills=rows)})
    assert sorted(trade["price"] for trade in client.fetch_my_trades(SPOT)) == [30000.0, 31000.0]


def test_an_unknown_order_has_no_trades():
    client, wire = client_on({"GET /uapi/v1/trade/fillsByOrderId": success(fills=[])})
    assert client.fetch_order_trades("5", SWAP) == []
    assert wire.queries("fillsByOrderId")[0]["symbol"] == "BTC_USDT_PERP"
