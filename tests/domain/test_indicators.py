"""Every indicator is causal to the last bit, keeps leading NaN, and does not depend on its neighbours."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.candles import Candles, Floats, filled
from chalicelib.domain.indicators import momentum, rolling, trend, volatility, volume
from tests.domain.ladder_candles import RECORDED, read_candles
from tests.shared import shared_path

BARS = 600
SYMBOLS = 6
Indicator = Callable[[Candles], tuple[np.ndarray, ...]]


def one(call: Callable[[Candles], np.ndarray]) -> Indicator:
    return lambda c: (call(c),)


INDICATORS: dict[str, Indicator] = {
    "sma": one(lambda c: trend.sma(c.close, 20)),
    "ema": one(lambda c: trend.ema(c.close, 20)),
    "wma": one(lambda c: trend.wma(c.close, 20)),
    "dema": one(lambda c: trend.dema(c.close, 20)),
    "tema": one(lambda c: trend.tema(c.close, 20)),
    "kama": one(lambda c: trend.kama(c.close, 30)),
    "adx": one(lambda c: trend.adx(c.high, c.low, c.close)),
    "plus_di": one(lambda c: trend.plus_di(c.high, c.low, c.close)),
    "minus_di": one(lambda c: trend.minus_di(c.high, c.low, c.close)),
    "psar": one(lambda c: trend.psar(c.high, c.low)),
    "linear_regression_slope": one(lambda c: trend.linear_regression_slope(c.close)),
    "supertrend": lambda c: trend.supertrend(c.high, c.low, c.close),
    "heikin_ashi": lambda c: trend.heikin_ashi(c.open, c.high, c.low, c.close),
    "rsi": one(lambda c: momentum.rsi(c.close)),
    "macd": lambda c: momentum.macd(c.close),
    "stochastic": lambda c: momentum.stochastic(c.high, c.low, c.close),
    "stochastic_rsi": lambda c: momentum.stochastic_rsi(c.close),
    "cci": one(lambda c: momentum.cci(c.high, c.low, c.close)),
    "williams_r": one(lambda c: momentum.williams_r(c.high, c.low, c.close)),
    "roc": one(lambda c: momentum.roc(c.close)),
    "momentum": one(lambda c: momentum.momentum(c.close)),
    "aroon": lambda c: momentum.aroon(c.high, c.low),
    "ultimate_oscillator": one(lambda c: momentum.ultimate_oscillator(c.high, c.low, c.close)),
    "trix": one(lambda c: momentum.trix(c.close)),
    "atr": one(lambda c: volatility.atr(c.high, c.low, c.close)),
    "natr": one(lambda c: volatility.natr(c.high, c.low, c.close)),
    "standard_deviation": one(lambda c: volatility.standard_deviation(c.close)),
    "bollinger": lambda c: volatility.bollinger(c.close),
    "keltner": lambda c: volatility.keltner(c.high, c.low, c.close),
    "donchian": lambda c: volatility.donchian(c.high, c.low),
    "log_returns": one(lambda c: volatility.log_returns(c.close)),
    "realised_volatility": one(lambda c: volatility.realised_volatility(c.close)),
    "z_score": one(lambda c: volatility.z_score(c.close)),
    "obv": one(lambda c: volume.obv(c.close, c.volume)),
    "mfi": one(lambda c: volume.mfi(c.high, c.low, c.close, c.volume)),
    "vwap": one(lambda c: volume.vwap(c.high, c.low, c.close, c.volume)),
    "relative_volume": one(lambda c: volume.relative_volume(c.volume)),
    "rolling_sum": one(lambda c: rolling.rolling_sum(c.volume, 37)),
    "rolling_mean": one(lambda c: rolling.rolling_mean(c.close, 64)),
}


@cache
def recorded(timeframe: str) -> Candles:
    return filled(read_candles(shared_path(RECORDED), timeframe, SYMBOLS, BARS))


def part(candles: Candles, start: int, end: int, leading: int = 0) -> Candles:
    """Cut bars out and let the first symbol begin `leading` bars late."""
    fields = []
    for values in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        cut = values[:, start:end].copy()
        cut[0, :leading] = np.nan
        fields.append(cut)
    return Candles(candles.symbols, candles.timeframe, candles.open_time[start:end], *fields)


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=12, deadline=None)
@given(
    timeframe=st.sampled_from(["5m", "1h"]),
    start=st.integers(0, 200),
    length=st.integers(1, 390),
    known=st.integers(0, 390),
    leading=st.integers(0, 120),
)
def test_later_bars_change_nothing(
    name: str, timeframe: str, start: int, length: int, known: int, leading: int
) -> None:
    known = min(known, length)
    whole = part(recorded(timeframe), start, start + length, min(leading, length))
    head = part(whole, 0, known)
    for longer, shorter in zip(INDICATORS[name](whole), INDICATORS[name](head), strict=True):
        assert longer[:, :known].tobytes() == shorter.tobytes()


@pytest.mark.parametrize("name", INDICATORS)
def test_a_late_listing_is_as_if_the_bars_before_were_not_there(name: str) -> None:
    late = part(recorded("1h"), 0, BARS, leading=100)
    for whole, alone in zip(INDICATORS[name](late), INDICATORS[name](part(late, 100, BARS)), strict=True):
        assert whole[0, 100:].tobytes() == alone[0].tobytes()
        if whole.dtype == np.float64:
            known = ~np.isnan(whole[0])
            assert not known[:100].any()
            assert known[int(np.argmax(known)) :].all()
            assert known[-1]


@pytest.mark.parametrize("name", INDICATORS)
def test_symbols_do_not_touch_each_other(name: str) -> None:
    candles = recorded("1h")
    alone = Candles(
        candles.symbols[3:4],
        candles.timeframe,
        candles.open_time,
        *(v[3:4].copy() for v in (candles.open, candles.high, candles.low, candles.close, candles.volume)),
    )
    for together, single in zip(INDICATORS[name](candles), INDICATORS[name](alone), strict=True):
        assert together[3].tobytes() == single[0].tobytes()


@pytest.mark.parametrize("name", INDICATORS)
@pytest.mark.parametrize("shape", [(0, 50), (2, 0), (2, 1)])
def test_works_on_few_symbols_and_bars(name: str, shape: tuple[int, int]) -> None:
    block = Candles(("A", "B")[: shape[0]], 300, np.arange(shape[1]), *(np.ones(shape) for _ in range(5)))
    assert all(output.shape == shape for output in INDICATORS[name](block))


@pytest.mark.parametrize("name", INDICATORS)
def test_a_dead_market_gives_finite_values(name: str) -> None:
    flat = np.full((1, 200), 0.25)
    block = Candles(("A",), 300, np.arange(200), flat, flat, flat, flat, np.zeros((1, 200)))
    for output in INDICATORS[name](block):
        assert np.isfinite(output[0, -1])


def test_the_scale_of_prices_does_not_matter() -> None:
    candles = recorded("1h")
    close = candles.close[:, :400]
    small = volatility.bollinger(close * 2.0**-40)
    for ours, scaled in zip(volatility.bollinger(close), small, strict=True):
        np.testing.assert_allclose(scaled * 2.0**40, ours, rtol=1e-12)


@given(period=st.integers(1, 150), bars=st.integers(1, 200), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_rolling_sum_is_the_sum_of_its_window(period: int, bars: int, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(0.0, 4.0, size=(2, bars))
    got = rolling.rolling_sum(values, period)
    for bar in range(bars):
        window = values[:, bar - period + 1 : bar + 1]
        if bar < period - 1:
            assert np.isnan(got[:, bar]).all()
        else:
            np.testing.assert_allclose(got[:, bar], window.sum(axis=1), rtol=1e-13)


def test_rolling_sum_forgets_what_left_its_window() -> None:
    values = np.array([[1e300, 1e-300, 0.0, 0.0, 0.0, 3.0]])
    assert rolling.rolling_sum(values, 3)[0, 3:].tolist() == [1e-300, 0.0, 3.0]


def test_rolling_sum_refuses_an_empty_window() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        rolling.rolling_sum(np.ones((1, 3)), 0)


def by_hand(values: list[float]) -> Floats:
    return np.array([values], dtype=np.float64)


def test_vwap_by_hand() -> None:
    prices, traded = by_hand([1, 2, 4, 8, 9, 9]), by_hand([1, 3, 0, 0, 0, 5])
    got = volume.vwap(prices, prices, prices, traded, 2)[0]
    assert np.isnan(got[0])
    assert got[1:].tolist() == [1.75, 2.0, 8.0, 9.0, 9.0]


def test_relative_volume_leaves_its_own_bar_out() -> None:
    got = volume.relative_volume(by_hand([2, 4, 9, 0, 0, 7]), 2)[0]
    assert np.isnan(got[:2]).all()
    assert got[2:].tolist() == [3.0, 0.0, 0.0, 0.0]


def test_realised_volatility_by_hand() -> None:
    got = volatility.realised_volatility(np.exp(by_hand([0, 3, -1, -1])), 2)[0]
    assert np.isnan(got[:2]).all()
    np.testing.assert_allclose(got[2:], [np.sqrt(12.5), np.sqrt(8.0)], rtol=1e-12)


def test_z_score_is_zero_in_a_flat_window() -> None:
    assert volatility.z_score(np.full((1, 60), 0.1), 20)[0, -1] == 0.0


def test_supertrend_is_below_the_price_while_up() -> None:
    candles = recorded("1h")
    line, direction = trend.supertrend(candles.high, candles.low, candles.close)
    warm = direction != 0
    assert (warm == ~np.isnan(line)).all()
    assert {-1, 1} <= set(np.unique(direction))
    assert (np.sign(candles.close - line)[warm] == direction[warm]).mean() > 0.99
