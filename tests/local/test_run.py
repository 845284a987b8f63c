"""The whole local system in processes of its own: replays, repeats, kills, Ctrl-C, the API."""

import random
import re
import signal
import time
from pathlib import Path

import pytest

from chalicelib.local.access import new_token, secret_of
from tests.local.running import (
    BEGIN,
    RUN_SECONDS,
    SOUND,
    Run,
    booked,
    realised_and_fees,
    without_timings,
)
from tests.shared import shared_path

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

END = "2021-04-17T12:00"
BARS = 144
STOP_SECONDS = 5.0
KILLS = 3


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
    assert report["audit"] == SOUND


def test_realised_profit_follows_from_the_fills_to_the_last_digit(finished: Run) -> None:
    assert booked(finished.report) == realised_and_fees(finished.report)


def test_second_run_gives_the_same_report_but_for_timings(finished: Run, tmp_path: Path) -> None:
    again = _replay(tmp_path / "again")
    again.finish()
    assert without_timings(again.report) == without_timings(finished.report)


def test_finished_replay_started_again_reports_the_same(finished: Run) -> None:
    before = finished.report
    finished.finish()
    assert without_timings(finished.report) == without_timings(before)


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
    assert report["audit"] == SOUND
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
        status, answer = run.ask("GET", "/trade-engine/status", token="none.of.ours")
        assert (status, answer["success"], answer["code"]) == (401, False, "UNAUTHORIZED")
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
    (token,) = re.findall(
        r"curl -H 'Authorization: Bearer (\S+)' http://127.0.0.1:\d+/api/trade-engine/status", output
    )
    assert token.count(".") == 2
    assert "Traceback" not in output
    assert run.report["audit"]["books_equal_venue"] is True


def test_paused_engine_stays_paused_and_tokens_stay_valid_over_a_restart(tmp_path: Path) -> None:
    run = Run(tmp_path, ("--market", "sim", "--symbols", "2"))
    seen = []
    token = None
    for _ in range(2):
        process = run.start()
        try:
            run.wait_until_serving(process)
            token = token or new_token(secret_of(run.state))
            seen.append(run.ask("GET", "/trade-engine/status", token)[1]["data"]["coordinator"]["status"])
            run.ask("POST", "/trade-engine/pause", token)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert seen == ["running", "paused"]
