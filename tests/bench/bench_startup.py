"""Cold starts of the functions that guard money, in fresh processes: `python -m tests.bench.bench_startup`.

Import to ready is compared, taking turns, with a plain import of the libraries: the handler's module is
imported and the World and its clients are made. Import to the first answer to an event, on an emulated AWS
and without the waits for it, is compared with the start of freqtrade to its first cycle (its environment is
that of `bench_peers`). Exit code 1 when a bound is broken, 2 when the comparison with freqtrade is absent.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.lifecycle import command
from chalicelib.local.aws_clients import own_clients
from chalicelib.local.emulator import Emulator
from chalicelib.local.environment import use_local_aws
from chalicelib.local.event_shapes import ACCOUNT, queue_event
from chalicelib.local.resources import create_resources
from chalicelib.messaging.codec import encode
from chalicelib.settings import DEFAULT_TENANT, Settings
from tests.bench.bench_peers import peer_python
from tests.bench.startup_child import SYMBOL, StillMarket

RUNS = 7
PLAIN = ("boto3", "pynamodb", "numpy", "ccxt")
MOST_OF_PLAIN, AIM_OF_PLAIN = 0.55, 0.45
LEAST_TIMES_FASTER = 6.0
MOST_MEGABYTES = 130.0
CHILD_TIME_LIMIT = 120

_ROOT = Path(__file__).resolve().parents[2]
_CHILD = Path(__file__).with_name("startup_child.py")

Figures = dict[str, float]


@dataclass(frozen=True)
class Function:
    """A function and the queue that calls it."""

    name: str
    queue: str

    def command(self, event: Path) -> list[str]:
        """Return the command that measures a cold start with an event."""
        module = f"chalicelib.triggers.{self.name}"
        return [sys.executable, str(_CHILD), "function", module, self.name, str(event)]

    def write_event(self, folder: Path, name: str, *messages: Tick | SignalBatch) -> Path:
        """Write an event of messages from the queue."""
        records = [
            {"MessageId": f"m{number}", "ReceiptHandle": "r", "Body": encode(message), "Attributes": {}}
            for number, message in enumerate(messages)
        ]
        path = folder / f"{name}.json"
        path.write_text(json.dumps(queue_event(f"cts-local-{self.queue}", Settings().region, records)))
        return path


FUNCTIONS = (Function("realtime_tick", "realtime-tick"), Function("execute_signals", "execute-signals.fifo"))


def signal(connection_id: str, now: float) -> Signal:
    """Return a signal to enter at the price of the still market."""
    return Signal(
        signal_id=f"signal-{connection_id}",
        connection_id=connection_id,
        symbol=SYMBOL,
        action="enter",
        direction="long",
        source="vote",
        strategy="combined",
        confidence=0.9,
        price=Decimal(50_000),
        candle_time=int(now) // 300 * 300,
        created_at=now,
        correlation_id="bench",
        exits=ExitProfile(stop_loss=Decimal("0.5")),
    )


def batch(connection_id: str) -> SignalBatch:
    return SignalBatch(DEFAULT_TENANT, connection_id, "bench", (signal(connection_id, time.time()),))


def account(connection_id: str, symbols: tuple[str, ...] = (SYMBOL,)) -> None:
    """Create a connection and start its engine."""
    wanted = Connection(connection_id, "binance", symbols, intervals=complete_intervals({}))
    wiring.world().connections.create(validate(wanted))
    command(wiring.world(), DEFAULT_TENANT, connection_id, "start", "bench", "bench")


def event_of(function: Function, number: int, folder: Path) -> Path:
    """Prepare an account whose first event is real work, and write that event."""
    name = f"{function.name.replace('_', '-')}-{number}"
    account(name)
    if function.name == "execute_signals":
        return function.write_event(folder, name, batch(name))
    # A position to watch.
    execute_signals(wiring.world(), batch(name))
    tick = Tick("realtime", engine_subject(DEFAULT_TENANT, name), int(time.time()))
    return function.write_event(folder, name, tick)


@contextmanager
def emulated() -> Iterator[Path]:
    """Run an AWS with the stage's resources and a running coordinator; yield a folder for files."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator.start(Path(folder) / "aws", virtual=False, region=Settings().region)
        try:
            settings = Settings(endpoint_url=emulator.endpoint_url, account=ACCOUNT, events="audit")
            use_local_aws(settings)
            create_resources(settings, own_clients(emulator.endpoint_url, settings.region))
            wiring.configure(wiring.Overrides(feed=lambda _: StillMarket()))
            command(wiring.world(), DEFAULT_TENANT, None, "start", "bench", "bench")
            yield Path(folder)
        finally:
            emulator.stop()
            wiring.configure(wiring.Overrides())
            os.environ.clear()
            os.environ.update(before)


def run(arguments: list[str], function: str = "") -> Figures:
    """Run a child to its end and return the figures of its last line."""
    # Without stored bytecode every import compiles again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if function:
        environment["AWS_LAMBDA_FUNCTION_NAME"] = f"cts-trade-engine-local-{function}"
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=CHILD_TIME_LIMIT, cwd=_ROOT
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}{done.stdout[-2000:]}")
    found: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def cold_starts(runs: int, peer: list[str] | None) -> dict[str, list[Figures]]:
    """Run everything in turns, one round more than asked: the first one compiles bytecode."""
    found: dict[str, list[Figures]] = defaultdict(list)
    plain = [sys.executable, str(_CHILD), "import", *PLAIN]
    with emulated() as folder:
        for number in range(runs + 1):
            found["plain"].append(run(plain))
            for function in FUNCTIONS:
                event = event_of(function, number, folder)
                found[function.name].append(run(function.command(event), function.name))
            if peer:
                figures = run(peer)
                found["freqtrade"].append({"ready": figures["total_s"], "megabytes": figures["rss_mb"]})
    return {name: figures[1:] for name, figures in found.items()}


def peer_command() -> list[str] | None:
    """Return the command that measures one start of freqtrade, or None with a reason on stderr."""
    script = Path(os.environ.get("CTS_SHARED", _ROOT.parent / "shared")) / "peers" / "bench_startup.py"
    if not script.exists():
        print("no peers/bench_startup.py in CTS_SHARED or ../shared: nothing to compare", file=sys.stderr)
        return None
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    try:
        return [str(peer_python(environment)), str(script), "child", "10"]
    except (OSError, subprocess.SubprocessError) as error:
        print(f"freqtrade could not be installed: {error}", file=sys.stderr)
        return None


def report(found: Mapping[str, list[Figures]]) -> bool:
    """Print medians and ratios; tell whether all bounds hold."""
    medians: dict[str, Any] = {
        name: {key: statistics.median(one[key] for one in figures) for key in figures[0]}
        for name, figures in found.items()
    }
    sound = True
    for name, median in medians.items():
        print(f"{name:16} {1000 * median['ready']:6.0f} ms to ready, {median['megabytes']:4.0f} MB")
        if "answered" not in median:
            continue
        ratio = median["ready"] / medians["plain"]["ready"]
        print(f"    {ratio:.2f} of the plain import (at most {MOST_OF_PLAIN}, aim {AIM_OF_PLAIN})")
        print(
            f"    {1000 * median['answered']:.0f} ms to the first answer ({median['calls']:.0f} AWS calls, "
            f"{median['modules']:.0f} modules), {1000 * median['library']:.0f} ms more for the exchange's "
            f"library at the first price, then {median['megabytes_library']:.0f} MB"
        )
        sound &= ratio <= MOST_OF_PLAIN and median["megabytes_library"] <= MOST_MEGABYTES
        if "freqtrade" in medians:
            whole = median["answered"] + median["library"]
            times = medians["freqtrade"]["ready"] / whole
            print(f"    freqtrade takes {times:.1f} times as long as both (at least {LEAST_TIMES_FASTER})")
            sound &= times >= LEAST_TIMES_FASTER
    return sound


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    peer = peer_command()
    sound = report(cold_starts(runs, peer))
    if not sound:
        return 1
    return 0 if peer else 2


if __name__ == "__main__":
    sys.exit(main())
