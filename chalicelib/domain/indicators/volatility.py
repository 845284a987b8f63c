"""Volatility indicators: ranges, deviations, and channels around an average."""

from typing import NamedTuple

import numpy as np
import talib

from chalicelib.domain.indicators.rolling import ratio, rolling_mean, shifted
from chalicelib.domain.indicators.rows import Floats, per_symbol, per_symbol_outputs


class Bands(NamedTuple):
    """A channel and its middle line."""

    upper: Floats
    middle: Floats
    lower: Floats


def atr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Wilder's average true range; the first bar has no previous close and is left out."""
    return per_symbol(talib.ATR, high, low, close, options=(period,))


def natr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return the average true range in per cent of the close."""
    return per_symbol(talib.NATR, high, low, close, options=(period,))


def standard_deviation(values: Floats, period: int = 20) -> Floats:
    """Return the population standard deviation of the last `period` values."""
    return per_symbol(talib.STDDEV, values, options=(period,))


def bollinger(values: Floats, period: int = 20, deviations: float = 2.0) -> Bands:
    """Return Bollinger bands: simple average ± `deviations` population standard deviations."""
    return Bands(*per_symbol_outputs(talib.BBANDS, 3, values, options=(period, deviations, deviations)))


def keltner(
    high: Floats, low: Floats, close: Floats, period: int = 20, atr_period: int = 10, multiplier: float = 2.0
) -> Bands:
    """Return Keltner channels: EMA of the close ± `multiplier` × ATR (Raschke's form)."""
    middle = per_symbol(talib.EMA, close, options=(period,))
    width = multiplier * atr(high, low, close, atr_period)
    return Bands(middle + width, middle, middle - width)


def donchian(high: Floats, low: Floats, period: int = 20) -> Bands:
    """Return Donchian channels: highest high and lowest low of the last `period` bars, this one included."""
    upper = per_symbol(talib.MAX, high, options=(period,))
    lower = per_symbol(talib.MIN, low, options=(period,))
    return Bands(upper, 0.5 * (upper + lower), lower)


def log_returns(close: Floats) -> Floats:
    """Return the natural logarithm of each close over the close before."""
    logarithm = np.log(close)
    return logarithm - shifted(logarithm)


def root_mean_square(values: Floats, period: int) -> Floats:
    """Return the root of the mean square of the last `period` values."""
    return np.sqrt(rolling_mean(np.square(values), period))


def realised_volatility(close: Floats, period: int = 20) -> Floats:
    """Return the root mean square of the last `period` log returns, per bar (not annualised)."""
    return root_mean_square(log_returns(close), period)


def z_score(values: Floats, period: int = 20) -> Floats:
    """Return how many population standard deviations a value is from its mean; 0 in a flat window."""
    mean = rolling_mean(values, period)
    deviation = standard_deviation(values, period)
    # Under a billionth of the mean it is rounding, not deviation.
    return ratio(values - mean, np.where(deviation > 1e-9 * np.abs(mean), deviation, 0.0 * deviation))
