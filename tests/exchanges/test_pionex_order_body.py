"""Pionex: what is sent for an order, and what is refused before anything is sent."""

from decimal import Decimal

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.pionex_wire import client_on, success

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
PLACED = {
    "POST /api/v1/trade/order": success(orderId=11, clientOrderId="a"),
    "POST /uapi/v1/trade/order": success(orderId=12),
}
BUY_SPOT = {"symbol": "BTC_USDT", "side": "BUY"}
SELL_SPOT = {"symbol": "BTC_USDT", "side": "SELL"}
BUY_SWAP = {"symbol": "BTC_USDT_PERP", "side": "BUY"}
SELL_SWAP = {"symbol": "BTC_USDT_PERP", "side": "SELL"}
STOPS = (
    "stop stopLoss stopLossPrice stopPrice takeProfit takeProfitPrice trailingAmount trailingPercent "
    "trailingTriggerPrice trigger triggerDirection triggerPrice"
)


def body_of(symbol, *order, **params):
    client, wire = client_on(PLACED)
    client.create_order(symbol, *order, params=params)
    return wire.bodies()[-1]


def refused(error, symbol, *order, **params):
    client, wire = client_on(PLACED)
    with pytest.raises(getattr(ccxt_errors(), error)) as caught:
        client.create_order(symbol, *order, params=params)
    assert wire.bodies() == []
    assert type(caught.value) is getattr(ccxt_errors(), error)
    return str(caught.value)


@pytest.mark.parametrize(
    ("order", "params", "expected"),
    [
        (("limit", "buy", 0.1, 30000), {}, {**BUY_SPOT, "type": "LIMIT", "size": "0.1", "price": "30000"}),
        (
            ("limit", "sell", "0.1234567", "30000.005"),
            {"timeInForce": "IOC", "clientOrderId": "abc-1"},
            {
                **SELL_SPOT,
                "type": "LIMIT",
                "size": "0.123456",
                "price": "30000.01",
                "IOC": True,
                "clientOrderId": "abc-1",
            },
        ),
        (("market", "sell", Decimal("0.5"), None), {}, {**SELL_SPOT, "type": "MARKET", "size": "0.5"}),
        (("market", "buy", None, None), {"cost": 25.5}, {**BUY_SPOT, "type": "MARKET", "amount": "25.5"}),
        (("market", "buy", 0.001, 30000), {}, {**BUY_SPOT, "type": "MARKET", "amount": "30"}),
        (("market", "buy", 0.1, 0.3), {"cost": "12"}, {**BUY_SPOT, "type": "MARKET", "amount": "12"}),
        (
            ("market", "buy", "0.000123", "31234.56"),
            {"reduceOnly": False, "postOnly": False, "positionSide": "both", "timeInForce": "IOC"},
            {**BUY_SPOT, "type": "MARKET", "amount": "3.84185088"},
        ),
    ],
)
def test_bodies_of_spot_orders(order, params, expected):
    assert body_of(SPOT, *order, **params) == expected


@pytest.mark.parametrize(
    ("order", "params", "expected"),
    [
        (("market", "buy", 0.25, None), {}, {**BUY_SWAP, "type": "MARKET_QTY", "size": "0.25"}),
        (("market", "buy", 0.25, 30000), {}, {**BUY_SWAP, "type": "MARKET_QTY", "size": "0.25"}),
        (
            ("market", "sell", 0.25, None),
            {"reduceOnly": True, "clientOrderId": "x"},
            {**SELL_SWAP, "type": "MARKET_QTY", "size": "0.25", "reduceOnly": True, "clientOrderId": "x"},
        ),
        (
            ("limit", "buy", "0.00019", "29999.96"),
            {},
            {**BUY_SWAP, "type": "LIMIT", "size": "0.0001", "price": "30000"},
        ),
        (
            ("limit", "buy", 1, 30000),
            {"timeInForce": "FOK"},
            {**BUY_SWAP, "type": "FOK", "size": "1", "price": "30000"},
        ),
        (
            ("limit", "buy", 1, 30000),
            {"timeInForce": "ioc"},
            {**BUY_SWAP, "type": "IOC", "size": "1", "price": "30000"},
        ),
        (
            ("limit", "sell", 1, 30000),
            {"postOnly": True},
            {**SELL_SWAP, "type": "POSTONLY", "size": "1", "price": "30000"},
        ),
        (
            ("limit", "sell", 1, 30000),
            {"timeInForce": "PO"},
            {**SELL_SWAP, "type": "POSTONLY", "size": "1", "price": "30000"},
        ),
    ],
)
def test_bodies_of_swap_orders(order, params, expected):
    assert body_of(SWAP, *order, **params) == expected


@pytest.mark.parametrize(
    ("side", "params", "position_side"),
    [
        ("buy", {"positionSide": "LONG"}, "LONG"),
        ("sell", {"positionSide": "short"}, "SHORT"),
        ("sell", {"positionSide": "LONG", "reduceOnly": True}, "LONG"),
        ("buy", {"hedged": True}, "LONG"),
        ("sell", {"hedged": True}, "SHORT"),
        ("sell", {"hedged": True, "reduceOnly": True}, "LONG"),
        ("buy", {"hedged": True, "reduceOnly": True}, "SHORT"),
    ],
)
def test_in_hedge_mode_the_side_of_the_position_is_sent_and_never_reduce_only(side, params, position_side):
    body = body_of(SWAP, "market", side, 1, None, **params)
    assert body["positionSide"] == position_side
    assert "reduceOnly" not in body


@pytest.mark.parametrize("params", [{}, {"positionSide": "both"}, {"hedged": False}])
def test_in_one_way_mode_no_side_of_a_position_is_sent(params):
    assert "positionSide" not in body_of(SWAP, "market", "buy", 1, None, **params)


@pytest.mark.parametrize(
    ("error", "symbol", "order", "params"),
    [
        ("InvalidOrder", SWAP, ("market", "buy", 1, None), {"positionSide": "LONG", "reduceOnly": True}),
        ("BadRequest", SWAP, ("market", "buy", 1, None), {"positionSide": "UP"}),
        ("BadRequest", SWAP, ("market", "buy", 1, None), {"positionSide": "BOTH", "hedged": True}),
        ("BadRequest", SWAP, ("market", "buy", 1, None), {"positionSide": "LONG", "hedged": False}),
        ("NotSupported", SWAP, ("market", "buy", 1, None), {"cost": 5}),
        ("InvalidOrder", SWAP, ("market", "buy", 1, None), {"postOnly": True}),
        ("InvalidOrder", SWAP, ("market", "buy", 1, None), {"timeInForce": "FOK"}),
        ("InvalidOrder", SWAP, ("limit", "buy", 1, 5), {"postOnly": True, "timeInForce": "IOC"}),
        ("NotSupported", SWAP, ("limit", "buy", 1, 5), {"timeInForce": "GTX"}),
        ("NotSupported", SPOT, ("limit", "buy", 1, 5), {"timeInForce": "FOK"}),
        ("NotSupported", SPOT, ("limit", "buy", 1, 5), {"postOnly": True}),
        ("NotSupported", SPOT, ("limit", "sell", 1, 5), {"reduceOnly": True}),
        ("NotSupported", SPOT, ("limit", "sell", 1, 5), {"positionSide": "LONG"}),
        ("NotSupported", SPOT, ("limit", "sell", 1, 5), {"hedged": True}),
        ("InvalidOrder", SPOT, ("limit", "buy", 1, 5), {"cost": 5}),
        ("InvalidOrder", SPOT, ("market", "sell", 1, None), {"cost": 5}),
        ("InvalidOrder", SPOT, ("market", "buy", 1, None), {}),
        ("InvalidOrder", SPOT, ("market", "buy", None, 5), {}),
        ("InvalidOrder", SPOT, ("market", "buy", None, None), {"cost": "0.000000001"}),
        ("InvalidOrder", SPOT, ("market", "buy", None, None), {"cost": -1}),
        ("InvalidOrder", SPOT, ("limit", "buy", 1, None), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", 0, 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", -1, 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", float("nan"), 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", float("inf"), 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", "much", 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", "0.0000001", 5), {}),
        ("InvalidOrder", SPOT, ("limit", "buy", 1, "0.001"), {}),
        ("InvalidOrder", SPOT, ("limit", "long", 1, 5), {}),
        ("NotSupported", SPOT, ("stop", "sell", 1, 5), {}),
        ("BadSymbol", "XXX/USDT", ("limit", "buy", 1, 5), {}),
    ],
)
def test_what_cannot_be_sent_as_it_is_meant_is_refused(error, symbol, order, params):
    refused(error, symbol, *order, **params)


def test_a_market_buy_without_cost_says_what_it_needs():
    assert "cost" in refused("InvalidOrder", SPOT, "market", "buy", 1, None)


@pytest.mark.parametrize("client_order_id", ["", "a" * 65, "a_b", "a b", "ä", 7, "a\n"])
def test_an_id_that_the_exchange_would_not_take_is_refused(client_order_id):
    refused("InvalidOrder", SPOT, "limit", "buy", 1, 5, clientOrderId=client_order_id)


def test_the_longest_id_is_sent():
    assert body_of(SPOT, "limit", "buy", 1, 5, clientOrderId="a" * 64)["clientOrderId"] == "a" * 64


@pytest.mark.parametrize("name", STOPS.split())
@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_stops_are_not_supported_and_never_sent_as_plain_orders(name, symbol):
    assert name in refused("NotSupported", symbol, "market", "sell", 1, None, **{name: 1})


def test_unknown_parameters_are_named():
    message = refused("BadRequest", SPOT, "limit", "buy", 1, 5, leverage=5, callback="x", clientOrderId="a")
    assert "callback, leverage" in message
    assert "clientOrderId" not in message


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("fetch_markets", ()),
        ("fetch_time", ()),
        ("fetch_tickers", (None,)),
        ("fetch_ticker", (SPOT,)),
        ("fetch_bids_asks", (None,)),
        ("fetch_ohlcv", (SPOT, "1m", None, None)),
        ("fetch_order_book", (SPOT, None)),
        ("fetch_funding_rate", (SWAP,)),
        ("fetch_balance", ()),
        ("fetch_positions", (None,)),
        ("set_leverage", (5, SWAP)),
        ("fetch_leverage", (SWAP,)),
        ("set_margin_mode", ("cross", SWAP)),
        ("fetch_margin_mode", (SWAP,)),
        ("set_position_mode", (False, None)),
        ("fetch_position_mode", (None,)),
        ("fetch_funding_history", (SWAP, None, None)),
        ("cancel_order", ("1", SPOT)),
        ("cancel_all_orders", (SPOT,)),
        ("fetch_order", ("1", SPOT)),
        ("fetch_open_orders", (SPOT, None, None)),
        ("fetch_closed_orders", (SPOT, None, None)),
        ("fetch_orders", (SPOT, None, None)),
        ("fetch_my_trades", (SPOT, None, None)),
        ("fetch_order_trades", ("1", SPOT, None, None)),
    ],
)
def test_every_method_refuses_parameters_it_does_not_know(method, arguments):
    client, wire = client_on({})
    with pytest.raises(ccxt_errors().BadRequest, match="recvWindow"):
        getattr(client, method)(*arguments, {"recvWindow": 5000})
    assert wire.sent == []


def test_what_comes_back_has_the_id_and_claims_no_status():
    client, _ = client_on(PLACED)
    order = client.create_order(SPOT, "limit", "buy", 0.1, 30000, {"clientOrderId": "a"})
    assert (order["id"], order["clientOrderId"], order["symbol"]) == ("11", "a", SPOT)
    assert (order["status"], order["filled"]) == (None, None)
    assert (order["amount"], order["price"]) == (0.1, 30000.0)
    assert client.create_order(SWAP, "market", "buy", 0.1)["id"] == "12"


def test_buying_for_an_amount_of_quote_has_a_method_of_its_own():
    client, wire = client_on(PLACED)
    client.create_market_buy_order_with_cost(SPOT, 50, {"clientOrderId": "a"})
    assert wire.bodies() == [{**BUY_SPOT, "type": "MARKET", "amount": "50", "clientOrderId": "a"}]
