"""Momentum indicators: oscillators and rates of change."""

from typing import NamedTuple

import talib

from chalicelib.domain.indicators.rows import Floats, per_symbol, per_symbol_outputs

_SIMPLE_AVERAGE = 0


class Macd(NamedTuple):
    """MACD line, its signal line and their difference."""

    line: Floats
    signal: Floats
    histogram: Floats


class Stochastic(NamedTuple):
    """%K and its average %D, 0 to 100."""

    k: Floats
    d: Floats


class Aroon(NamedTuple):
    """Bars since the lowest low and the highest high, as 0 to 100."""

    down: Floats
    up: Floats


def rsi(values: Floats, period: int = 14) -> Floats:
    """Return Wilder's relative strength index, 0 to 100."""
    return per_symbol(talib.RSI, values, options=(period,))


def macd(values: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Return Appel's moving average convergence divergence; all lines begin with the signal line."""
    return Macd(*per_symbol_outputs(talib.MACD, 3, values, options=(fast, slow, signal)))


def stochastic(
    high: Floats, low: Floats, close: Floats, period: int = 14, k_period: int = 3, d_period: int = 3
) -> Stochastic:
    """Return Lane's slow stochastic: %K smoothed over `k_period`, %D over `d_period`."""
    options = (period, k_period, _SIMPLE_AVERAGE, d_period, _SIMPLE_AVERAGE)
    return Stochastic(*per_symbol_outputs(talib.STOCH, 2, high, low, close, options=options))


def stochastic_rsi(
    values: Floats, period: int = 14, stochastic_period: int = 14, d_period: int = 3
) -> Stochastic:
    """Return the unsmoothed stochastic of the RSI (Chande and Kroll), and its average."""
    options = (period, stochastic_period, d_period, _SIMPLE_AVERAGE)
    return Stochastic(*per_symbol_outputs(talib.STOCHRSI, 2, values, options=options))


def cci(high: Floats, low: Floats, close: Floats, period: int = 20) -> Floats:
    """Return Lambert's commodity channel index."""
    return per_symbol(talib.CCI, high, low, close, options=(period,))


def williams_r(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Williams' %R, -100 to 0."""
    return per_symbol(talib.WILLR, high, low, close, options=(period,))


def roc(values: Floats, period: int = 10) -> Floats:
    """Return the rate of change over `period` bars, in per cent."""
    return per_symbol(talib.ROC, values, options=(period,))


def momentum(values: Floats, period: int = 10) -> Floats:
    """Return the change over `period` bars, in units of the values."""
    return per_symbol(talib.MOM, values, options=(period,))


def aroon(high: Floats, low: Floats, period: int = 25) -> Aroon:
    """Return Chande's Aroon down and up."""
    return Aroon(*per_symbol_outputs(talib.AROON, 2, high, low, options=(period,)))


def ultimate_oscillator(
    high: Floats, low: Floats, close: Floats, short: int = 7, middle: int = 14, long: int = 28
) -> Floats:
    """Return Williams' ultimate oscillator, 0 to 100."""
    return per_symbol(talib.ULTOSC, high, low, close, options=(short, middle, long))


def trix(values: Floats, period: int = 15) -> Floats:
    """Return the rate of change over one bar of the triple exponential average, in per cent."""
    return per_symbol(talib.TRIX, values, options=(period,))
