"""Orders at OrangeX: what leaves for each kind, what is refused, and what a receipt tells."""

from decimal import Decimal

import pytest
import requests

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import TICKER, failed, ok, orangex_with

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
RECEIPT = ok({"order": {"order_id": "77409325612535808", "custom_order_id": "-"}})
SIDES = {"private/buy": RECEIPT, "private/sell": RECEIPT}


def sent(symbol, kind, side, amount, price=None, params=None, options=None, answers=None):
    """Place an order and return what left for it."""
    exchange, session = orangex_with({**SIDES, **(answers or {})}, options)
    exchange.create_order(symbol, kind, side, amount, price, params or {})
    return session.of(f"private/{side}")[0].params


def refused(symbol, kind, side, amount, price=None, params=None):
    exchange, session = orangex_with(SIDES)
    with pytest.raises(errors.ExchangeError) as caught:
        exchange.create_order(symbol, kind, side, amount, price, params or {})
    assert session.of(f"private/{side}") == []
    return caught.value


def test_market_order():
    assert sent(SWAP, "market", "buy", 0.003, params={"clientOrderId": "cts-1"}) == {
        "instrument_name": "BTC-USDT-PERPETUAL",
        "amount": "0.003",
        "type": "market",
        "position_side": "BOTH",
        "market_amount_order": False,
        "custom_order_id": "cts-1",
    }


def test_limit_order():
    assert sent(SWAP, "limit", "sell", 0.003, 59000.14) == {
        "instrument_name": "BTC-USDT-PERPETUAL",
        "amount": "0.003",
        "price": "59000.1",
        "type": "limit",
        "position_side": "BOTH",
    }


@pytest.mark.parametrize("amount", [0.1 + 0.2, "0.3", Decimal("0.3"), 0.30099999])
def test_no_dust_in_amounts(amount):
    assert sent(SWAP, "limit", "buy", amount, 59000)["amount"] == "0.3"


@pytest.mark.parametrize("price", [59000.100000000006, "59000.1", Decimal("59000.1")])
def test_no_dust_in_prices(price):
    assert sent(SWAP, "limit", "buy", 0.3, price)["price"] == "59000.1"


def test_small_steps_stay_plain_numbers():
    assert sent(COIN, "limit", "sell", 0.00012, 59000)["amount"] == "0.00012"


def test_less_than_a_step():
    assert isinstance(refused(SWAP, "market", "buy", 0.0009), errors.InvalidOrder)


def test_stop_loss_is_a_reduce_only_stop_on_the_last_price():
    order = sent(SWAP, "market", "sell", 0.003, params={"stopLossPrice": 58000.04})
    assert order["condition_type"] == "STOP"
    assert order["trigger_price"] == "58000"
    assert order["trigger_price_type"] == 2
    assert order["reduce_only"] is True
    assert order["type"] == "market"
    assert "price" not in order


def test_trigger_price_is_a_stop_that_may_open():
    order = sent(SWAP, "limit", "buy", 0.003, 61000, {"triggerPrice": 60900})
    assert (order["condition_type"], order["trigger_price"]) == ("STOP", "60900")
    assert "reduce_only" not in order


def test_exit():
    order = sent(SWAP, "market", "sell", 0.003, params={"reduceOnly": True})
    assert order["reduce_only"] is True
    assert order["position_side"] == "BOTH"


@pytest.mark.parametrize(
    ("side", "params", "expected"),
    [
        ("buy", {}, "BOTH"),
        ("buy", {"hedged": False}, "BOTH"),
        ("buy", {"positionSide": "both"}, "BOTH"),
        ("buy", {"hedged": True}, "LONG"),
        ("sell", {"hedged": True}, "SHORT"),
        ("sell", {"hedged": True, "reduceOnly": True}, "LONG"),
        ("buy", {"hedged": True, "reduceOnly": True}, "SHORT"),
        ("sell", {"hedged": True, "stopLossPrice": 58000}, "LONG"),
        ("sell", {"positionSide": "LONG"}, "LONG"),
        ("sell", {"positionSide": "short", "hedged": True}, "SHORT"),
    ],
)
def test_position_side_is_sent_with_every_order_of_a_perpetual(side, params, expected):
    assert sent(SWAP, "market", side, 0.003, params=params)["position_side"] == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"postOnly": True}, {"post_only": True}),
        ({"timeInForce": "PO"}, {"post_only": True}),
        ({"timeInForce": "GTC"}, {"time_in_force": "good_til_cancelled"}),
        ({"timeInForce": "IOC"}, {"time_in_force": "immediate_or_cancel"}),
        ({"timeInForce": "FOK"}, {"time_in_force": "fill_or_kill"}),
        ({"postOnly": False}, {}),
    ],
)
def test_execution(params, expected):
    order = sent(SWAP, "limit", "buy", 0.003, 59000, params)
    assert {key: order[key] for key in ("post_only", "time_in_force") if key in order} == expected


@pytest.mark.parametrize(
    ("kind", "price", "params", "expected"),
    [
        ("market", None, {"stopPrice": 1}, "NotSupported"),
        ("market", None, {"trailingPercent": 1, "foo": 2}, "NotSupported"),
        ("market", None, {"stopLoss": {"triggerPrice": 1}}, "NotSupported"),
        ("market", None, {"postOnly": True}, "InvalidOrder"),
        ("limit", 59000, {"postOnly": True, "timeInForce": "IOC"}, "InvalidOrder"),
        ("limit", 59000, {"timeInForce": "GTD"}, "InvalidOrder"),
        ("limit", None, {}, "ArgumentsRequired"),
        ("stop", None, {}, "InvalidOrder"),
        ("market", None, {"triggerPrice": 1, "stopLossPrice": 1}, "BadRequest"),
        ("market", None, {"stopLossPrice": 58000, "reduceOnly": False}, "BadRequest"),
        ("market", None, {"positionSide": "up"}, "BadRequest"),
        ("market", None, {"positionSide": "long", "hedged": False}, "BadRequest"),
        ("market", None, {"positionSide": "both", "hedged": True}, "BadRequest"),
        ("market", None, {"clientOrderId": "x" * 37}, "InvalidOrder"),
        ("market", None, {"clientOrderId": "a b"}, "InvalidOrder"),
        ("market", None, {"clientOrderId": ""}, "InvalidOrder"),
    ],
)
def test_refusals(kind, price, params, expected):
    assert type(refused(SWAP, kind, "buy", 0.003, price, params)).__name__ == expected


def test_unknown_params_are_named():
    assert "foo, trailingPercent" in str(
        refused(SWAP, "market", "buy", 0.003, params={"trailingPercent": 1, "foo": 2, "reduceOnly": True})
    )


@pytest.mark.parametrize(
    "params", [{"stopLossPrice": 1}, {"triggerPrice": 1}, {"reduceOnly": True}, {"hedged": True}]
)
def test_what_spot_does_not_have(params):
    assert type(refused(COIN, "market", "sell", 0.003, params=params)).__name__ == "NotSupported"


def test_spot_sale():
    assert sent(COIN, "market", "sell", 0.003) == {
        "instrument_name": "BTC-USDT-SPOT",
        "amount": "0.003",
        "type": "market",
    }


SPOT_PRICES = {"public/tickers": ok([{**TICKER, "instrument_name": "BTC-USDT"}])}


def test_market_order_to_buy_on_spot_has_an_amount_in_coins_for_certain():
    """As a market order its amount might be taken for USDT: a limit above the market says what is meant."""
    order = sent(COIN, "market", "buy", 0.003, answers=SPOT_PRICES)
    assert (order["type"], order["amount"], order["price"]) == ("limit", "0.003", "60600.2")
    assert order["time_in_force"] == "immediate_or_cancel"


def test_market_order_to_buy_on_spot_from_a_price_that_is_known():
    order = sent(COIN, "market", "buy", 0.003, 50000)
    assert order["price"] == "50500"


def test_market_order_to_buy_on_spot_as_it_is():
    order = sent(COIN, "market", "buy", 0.003, options={"spotMarketBuy": "market"})
    assert order["type"] == "market"
    assert "price" not in order


def test_nobody_offers():
    exchange, session = orangex_with(
        {**SIDES, "public/tickers": ok([{**TICKER, "instrument_name": "BTC-USDT", "best_ask_price": "0"}])}
    )
    with pytest.raises(errors.InvalidOrder):
        exchange.create_order(COIN, "market", "buy", 0.003)
    assert session.of("private/buy") == []


def test_no_price_no_order():
    exchange, _ = orangex_with({**SIDES, "public/tickers": (503, "busy")})
    with pytest.raises(errors.ExchangeNotAvailable) as caught:
        exchange.create_order(COIN, "market", "buy", 0.003)
    assert type(caught.value).__name__ == "NotSent"


def test_rules_that_cannot_be_had():
    exchange, session = orangex_with(
        {**SIDES, "public/get_instruments": requests.exceptions.ReadTimeout("slow")}
    )
    with pytest.raises(errors.ExchangeNotAvailable) as caught:
        exchange.create_order(SWAP, "market", "buy", 0.003)
    assert type(caught.value).__name__ == "NotSent"
    assert session.names() == []


def test_receipt():
    exchange, _ = orangex_with(SIDES)
    order = exchange.create_order(SWAP, "limit", "buy", 0.003, 59000, {"clientOrderId": "cts-1"})
    assert order["id"] == "77409325612535808"
    assert order["clientOrderId"] == "cts-1"
    assert (order["status"], order["filled"], order["remaining"]) == ("open", None, None)
    assert (order["symbol"], order["type"], order["side"]) == (SWAP, "limit", "buy")
    assert (order["amount"], order["price"], order["average"]) == (0.003, 59000, None)
    assert order["info"] == {"order_id": "77409325612535808", "custom_order_id": "-"}


@pytest.mark.parametrize(
    "reply",
    [
        ok({"order": {}}),
        ok({"order": {"order_id": ""}}),
        ok({"order": {"order_id": "NaN"}}),
        ok({}),
        ok("ok"),
        ok(None),
        "null",
        "NaN",
    ],
)
def test_a_receipt_without_an_id_is_no_receipt(reply):
    exchange, _ = orangex_with({"private/buy": reply})
    with pytest.raises(errors.BadResponse):
        exchange.create_order(SWAP, "market", "buy", 0.003)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (requests.exceptions.ReadTimeout("slow"), "RequestTimeout"),
        (requests.exceptions.ConnectionError("reset"), "NetworkError"),
        ((502, "<html>"), "ExchangeNotAvailable"),
        ((504, ""), "RequestTimeout"),
        (failed(9999), "ExchangeNotAvailable"),
        (failed(4711), "ExchangeError"),
    ],
)
def test_an_order_of_which_nothing_is_known_is_sent_once(answer, expected):
    exchange, session = orangex_with({"private/buy": answer})
    with pytest.raises(errors.BaseError) as caught:
        exchange.create_order(SWAP, "market", "buy", 0.003)
    assert type(caught.value).__name__ == expected
    assert len(session.of("private/buy")) == 1


def test_an_order_refused_for_its_token_is_sent_again():
    exchange, session = orangex_with({"private/buy": [failed(10000), RECEIPT]})
    assert exchange.create_order(SWAP, "market", "buy", 0.003)["id"]
    first, second = session.of("private/buy")
    assert first.params == second.params
    assert first.headers["Authorization"] != second.headers["Authorization"]
