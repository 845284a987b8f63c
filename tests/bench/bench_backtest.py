"""Compares our backtest with freqtrade's, in one run: `python -m tests.bench.bench_backtest`.

Ours: the whole system over 100 recorded symbols x 1h x 5 months: all strategies, risk gate, sizing and paper
venue, the ladder off, at most five positions as the peer has. From reading files of the peer's format to the
statistics. Both take turns, so that neither has the machine's better minutes.
Exit code 1 when ours is not at least 20 times as fast per candle, 2 when the comparison is absent.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as arrow
from pyarrow.feather import write_feather
from rich.console import Console

from chalicelib.backtest import options as backtest_options
from chalicelib.backtest.run import backtest
from chalicelib.domain.candles import FIELDS
from chalicelib.domain.connection import Connection
from chalicelib.domain.signal import ExitProfile
from chalicelib.local.candle_files import candle_files
from chalicelib.local.candles.text_files import read_csv
from tests.bench.bench_peers import peer_python
from tests.shared import shared_path

REQUIRED_RATIO = 20.0
TURNS = 3
ROUNDS = 3
PEER_TIME_LIMIT = 900
PERIOD = ("--from", "2020-12-02", "--to", "2021-05-01")
PEER_RUN = ("--pairs", "4", "--candles", "20000", "--runs", "1")


class _AsThePeer(backtest_options.BacktestOptions):
    """Five positions at most, target 4 % and stop 10 %: what the peer's sample strategy does."""

    def connection(self, symbols: tuple[str, ...], now: float) -> Connection:
        made = super().connection(symbols, now)
        exits = ExitProfile(take_profit=Decimal("0.04"), stop_loss=Decimal("0.10"))
        return replace(made, exits=exits, risk=replace(made.risk, max_positions=5))


def our_options(data: Path) -> backtest_options.BacktestOptions:
    """Return the options of `cts backtest` over everything recorded."""
    parser = argparse.ArgumentParser()
    backtest_options.register(parser.add_subparsers())
    words = ["backtest", "--data", str(data), "--timeframe", "1h", "--symbols", "100", *PERIOD]
    given = backtest_options.options_of(parser.parse_args([*words, "--no-ladder", "--no-breakers"]))
    return _AsThePeer(given.market, given.terms, given.strategies, given.ladder, given.breakers)


def as_the_peers_files(data: Path, folder: Path) -> None:
    """Write the recorded candles as the feather files that the peer's download makes."""
    for symbol, path in candle_files(data, "1h").items():
        table = read_csv(path)
        date = arrow.array(table[:, 0].astype(np.int64)).cast(arrow.timestamp("ms", tz="UTC"))
        columns = {"date": date, **{name: table[:, 1 + place] for place, name in enumerate(FIELDS)}}
        write_feather(arrow.table(columns), folder / f"{symbol.replace('/', '_')}-1h.feather")


def our_candles_per_second(options: backtest_options.BacktestOptions) -> list[float]:
    """Return the speeds of some rounds after a first one, which is left out."""
    speeds: list[float] = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        done = backtest(options, Console(quiet=True))
        seconds = time.perf_counter() - begun
        candles = int(np.count_nonzero(~np.isnan(done.result.candles.close)))
        speeds.append(candles / seconds)
    print(f"ours: {candles} candles, {len(done.trades)} trades, " + ", ".join(f"{s:.0f}/s" for s in speeds))
    return speeds[1:]


def peer_candles_per_second(script: Path, environment: dict[str, str]) -> float:
    """Return freqtrade's candles per second of a whole backtest, imports and start left out."""
    command = [str(peer_python(environment)), str(script), *PEER_RUN]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=PEER_TIME_LIMIT
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"freqtrade: {found['candles']} candles, {found['trades']} trades, {found['run_s']:.2f} s")
    return float(found["candles_per_s_run"])


def main() -> int:
    data = shared_path("data/ohlcv/binance_spot")
    script = shared_path("peers/bench_backtest.py")
    # Without stored bytecode every import of the peer compiles again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    peer: list[float] = []
    ours: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        as_the_peers_files(data, Path(folder))
        options = our_options(Path(folder))
        for _ in range(TURNS):
            try:
                peer.append(peer_candles_per_second(script, environment))
            except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
                print(f"freqtrade could not be measured: {error}", file=sys.stderr)
                return 2
            ours += our_candles_per_second(options)
    ratio = float(np.median(ours) / np.median(peer))
    print(f"ratio of the medians: {ratio:.1f} (at least {REQUIRED_RATIO:.0f} wanted)")
    return 0 if ratio >= REQUIRED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
