"""A table of candles as a file holds it; made by the readers, judged by the checks."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Floats

COLUMNS = ("timestamp_ms", "open", "high", "low", "close", "volume")
HEADER = ",".join(COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class CandleTable:
    """Candles: open times [candles] in epoch seconds, and open, high, low, close, volume [candles, 5]."""

    open_time: NDArray[np.int64]
    values: Floats


def as_moment(time: int) -> str:
    """Return an epoch second as UTC text, a date alone at midnight."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").replace("T00:00:00Z", "")
