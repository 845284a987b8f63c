"""Public market data through the real ccxt class, against a loopback server that speaks Binance's API."""

import socket
import subprocess
import sys
import time
import types
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from chalicelib.errors import Retryable, UsageError
from chalicelib.exchanges import ccxt_public
from chalicelib.exchanges.ccxt_loader import ccxt_errors
from chalicelib.exchanges.ccxt_public import FETCH_SECONDS, PublicFeed, load_exchange_class, reachable
from chalicelib.exchanges.pace import PAUSE_AFTER_LIMIT, Pace
from tests.exchanges.binance_loopback import Binance, detour, kline, served

D = Decimal
STEP = 300
NOW = 1_790_000_123.0
CLOSED = int(NOW) // STEP * STEP
SYMBOLS = ("BTC/USDT", "ETH/USDT")
ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def binance():
    return Binance(NOW)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def feed(binance, clock):
    with served(binance) as port:
        yield PublicFeed("binance", detour(port), clock.sleep, clock)


def test_rules(feed):
    markets = feed.markets(SYMBOLS)
    btc = markets["BTC/USDT"]
    assert (btc.base, btc.quote, btc.type) == ("BTC", "USDT", "spot")
    assert (btc.price_step, btc.amount_step) == (D("0.01"), D("0.00001"))
    assert (btc.min_amount, btc.max_amount, btc.min_notional) == (D("0.00001"), D(9000), D(5))
    assert markets["ETH/USDT"].amount_step == D("0.0001")


@pytest.mark.parametrize("symbol", ["DOGE/USDT", "LUNA/USDT", "btcusdt"])
def test_what_the_exchange_does_not_trade_is_named(feed, symbol):
    with pytest.raises(UsageError, match=f"binance does not trade '{symbol}'"):
        feed.markets((symbol,))


def test_one_symbol_that_is_not_traded_does_not_stop_the_others(feed, caplog):
    mixed = ("BTC/USDT", "LUNA/USDT", "NOSUCH/USDT", "ETH/USDT")
    for _ in range(2):
        candles = feed.closed_candles(mixed, STEP, CLOSED - 2 * STEP, NOW)
        assert candles.symbols == mixed
        assert np.isnan(candles.close).all(axis=1).tolist() == [False, True, True, False]
        assert set(feed.tickers(mixed, NOW)) == {"BTC/USDT", "ETH/USDT"}
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "binance does not trade LUNA/USDT: it has no candles and no prices",
        "binance does not trade NOSUCH/USDT: it has no candles and no prices",
    ]


def test_closed_candles_only(feed, binance):
    candles = feed.closed_candles(SYMBOLS, STEP, CLOSED - 3 * STEP, NOW)
    assert candles.symbols == SYMBOLS
    assert candles.open_time.tolist() == [CLOSED - 3 * STEP, CLOSED - 2 * STEP, CLOSED - STEP]
    for bar, opened in enumerate(candles.open_time.tolist()):
        expected = [float(value) for value in kline(opened, STEP)[1:6]]
        fields = (candles.open, candles.high, candles.low, candles.close, candles.volume)
        assert [field[0, bar] for field in fields] == expected
    assert {query["limit"] for query in binance.klines_asked()} == {"3"}
    assert {query["symbol"] for query in binance.klines_asked()} == {"BTCUSDT", "ETHUSDT"}


def test_an_answer_with_the_running_candle_is_cut(feed, binance):
    binance.now = NOW + 3 * STEP
    candles = feed.closed_candles(("BTC/USDT",), STEP, CLOSED - STEP, NOW)
    assert candles.closed_until == CLOSED <= NOW


def test_gaps_stay_gaps(feed, binance):
    binance.gaps = {CLOSED - 2 * STEP}
    candles = feed.closed_candles(("BTC/USDT",), STEP, CLOSED - 3 * STEP, NOW)
    assert np.isnan(candles.close[0]).tolist() == [False, True, False]
    assert candles.bars == 3


def test_nothing_is_asked_where_nothing_closed(feed, binance):
    assert feed.closed_candles(SYMBOLS, STEP, CLOSED, NOW).bars == 0
    assert binance.requests == []


def test_a_first_fetch_pages_and_an_incremental_one_is_light(feed, binance):
    candles = feed.closed_candles(("BTC/USDT",), STEP, CLOSED - 1500 * STEP, NOW)
    assert not np.isnan(candles.close).any()
    assert [query["limit"] for query in binance.klines_asked()] == ["1000", "500"]
    binance.requests.clear()
    feed.closed_candles(("BTC/USDT",), STEP, CLOSED - 99 * STEP, NOW)
    assert [query["limit"] for query in binance.klines_asked()] == ["99"]


def test_a_symbol_listed_later_begins_with_a_gap(feed, binance):
    binance.gaps = {CLOSED - bar * STEP for bar in range(50, 201)}
    candles = feed.closed_candles(("BTC/USDT",), STEP, CLOSED - 200 * STEP, NOW)
    assert np.isnan(candles.close[0]).sum() == 151
    assert not np.isnan(candles.close[0, 151:]).any()


def test_tickers_of_all_symbols_are_one_request(feed, binance):
    feed.markets(SYMBOLS)
    binance.requests.clear()
    tickers = feed.tickers(SYMBOLS, NOW)
    assert [path for path, _ in binance.requests] == ["/api/v3/ticker/24hr"]
    btc = tickers["BTC/USDT"]
    assert (btc.bid, btc.ask, btc.last, btc.time) == (D("61437.98"), D("61438.00"), D("61437.99"), NOW)
    assert set(tickers) == set(SYMBOLS)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, "<html>503 Service Unavailable</html>"),
        (502, "<html>502 Bad Gateway</html>"),
        (200, "<html>not what was asked for</html>"),
        (200, "null"),
        (200, '{"code": -1000, "msg": "unknown"}'),
        (403, '{"code": -1, "msg": "forbidden"}'),
    ],
)
def test_every_failure_may_be_tried_again(feed, binance, status, body):
    feed.markets(SYMBOLS)
    binance.failures = [(status, body)]
    with pytest.raises(Retryable):
        feed.closed_candles(("BTC/USDT",), STEP, CLOSED - STEP, NOW)
    assert feed.closed_candles(("BTC/USDT",), STEP, CLOSED - STEP, NOW).bars == 1


@pytest.mark.parametrize("status", [429, 418])
def test_after_a_rate_limit_nothing_is_asked_for_a_while(feed, binance, clock, status):
    feed.markets(SYMBOLS)
    binance.failures = [(status, '{"code": -1003, "msg": "Too many requests"}')]
    with pytest.raises(Retryable, match="rate limit"):
        feed.tickers(SYMBOLS, NOW)
    asked = len(binance.requests)
    clock.now += PAUSE_AFTER_LIMIT - 1
    with pytest.raises(Retryable, match="no request for another 1 s"):
        feed.tickers(SYMBOLS, NOW)
    assert len(binance.requests) == asked
    clock.now += 1
    assert feed.tickers(SYMBOLS, NOW)


def test_a_ban_lasts_as_long_as_the_exchange_says(feed, binance, clock, monkeypatch):
    feed.markets(SYMBOLS)
    client = feed.rules_client("spot")
    refused = ccxt_errors().DDoSProtection("418")

    def banned(*_):
        client.last_response_headers = {"Retry-After": "120"}
        raise refused

    monkeypatch.setattr(client, "fetch_tickers", types.MethodType(banned, client))
    with pytest.raises(Retryable):
        feed.tickers(SYMBOLS, NOW)
    clock.now += 119
    with pytest.raises(Retryable, match="no request for another 1 s"):
        feed.closed_candles(SYMBOLS, STEP, CLOSED - STEP, NOW)
    clock.now += 1
    feed.closed_candles(SYMBOLS, STEP, CLOSED - STEP, NOW)


def test_requests_are_spaced(clock):
    pace = Pace(10, clock.sleep, clock)
    for _ in range(5):
        pace.wait()
    assert clock.slept == pytest.approx([0.1] * 4)
    clock.now += 5
    pace.wait()
    assert len(clock.slept) == 4


def test_unknown_exchange():
    with pytest.raises(UsageError, match="unknown exchange 'kraken': use one of binance, bybit, bingx"):
        PublicFeed("kraken")


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
def test_classes_load_without_the_package(exchange):
    code = (
        "import sys; from chalicelib.exchanges.ccxt_public import load_exchange_class as load;"
        f"name = load({exchange!r}).__name__; print(name, sum(m.startswith('ccxt.') for m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    name, modules = run.stdout.split()
    assert name == exchange
    assert int(modules) < 30
    assert load_exchange_class(exchange).__name__ == exchange


def test_reachable(binance):
    with served(binance) as port:
        assert reachable("binance", 3.0, detour(port))
        binance.failures = [(503, "down")]
        assert not reachable("binance", 3.0, detour(port))


def test_a_refused_connection_is_not_reachable():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not reachable("binance", 3.0, detour(unused.getsockname()[1]))


def test_an_exchange_that_never_answers_is_given_up_in_time():
    load_exchange_class("binance")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert not reachable("binance", 0.3, detour(silent.getsockname()[1]))
        assert time.monotonic() - began < 1


def test_a_name_that_does_not_resolve_is_given_up_in_time(monkeypatch):
    def hang(*_: object, **__: object) -> None:
        time.sleep(2)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    assert not reachable("binance", 0.3)
    assert time.monotonic() - began < 1


def test_a_fetch_ends_in_time_and_leaves_the_rest_for_the_next_one(feed, binance, clock, monkeypatch):
    feed.markets(SYMBOLS)
    monkeypatch.setattr(ccxt_public, "_THREADS", 1)
    ask = feed._call

    def slow(method, *arguments):
        clock.now += FETCH_SECONDS
        return ask(method, *arguments)

    monkeypatch.setattr(feed, "_call", slow)
    candles = feed.closed_candles(SYMBOLS, STEP, CLOSED - 10 * STEP, NOW)
    assert np.isfinite(candles.close[0]).all()
    assert np.isnan(candles.close[1]).all()
    assert len(binance.klines_asked()) == 1
