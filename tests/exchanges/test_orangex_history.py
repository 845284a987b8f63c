"""Reading orders of OrangeX: states, lookups without an id, and pages that leave nothing out."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import NOW, ORDER, ok, orangex_with

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
STATE = "private/get_order_state"
OPEN = "private/get_open_orders_by_instrument"
HISTORY = "private/get_order_history_by_instrument"
START = NOW - 10_000_000


def ended(number, **changes):
    """Return the order that ended `number` seconds after START."""
    return {
        **ORDER,
        "order_id": str(number),
        "custom_order_id": f"cts-{number}",
        "order_state": "filled",
        "creation_timestamp": START + number * 1000,
        "last_update_timestamp": START + number * 1000,
        **changes,
    }


def paged(rows, most=1000):
    """Serve rows by count and offset, as the order history does; `most` is the exchange's own cap."""

    def serve(call):
        first = call.params["offset"]
        return ok(rows[first : first + min(call.params["count"], most)])

    return serve


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("open", "open"),
        ("filled", "closed"),
        ("canceled", "canceled"),
        ("cancelled", "canceled"),
        ("rejected", "rejected"),
        ("melting", "melting"),
    ],
)
def test_states(state, status):
    exchange, session = orangex_with({STATE: ok({**ORDER, "order_state": state})})
    order = exchange.fetch_order(ORDER["order_id"], SWAP)
    assert order["status"] == status
    assert session.of(STATE)[0].params == {"order_id": ORDER["order_id"]}


def test_order():
    exchange, _ = orangex_with({STATE: ok(ORDER)})
    order = exchange.fetch_order(ORDER["order_id"], SWAP)
    assert (order["id"], order["clientOrderId"]) == ("77409325612535808", "cts-1")
    assert (order["amount"], order["filled"], order["remaining"]) == (0.003, 0.001, 0.002)
    assert (order["price"], order["average"], order["timeInForce"]) == (59000.1, 59000.1, "GTC")
    assert (order["timestamp"], order["lastUpdateTimestamp"]) == (NOW - 60_000, NOW - 30_000)
    assert (order["triggerPrice"], order["stopLossPrice"], order["positionSide"]) == (None, None, "both")
    assert (order["reduceOnly"], order["postOnly"]) == (False, False)


def test_stop_order():
    stop = {
        **ORDER,
        "order_type": "market",
        "price": "-1",
        "average_price": "0",
        "filled_amount": "0",
        "condition_type": "STOP",
        "trigger_price": "58000",
        "reduce_only": True,
        "position_side": "LONG",
        "time_in_force": "-",
    }
    exchange, _ = orangex_with({STATE: ok(stop)})
    order = exchange.fetch_order(ORDER["order_id"], SWAP)
    assert (order["type"], order["triggerPrice"], order["price"]) == ("market", 58000, None)
    assert (order["reduceOnly"], order["positionSide"], order["timeInForce"]) == (True, "long", None)


@pytest.mark.parametrize("word", ["good_til_cancelled", "GTC"])
def test_words_for_time_in_force(word):
    exchange, _ = orangex_with({STATE: ok({**ORDER, "time_in_force": word})})
    assert exchange.fetch_order(ORDER["order_id"], SWAP)["timeInForce"] == "GTC"


@pytest.mark.parametrize("name", ["BTC-USDT-SPOT", "BTC-USDT"])
def test_spot_orders_with_and_without_their_ending(name):
    exchange, _ = orangex_with({STATE: ok({**ORDER, "instrument_name": name})})
    assert exchange.fetch_order(ORDER["order_id"])["symbol"] == COIN


@pytest.mark.parametrize("word", ["", "-", None])
def test_no_clients_id(word):
    exchange, _ = orangex_with({STATE: ok({**ORDER, "custom_order_id": word})})
    assert exchange.fetch_order(ORDER["order_id"], SWAP)["clientOrderId"] is None


@pytest.mark.parametrize(
    "reply",
    [{"jsonrpc": "2.0", "usIn": 1, "usOut": 2}, ok(None), ok({}), ok([]), ok({**ORDER, "order_id": "8"})],
)
def test_an_order_that_is_not_visible_yet(reply):
    exchange, _ = orangex_with({STATE: reply})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_order(ORDER["order_id"], SWAP)


def test_by_the_clients_id_among_open_orders():
    exchange, session = orangex_with({OPEN: ok([{**ORDER, "order_id": "1", "custom_order_id": "x"}, ORDER])})
    order = exchange.fetch_order(None, SWAP, {"clientOrderId": "cts-1"})
    assert order["id"] == ORDER["order_id"]
    assert session.names() == [OPEN]


def test_by_the_clients_id_in_the_history():
    rows = [ended(number) for number in range(150, 0, -1)]
    exchange, session = orangex_with({OPEN: ok([]), HISTORY: paged(rows)})
    order = exchange.fetch_order(None, SWAP, {"clientOrderId": "cts-7"})
    assert (order["id"], order["status"]) == ("7", "closed")
    assert [call.params["offset"] for call in session.of(HISTORY)] == [0, 100]


def test_by_a_clients_id_that_nobody_knows():
    exchange, session = orangex_with({OPEN: ok([]), HISTORY: paged([ended(1)])})
    with pytest.raises(errors.OrderNotFound):
        exchange.fetch_order(None, SWAP, {"clientOrderId": "cts-9"})
    assert session.names() == [OPEN, HISTORY]


def test_the_search_for_a_clients_id_is_bounded():
    rows = [ended(number) for number in range(900, 0, -1)]
    exchange, session = orangex_with({OPEN: ok([]), HISTORY: paged(rows)})
    with pytest.raises(errors.OrderNotFound):
        exchange.fetch_order(None, SWAP, {"clientOrderId": "nobody"})
    assert len(session.of(HISTORY)) == 5


@pytest.mark.parametrize("params", [{}, {"clientOrderId": ""}])
def test_no_id_at_all(params):
    exchange, _ = orangex_with({})
    with pytest.raises(errors.ArgumentsRequired):
        exchange.fetch_order(None, SWAP, params)


def test_a_clients_id_needs_the_symbol():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.ArgumentsRequired):
        exchange.fetch_order(None, None, {"clientOrderId": "cts-1"})


def test_open_orders():
    exchange, session = orangex_with({OPEN: ok([ORDER])})
    assert [order["id"] for order in exchange.fetch_open_orders(SWAP)] == [ORDER["order_id"]]
    assert session.of(OPEN)[0].params == {"instrument_name": "BTC-USDT-PERPETUAL"}


def test_open_orders_of_all_perpetuals_in_one_call():
    name = "private/get_open_orders_by_currency"
    exchange, session = orangex_with({name: ok([ORDER])})
    assert [order["symbol"] for order in exchange.fetch_open_orders(None, None, None, {"type": "swap"})] == [
        SWAP
    ]
    assert session.of(name)[0].params == {"currency": "PERPETUAL"}


@pytest.mark.parametrize("result", [{}, "none", 0])
def test_open_orders_that_are_not_told_are_not_none(result):
    exchange, _ = orangex_with({OPEN: ok(result)})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_open_orders(SWAP)


def test_the_newest_ended_orders():
    rows = [ended(number) for number in range(300, 0, -1)]
    exchange, session = orangex_with({HISTORY: paged(rows)})
    orders = exchange.fetch_closed_orders(SWAP, None, 3)
    assert [order["id"] for order in orders] == ["298", "299", "300"]
    assert len(session.of(HISTORY)) == 1


def test_all_ended_orders_since():
    rows = [ended(number) for number in range(300, 0, -1)]
    exchange, session = orangex_with({HISTORY: paged(rows)})
    orders = exchange.fetch_closed_orders(SWAP, START + 150_000)
    assert [int(order["id"]) for order in orders] == list(range(150, 301))
    assert [call.params["offset"] for call in session.of(HISTORY)] == [0, 100, 200]


def test_pages_that_the_exchange_cuts_shorter():
    rows = [ended(number) for number in range(95, 0, -1)]
    exchange, session = orangex_with({HISTORY: paged(rows, most=30)})
    assert len(exchange.fetch_closed_orders(SWAP, START)) == 95
    assert [call.params["offset"] for call in session.of(HISTORY)] == [0, 30, 60, 90]


def test_ended_orders_that_come_oldest_first():
    rows = [ended(number) for number in range(1, 251)]
    exchange, _ = orangex_with({HISTORY: paged(rows)})
    assert [int(order["id"]) for order in exchange.fetch_closed_orders(SWAP, START + 240_000)] == list(
        range(240, 251)
    )
    assert [order["id"] for order in exchange.fetch_closed_orders(SWAP, None, 2)] == ["249", "250"]


def test_more_ended_orders_than_are_read():
    rows = [ended(number) for number in range(2500, 0, -1)]
    exchange, session = orangex_with({HISTORY: paged(rows)})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_closed_orders(SWAP, START)
    assert len(session.of(HISTORY)) == 20


def test_ended_orders_under_a_name():
    exchange, _ = orangex_with({HISTORY: ok({"orders": [ended(1)], "has_more": False})})
    assert len(exchange.fetch_closed_orders(SWAP)) == 1


def test_all_orders_take_the_later_word():
    both = ended(5, order_state="filled")
    exchange, _ = orangex_with({OPEN: ok([{**both, "order_state": "open"}, ORDER]), HISTORY: paged([both])})
    found = {order["id"]: order["status"] for order in exchange.fetch_orders(SWAP)}
    assert found == {"5": "closed", ORDER["order_id"]: "open"}
