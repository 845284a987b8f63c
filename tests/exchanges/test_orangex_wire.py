"""The OrangeX class against the fake exchange on the wire: tokens, orders, stops, reads, settings, faults."""

from decimal import Decimal

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors, load_exchange_class
from tests.fakes import fake_of
from tests.fakes.faults import answered, lost, not_a_number, null_body, reset_before, swallowed
from tests.fakes.limits import Limits
from tests.fakes.server import served

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
D = Decimal


@pytest.fixture
def fake():
    exchange = fake_of("orangex")
    exchange.limits = Limits()
    with served(exchange):
        yield exchange


def client_of(fake, **options):
    return load_exchange_class("orangex")(
        {
            "apiKey": fake.key,
            "secret": fake.secret,
            "enableRateLimit": False,
            "timeout": 1000,
            "options": options,
        }
    )


@pytest.fixture
def orangex(fake):
    client = client_of(fake)
    yield client
    client.close()


def asked(fake, route):
    return [seen for seen in fake.requests if seen.route == route]


def placed(orangex, *arguments, **params):
    return orangex.create_order(*arguments, params=params)["id"]


@pytest.mark.parametrize("grant", ["client_credentials", "client_signature"])
def test_both_ways_of_signing_in(fake, grant):
    client = client_of(fake, grantType=grant)
    assert client.fetch_balance({"type": "swap"})["USDT"]["total"] == 10_000
    assert len(asked(fake, "auth")) == 1


def test_a_wrong_secret(fake):
    client = client_of(fake)
    client.secret = "wrong"
    with pytest.raises(errors.AuthenticationError):
        client.fetch_balance({"type": "swap"})


def test_a_token_that_ended_early_is_replaced(fake, orangex):
    orangex.fetch_balance({"type": "swap"})
    fake.tokens.expire(fake.key)
    orangex.fetch_balance({"type": "swap"})
    assert len(asked(fake, "auth")) == 2


def test_a_token_near_its_end_is_renewed(fake, orangex):
    fake.tokens.seconds = 59
    orangex.fetch_balance({"type": "swap"})
    orangex.fetch_balance({"type": "swap"})
    grants = [seen.request.json()["params"]["grant_type"] for seen in asked(fake, "auth")]
    assert grants == ["client_credentials", "refresh_token"]


def test_clock(fake, orangex):
    fake.exchange.now = 1_790_000_000.25
    assert abs(orangex.fetch_time() - fake.server_time() * 1000) < 1000


def test_markets_prices_and_book(orangex):
    markets = orangex.load_markets()
    assert {SWAP, COIN, "ETH/USDT:USDT"} <= set(markets)
    assert markets[SWAP]["limits"]["cost"]["min"] == 10
    tickers = orangex.fetch_tickers([SWAP, COIN])
    assert set(tickers) == {SWAP, COIN}
    assert tickers[COIN]["bid"] < tickers[COIN]["ask"]
    book = orangex.fetch_order_book(SWAP, 5)
    assert len(book["bids"]) == len(book["asks"]) == 5


@pytest.mark.parametrize("symbol", [SWAP, COIN])
@pytest.mark.parametrize("open_to_all", [True, False])
def test_candles(fake, orangex, symbol, open_to_all):
    fake.public_candles = open_to_all
    now = int(fake.exchange.now)
    for minute in range(10):
        fake.exchange.now = now - 600 + minute * 60
        fake.exchange.prices[symbol] = D(50_000 + minute)
    rows = orangex.fetch_ohlcv(symbol, "1m", (now - 600) * 1000, 10)
    assert rows
    assert all(row[3] <= row[1] <= row[2] for row in rows)


def test_candles_from_before_the_oldest_that_the_private_method_gives(fake, orangex):
    fake.public_candles = False
    now = int(fake.exchange.now)
    for minute in (-2000, -1400, -1):
        fake.exchange.now = now + minute * 60
        fake.exchange.prices[SWAP] = D(50_000)
    fake.exchange.now = now
    rows = orangex.fetch_ohlcv(SWAP, "1m", (now - 2000 * 60) * 1000, 1500)
    assert rows
    assert all(row[0] >= (now - 1500 * 60) * 1000 for row in rows)


def test_market_order_fills(fake, orangex):
    order_id = placed(orangex, SWAP, "market", "buy", 0.003, clientOrderId="cts-1")
    order = orangex.fetch_order(order_id, SWAP)
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 0.003, "cts-1")
    trades = orangex.fetch_order_trades(order_id, SWAP)
    assert sum(trade["amount"] for trade in trades) == 0.003
    assert trades[0]["fee"]["currency"] == "USDT"
    assert [trade["id"] for trade in orangex.fetch_my_trades(SWAP)] == [trade["id"] for trade in trades]
    (position,) = orangex.fetch_positions([SWAP])
    assert (position["side"], position["contracts"], position["leverage"]) == ("long", 0.003, 20)
    assert orangex.fetch_order(None, SWAP, {"clientOrderId": "cts-1"})["id"] == order_id


def test_limit_order_rests_and_is_cancelled(orangex):
    order_id = placed(orangex, SWAP, "limit", "buy", 0.003, 40_000, clientOrderId="cts-2", postOnly=True)
    (resting,) = orangex.fetch_open_orders(SWAP)
    assert (resting["id"], resting["price"], resting["postOnly"]) == (order_id, 40_000, True)
    assert [order["id"] for order in orangex.fetch_open_orders(None, None, None, {"type": "swap"})] == [
        order_id
    ]
    orangex.cancel_order(None, SWAP, {"clientOrderId": "cts-2"})
    assert orangex.fetch_order(order_id, SWAP)["status"] == "canceled"
    assert orangex.fetch_open_orders(SWAP) == []
    assert [order["id"] for order in orangex.fetch_closed_orders(SWAP)] == [order_id]


def test_cancel_all(orangex):
    for price in (40_000, 41_000):
        placed(orangex, SWAP, "limit", "buy", 0.003, price)
    assert orangex.cancel_all_orders(SWAP)[0]["info"] == 2
    assert orangex.fetch_open_orders(SWAP) == []


def test_stop_loss(fake, orangex):
    placed(orangex, SWAP, "market", "buy", 0.003)
    entry = float(fake.exchange.last(SWAP))
    stop_id = placed(orangex, SWAP, "market", "sell", 0.003, stopLossPrice=entry * 0.99)
    (stop,) = orangex.fetch_open_orders(SWAP)
    assert (stop["id"], stop["type"], stop["reduceOnly"]) == (stop_id, "market", True)
    assert stop["triggerPrice"] == pytest.approx(entry * 0.99, abs=0.1)
    fake.exchange.prices[SWAP] = D(str(entry)) * D("0.98")
    assert orangex.fetch_order(stop_id, SWAP)["status"] == "closed"
    assert orangex.fetch_positions([SWAP]) == []


def test_hedge_mode(fake, orangex):
    fake.exchange.main.hedge = True
    placed(orangex, SWAP, "market", "buy", 0.003, hedged=True)
    placed(orangex, SWAP, "market", "sell", 0.002, hedged=True)
    held = {position["side"]: position["contracts"] for position in orangex.fetch_positions([SWAP])}
    assert held == {"long": 0.003, "short": 0.002}


def test_an_order_for_the_wrong_mode_gets_a_receipt_and_ends(fake, orangex):
    fake.exchange.main.hedge = True
    order_id = placed(orangex, SWAP, "market", "buy", 0.003)
    order = orangex.fetch_order(order_id, SWAP)
    assert (order["status"], order["filled"]) == ("canceled", 0)
    assert order["info"]["error_code"] == 5998


@pytest.mark.parametrize("in_quote", [False, True])
def test_spot(fake, orangex, in_quote):
    """Buys as many coins as meant, in whichever coin the exchange counts a market order to buy."""
    fake.spot_market_buy_in_quote = in_quote
    order_id = placed(orangex, COIN, "market", "buy", 0.01)
    assert orangex.fetch_order(order_id, COIN)["filled"] == 0.01
    held = orangex.fetch_balance({"type": "spot"})["BTC"]["total"]
    assert held == pytest.approx(0.01, rel=0.002)
    sale = placed(orangex, COIN, "market", "sell", 0.005)
    assert orangex.fetch_order(sale, COIN)["status"] == "closed"


def test_settings(orangex):
    orangex.set_margin_mode("isolated", SWAP)
    orangex.set_leverage(5, SWAP)
    placed(orangex, SWAP, "market", "buy", 0.003)
    orangex.set_margin_mode("isolated", SWAP)
    (position,) = orangex.fetch_positions([SWAP])
    assert (position["leverage"], position["marginMode"]) == (5, "isolated")


def test_many_orders_and_trades(orangex):
    ids = [placed(orangex, SWAP, "market", "buy", 0.001) for _ in range(130)]
    assert {order["id"] for order in orangex.fetch_closed_orders(SWAP, 1)} == set(ids)
    assert len(orangex.fetch_my_trades(SWAP, 1)) == 130


def test_an_order_that_is_not_shown_yet(fake, orangex):
    fake.exchange.hidden_reads = 1
    order_id = placed(orangex, SWAP, "market", "buy", 0.003)
    with pytest.raises(errors.BadResponse):
        orangex.fetch_order(order_id, SWAP)
    assert orangex.fetch_order(order_id, SWAP)["status"] == "closed"


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        (lost(), 1),
        (swallowed(), 0),
        (null_body(), 1),
        (answered(502, "<html>", True), 1),
        (answered(200, {"jsonrpc": "2.0"}, False), 0),
        (not_a_number("order_id"), 1),
    ],
)
def test_what_is_not_known_of_an_order_is_found_by_its_clients_id(fake, orangex, fault, orders):
    orangex.fetch_balance({"type": "swap"})
    fake.faults.on("create_order", fault)
    with pytest.raises(errors.OperationFailed):
        placed(orangex, SWAP, "limit", "buy", 0.003, 40_000, clientOrderId="cts-3")
    assert len(asked(fake, "create_order")) == 1
    if orders:
        assert orangex.fetch_order(None, SWAP, {"clientOrderId": "cts-3"})["status"] == "open"
    else:
        with pytest.raises(errors.OrderNotFound):
            orangex.fetch_order(None, SWAP, {"clientOrderId": "cts-3"})


@pytest.mark.parametrize("fault", [reset_before(), answered(503, "busy", False)])
def test_a_failed_sign_in_sends_no_order(fake, orangex, fault):
    orangex.load_markets()
    fake.faults.on("auth", fault)
    with pytest.raises(errors.ExchangeNotAvailable) as caught:
        placed(orangex, SWAP, "market", "buy", 0.003)
    assert type(caught.value).__name__ == "NotSent"
    assert asked(fake, "create_order") == []


def test_permissions(fake, orangex):
    assert "trade:read_write" in orangex.fetch_key_scopes()


def test_a_key_that_may_not_trade(fake, orangex):
    fake.exchange.key(fake.key)[1].trade = False
    with pytest.raises(errors.PermissionDenied):
        placed(orangex, SWAP, "market", "buy", 0.003)
