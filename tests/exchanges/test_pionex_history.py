"""Pionex: long lists read page by page, and what every request weighs."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.pionex_wire import FILL, NOW, POSITION, SPOT_ORDER, SWAP_ORDER, client_on, success

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
START = 1_566_676_132_311


def fills(count, per_moment=1, end_belongs=True):
    """Serve `count` fills newest first, 100 at a time, `per_moment` of them in each millisecond."""
    rows = [{**FILL, "id": n, "timestamp": START + n // per_moment} for n in range(1, count + 1)]

    def answer(query, _):
        start, end = int(query.get("startTime", 0)), int(query.get("endTime", NOW))
        found = [row for row in rows if start <= row["timestamp"] <= end - (not end_belongs)]
        return success(fills=found[::-1][:100])

    return answer


@pytest.mark.parametrize("end_belongs", [True, False])
@pytest.mark.parametrize(("count", "per_moment"), [(0, 1), (99, 1), (100, 1), (101, 1), (555, 1), (555, 7)])
def test_all_trades_since_a_time_are_read_whole(count, per_moment, end_belongs):
    client, _ = client_on({"GET /api/v1/trade/fills": fills(count, per_moment, end_belongs)})
    trades = client.fetch_my_trades(SPOT, START)
    assert [trade["id"] for trade in sorted(trades, key=lambda trade: int(trade["id"]))] == [
        str(n) for n in range(1, count + 1)
    ]
    assert [trade["timestamp"] for trade in trades] == sorted(trade["timestamp"] for trade in trades)


def test_a_limit_takes_the_first_trades_since_a_time():
    client, _ = client_on({"GET /api/v1/trade/fills": fills(250)})
    assert [trade["id"] for trade in client.fetch_my_trades(SPOT, START, 3)] == ["1", "2", "3"]


def test_without_a_time_the_latest_page_is_enough():
    client, wire = client_on({"GET /api/v1/trade/fills": fills(250)})
    assert len(client.fetch_my_trades(SPOT)) == 100
    assert len(wire.queries("fills")) == 1


def test_more_trades_than_pages_are_refused_rather_than_cut_off():
    client, wire = client_on({"GET /api/v1/trade/fills": fills(3000)})
    with pytest.raises(ccxt_errors().ExchangeError, match="ask for less"):
        client.fetch_my_trades(SPOT, START)
    assert len(wire.queries("fills")) == 20


def test_orders_since_a_time_are_read_whole():
    rows = [{**SPOT_ORDER, "orderId": n, "createTime": START + n} for n in range(1, 451)]

    def answer(query, _):
        found = [row for row in rows if row["createTime"] <= int(query.get("endTime", NOW))]
        return success(orders=found[::-1][: int(query["limit"])])

    client, wire = client_on({"GET /api/v1/trade/allOrders": answer})
    assert len(client.fetch_orders(SPOT, START)) == 450
    assert len(wire.queries("allOrders")) == 3


@pytest.mark.parametrize("from_belongs", [True, False])
def test_the_fills_of_one_order_are_read_whole(from_belongs):
    rows = [{**FILL, "id": n, "timestamp": START + n} for n in range(1, 251)]

    def answer(query, _):
        last = int(query.get("fromId", 1000)) - (not from_belongs)
        return success(fills=[row for row in rows if row["id"] <= last][::-1][:100])

    client, _ = client_on({"GET /api/v1/trade/fillsByOrderId": answer})
    trades = client.fetch_order_trades("1234567890", SPOT)
    assert [trade["id"] for trade in trades] == [str(n) for n in range(1, 251)]


WEIGHTS = [
    ("fetch_time", (), [1]),
    ("fetch_ohlcv", (SPOT, "1m", START, 5), [1]),
    ("fetch_ohlcv", (SWAP, "1m", START, 5), [5]),
    ("fetch_order_book", (SPOT,), [1]),
    ("fetch_order_book", (SWAP,), [5]),
    ("fetch_ticker", (SPOT,), [1, 1]),
    ("fetch_ticker", (SWAP,), [5, 5]),
    ("fetch_markets", (), [5, 5]),
    ("fetch_balance", (), [1]),
    ("fetch_balance", ({"type": "swap"},), [5]),
    ("create_order", (SPOT, "limit", "buy", 1, 5), [1]),
    ("create_order", (SWAP, "limit", "buy", 1, 5), [5]),
    ("cancel_order", ("1", SPOT), [1]),
    ("cancel_order", (None, SPOT, {"clientOrderId": "a"}), [1, 1]),
    ("cancel_order", (None, SWAP, {"clientOrderId": "a"}), [5, 5]),
    ("cancel_all_orders", (SPOT,), [1]),
    ("cancel_all_orders", (SWAP,), [5]),
    ("fetch_order", ("1", SPOT), [1]),
    ("fetch_order", (None, SPOT, {"clientOrderId": "a"}), [1]),
    ("fetch_order", ("1", SWAP), [5]),
    ("fetch_open_orders", (SPOT,), [5]),
    ("fetch_open_orders", (SWAP,), [5]),
    ("fetch_closed_orders", (SPOT,), [5]),
    ("fetch_orders", (SWAP,), [5, 5]),
    ("fetch_my_trades", (SPOT,), [5]),
    ("fetch_my_trades", (SWAP,), [5]),
    ("fetch_order_trades", ("1", SPOT), [5]),
    ("fetch_positions", (), [5]),
    ("fetch_funding_history", (), [5]),
    ("set_leverage", (5, SWAP), [5]),
    ("set_position_mode", (True,), [5]),
]


def answers():
    spot_ticker, swap_ticker = ({"symbol": name, "close": "1"} for name in ("BTC_USDT", "BTC_USDT_PERP"))
    everything = success(
        bids=[], asks=[], klines=[], orders=[], fills=[], fundings=[], balances=[], positions=[POSITION]
    )
    everything["data"] |= {"tickers": [spot_ticker, swap_ticker], "orderId": 1}
    paths = "account/balances trade/order trade/allOrders trade/openOrders trade/fills trade/fillsByOrderId"
    market = "market/depth market/klines market/tickers market/bookTickers market/bookTicker"
    swap = "account/detail account/positions account/leverage account/positionMode trade/historyOrders "
    found = {
        f"{method} /{prefix}/v1/{path}": everything
        for method in ("GET", "POST", "DELETE")
        for prefix in ("api", "uapi")
        for path in f"{paths} {market} {swap} trade/fundingFee".split()
    }
    found["GET /api/v1/trade/orderByClientOrderId"] = success(**SPOT_ORDER)
    found["GET /uapi/v1/trade/orderByClientOrderId"] = success(**SWAP_ORDER)
    return found


@pytest.mark.parametrize(("method", "arguments", "weights"), WEIGHTS)
def test_every_request_declares_its_weight(method, arguments, weights):
    client, _ = client_on(answers())
    client.load_markets()
    declared = []
    client.enableRateLimit = True
    client.throttle = declared.append
    getattr(client, method)(*arguments)
    assert declared == weights


def test_the_throttle_keeps_every_second_within_the_limit():
    client, _ = client_on({})
    sent, moment = [], [0.0]
    client._monotonic = lambda: moment[0]
    client.sleep = lambda milliseconds: moment.__setitem__(0, moment[0] + milliseconds / 1000)
    for number, weight in enumerate([1, 1, 1, 1, 1, 5, 1, 5, 5, 1, 1, 5, 1, 1, 1, 5, 5, 5, 1] * 5):
        moment[0] += number % 3 * 0.3
        client.throttle(weight)
        sent.append((moment[0], weight))
    for start, _ in sent:
        assert sum(weight for at, weight in sent if start <= at < start + 1.25) <= 10


def test_the_throttle_lets_most_of_the_limit_through():
    client, _ = client_on({})
    moment = [0.0]
    client._monotonic = lambda: moment[0]
    client.sleep = lambda milliseconds: moment.__setitem__(0, moment[0] + milliseconds / 1000)
    for _ in range(400):
        client.throttle(1)
    assert 400 / moment[0] == pytest.approx(8, rel=0.05)
