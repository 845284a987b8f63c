"""What every strategy works with: a window of candles with shared indicators, and the votes it returns."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, is_dataclass
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles, filled
from chalicelib.domain.indications.conditions import Activity, Indication, active, volatility_ratio
from chalicelib.domain.indications.steps import StepPath, step_path
from chalicelib.domain.indicators import momentum, trend, volatility, volume
from chalicelib.domain.indicators.rolling import ratio, rolling_mean, shifted
from chalicelib.domain.indicators.rows import Floats
from chalicelib.errors import Rejected

Mask = NDArray[np.bool_]
Remembered = TypeVar("Remembered")


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Score in [-1, 1] (short to long, NaN = abstains) and confidence in [0, 1], both `[symbols, bars]`."""

    score: Floats
    confidence: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Filled candles `[symbols, bars]`, where they were really traded, and indicators computed at most once.

    Both are shared between strategies and therefore read-only.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    traded: Mask
    _memory: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def remember(self, key: Hashable, compute: Callable[[], Remembered]) -> Remembered:
        """Return what `compute` gives, computing it once per key; arrays in it become read-only."""
        if key not in self._memory:
            value = compute()
            _freeze(value)
            self._memory[key] = value
        return cast(Remembered, self._memory[key])

    @property
    def remembered(self) -> Mapping[Hashable, Any]:
        """What has been computed so far, by key, each after what it was computed from."""
        return MappingProxyType(self._memory)

    def ema(self, period: int) -> Floats:
        """Return the exponential moving average of the close."""
        return self.remember(("ema", period), lambda: trend.ema(self.close, period))

    def sma(self, period: int) -> Floats:
        """Return the simple moving average of the close."""
        return self.remember(("sma", period), lambda: trend.sma(self.close, period))

    def rsi(self, period: int) -> Floats:
        """Return the relative strength index of the close."""
        return self.remember(("rsi", period), lambda: momentum.rsi(self.close, period))

    def roc(self, period: int) -> Floats:
        """Return the rate of change of the close in per cent."""
        return self.remember(("roc", period), lambda: momentum.roc(self.close, period))

    def macd(self, fast: int, slow: int, signal: int) -> momentum.Macd:
        """Return the MACD lines of the close."""
        key = ("macd", fast, slow, signal)
        return self.remember(key, lambda: momentum.macd(self.close, fast, slow, signal))

    def atr(self, period: int) -> Floats:
        """Return the average true range."""
        return self.remember(("atr", period), lambda: volatility.atr(self.high, self.low, self.close, period))

    def adx(self, period: int) -> Floats:
        """Return the average directional index."""
        return self.remember(("adx", period), lambda: trend.adx(self.high, self.low, self.close, period))

    def bollinger(self, period: int, deviations: float) -> volatility.Bands:
        """Return the Bollinger bands of the close."""
        key = ("bollinger", period, deviations)
        return self.remember(key, lambda: volatility.bollinger(self.close, period, deviations))

    def donchian(self, period: int) -> volatility.Bands:
        """Return the Donchian channel, the bar itself included."""
        return self.remember(("donchian", period), lambda: volatility.donchian(self.high, self.low, period))

    def relative_volume(self, period: int) -> Floats:
        """Return the volume over its mean of the bars before."""
        return self.remember(("relative_volume", period), lambda: volume.relative_volume(self.volume, period))

    def realised_volatility(self, period: int) -> Floats:
        """Return the root mean square log return per bar."""
        returns = self.remember("log_returns", lambda: volatility.log_returns(self.close))
        return self.remember(
            ("realised_volatility", period), lambda: volatility.root_mean_square(returns, period)
        )

    def volatility_ratio(self, short: int, long: int) -> Floats:
        """Return the realised volatility of the short window over that of the long one."""
        key = ("volatility_ratio", short, long)
        windows = self.realised_volatility(short), self.realised_volatility(long)
        return self.remember(key, lambda: volatility_ratio(*windows))

    def mean_volume(self, period: int) -> Floats:
        """Return the mean volume of the last bars."""
        return self.remember(("mean_volume", period), lambda: rolling_mean(self.volume, period))

    def volume_ratio(self, short: int, long: int) -> Floats:
        """Return the mean volume of the short window over that of the long one."""
        key = ("volume_ratio", short, long)
        return self.remember(key, lambda: ratio(self.mean_volume(short), self.mean_volume(long)))

    def step_path(self, step_size: float) -> StepPath:
        """Return the runs of bricks of the close."""
        return self.remember(("step_path", step_size), lambda: step_path(self.close, step_size))

    def active(self, activity: Activity) -> Indication:
        """Return the `active` indication."""
        short, long = activity.short, activity.long
        volatility_now = self.volatility_ratio(short, long)
        volume_now = self.volume_ratio(short, long)
        change = self.close - shifted(self.close, short)
        return self.remember(
            ("active", activity), lambda: active(change, volatility_now, volume_now, self.traded, activity)
        )


def _freeze(value: object) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, tuple):
        for part in value:
            _freeze(part)
    elif is_dataclass(value):
        for name in value.__dataclass_fields__:
            _freeze(getattr(value, name))


def window_of(candles: Candles) -> Window:
    """Return the window of a block of candles; a bar without a candle or without volume was not traded."""
    traded = candles.volume > 0.0
    whole = filled(candles)
    return Window(
        _read_only(whole.open),
        _read_only(whole.high),
        _read_only(whole.low),
        _read_only(whole.close),
        _read_only(whole.volume),
        traded,
    )


def _read_only(values: Floats) -> Floats:
    """Return a view that can't be written: the candles behind it are the engine's."""
    view = values.view()
    view.flags.writeable = False
    return view


def votes_where(speaks: Mask, score: Floats, confidence: Floats) -> Votes:
    """Return votes clipped to their ranges where `speaks` is true, abstention elsewhere."""
    spoken = np.where(speaks, score, np.nan)
    trust = np.where(speaks, confidence, 0.0)
    return Votes(np.clip(spoken, -1.0, 1.0, out=spoken), np.clip(trust, 0.0, 1.0, out=trust))


def beyond(measure: Floats, threshold: float) -> Floats:
    """Return how far a measure is beyond its threshold: 0.5 at it, 1 from twice the threshold on."""
    return np.minimum(measure * (0.5 / threshold), 1.0)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise Rejected naming the parameter and its range unless low <= value <= high."""
    if not low <= value <= high:
        raise Rejected(f"{name} must be between {low:g} and {high:g}, got {value:g}")


def check_order(smaller_name: str, smaller: float, larger_name: str, larger: float) -> None:
    """Raise Rejected naming both parameters unless smaller < larger."""
    if not smaller < larger:
        raise Rejected(f"{smaller_name} must be below {larger_name}, got {smaller:g} and {larger:g}")
