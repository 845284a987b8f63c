"""The four conditions of the main engine (move, direction, active, optimal) at every bar.

Strength has one meaning in all of them: 0.5 where a condition is just met, 1 from twice its threshold on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indications.steps import StepPath
from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.indicators.rows import Floats
from chalicelib.errors import Rejected

Kind = Literal["move", "direction", "active", "optimal"]
Directions = NDArray[np.int8]
Mask = NDArray[np.bool_]

KINDS: tuple[Kind, ...] = ("move", "direction", "active", "optimal")
K_RANGE = (3, 30)

# A root mean square return below this is rounding: the market did not move.
_STILL = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Indication:
    """One condition of all symbols: direction -1, 0 or 1 and strength in [0, 1], both `[symbols, bars]`.

    `k` is the number of steps asked for, None for the kind `active`.
    """

    kind: Kind
    k: int | None
    direction: Directions
    strength: Floats


@dataclass(frozen=True, slots=True)
class Activity:
    """Windows in bars, and how far volatility and volume of the short one must be above the long one's."""

    short: int = 5
    long: int = 60
    threshold: float = 1.3

    def __post_init__(self) -> None:
        if not 2 <= self.short < self.long <= 200:
            raise Rejected(f"short and long must be 2 <= short < long <= 200, got {self.short}, {self.long}")
        if not 1.0 <= self.threshold <= 10.0:
            raise Rejected(f"threshold must be between 1 and 10, got {self.threshold}")


def move(path: StepPath, k: int, traded: Mask) -> Indication:
    """Tell where the run has k steps or more: continuation in its direction.

    `traded` is false where a bar has no candle or no volume; such a bar never makes an indication.
    """
    return _beyond("move", k, path.sign, path.length, traded)


def direction(path: StepPath, k: int, traded: Mask) -> Indication:
    """Tell where k steps or more follow a run of k or more the other way: reversal, in the new direction."""
    return _beyond("direction", k, path.sign, path.turned_length, traded)


def volatility_ratio(short: Floats, long: Floats) -> Floats:
    """Return short-window over long-window realised volatility; 0 where the market stood still for long."""
    # Comparing with NaN is false, so bars that are not warm stay as they are.
    return ratio(short, np.where(long < _STILL, 0.0, long))


def active(
    change: Floats, volatility: Floats, volume: Floats, traded: Mask, activity: Activity | None = None
) -> Indication:
    """Tell where volatility and volume of the short window both exceed the long window's by the threshold.

    `change` is the close's change over the short window and gives the direction; without one there is no
    indication. `volatility` and `volume` are ratios of the short window to the long one, NaN until warm. All
    are `[symbols, bars]`. The strength is that of the smaller ratio.
    """
    rule = activity or Activity()
    measure = np.minimum(volatility, volume)
    met = (measure >= rule.threshold) & (np.abs(change) > 0.0) & traded
    sign = np.sign(np.where(met, change, 0.0)).astype(np.int8)
    strength = np.minimum(measure * (0.5 / rule.threshold), 1.0)
    return Indication("active", None, sign, np.where(met, strength, 0.0))


def optimal(reversal: Indication, activity: Indication) -> Indication:
    """Tell where the `direction` indication is confirmed by `active` at the same bar.

    The direction is the reversal's, the strength the weaker of both.
    """
    strength = np.minimum(reversal.strength, activity.strength)
    return Indication("optimal", reversal.k, reversal.direction * (strength > 0.0), strength)


def measure_conditions(
    path: StepPath, activity: Indication, ks: Iterable[int], kinds: Iterable[Kind], traded: Mask
) -> tuple[Indication, ...]:
    """Return the indications of the given kinds for every k in the order of `ks`; `active` comes last."""
    wanted = frozenset(kinds)
    found: list[Indication] = []
    for k in ks:
        if "move" in wanted:
            found.append(move(path, k, traded))
        if wanted & {"direction", "optimal"}:
            reversal = direction(path, k, traded)
            found += [reversal] if "direction" in wanted else []
            found += [optimal(reversal, activity)] if "optimal" in wanted else []
    return tuple(found) + ((activity,) if "active" in wanted else ())


def check_k(k: int) -> None:
    """Raise Rejected unless k is in the range of the main engine."""
    low, high = K_RANGE
    if not low <= k <= high:
        raise Rejected(f"k must be between {low} and {high}, got {k}")


def _beyond(kind: Kind, k: int, sign: Directions, length: Floats, traded: Mask) -> Indication:
    check_k(k)
    met = (length >= k) & traded
    strength = length * (0.5 / k)
    np.minimum(strength, 1.0, out=strength)
    strength *= met
    return Indication(kind, k, sign * met, strength)
