"""Recorded candles as a feed: nothing of the future, prices as of virtual now, rules read off the data."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.candles import Candles
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed, amount_step_for
from tests.shared import shared_path

D = Decimal
STEP = 300
START = 1_618_617_600
SPREAD = D("0.0004")
BTC, ETH = "BTC/USDT", "ETH/USDT"


def candles(bars: int = 6) -> Candles:
    grid = START + STEP * np.arange(bars, dtype=np.int64)
    open_ = np.array([100.0 + np.arange(bars), 10.5 + 0.25 * np.arange(bars)])
    return Candles((BTC, ETH), STEP, grid, open_, open_ + 1, open_ - 1, open_ + 0.5, np.ones((2, bars)))


def without(block: Candles, row: int, *bars: int) -> Candles:
    fields = {}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(block, name).copy()
        values[row, list(bars)] = np.nan
        fields[name] = values
    return replace(block, **fields)


@pytest.fixture
def feed():
    return RecordedFeed(candles(), SPREAD)


@given(st.integers(-2 * STEP, 10 * STEP), st.integers(-2 * STEP, 10 * STEP))
def test_an_unclosed_candle_is_never_shown(since, now):
    shown = RecordedFeed(candles(), SPREAD).closed_candles((ETH, BTC), STEP, START + since, START + now)
    assert (shown.open_time >= START + since).all()
    assert (shown.open_time + STEP <= START + now).all()
    expected = [t for t in candles().open_time if START + since <= t <= START + now - STEP]
    assert shown.open_time.tolist() == expected
    assert shown.symbols == (ETH, BTC)
    assert shown.close.shape == (2, len(expected))


def test_rows_follow_the_asked_symbols(feed):
    shown = feed.closed_candles((ETH,), STEP, START, START + 2 * STEP)
    assert shown.open.tolist() == [[10.5, 10.75]]
    assert shown.volume.tolist() == [[1, 1]]


def test_the_price_is_the_open_of_the_running_candle(feed):
    ticker = feed.tickers((BTC,), START + STEP + 299)[BTC]
    assert (ticker.last, ticker.time) == (D(101), START + STEP)
    assert feed.tickers((BTC,), START + 2 * STEP)[BTC].last == D(102)


def test_bid_and_ask_are_half_a_spread_away_on_whole_steps(feed):
    ticker = feed.tickers((BTC,), START)[BTC]
    # 100 * (1 -+ 0.0002) = 99.98, 100.02; the step of the data is 0.1.
    assert (ticker.bid, ticker.ask) == (D("99.9"), D("100.1"))
    assert feed.markets((BTC,))[BTC].price_step == D("0.1")


def test_in_a_gap_the_last_close_counts_for_two_intervals():
    feed = RecordedFeed(without(candles(), 0, 2, 3, 4), SPREAD)
    closed = START + 2 * STEP
    for moment in (closed, closed + STEP, closed + 2 * STEP):
        assert (feed.tickers((BTC,), moment)[BTC].last, feed.tickers((BTC,), moment)[BTC].time) == (
            D("101.5"),
            closed,
        )
    assert set(feed.tickers((BTC, ETH), closed + 2 * STEP + 1)) == {ETH}
    assert feed.tickers((BTC,), START + 5 * STEP)[BTC].last == D(105)


def test_before_and_after_the_data_there_is_no_price(feed):
    assert feed.tickers((BTC, ETH), START - 1) == {}
    end = START + 6 * STEP
    assert feed.tickers((BTC,), end)[BTC].last == D("105.5")
    assert feed.tickers((BTC,), end + 2 * STEP + 1) == {}


def test_rules_are_read_off_the_data(feed):
    markets = feed.markets((BTC, ETH))
    assert markets[ETH].price_step == D("0.01")
    assert markets[BTC].amount_step == D("0.00001")
    assert (markets[BTC].base, markets[BTC].quote, markets[BTC].type) == ("BTC", "USDT", "spot")
    assert markets[BTC].min_amount == markets[BTC].amount_step
    assert markets[BTC].min_notional == D(10)


@given(st.decimals("1e-8", "1e6", allow_nan=False, allow_infinity=False))
def test_an_amount_step_is_worth_less_than_a_cent(price):
    step = amount_step_for(price)
    assert step * price < D("0.01")
    assert step == 1 or step * 10 * price >= D("0.01")


def test_unknown_things_are_named(feed):
    for call in (feed.markets, lambda names: feed.tickers(names, START)):
        with pytest.raises(UsageError, match="'BTC/USD' in the recorded data: did you mean BTC/USDT"):
            call(("BTC/USD",))
    with pytest.raises(UsageError, match="recorded candles are of 300 s, not of 60 s"):
        feed.closed_candles((BTC,), 60, START, START + STEP)


def test_real_candles_give_the_exchanges_price_steps():
    symbols = ["BTC/USDT", "XRP/USDT", "VET/USDT"]
    recorded = read_candles(shared_path("data/ohlcv/binance_spot"), "5m", symbols)
    feed = RecordedFeed(recorded, SPREAD)
    markets = feed.markets(recorded.symbols)
    # What Binance listed for these three in April 2021.
    assert [market.price_step for market in markets.values()] == [D("0.01"), D("0.00001"), D("0.000001")]
    for symbol, market in markets.items():
        row = recorded.symbols.index(symbol)
        prices = recorded.close[row][~np.isnan(recorded.close[row])][::97]
        assert all(D(str(float(price))) % market.price_step == 0 for price in prices)
    ticker = feed.tickers(("BTC/USDT",), START + 1)["BTC/USDT"]
    assert ticker.bid < ticker.last < ticker.ask
    assert (ticker.ask - ticker.bid) / ticker.last == pytest.approx(SPREAD, rel=D("0.01"))
