"""Reading trades of OrangeX: fees with their sign, and pages that leave nothing out."""

import json

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import NOW, ORDER, TRADE, ok, orangex_with

errors = ccxt_errors()
SWAP = "BTC/USDT:USDT"
MINE = "private/get_user_trades_by_instrument"
OF_ORDER = "private/get_user_trades_by_order"
START = NOW - 10_000_000


def trade(number, time=None):
    return {**TRADE, "trade_id": str(number), "timestamp": START + number if time is None else time}


def trades_of(rows, most=1000, order=None):
    """Serve trades within the window, in the order asked for or in `order`, with `has_more`."""

    def serve(call):
        found = [
            row
            for row in rows
            if call.params.get("start_timestamp", 0)
            <= row["timestamp"]
            <= call.params.get("end_timestamp", NOW)
        ]
        down = (order or call.params["sorting"]) == "desc"
        found.sort(key=lambda row: row["timestamp"], reverse=down)
        size = min(call.params["count"], most)
        return ok({"count": len(found[:size]), "trades": found[:size], "has_more": len(found) > size})

    return serve


def numbers(trades):
    return [int(each["id"]) for each in trades]


def test_trades():
    exchange, session = orangex_with({MINE: ok({"count": 1, "trades": [TRADE], "has_more": False})})
    found = exchange.fetch_my_trades(SWAP)[0]
    assert (found["id"], found["order"], found["symbol"]) == ("58319385", ORDER["order_id"], SWAP)
    assert (found["side"], found["amount"], found["price"]) == ("buy", 0.001, 59000.1)
    assert (found["fee"]["cost"], found["fee"]["currency"]) == (0.0354, "USDT")
    assert (found["takerOrMaker"], found["timestamp"]) == ("taker", NOW - 40_000)
    assert "start_timestamp" not in session.of(MINE)[0].params


def test_figures_keep_all_their_digits():
    body = json.dumps(ok({"trades": [TRADE], "has_more": False}))
    exchange, _ = orangex_with({MINE: body.replace('"0.0354"', "0.035400000000000000001")})
    assert exchange.fetch_my_trades(SWAP)[0]["info"]["fee"] == "0.035400000000000000001"


def test_a_rebate_keeps_its_sign():
    row = {**TRADE, "fee": "-0.01"}
    exchange, _ = orangex_with({MINE: ok({"trades": [row], "has_more": False})})
    assert exchange.fetch_my_trades(SWAP)[0]["fee"]["cost"] == -0.01


@pytest.mark.parametrize("order", [None, "asc", "desc"])
def test_trades_since_in_whichever_order_they_come(order):
    rows = [trade(number) for number in range(1, 91)]
    exchange, session = orangex_with({MINE: trades_of(rows, most=25, order=order)})
    assert numbers(exchange.fetch_my_trades(SWAP, START)) == list(range(1, 91))
    assert len(session.of(MINE)) == 4


def test_trades_until():
    rows = [trade(number) for number in range(1, 91)]
    exchange, _ = orangex_with({MINE: trades_of(rows, most=25)})
    assert numbers(exchange.fetch_my_trades(SWAP, START, None, {"until": START + 40})) == list(range(1, 41))


def test_the_newest_trades():
    rows = [trade(number) for number in range(1, 91)]
    exchange, session = orangex_with({MINE: trades_of(rows, most=25)})
    assert numbers(exchange.fetch_my_trades(SWAP, None, 30)) == list(range(61, 91))
    assert len(session.of(MINE)) == 2


def test_trades_of_an_order_over_several_pages():
    rows = [trade(number, START + number // 3) for number in range(1, 91)]
    exchange, session = orangex_with({OF_ORDER: trades_of(rows, most=25)})
    found = exchange.fetch_order_trades("77", SWAP, START)
    assert sorted(numbers(found)) == list(range(1, 91))
    assert session.of(OF_ORDER)[0].params["order_id"] == "77"


def test_an_order_of_very_many_trades():
    rows = [trade(number) for number in range(1, 251)]
    exchange, session = orangex_with({OF_ORDER: trades_of(rows)})
    assert numbers(exchange.fetch_order_trades("77", SWAP)) == list(range(1, 251))
    assert len(session.of(OF_ORDER)) == 3


def test_more_trades_of_one_millisecond_than_a_page_holds():
    rows = [trade(number, START) for number in range(1, 91)]
    exchange, session = orangex_with({MINE: trades_of(rows, most=25)})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_my_trades(SWAP, START)
    assert len(session.of(MINE)) == 2


def test_one_trade_with_two_prices_is_told_twice():
    rows = [trade(1), {**trade(1), "price": "1"}]
    exchange, _ = orangex_with({MINE: ok({"trades": rows, "has_more": False})})
    assert numbers(exchange.fetch_my_trades(SWAP)) == [1, 1]


@pytest.mark.parametrize("result", [{"count": 0}, "none", {"trades": None}])
def test_trades_that_are_not_told_are_not_none(result):
    exchange, _ = orangex_with({MINE: ok(result)})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_my_trades(SWAP)


def test_trades_of_an_order_need_the_symbol():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.ArgumentsRequired):
        exchange.fetch_order_trades("77")
