"""The price table of a backtest answers what the recorded feed answers, to the last digit and zero."""

import random
from decimal import Decimal

import pytest

from chalicelib.backtest.prices import RecordedPrices
from chalicelib.domain.candles import Candles
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from tests.shared import shared_path

D = Decimal
QUESTIONS = 1_500


@pytest.fixture(scope="module", params=["spot", "swap"])
def candles(request: pytest.FixtureRequest) -> Candles:
    """Candles with halts of the market, late listings and prices of one to eight decimals."""
    if request.param == "swap":
        return read_candles(shared_path("data/ohlcv/binance_usdm"), "5m", 12, market_type="swap")
    return read_candles(shared_path("data/ohlcv/binance_spot"), "1h", 60)


@pytest.mark.parametrize(
    ("spread", "begin"), [("0.0004", 0), ("0.0004", 1), ("0.00033", 500), ("0.0123", 900), ("0", 0)]
)
def test_a_ticker_is_that_of_the_recorded_feed(candles: Candles, spread: str, begin: int) -> None:
    feed = RecordedFeed(candles, D(spread))
    start = int(candles.open_time[begin])
    table, drawn = RecordedPrices(feed, D(spread), start), random.Random(7)
    missing = 0
    for _ in range(QUESTIONS):
        near = drawn.randrange(-1, candles.bars + 3), begin + drawn.randrange(-3, 4)
        bar = drawn.choice(near)
        now = float(candles.open_time[0]) + bar * candles.timeframe + drawn.choice((0, 10, 25, 0.5, 299))
        symbols = drawn.sample(candles.symbols, 3)
        expected = feed.tickers(symbols, now)
        missing += len(symbols) - len(expected)
        # The texts tell a price from the same one with another number of zeros.
        assert repr(table.tickers(symbols, now)) == repr(expected)
        assert repr(table.tickers(symbols, now + 1)) == repr(feed.tickers(symbols, now + 1))
    assert missing > 0


def test_a_quote_is_the_ticker_in_price_steps(candles: Candles) -> None:
    feed = RecordedFeed(candles, D("0.0004"))
    table, drawn = RecordedPrices(feed, D("0.0004")), random.Random(8)
    for _ in range(QUESTIONS):
        now = float(candles.open_time[drawn.randrange(candles.bars)]) + drawn.choice((0, 10))
        symbol = drawn.choice(candles.symbols)
        ticker, quotes = feed.tickers((symbol,), now).get(symbol), table.quotes((symbol,), now)
        if ticker is None or quotes is None:
            assert (ticker, quotes) == (None, None)
            continue
        ((bid, ask),) = quotes
        step = feed.markets((symbol,))[symbol].price_step
        assert (bid * step, ask * step) == (ticker.bid, ticker.ask)


def test_the_rest_is_the_recorded_feeds(candles: Candles) -> None:
    feed = RecordedFeed(candles, D("0.0004"))
    table, symbols = RecordedPrices(feed, D("0.0004")), candles.symbols[:3]
    assert table.markets(symbols) == feed.markets(symbols)
    with pytest.raises(UsageError):
        table.markets(("NONE/USDT",))
    with pytest.raises(UsageError):
        table.tickers(("NONE/USDT",), float(candles.open_time[5] + 1))
    begin, end = int(candles.open_time[3]), int(candles.open_time[9])
    ours, theirs = (one.closed_candles(symbols, candles.timeframe, begin, end) for one in (table, feed))
    assert ours.open_time.tolist() == theirs.open_time.tolist() != []
