"""Measures the usage profile that `cts cost` reckons with: `python -m tests.bench.bench_usage`.

Each metered run is a process of its own (`measured_run`); all together take some minutes. The profile goes
into chalicelib/operations/cost/usage.json. Counts and sizes repeat; processor seconds are this machine's.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.operations.cost.data import USAGE
from tests.exchanges.binance_loopback import Binance, detour, served

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = 1_618_617_600.0
LONG = {"warm-up": 48, "candles": 144}
SHORT = {"warm-up": 12, "candles": 12}
RUNS: dict[str, dict[str, object]] = {
    "many": {"symbols": 100, **LONG},
    "few": {"symbols": 20, **LONG},
    "kinesis_many": {"symbols": 100, "events": "kinesis", **LONG},
    "kinesis_few": {"symbols": 20, "events": "kinesis", **LONG},
    "one": {"symbols": 100, **SHORT},
    "several": {"symbols": 100, "connections": 6, **SHORT},
}
CHECK: dict[str, object] = {"symbols": 100, "candles": 6, "warm-up": 2}
"""The run that a test repeats: short, and with every kind of work in it."""

_TIMED = 40


def metered(options: dict[str, object]) -> dict[str, Any]:
    """Return what one run in a process of its own has cost."""
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.bench.measured_run", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def exchange_seconds() -> dict[str, float]:
    """Return the processor seconds of one request through ccxt, warm, against a server on the loopback."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        feed = PublicFeed("binance", detour(ours.recv()), sleep=lambda _: None)
        pair = ("BTC/USDT", "ETH/USDT")
        return {
            "candles": _timed(lambda: feed.closed_candles(pair, 300, int(NOW) - 300, NOW)) / len(pair),
            "tickers": _timed(lambda: feed.tickers(pair, NOW)),
        }
    finally:
        ours.send("stop")
        server.join(10)


def _serve(pipe: Connection) -> None:
    with served(Binance(NOW)) as port:
        pipe.send(port)
        pipe.recv()


def _timed(call: Any) -> float:
    call()
    started = time.process_time()
    for _ in range(_TIMED):
        call()
    return round((time.process_time() - started) / _TIMED, 6)


def profile() -> dict[str, Any]:
    """Return the whole profile."""
    runs = {}
    for name, options in RUNS.items():
        print(f"{name}: {options}", file=sys.stderr)
        runs[name] = metered(options)
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "by": "python -m tests.bench.bench_usage",
        "market": "the built-in simulator, seed 1; spot, 5m candles, default intervals and settings",
        "exchange_seconds": exchange_seconds(),
        "runs": runs,
        "check": metered(CHECK),
    }


def main() -> None:
    """Measure and write the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=USAGE, help="file to write (default: the package's own)")
    given = parser.parse_args()
    text = json.dumps(profile(), indent=1)
    given.to.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
