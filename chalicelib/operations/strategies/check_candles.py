"""The candles on which `cts check-strategy` checks: recorded ones, or a random walk where none are given."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import read_candles
from chalicelib.operations.strategies.check import STRETCH

STRETCHES = 3
_WALK_START = 1_600_000_000


def recorded(directory: Path, timeframe: str, symbols: Sequence[str] | int) -> list[Candles]:
    """Return up to three stretches of recorded candles, evenly spread; UsageError if there are too few."""
    candles = read_candles(directory, timeframe, symbols)
    if candles.bars < STRETCH:
        raise UsageError(
            f"{directory} has {candles.bars} {timeframe} candles, {STRETCH} are needed: "
            "use a shorter --timeframe or other --data"
        )
    places = np.linspace(0, candles.bars - STRETCH, STRETCHES).astype(int)
    return [_stretch(candles, int(place)) for place in dict.fromkeys(places.tolist())]


def walked(timeframe: str, symbols: int, seed: int) -> list[Candles]:
    """Return stretches of a random walk with bursts of volatility, jumps, gaps and bars without volume."""
    random, step = np.random.default_rng(seed), timeframe_seconds(timeframe)
    shape = (symbols, STRETCHES * STRETCH)
    pace = 0.003 * np.exp(_smooth(random.standard_normal(shape), 24))
    drift = 0.0015 * _smooth(random.standard_normal(shape), 48)
    close = 100.0 * np.exp(np.cumsum(drift + pace * random.standard_t(4, shape), axis=1))
    opens = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    high = np.maximum(opens, close) * np.exp(pace * random.random(shape))
    low = np.minimum(opens, close) * np.exp(-pace * random.random(shape))
    volume = 100.0 * np.exp(_smooth(random.standard_normal(shape), 6)) * (pace / 0.003)
    volume[random.random(shape) < 0.01] = 0.0
    missing = random.random(shape) < 0.005
    fields = (np.where(missing, np.nan, field) for field in (opens, high, low, close, volume))
    times = _WALK_START // step * step + step * np.arange(shape[1], dtype=np.int64)
    candles = Candles(tuple(f"WALK{row + 1}/USDT" for row in range(symbols)), step, times, *fields)
    return [_stretch(candles, number * STRETCH) for number in range(STRETCHES)]


def _stretch(candles: Candles, first: int) -> Candles:
    start = int(candles.open_time[first])
    return between(candles, start, start + STRETCH * candles.timeframe)


def _smooth(
    noise: np.ndarray[tuple[int, ...], np.dtype[np.float64]], bars: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return noise that changes over about `bars` bars, of unit variance."""
    smoothed = np.apply_along_axis(lambda row: np.convolve(row, np.ones(bars), "same"), 1, noise)
    return np.asarray(smoothed / bars**0.5)
