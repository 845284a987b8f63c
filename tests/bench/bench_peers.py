"""Compares our indications and strategies with freqtrade's, in one run: `python -m tests.bench.bench_peers`.

freqtrade lives in an environment of its own, made on first use in CTS_BENCH_ENV (by default in the user's
cache). Exit code 1 when ours are not at least 50 times faster per symbol, 2 when the comparison is absent.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Candles
from chalicelib.domain.strategies import STRATEGIES
from chalicelib.domain.strategies.base import window_of
from chalicelib.domain.strategies.combine import ValidatorParameters, combine, crossings, validate

SYMBOLS, BARS, ROUNDS = 100, 500, 40
REQUIRED_RATIO = 50.0
PEER_TIME_LIMIT = 600
INSTALL_TIME_LIMIT = 1800

_ROOT = Path(__file__).resolve().parents[2]


def simulated_candles() -> Candles:
    """Return 100 symbols × 500 five-minute candles of a random walk."""
    rng = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, size=(SYMBOLS, BARS)), axis=1))
    opens = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    high = np.maximum(opens, close) * (1.0 + np.abs(rng.normal(0.0, 0.001, close.shape)))
    low = np.minimum(opens, close) * (1.0 - np.abs(rng.normal(0.0, 0.001, close.shape)))
    symbols = tuple(f"S{number:03d}/USDT" for number in range(SYMBOLS))
    grid = 300 * np.arange(BARS, dtype=np.int64)
    return Candles(symbols, 300, grid, opens, high, low, close, rng.lognormal(3.0, 1.0, close.shape))


def compute(candles: Candles) -> int:
    """Compute all indications, all strategies, their combination and its signals; return their number."""
    window = window_of(candles)
    votes = {name: strategy.vote(window, strategy.parameters()) for name, strategy in STRATEGIES.items()}
    together = combine(votes, dict.fromkeys(votes, 1.0))
    checked = validate(together, window, ValidatorParameters())
    return int(np.count_nonzero(crossings(checked.votes, 0.6, window.traded)))


def our_milliseconds() -> float:
    """Return the median wall time of one whole computation, in milliseconds."""
    candles = simulated_candles()
    if not compute(candles):
        raise SystemExit("the simulated candles gave no signal: nothing was measured")
    walls = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        compute(candles)
        walls.append(time.perf_counter() - begun)
    return 1000.0 * statistics.median(walls)


def peer_python(environment: dict[str, str]) -> Path:
    """Return the interpreter of freqtrade's environment, making it if it is not there."""
    default = Path.home() / ".cache" / "cts-trade-engine" / "peers"
    folder = Path(os.environ.get("CTS_BENCH_ENV", default))
    python = folder / "bin" / "python"
    probe = [str(python), "-c", "import freqtrade, time_machine"]
    if python.exists() and subprocess.run(probe, env=environment, capture_output=True).returncode == 0:
        return python
    print(f"installing freqtrade into {folder} (some minutes, once)", flush=True)
    venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "freqtrade", "time-machine"]
    subprocess.run(install, env=environment, check=True, timeout=INSTALL_TIME_LIMIT)
    return python


def peer_milliseconds(script: Path, environment: dict[str, str]) -> float:
    """Return freqtrade's wall time for the indicators and signals of one pair with 500 candles."""
    command = [str(peer_python(environment)), str(script), "--pairs", "30", "--cycles", "5"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=PEER_TIME_LIMIT
    )
    return float(json.loads(done.stdout.strip().splitlines()[-1])["analyze_ticker_ms_500"]["wall"])


def main() -> int:
    script = Path(os.environ.get("CTS_SHARED", _ROOT.parent / "shared")) / "peers" / "bench_live.py"
    if not script.exists():
        print("no peers/bench_live.py in CTS_SHARED or ../shared: nothing to compare with", file=sys.stderr)
        return 2
    # Without stored bytecode every import of the peer compiles again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    try:
        peer = peer_milliseconds(script, environment)
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        print(f"freqtrade could not be measured: {error}", file=sys.stderr)
        return 2
    whole = our_milliseconds()
    ours = whole / SYMBOLS
    print(f"ours: {whole:.2f} ms for {SYMBOLS} symbols x {BARS} candles, {ours:.4f} ms per symbol")
    print(f"freqtrade: {peer:.2f} ms per symbol (analyze_ticker_ms_500, wall)")
    print(f"ratio: {peer / ours:.1f} (at least {REQUIRED_RATIO:.0f} wanted)")
    return 0 if peer / ours >= REQUIRED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
