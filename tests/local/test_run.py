"""The whole local system in processes of its own: replays, repeats, kills, Ctrl-C, the API."""

import json
import random
import signal
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

from chalicelib.local.report import TIMINGS
from tests.shared import shared_path

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN, END = "2021-04-17", "2021-04-17T12:00"
BARS = 144
RUN_SECONDS = 120
STOP_SECONDS = 5.0
KILLS = 3


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Run:
    """One `cts run` on a directory; started again, it goes on."""

    directory: Path
    options: tuple[str, ...]
    port: int = field(default_factory=_free_port)

    def command(self, *more: str) -> list[str]:
        fixed = ["--state", str(self.directory / "state"), "--port", str(self.port)]
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
        path = self.directory / "state" / "progress.json"
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

    def ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def wait_until_serving(self, process: subprocess.Popen[str]) -> None:
        for _ in range(200):
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                self.ask("GET", "/trade-engine/status")
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the API did not answer within 20 s")


def _replay(directory: Path) -> Run:
    data = shared_path("data/ohlcv/binance_spot")
    directory.mkdir(parents=True, exist_ok=True)
    period = ("--from", BEGIN, "--to", END, "--speed", "max")
    return Run(directory, ("--data", str(data), "--symbols", "3", "--timeframe", "5m", *period))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = _replay(tmp_path_factory.mktemp("replay"))
    run.finish()
    return run


def _without_timings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_timings(item) for key, item in value.items() if key not in TIMINGS}
    return value


def test_replay_ends_by_itself_with_a_report(finished: Run) -> None:
    report = finished.report
    assert {kind: ticks["count"] for kind, ticks in report["ticks"].items()} == dict.fromkeys(
        ("health", "indication", "market", "realtime", "strategy"), BARS
    )
    assert all(ticks["failed"] == 0 for ticks in report["ticks"].values())
    assert report["positions"]["opened"] > 0
    assert report["positions"]["closed"] > 0
    assert report["signals"]["executed"] > 0
    assert not (finished.directory / "state" / "poison.jsonl").exists(), "a stream record was put aside"
    assert report["virtual_seconds"] == BARS * 300
    assert report["audit"] == {
        "duplicate_orders": 0,
        "unresolved_orders": 0,
        "books_equal_venue": True,
    }


def test_realised_profit_follows_from_the_fills_to_the_last_digit(finished: Run) -> None:
    report = finished.report
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
    assert Decimal(report["pnl"]["realised"]) == realised
    assert Decimal(report["pnl"]["fees"]) == fees


def test_second_run_gives_the_same_report_but_for_timings(finished: Run, tmp_path: Path) -> None:
    again = _replay(tmp_path / "again")
    again.finish()
    assert _without_timings(again.report) == _without_timings(finished.report)


def test_finished_replay_started_again_reports_the_same(finished: Run) -> None:
    before = finished.report
    finished.finish()
    assert _without_timings(finished.report) == _without_timings(before)


def test_killed_replay_goes_on_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    run = _replay(tmp_path / "killed")
    dice = random.Random()
    for kill in range(KILLS):
        process = run.start()
        target = run.bars_done + dice.randint(5, BARS // (KILLS + 1))
        deadline = time.monotonic() + RUN_SECONDS
        while run.bars_done < target and time.monotonic() < deadline:
            assert process.poll() is None, (
                f"ended before kill {kill}: {process.stdout and process.stdout.read()}"
            )
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.1))
        process.kill()
        process.wait()
    run.finish()
    report = run.report
    assert report["audit"] == {
        "duplicate_orders": 0,
        "unresolved_orders": 0,
        "books_equal_venue": True,
    }
    assert report["positions"]["opened"] > 0
    assert len({fill["order"] for fill in report["fills"]}) == report["orders"]["FILLED"]
    # A tick that died is done again by its next delivery; at most the killed ones are counted less or more.
    for kind, ticks in report["ticks"].items():
        assert abs(ticks["ok"] - BARS) <= 2 * KILLS, kind


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_live_run_on_the_simulator_serves_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    run = Run(tmp_path, ("--market", "sim", "--symbols", "2"))
    process = run.start()
    try:
        run.wait_until_serving(process)
        status, answer = run.ask("GET", "/trade-engine/status")
        assert (status, answer["success"]) == (200, True)
        assert answer["data"]["coordinator"]["status"] == "running"
        status, answer = run.ask("GET", "/nowhere")
        assert (status, answer["success"], answer["code"]) == (404, False, "NOT_FOUND")
        status, answer = run.ask("POST", "/trade-engine/resume")
        assert (status, answer["code"]) == (409, "CONFLICT")
        status, answer = run.ask("POST", "/trade-engine/pause")
        assert status == 200
    finally:
        asked = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert time.monotonic() - asked < STOP_SECONDS
    assert process.returncode == 0, output
    assert "no token" in output
    assert "Traceback" not in output
    assert run.report["audit"]["books_equal_venue"] is True


def test_paused_engine_stays_paused_over_a_restart(tmp_path: Path) -> None:
    run = Run(tmp_path, ("--market", "sim", "--symbols", "2"))
    seen = []
    for _ in range(2):
        process = run.start()
        try:
            run.wait_until_serving(process)
            seen.append(run.ask("GET", "/trade-engine/status")[1]["data"]["coordinator"]["status"])
            run.ask("POST", "/trade-engine/pause")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert seen == ["running", "paused"]
