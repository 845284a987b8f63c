"""One measured number, or why there is none; returned by every statistic of this package."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """`value` is finite, or None exactly where `reason` says why it is undefined."""

    value: float | None
    reason: str = ""


def undefined(reason: str) -> Measure:
    """Return a measure without a value."""
    return Measure(None, reason)


def measured(value: float) -> Measure:
    """Return a measure of `value`, undefined where it is not a finite number."""
    if not math.isfinite(value):
        return undefined("not a finite number")
    return Measure(float(value))


def divided(numerator: float, denominator: float, reason: str) -> Measure:
    """Return numerator / denominator, undefined for `reason` where the denominator is not above 0."""
    return measured(numerator / denominator) if denominator > 0 else undefined(reason)
