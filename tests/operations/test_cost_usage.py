"""The usage profile follows from counted calls: a run of the present code counts the same."""

import json
from typing import Any

import pytest

from chalicelib.domain.cadence import DEFAULT_INTERVALS, PER_CANDLE, TICK_KINDS
from chalicelib.operations.cost.data import USAGE
from tests.bench.bench_usage import CHECK, metered

HELD = json.loads(USAGE.read_text())
REMEDY = "the code does not cost any more what usage.json says: run python -m tests.bench.bench_usage"
_NOT_REPEATED = frozenset({"cpu_seconds", "log_bytes", "dynamodb.growth_bytes"})
_CLOSE = 0.1
_ALWAYS_ALIKE = {"heartbeat": 1, "indication": 3, "market": 2, "realtime": 6}
"""Calls to DynamoDB of each tick that has no order to send, whatever happens on the market."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return metered(CHECK)


def counted(run: dict[str, Any]) -> dict[str, Any]:
    """Return what must repeat: everything but times, and bytes that times are written in."""
    found = {key: value for key, value in run.items() if key not in ("jobs", "object_bytes")}
    for job, totals in run["jobs"].items():
        for cause, amounts in totals.items():
            if isinstance(amounts, dict):
                kept = {name: amount for name, amount in amounts.items() if name not in _NOT_REPEATED}
                found[f"{job} {cause}"] = kept
            else:
                found[f"{job} {cause}"] = amounts
    return found


@pytest.mark.system
def test_calls_and_units_of_a_run_are_those_of_the_profile(measured: dict[str, Any]) -> None:
    assert counted(measured) == counted(HELD["check"]), REMEDY


@pytest.mark.system
def test_bytes_written_and_logged_are_close_to_those_of_the_profile(measured: dict[str, Any]) -> None:
    for job, totals in HELD["check"]["jobs"].items():
        for cause in ("work", "signal", "order"):
            for name in ("log_bytes", "dynamodb.growth_bytes"):
                old, new = (run.get(cause, {}).get(name, 0) for run in (totals, measured["jobs"][job]))
                assert new == pytest.approx(old, rel=_CLOSE, abs=2000), f"{job} {cause} {name}: {REMEDY}"


def test_all_runs_of_the_profile_are_of_the_same_code() -> None:
    """The short run that is repeated and the long ones that are charged count the same calls per tick."""
    for name, run in {**HELD["runs"], "check": HELD["check"]}.items():
        for job, calls in _ALWAYS_ALIKE.items():
            totals = run["jobs"][job]
            assert totals["work"]["dynamodb.calls"] == calls * totals["records"], f"{job} of {name}: {REMEDY}"


def test_ticks_come_as_often_as_the_bill_takes_them_to_come() -> None:
    """The bill scales ticks by their periods, so the measured runs must have had these periods."""
    for name, run in HELD["runs"].items():
        seconds = run["candles"] * 300
        for kind in TICK_KINDS:
            period = max(DEFAULT_INTERVALS[kind], 300) if kind in PER_CANDLE else DEFAULT_INTERVALS[kind]
            shared = kind in ("market", "health")
            expected = seconds / period * (1 if shared else run["connections"])
            assert run["jobs"][kind]["records"] == pytest.approx(expected, rel=0.05), f"{kind} of {name}"


def test_candles_cost_one_request_each() -> None:
    for run in HELD["runs"].values():
        market = run["jobs"]["market"]
        assert market["work"]["exchange.candles"] == run["symbols"] * market["records"]
