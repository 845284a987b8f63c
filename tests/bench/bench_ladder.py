"""Measures the ladder on recorded hourly candles: `python -m tests.bench.bench_ladder`.

Prints set-candles per second and the milliseconds of one step for 100 symbols x 96 and x 1,000 sets.
"""

import argparse
import resource
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Candles
from chalicelib.domain.ladder import (
    LEVEL_RULES,
    ConfigurationSets,
    Terms,
    advance,
    build_ladder,
    counts_by_level,
    empty_state,
    grid_sets,
    to_arrays,
)
from chalicelib.domain.signal import ExitProfile
from tests.domain.ladder_candles import RECORDED, cross_signals, read_candles
from tests.shared import shared_path

_SPANS = ((3, 8), (5, 13), (8, 21), (13, 34), (21, 55), (5, 34), (3, 21), (8, 55), (3, 13), (5, 55))


def _profiles(count: int, timeframe: int) -> tuple[ExitProfile, ...]:
    def percent(number: int) -> Decimal:
        return Decimal(number) / 1000

    return tuple(
        ExitProfile(
            percent(10 + 3 * n),
            percent(5 + 2 * n),
            percent(8 + n) if n % 2 else None,
            percent(5) if n % 4 == 3 else None,
            96 * timeframe,
        )
        for n in range(count)
    )


def _sets(symbols: tuple[str, ...], strategies: int, profiles: int, timeframe: int) -> ConfigurationSets:
    names = tuple(f"cross({fast},{slow})" for fast, slow in _SPANS[:strategies])
    return grid_sets(symbols, names, _profiles(profiles, timeframe), timeframe)


def _run(candles: Candles, strategies: int, profiles: int) -> None:
    sets = _sets(candles.symbols, strategies, profiles, candles.timeframe)
    signals = np.stack([cross_signals(candles, fast, slow) for fast, slow in _SPANS[:strategies]])
    ladder = build_ladder(sets, Terms(0.001, 0.0004), LEVEL_RULES["source"])
    state = empty_state(ladder)
    took = []
    trades = 0
    mark = time.perf_counter()
    for result in advance(ladder, state, candles, signals):
        now = time.perf_counter()
        took.append(now - mark)
        trades += len(result.trades.sets)
        mark = time.perf_counter()
    total = sum(took)
    milliseconds = np.percentile(np.array(took) * 1000, (50, 99, 100))
    start = time.perf_counter()
    to_arrays(state)
    snapshot = (time.perf_counter() - start) * 1000
    print(
        f"{len(candles.symbols)} symbols x {2 * strategies * profiles} sets x {candles.bars} candles: "
        f"{len(sets) * candles.bars / total / 1e6:.1f} million set-candles/s, step "
        f"p50 {milliseconds[0]:.2f} ms, p99 {milliseconds[1]:.2f} ms, max {milliseconds[2]:.2f} ms; "
        f"{trades} trades, levels {counts_by_level(state)}, snapshot copy {snapshot:.1f} ms, "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
    )


def main() -> None:
    """Run both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=1000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    candles = read_candles(options.data or shared_path(RECORDED), "1h", options.symbols, options.bars)
    _run(candles, 4, 12)
    _run(candles, 10, 50)


if __name__ == "__main__":
    main()
