"""Candles of OrangeX: seconds, pages of 1,500, and the private method where the public one is closed."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import NOW, failed, ok, orangex_with

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
CHART = "get_tradingview_chart_data"
SECONDS = NOW // 1000


def candle(tick, price="100"):
    return {
        "tick": tick,
        "open": price,
        "high": "110",
        "low": "90",
        "close": "105",
        "volume": "2.5",
        "cost": "250",
    }


def chart(call):
    """Serve every minute of the window asked for, as the documentation has it: both ends in seconds."""
    first = -(-call.params["start_timestamp"] // 60) * 60
    return ok([candle(tick) for tick in range(first, call.params["end_timestamp"] + 1, 60)])


def test_candles():
    exchange, session = orangex_with({f"public/{CHART}": chart})
    since = (SECONDS // 60 - 10) * 60_000
    rows = exchange.fetch_ohlcv(SWAP, "1m", since, 5)
    assert [row[0] for row in rows] == [since + minute * 60_000 for minute in range(5)]
    assert rows[0][1:] == [100, 110, 90, 105, 2.5]
    assert session.of(f"public/{CHART}")[0].params == {
        "instrument_name": "BTC-USDT-PERPETUAL",
        "resolution": "1",
        "start_timestamp": since // 1000,
        "end_timestamp": since // 1000 + 5 * 60 - 1,
    }


def test_candles_of_spot_go_without_the_ending():
    exchange, session = orangex_with({f"public/{CHART}": chart})
    exchange.fetch_ohlcv(COIN, "1d", NOW - 86_400_000, 1)
    sent = session.of(f"public/{CHART}")[0].params
    assert (sent["instrument_name"], sent["resolution"]) == ("BTC-USDT", "1D")


def test_the_newest_candles_without_since():
    exchange, _ = orangex_with({f"public/{CHART}": chart})
    rows = exchange.fetch_ohlcv(SWAP, "1m", None, 3)
    newest = SECONDS // 60 * 60_000
    assert [row[0] for row in rows] == [newest - 120_000, newest - 60_000, newest]


def test_candles_of_which_the_time_is_told_in_milliseconds():
    at = SECONDS // 60 * 60
    exchange, _ = orangex_with({f"public/{CHART}": ok([candle(at * 1000)])})
    assert exchange.fetch_ohlcv(SWAP, "1m", at * 1000, 1)[0][0] == at * 1000


def test_more_candles_than_a_request_gives():
    exchange, session = orangex_with({f"public/{CHART}": chart})
    since = (SECONDS // 60 - 4000) * 60_000
    rows = exchange.fetch_ohlcv(SWAP, "1m", since, 3200)
    assert [row[0] for row in rows] == [since + minute * 60_000 for minute in range(3200)]
    windows = [
        (call.params["end_timestamp"] - call.params["start_timestamp"] + 1) // 60
        for call in session.of(f"public/{CHART}")
    ]
    assert windows == [1500, 1500, 200]


def test_periods_without_trades_do_not_end_the_pages():
    def gap(call):
        return ok([]) if call.params["start_timestamp"] < (SECONDS // 60 - 1500) * 60 else chart(call)

    exchange, _ = orangex_with({f"public/{CHART}": gap})
    since = (SECONDS // 60 - 3000) * 60_000
    rows = exchange.fetch_ohlcv(SWAP, "1m", since, 3000)
    assert rows[0][0] == since + 1500 * 60_000
    assert rows[-1][0] == since + 2999 * 60_000


def test_no_request_for_candles_of_the_future():
    exchange, session = orangex_with({f"public/{CHART}": chart})
    assert exchange.fetch_ohlcv(SWAP, "1m", NOW + 60_000, 5) == []
    assert session.names() == []


def test_too_far_back_gives_the_oldest_there_are():
    oldest = (SECONDS // 60 - 1499) * 60

    def newest_only(call):
        return failed(5221) if call.params["start_timestamp"] < oldest else chart(call)

    exchange, session = orangex_with({f"public/{CHART}": newest_only})
    rows = exchange.fetch_ohlcv(SWAP, "1m", (oldest - 9000) * 1000, 10)
    assert [row[0] for row in rows] == [(oldest + minute * 60) * 1000 for minute in range(10)]
    assert len(session.of(f"public/{CHART}")) == 2


def test_the_private_method_where_the_public_one_is_closed():
    answers = {f"public/{CHART}": failed(1000), f"private/{CHART}": chart}
    exchange, session = orangex_with(answers)
    since = (SECONDS // 60 - 10) * 60_000
    assert len(exchange.fetch_ohlcv(SWAP, "1m", since, 5)) == 5
    assert len(exchange.fetch_ohlcv(SWAP, "1m", since, 5)) == 5
    assert session.names() == [f"public/{CHART}", f"private/{CHART}", f"private/{CHART}"]
    assert session.of(f"private/{CHART}")[0].headers["Authorization"] == "bearer token-1"


def test_without_a_key_the_public_refusal_is_told():
    exchange, _ = orangex_with({f"public/{CHART}": (404, "no such page")})
    exchange.apiKey = ""
    with pytest.raises(errors.NotSupported):
        exchange.fetch_ohlcv(SWAP, "1m", NOW - 600_000, 5)


def test_a_broken_public_method_is_not_a_closed_one():
    exchange, session = orangex_with({f"public/{CHART}": failed(9999)})
    with pytest.raises(errors.ExchangeNotAvailable):
        exchange.fetch_ohlcv(SWAP, "1m", NOW - 600_000, 5)
    assert session.names() == [f"public/{CHART}"]


def test_unknown_timeframe():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.BadRequest, match="7m"):
        exchange.fetch_ohlcv(SWAP, "7m")
