"""What ticks hand over through the object store: indications of all symbols, and the ladder's state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IndicationSnapshot:
    """The step indications of the last two bars: `[indications, symbols, 2]`, named `kind:k`.

    A pure function of the candles that end at `candle_time`: a reader with other candles computes its own.
    """

    candle_time: int
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    direction: NDArray[np.int8]
    strength: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LadderSnapshot:
    """The ladder's columns and what they belong to; a cache of a pure function of the candles."""

    version: int
    fence: int
    candle_time: int
    fingerprint: str
    arrays: Mapping[str, NDArray[Any]]
