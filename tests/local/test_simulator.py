"""The built-in market: a pure function of seed, symbol and time that looks like a market."""

import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from chalicelib.errors import UsageError
from chalicelib.local import simulated_paths, simulator
from chalicelib.local.simulator import MOST_BARS, MarketSimulator, simulated_symbols

D = Decimal
NOW = 1_790_000_123.0
DAY = 86400
SPREAD = D("0.0004")
MINUTE = 60
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def market():
    return MarketSimulator(7, SPREAD)


def forget() -> None:
    for cached in (
        simulator._path_cache,
        simulator._day_candles,
        simulated_paths._market_day,
        simulated_paths._shocks,
    ):
        cached.cache_clear()


def returns(market: MarketSimulator, symbol: str, timeframe: int, days: int) -> np.ndarray:
    candles = market.closed_candles((symbol,), timeframe, int(NOW) - days * DAY, NOW)
    return np.diff(np.log(candles.close[0]))


def autocorrelation(values: np.ndarray, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / (centred**2).mean())


def test_any_part_of_the_past_is_the_same_however_it_is_reached(market):
    symbols = simulated_symbols(4)
    whole = market.closed_candles(symbols, 300, int(NOW) - 3 * DAY, NOW)
    forget()
    part = market.closed_candles(symbols[2:], 300, int(NOW) - DAY, NOW - 7200)
    columns = np.searchsorted(whole.open_time, part.open_time)
    for field in ("open", "high", "low", "close", "volume"):
        assert (getattr(part, field) == getattr(whole, field)[2:, columns]).all()


def test_a_new_process_sees_the_same_market(market):
    code = (
        "from decimal import Decimal as D; from chalicelib.local.simulator import *;"
        f"c = MarketSimulator(7, D('0.0004')).closed_candles(('BTC/USDT',), 300, {int(NOW) - DAY}, {NOW});"
        "print(c.close.tolist(), c.volume.tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    here = market.closed_candles(("BTC/USDT",), 300, int(NOW) - DAY, NOW)
    assert run.stdout.strip() == f"{here.close.tolist()} {here.volume.tolist()}"


def test_seeds_and_symbols_differ():
    prices = {
        (seed, symbol): MarketSimulator(seed, SPREAD)
        .closed_candles((symbol,), 300, int(NOW) - DAY, NOW)
        .close[0]
        for seed in (1, 2)
        for symbol in ("BTC/USDT", "ETH/USDT")
    }
    moves = {key: np.diff(np.log(values)) for key, values in prices.items()}
    assert abs(np.corrcoef(moves[1, "BTC/USDT"], moves[2, "BTC/USDT"])[0, 1]) < 0.3
    assert 0.2 < np.corrcoef(moves[1, "BTC/USDT"], moves[1, "ETH/USDT"])[0, 1] < 0.95


def test_only_closed_candles_on_the_grid(market):
    candles = market.closed_candles(("BTC/USDT",), 300, int(NOW) - 3601, NOW)
    assert candles.closed_until <= NOW < candles.closed_until + 300
    assert candles.open_time[0] >= int(NOW) - 3601
    assert (candles.open_time % 300 == 0).all()
    assert market.closed_candles(("BTC/USDT",), 300, int(NOW), NOW).bars == 0
    assert market.closed_candles(("BTC/USDT",), 300, 0, NOW).bars == MOST_BARS


def test_candles_are_sound_and_meet_without_gaps_over_midnight(market):
    candles = market.closed_candles(simulated_symbols(10), MINUTE, int(NOW) - 2 * DAY, NOW)
    assert not np.isnan(candles.close).any()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.low > 0).all()
    assert (candles.volume > 0).all()
    assert (candles.open[:, 1:] == candles.close[:, :-1]).all()


def test_timeframes_are_aggregates_of_minutes(market):
    start = int(NOW) // DAY * DAY - DAY
    minutes = market.closed_candles(("SOL/USDT",), MINUTE, start, start + DAY)
    hours = market.closed_candles(("SOL/USDT",), 3600, start, start + DAY)
    assert (hours.open[0] == minutes.open[0, ::60]).all()
    assert (hours.close[0] == minutes.close[0, 59::60]).all()
    assert (hours.high[0] == minutes.high[0].reshape(-1, 60).max(axis=1)).all()
    assert (hours.low[0] == minutes.low[0].reshape(-1, 60).min(axis=1)).all()
    assert hours.volume[0] == pytest.approx(minutes.volume[0].reshape(-1, 60).sum(axis=1), rel=1e-9)


def test_tickers_move_each_second_inside_the_candle_that_results(market):
    start = int(NOW) // 300 * 300
    symbols = simulated_symbols(3)
    candles = market.closed_candles(symbols, 300, start, start + 300)
    seconds = [market.tickers(symbols, start + second) for second in range(301)]
    for row, symbol in enumerate(symbols):
        prices = [float(tickers[symbol].last) for tickers in seconds]
        assert prices[0] == candles.open[row, 0]
        assert prices[300] == candles.close[row, 0]
        assert min(prices) == candles.low[row, 0]
        assert max(prices) == candles.high[row, 0]
        assert sum(one != other for one, other in pairwise(prices)) > 200


def test_prices_are_on_the_markets_steps(market):
    symbols = simulated_symbols(60)
    markets = market.markets(symbols)
    candles = market.closed_candles(symbols, 3600, int(NOW) - DAY, NOW)
    tickers = market.tickers(symbols, NOW)
    for row, symbol in enumerate(symbols):
        step = markets[symbol].price_step
        assert all(D(str(float(price))) % step == 0 for price in candles.close[row])
        ticker = tickers[symbol]
        assert ticker.last % step == ticker.bid % step == ticker.ask % step == 0
        assert ticker.bid < ticker.last < ticker.ask
        assert (ticker.ask - ticker.bid) / ticker.last < D("0.002")
        assert ticker.time == int(NOW)


@pytest.mark.parametrize("timeframe", [60, 300])
@pytest.mark.parametrize("symbol", ["BTC/USDT", "XRP/USDT"])
def test_returns_have_fat_tails_and_clusters_but_no_memory(market, symbol, timeframe):
    moves = returns(market, symbol, timeframe, 17)
    centred = moves - moves.mean()
    assert (centred**4).mean() / (centred**2).mean() ** 2 > 4
    for lag in (1, 5):
        assert autocorrelation(np.abs(moves), lag) > 0.05
    assert abs(autocorrelation(moves, 1)) < 0.06


def test_volume_goes_with_volatility(market):
    candles = market.closed_candles(("ETH/USDT",), 300, int(NOW) - 10 * DAY, NOW)
    spread = np.log(candles.high[0] / candles.low[0])
    assert np.corrcoef(np.log(candles.volume[0]), np.log(spread))[0, 1] > 0.3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_explodes(seed):
    symbols = simulated_symbols(6)
    market = MarketSimulator(seed, SPREAD)
    month = market.closed_candles(symbols, 3600, int(NOW) - 30 * DAY, NOW)
    ratio = month.close / month.close[:, :1]
    assert ratio.max() < 2.5
    assert ratio.min() > 0.4
    for year in range(1, 4):
        end = int(NOW) // DAY * DAY + 365 * year * DAY
        later = market.closed_candles(symbols, DAY, end - DAY, end)
        for symbol, close in zip(symbols, later.close[:, -1], strict=True):
            assert 0.2 < close / simulator._coin(symbol).price < 5


def test_names(market):
    assert simulated_symbols(3) == ("BTC/USDT", "ETH/USDT", "BNB/USDT")
    assert len(set(simulated_symbols(200))) == 200
    with pytest.raises(UsageError, match="1 to 200 symbols, not 201"):
        simulated_symbols(201)
    with pytest.raises(UsageError, match="'BTC/EUR' in the simulated market: did you mean"):
        market.markets(("BTC/EUR",))
    with pytest.raises(UsageError, match="no candles of 90 s"):
        market.closed_candles(("BTC/USDT",), 90, 0, NOW)
    assert market.markets(("BTC/USDT:USDT",))["BTC/USDT:USDT"].type == "swap"
