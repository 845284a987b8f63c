"""What every strategy works with: a window of candles with shared indicators, and the votes it returns."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
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

    Both are shared between strategies and therefore read-only. A tail has the last bars of a `whole` window
    alone, and its indicators there are those of the whole.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    traded: Mask
    whole: "Window | None" = field(default=None, repr=False)
    _memory: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return int(self.close.shape[1])

    def tail(self, first: int) -> "Window":
        """Return the window from bar `first` on, and of earlier ones what tells where its signals begin.

        A bar's signal depends on the traded bar before it: every symbol has its own in the tail.
        """
        if first < 2:
            return self
        earlier = self.traded[:, first - 1 :: -1]
        ago = np.argmax(earlier, axis=1)[earlier.any(axis=1)]
        begin = first - 1 - int(ago.max(initial=0))
        lines = (self.open, self.high, self.low, self.close, self.volume)
        open_, high, low, close, volume_ = (values[:, begin:] for values in lines)
        return Window(open_, high, low, close, volume_, self.traded[:, begin:], whole=self)

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
        return self._indicator(("ema", period), lambda whole: trend.ema(whole.close, period))

    def sma(self, period: int) -> Floats:
        """Return the simple moving average of the close."""
        return self._indicator(("sma", period), lambda whole: trend.sma(whole.close, period))

    def rsi(self, period: int) -> Floats:
        """Return the relative strength index of the close."""
        return self._indicator(("rsi", period), lambda whole: momentum.rsi(whole.close, period))

    def roc(self, period: int) -> Floats:
        """Return the rate of change of the close in per cent."""
        return self._indicator(("roc", period), lambda whole: momentum.roc(whole.close, period))

    def macd(self, fast: int, slow: int, signal: int) -> momentum.Macd:
        """Return the MACD lines of the close."""
        key = ("macd", fast, slow, signal)
        return self._indicator(key, lambda whole: momentum.macd(whole.close, fast, slow, signal))

    def atr(self, period: int) -> Floats:
        """Return the average true range."""
        key = ("atr", period)
        return self._indicator(key, lambda whole: volatility.atr(whole.high, whole.low, whole.close, period))

    def adx(self, period: int) -> Floats:
        """Return the average directional index."""
        key = ("adx", period)
        return self._indicator(key, lambda whole: trend.adx(whole.high, whole.low, whole.close, period))

    def bollinger(self, period: int, deviations: float) -> volatility.Bands:
        """Return the Bollinger bands of the close."""
        key = ("bollinger", period, deviations)
        return self._indicator(key, lambda whole: volatility.bollinger(whole.close, period, deviations))

    def donchian(self, period: int) -> volatility.Bands:
        """Return the Donchian channel, the bar itself included."""
        key = ("donchian", period)
        return self._indicator(key, lambda whole: volatility.donchian(whole.high, whole.low, period))

    def donchian_before(self, period: int) -> volatility.Bands:
        """Return the Donchian channel of the bars before."""
        key = ("donchian before", period)
        return self._indicator(
            key, lambda whole: volatility.Bands(*(shifted(line) for line in whole.donchian(period)))
        )

    def relative_volume(self, period: int) -> Floats:
        """Return the volume over its mean of the bars before."""
        key = ("relative_volume", period)
        return self._indicator(key, lambda whole: volume.relative_volume(whole.volume, period))

    def realised_volatility(self, period: int) -> Floats:
        """Return the root mean square log return per bar."""
        key = ("realised_volatility", period)
        return self._indicator(key, lambda whole: volatility.root_mean_square(whole.log_returns(), period))

    def log_returns(self) -> Floats:
        """Return the natural logarithm of each close over the close before."""
        return self._indicator("log_returns", lambda whole: volatility.log_returns(whole.close))

    def volatility_ratio(self, short: int, long: int) -> Floats:
        """Return the realised volatility of the short window over that of the long one."""
        windows = self.realised_volatility(short), self.realised_volatility(long)
        return self.remember(("volatility_ratio", short, long), lambda: volatility_ratio(*windows))

    def mean_volume(self, period: int) -> Floats:
        """Return the mean volume of the last bars."""
        return self._indicator(("mean_volume", period), lambda whole: rolling_mean(whole.volume, period))

    def volume_ratio(self, short: int, long: int) -> Floats:
        """Return the mean volume of the short window over that of the long one."""
        means = self.mean_volume(short), self.mean_volume(long)
        return self.remember(("volume_ratio", short, long), lambda: ratio(*means))

    def change(self, bars: int) -> Floats:
        """Return the close less the close some bars before."""
        return self._indicator(("change", bars), lambda whole: whole.close - shifted(whole.close, bars))

    def step_path(self, step_size: float) -> StepPath:
        """Return the runs of bricks of the close."""
        return self._indicator(("step_path", step_size), lambda whole: step_path(whole.close, step_size))

    def active(self, activity: Activity) -> Indication:
        """Return the `active` indication."""
        short, long = activity.short, activity.long
        measured = self.change(short), self.volatility_ratio(short, long), self.volume_ratio(short, long)
        return self.remember(("active", activity), lambda: active(*measured, self.traded, activity))

    def _indicator(self, key: Hashable, compute: Callable[["Window"], Remembered]) -> Remembered:
        """Return what `compute` gives for the whole window, in a tail the last bars of it."""
        whole = self.whole
        if whole is None:
            return self.remember(key, lambda: compute(self))
        found = whole._indicator(key, compute)
        return self.remember(key, lambda: cast(Remembered, _last(found, self.bars)))


def _last(value: Any, bars: int) -> Any:
    """Return the last bars of an indicator: of an array, or of all arrays of a tuple or a dataclass."""
    if isinstance(value, np.ndarray):
        return value[:, -bars:]
    if isinstance(value, tuple):
        return type(value)(*(_last(line, bars) for line in value))
    arrays = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return replace(value, **{n: _last(a, bars) for n, a in arrays.items() if isinstance(a, np.ndarray)})


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
