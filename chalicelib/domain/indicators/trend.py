"""Trend indicators: averages, directional movement, parabolic SAR, Supertrend, Heikin-Ashi, slope."""

from typing import NamedTuple

import numpy as np
import talib
from numpy.typing import NDArray

from chalicelib.domain.indicators.rows import Floats, per_symbol, per_symbol_outputs


class Supertrend(NamedTuple):
    """The trailing line, and +1 while it is below the price, -1 above, 0 until warm."""

    line: Floats
    direction: NDArray[np.int8]


class HeikinAshi(NamedTuple):
    """Smoothed candles."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


def sma(values: Floats, period: int) -> Floats:
    """Return the simple moving average."""
    return per_symbol(talib.SMA, values, options=(period,))


def ema(values: Floats, period: int) -> Floats:
    """Return the exponential moving average, seeded with the simple average of the first `period` values."""
    return per_symbol(talib.EMA, values, options=(period,))


def wma(values: Floats, period: int) -> Floats:
    """Return the linearly weighted moving average."""
    return per_symbol(talib.WMA, values, options=(period,))


def dema(values: Floats, period: int) -> Floats:
    """Return the double exponential moving average (Mulloy)."""
    return per_symbol(talib.DEMA, values, options=(period,))


def tema(values: Floats, period: int) -> Floats:
    """Return the triple exponential moving average (Mulloy)."""
    return per_symbol(talib.TEMA, values, options=(period,))


def kama(values: Floats, period: int) -> Floats:
    """Return Kaufman's adaptive moving average, constants 2 and 30."""
    return per_symbol(talib.KAMA, values, options=(period,))


def adx(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Wilder's average directional index, 0 to 100."""
    return per_symbol(talib.ADX, high, low, close, options=(period,))


def plus_di(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Wilder's positive directional indicator, 0 to 100."""
    return per_symbol(talib.PLUS_DI, high, low, close, options=(period,))


def minus_di(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Wilder's negative directional indicator, 0 to 100."""
    return per_symbol(talib.MINUS_DI, high, low, close, options=(period,))


def psar(high: Floats, low: Floats, acceleration: float = 0.02, maximum: float = 0.2) -> Floats:
    """Return Wilder's parabolic stop and reverse."""
    return per_symbol(talib.SAR, high, low, options=(acceleration, maximum))


def linear_regression_slope(values: Floats, period: int = 14) -> Floats:
    """Return the slope per bar of the least-squares line through the last `period` values."""
    return per_symbol(talib.LINEARREG_SLOPE, values, options=(period,))


def supertrend(
    high: Floats, low: Floats, close: Floats, period: int = 10, multiplier: float = 3.0
) -> Supertrend:
    """Return the Supertrend: median price ± `multiplier` × ATR, trailed in the direction of the trend."""
    line, direction = per_symbol_outputs(talib.SUPERTREND, 2, high, low, close, options=(period, multiplier))
    return Supertrend(line, np.where(np.isnan(line), 0.0, direction).astype(np.int8))


def heikin_ashi(open_: Floats, high: Floats, low: Floats, close: Floats) -> HeikinAshi:
    """Return Heikin-Ashi candles; the first one opens at the mean of its open and close."""
    return HeikinAshi(*per_symbol_outputs(talib.HA, 4, open_, high, low, close))
