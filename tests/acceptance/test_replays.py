"""The two long replays that the project promises, whole, with three random kills: `make test-acceptance`.

Longer than CI allows; the system tests run the same code over shorter periods.
"""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.local.running import SOUND, Run, booked, realised_and_fees, without_timings
from tests.shared import shared_path

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

LONGEST_SECONDS = 300.0
CALLS = {"market": 5, "indication": 5}
"""The most of one tick; the market tick archives candles once per block, else it makes 4."""


def replay(directory: Path, symbols: int, timeframe: str, begin: str, end: str) -> Run:
    data = shared_path("data/ohlcv/binance_spot")
    period = ("--timeframe", timeframe, "--from", begin, "--to", end, "--speed", "max")
    directory.mkdir(parents=True, exist_ok=True)
    return Run(directory, ("--data", str(data), "--exchange", "binance", "--symbols", str(symbols), *period))


def two_days(directory: Path) -> Run:
    return replay(directory, 10, "5m", "2021-04-17", "2021-04-19")


def finish(run: Run) -> tuple[dict[str, Any], float]:
    process, began = run.start(), time.monotonic()
    output, _ = process.communicate(timeout=LONGEST_SECONDS * 2)
    assert process.returncode == 0, output
    return run.report, time.monotonic() - began


def test_two_days_of_ten_symbols_twice_and_once_more_with_three_kills(tmp_path: Path) -> None:
    report, seconds = finish(two_days(tmp_path / "one"))
    assert seconds < LONGEST_SECONDS
    assert report["audit"] == SOUND
    assert report["positions"]["opened"] > 10
    assert report["positions"]["closed"] > 10
    assert booked(report) == realised_and_fees(report)
    again, _ = finish(two_days(tmp_path / "two"))
    assert without_timings(again) == without_timings(report)

    killed = two_days(tmp_path / "killed")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    for _ in range(3):
        process = killed.start()
        target = killed.bars_done + dice.randint(20, 140)
        while killed.bars_done < target:
            assert process.poll() is None, f"ended before it was killed (seed {seed})"
            time.sleep(0.01)
        process.kill()
        process.wait()
    after, _ = finish(killed)
    assert after["audit"] == SOUND, f"seed {seed}"
    assert booked(after) == realised_and_fees(after)
    assert len({fill["order"] for fill in after["fills"]}) == after["orders"]["FILLED"]


def test_a_week_of_a_hundred_symbols(tmp_path: Path) -> None:
    report, _ = finish(replay(tmp_path, 100, "1h", "2021-04-12", "2021-04-19"))
    assert report["audit"] == SOUND
    assert report["ticks"]["strategy"]["ok"] == 7 * 24
    assert booked(report) == realised_and_fees(report)
    for kind, most in CALLS.items():
        assert report["ticks"][kind]["aws_calls_max"] <= most
    assert sum(report["ladder"].values()) == 100 * 100
