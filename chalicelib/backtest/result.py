"""What a backtest leaves behind: the input of the report's files."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles, Floats
from chalicelib.domain.performance.inputs import ClosedTrades, EquityCurve
from chalicelib.domain.performance.measure import Measure


@dataclass(frozen=True, slots=True, eq=False)
class LadderHistory:
    """How many sets stood on base, main and real: `counts` `[points, 3]` at `time` (epoch seconds)."""

    time: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """One backtest: what was run, candles of its period, equity per candle, trades, statistics.

    `benchmark` is the equity of buying all symbols in equal parts at the start and holding them, `[points]`;
    `refused` counts signals by the reason why they did not trade.
    """

    title: Mapping[str, str]
    candles: Candles
    curve: EquityCurve
    trades: ClosedTrades
    benchmark: Floats
    refused: Mapping[str, int]
    ladder: LadderHistory | None
    summary: Mapping[str, Measure]
