"""Window arithmetic in numpy: what the indicators that TA-Lib lacks are made of."""

import numpy as np

from chalicelib.domain.indicators.rows import Floats


def shifted(values: Floats, bars: int = 1) -> Floats:
    """Return the value `bars` bars earlier, NaN where there is none; `[symbols, bars]`."""
    result = np.full(values.shape, np.nan)
    result[:, bars:] = values[:, : max(values.shape[1] - bars, 0)]
    return result


def rolling_sum(values: Floats, period: int) -> Floats:
    """Return the sum of the last `period` values, `[symbols, bars]`; raise ValueError for a period under 1.

    Sums of 1, 2, 4 ... bars are put together, so a value depends on its window alone: no error is carried
    along as in a running sum, and a window of zeros sums to exactly zero. Leading NaN stay NaN.
    """
    if period < 1:
        raise ValueError(f"period must be at least 1, got {period}")
    bars = values.shape[1]
    total = np.zeros(values.shape)
    block, size, covered = values, 1, 0
    while size <= period:
        if period & size:
            total[:, covered:] += block[:, : max(bars - covered, 0)]
            covered += size
        if 2 * size <= period:
            wider = np.empty(values.shape)
            wider[:, :size] = block[:, :size]
            np.add(block[:, size:], block[:, : max(bars - size, 0)], out=wider[:, size:])
            block = wider
        size *= 2
    total[:, : period - 1] = np.nan
    return total


def rolling_mean(values: Floats, period: int) -> Floats:
    """Return the mean of the last `period` values, `[symbols, bars]`; it depends on its window alone."""
    return rolling_sum(values, period) / period


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, giving 0 where the denominator is 0 or negative and NaN where either is NaN."""
    return numerator / np.where(denominator <= 0.0, np.inf, denominator)
