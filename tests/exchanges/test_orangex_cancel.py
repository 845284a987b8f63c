"""Cancelling at OrangeX: by the exchange's id only, found first where there is the client's alone."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import ORDER, ok, orangex_with

errors = ccxt_errors()
SWAP = "BTC/USDT:USDT"


def test_cancel_by_id_is_a_receipt_without_a_state():
    exchange, session = orangex_with({"private/cancel": ok({"order_id": "77"})})
    order = exchange.cancel_order("77", SWAP)
    assert (order["id"], order["symbol"], order["status"], order["filled"]) == ("77", SWAP, None, None)
    assert session.of("private/cancel")[0].params == {"order_id": "77"}


def test_cancel_by_the_clients_id_finds_the_order_first():
    answers = {
        "private/get_open_orders_by_instrument": ok([{**ORDER, "custom_order_id": "other"}, ORDER]),
        "private/cancel": ok({"order_id": ORDER["order_id"]}),
    }
    exchange, session = orangex_with(answers)
    assert exchange.cancel_order(None, SWAP, {"clientOrderId": "cts-1"})["id"] == ORDER["order_id"]
    assert session.of("private/cancel")[0].params == {"order_id": ORDER["order_id"]}


def test_cancel_of_an_unknown_clients_id():
    exchange, session = orangex_with({"private/get_open_orders_by_instrument": ok([])})
    with pytest.raises(errors.OrderNotFound):
        exchange.cancel_order(None, SWAP, {"clientOrderId": "cts-1"})
    assert session.of("private/cancel") == []


def test_cancel_without_any_id():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.ArgumentsRequired):
        exchange.cancel_order(None, SWAP)


def test_cancel_all():
    exchange, session = orangex_with({"private/cancel_all_by_instrument": ok(3)})
    assert exchange.cancel_all_orders(SWAP)[0]["info"] == 3
    sent_params = session.of("private/cancel_all_by_instrument")[0].params
    assert sent_params == {"instrument_name": "BTC-USDT-PERPETUAL"}
