"""Volume indicators: money flow, balance, volume-weighted price, volume against its average."""

import numpy as np
import talib

from chalicelib.domain.indicators.rolling import ratio, rolling_mean, rolling_sum, shifted
from chalicelib.domain.indicators.rows import Floats, per_symbol


def obv(close: Floats, volume: Floats) -> Floats:
    """Return Granville's on-balance volume; it begins with the volume of the first bar."""
    return per_symbol(talib.OBV, close, volume)


def mfi(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 14) -> Floats:
    """Return the money flow index, 0 to 100."""
    return per_symbol(talib.MFI, high, low, close, volume, options=(period,))


def vwap(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Return the volume-weighted mean of the typical price over `period` bars.

    Where nothing was traded in the whole window it is the typical price of the bar.
    """
    typical = (high + low + close) / 3.0
    traded = rolling_sum(volume, period)
    average = ratio(rolling_sum(typical * volume, period), traded)
    return np.where(traded == 0.0, typical, average)


def relative_volume(volume: Floats, period: int = 20) -> Floats:
    """Return the volume over the mean volume of the `period` bars before; 0 where those had none."""
    return ratio(volume, shifted(rolling_mean(volume, period)))
