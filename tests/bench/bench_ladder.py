"""Measures the ladder against vectorbt and against its own limits: `python -m tests.bench.bench_ladder`.

vectorbt lives in an environment of its own, made on first use in build/tools/vectorbt. Exit code 1 when a
target is missed, 2 when the comparison is absent.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import numpy as np

from chalicelib.domain.candles import Candles, between
from chalicelib.domain.ladder import (
    Ladder,
    Trades,
    advance,
    counts_by_level,
    empty_state,
    statistics,
    to_arrays,
    warm_start,
)
from tests.bench.ladder_workload import BARS, FEE, HOUR, simulated_candles, thinned, workload

VECTORBT = "vectorbt==1.2.0"
REQUIRED_RATIO, MEMORY_LIMIT_MB, STEP_LIMIT_MS = 10.0, 400, 50.0
RUNS, STEPS = 5, 200
_TIME_LIMIT = 1800
_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = _ROOT / "build" / "tools" / "vectorbt"


@dataclass(frozen=True, slots=True)
class Seconds:
    """One run: seconds until the trades were there, and until the statistics of every set were, too."""

    trades: float
    statistics: float


def our_run(ladder: Ladder, candles: Candles, signals: np.ndarray) -> tuple[Seconds, Trades]:
    """Trade and judge all sets from an empty state; then ask for the numbers of each over all its trades."""
    begun = time.perf_counter()
    result = advance(ladder, empty_state(ladder), candles, signals)
    traded = time.perf_counter() - begun
    rows = np.arange(len(ladder.sets))
    statistics(ladder, result.state, rows, ladder.rules.kept, candles.closed_until)
    return Seconds(traded, time.perf_counter() - begun), result.trades


def peer_python() -> Path:
    """Return the interpreter of vectorbt's environment, making it if it is not there."""
    python = _ENVIRONMENT / "bin" / "python"
    mark = _ENVIRONMENT / f".installed-{VECTORBT.split('==')[1]}"
    if not mark.exists():
        print(f"installing {VECTORBT} into {_ENVIRONMENT} (some minutes, once)", flush=True)
        venv.create(_ENVIRONMENT, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", VECTORBT]
        subprocess.run(install, check=True, timeout=_TIME_LIMIT)
        mark.touch()
    return python


def taken_in_turns(
    ladder: Ladder, candles: Candles, signals: np.ndarray
) -> tuple[list[Seconds], list[Seconds], Trades, dict[str, np.ndarray]]:
    """Run ours and vectorbt, warm, one after the other, some times; return the seconds and trades of each.

    vectorbt is in a process of its own that waits while ours runs.
    """
    exits = [ladder.sets.profiles[profile] for profile in ladder.sets.profile]
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "given.npz"), Path(folder, "found.npz")
        np.savez(
            given,
            **{name: getattr(candles, name) for name in ("open", "high", "low", "close")},
            signals=signals,
            symbol=ladder.sets.symbol,
            source=ladder.sets.strategy,
            direction=ladder.sets.direction,
            target=np.array([float(one.take_profit or 0) for one in exits]),
            stop=np.array([float(one.stop_loss or one.trailing_distance or 0) for one in exits]),
            trails=np.array([one.trailing_distance is not None for one in exits]),
            fee=np.array(FEE),
        )
        ours, theirs = [], []
        with _peer(given, found) as run_theirs:
            run_theirs()
            our_run(ladder, candles, signals)
            for _ in range(RUNS):
                theirs.append(run_theirs())
                seconds, trades = our_run(ladder, candles, signals)
                ours.append(seconds)
        with np.load(found) as loaded:
            return ours, theirs, trades, dict(loaded)


@contextmanager
def _peer(given: Path, found: Path) -> Iterator[Callable[[], Seconds]]:
    """Yield what runs vectorbt once; its trades are in `found` afterwards."""
    script = str(Path(__file__).with_name("vectorbt_child.py"))
    # Without stored bytecode every import of the peer compiles again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [str(peer_python()), script, str(given), str(found)]
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    limit = Timer(_TIME_LIMIT, child.kill)
    limit.start()

    def run() -> Seconds:
        print("run", file=child.stdin, flush=True)
        return Seconds(**json.loads(child.stdout.readline()))

    try:
        yield run
        child.stdin.close()
        if child.wait(_TIME_LIMIT):
            raise ValueError(f"vectorbt ended with {child.returncode}")
    finally:
        limit.cancel()
        child.kill()
        child.wait()


def same_trades(ours: Trades, theirs: dict[str, np.ndarray]) -> int:
    """Return how many closed trades are the same: set, bars, prices and net return."""
    # Their order for the next open stands in the candle of the signal; a stop's in its own candle.
    entered = (ours.entered - HOUR) // HOUR - 1
    order = np.lexsort((theirs["entry_idx"], theirs["col"]))
    peer = {name: column[order] for name, column in theirs.items()}
    mine = np.lexsort((entered, ours.sets))
    width = BARS + 1
    known = peer["col"].astype(np.int64) * width + peer["entry_idx"]
    asked = ours.sets[mine] * width + entered[mine]
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    same = known[place] == asked
    left = (ours.exited[mine] - HOUR) // HOUR - 1
    by_signal = ours.reason[mine] == 1
    same &= peer["exit_idx"][place] == left - by_signal
    for name, column in (("entry_price", ours.entry), ("exit_price", ours.exit), ("return", ours.net_return)):
        same &= np.isclose(peer[name][place], column[mine], rtol=1e-9, atol=1e-9)
    return int(same.sum())


def against_vectorbt(candles: Candles) -> bool:
    """Compare speed and trades on 100 symbols x 96 sets x 1,000 candles."""
    ladder, signals = workload(candles, 4, 12)
    signals = thinned(ladder, candles, signals)
    ours, theirs, found, trades = taken_in_turns(ladder, candles, signals)
    equal, cells = same_trades(found, trades), len(ladder.sets) * candles.bars
    print(f"100 symbols x 96 sets x 1,000 candles, best of {RUNS} runs in turns, vectorbt warm:")
    ratios = {}
    for name, what in (
        ("trades", "its trades alone, ours with levels and their evidence"),
        ("statistics", "both with profit factor, win rate, expectancy and drawdown time of every set"),
    ):
        mine, its = (min(getattr(run, name) for run in runs) for runs in (ours, theirs))
        ratios[name] = its / mine
        print(
            f"  {what}: ours {mine:.3f} s ({cells / mine / 1e6:.1f} million set-candles/s), "
            f"vectorbt {its:.2f} s ({cells / its / 1e6:.1f}): {ratios[name]:.1f} times"
        )
    print(f"  at least {REQUIRED_RATIO:.0f} times wanted of both with statistics")
    print(f"  the same trades: {equal:,} of our {len(found):,} and of its {len(trades['col']):,}")
    return ratios["statistics"] >= REQUIRED_RATIO and equal == len(found) == len(trades["col"])


def at_scale() -> bool:
    """Warm a ladder of 100 symbols x 1,000 sets over 1,000 candles and print its speed and peak memory."""
    candles = simulated_candles()
    ladder, signals = workload(candles, 10, 50)
    begun = time.perf_counter()
    state = warm_start(ladder, candles, signals)
    seconds = time.perf_counter() - begun
    warmed = _peak_mb()
    arrays = to_arrays(state)
    size = sum(column.nbytes for column in arrays.values()) / 1e6
    print(
        f"100 symbols x 1,000 sets x 1,000 candles: {seconds:.2f} s, "
        f"{len(ladder.sets) * candles.bars / seconds / 1e6:.1f} million set-candles/s, "
        f"{int(state.closed.sum()):,} trades, levels {counts_by_level(state)}, peak memory {warmed} MB, "
        f"{_peak_mb()} MB with a snapshot of {size:.0f} MB (below {MEMORY_LIMIT_MB} wanted)"
    )
    return _peak_mb() < MEMORY_LIMIT_MB


def live_steps() -> bool:
    """Step 100 symbols x 1,000 sets over one candle at a time and print how long a step takes."""
    candles = simulated_candles()
    ladder, signals = workload(candles, 10, 50)
    first = BARS - STEPS
    start = int(candles.open_time[0])
    state = warm_start(ladder, between(candles, start, start + first * HOUR), signals[:, :, :first])
    walls, took = [], []
    for bar in range(first, BARS):
        opens = int(candles.open_time[bar])
        one, told = between(candles, opens, opens + HOUR), signals[:, :, bar : bar + 1]
        begun, used = time.perf_counter(), time.process_time()
        advance(ladder, state, one, told)
        took.append((time.process_time() - used) * 1000)
        walls.append((time.perf_counter() - begun) * 1000)
    middle, late, longest = np.percentile(took, (50, 99, 100))
    print(
        f"one live step of 100 symbols x 1,000 sets, computing: p50 {middle:.1f} ms, p99 {late:.1f} ms, "
        f"longest {longest:.1f} ms (p99 below {STEP_LIMIT_MS:.0f} wanted); by the clock, beside whatever "
        f"else runs here: p50 {np.percentile(walls, 50):.1f} ms, p99 {np.percentile(walls, 99):.1f} ms"
    )
    return bool(late < STEP_LIMIT_MS)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("scale", "steps"), help="measure only that, in this process")
    part = parser.parse_args().part
    if part:
        return 0 if (at_scale() if part == "scale" else live_steps()) else 1
    # Each part in a process of its own: memory once used is not given back.
    command = [sys.executable, "-m", "tests.bench.bench_ladder", "--part"]
    met = [subprocess.run([*command, name], cwd=_ROOT).returncode == 0 for name in ("scale", "steps")]
    try:
        met.append(against_vectorbt(simulated_candles()))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        print(f"vectorbt could not be measured: {error}", file=sys.stderr)
        return 2
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
