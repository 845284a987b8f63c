"""Everything that a strategy computes on some candles, by name: its votes and what its window remembers."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles
from chalicelib.domain.strategies import Strategy
from chalicelib.domain.strategies.base import window_of

Values = NDArray[Any]
VOTES = ("score", "confidence")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """Values by name: `by_bar` are `[symbols, bars]`, each after what it was computed from, the votes last.

    `of_window` are those of another shape: they belong to no bar.
    """

    by_bar: Mapping[str, Values]
    of_window: Mapping[str, Values]


def evaluated(strategy: Strategy, candles: Candles) -> Evaluated:
    """Return what a strategy with its default parameters computes; Rejected where it can't."""
    window = window_of(candles)
    votes = strategy.vote(window, strategy.parameters())
    found = [
        (name, value)
        for key, remembered in window.remembered.items()
        for name, value in _arrays(_label(key), remembered)
    ]
    shape = window.close.shape
    # A line over all symbols, such as a mean of the market, belongs to bars as well.
    found = [
        (name, np.broadcast_to(value, shape) if value.shape == shape[1:] else value) for name, value in found
    ]
    by_bar = {name: value for name, value in found if value.shape == shape}
    by_bar |= {"score": votes.score, "confidence": votes.confidence}
    return Evaluated(by_bar, {name: value for name, value in found if value.shape != shape})


def differs(one: Values, other: Values) -> NDArray[np.bool_]:
    """Tell where two arrays of one shape are not the same to the last bit; NaN equals NaN."""
    unequal: NDArray[np.bool_] = (one != other) & ~((one != one) & (other != other))
    return unequal


def _label(key: Hashable) -> str:
    """Return how a key is written: ("ema", 12) as ema(12)."""
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return f"{key[0]}({', '.join(map(str, key[1:]))})"
    return str(key)


def _arrays(name: str, value: object) -> Iterator[tuple[str, Values]]:
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, int | float | np.number):
        yield name, np.asarray(value)
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value):
            yield from _arrays(f"{name}[{number}]", part)
    elif is_dataclass(value):
        for item in fields(value):
            yield from _arrays(f"{name}.{item.name}", getattr(value, item.name))
