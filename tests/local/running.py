"""One `cts run` in a process of its own, and what its report must say; for system and acceptance tests."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib.local.access import new_token, secret_of
from chalicelib.local.report import TIMINGS

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN = "2021-04-17"
RUN_SECONDS = 120
SOUND = {"duplicate_orders": 0, "unresolved_orders": 0, "books_equal_venue": True}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Run:
    """One `cts run` on a directory; started again, it goes on."""

    directory: Path
    options: tuple[str, ...]
    port: int = field(default_factory=free_port)

    def command(self, *more: str) -> list[str]:
        fixed = ["--state", str(self.state), "--port", str(self.port)]
        report = ["--report", str(self.report_path)]
        return [sys.executable, "-m", "chalicelib.cli", "run", *self.options, *fixed, *report, *more]

    @property
    def report_path(self) -> Path:
        return self.directory / "report.json"

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.report_path.read_text())
        return found

    @property
    def bars_done(self) -> int:
        """How many heartbeats were delivered."""
        path = self.state / "progress.json"
        begin = int(datetime.fromisoformat(BEGIN).replace(tzinfo=UTC).timestamp())
        return (json.loads(path.read_text())["next_heartbeat"] - begin) // 300 if path.exists() else 0

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self) -> str:
        """Run to the end and return what was said."""
        done = subprocess.run(
            self.command(), cwd=REPOSITORY, capture_output=True, text=True, timeout=RUN_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def ask(self, method: str, path: str, token: str | None = None) -> tuple[int, dict[str, Any]]:
        """Ask the API with a token, by default one of this run."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api{path}", method=method)
        given = new_token(secret_of(self.state)) if token is None else token
        request.add_header("Authorization", f"Bearer {given}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def wait_until_serving(self, process: subprocess.Popen[str]) -> None:
        for _ in range(200):
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                self.ask("GET", "/trade-engine/status", token="none")
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the API did not answer within 20 s")


def without_timings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_timings(item) for key, item in value.items() if key not in TIMINGS}
    return value


def realised_and_fees(report: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Recompute realised profit and fees from the fills alone."""
    held: dict[str, tuple[Decimal, Decimal]] = {}
    realised = fees = Decimal(0)
    for fill in report["fills"]:
        quantity, price = Decimal(fill["quantity"]), Decimal(fill["price"])
        fees += Decimal(fill["fee"])
        amount, cost = held.get(fill["symbol"], (Decimal(0), Decimal(0)))
        if fill["side"] == "buy":
            held[fill["symbol"]] = (amount + quantity, cost + quantity * price)
            continue
        assert quantity == amount, "on spot and on paper an exit sells all of a position"
        realised += quantity * price - cost
        held[fill["symbol"]] = (Decimal(0), Decimal(0))
    return realised, fees


def booked(report: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Return realised profit and fees as the report has them."""
    return Decimal(report["pnl"]["realised"]), Decimal(report["pnl"]["fees"])
