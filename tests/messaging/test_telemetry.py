"""The lines that invocations leave: EMF metrics by its rules, structured logs, X-Ray subsegments."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.domain.codec import to_plain
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.local.event_shapes import queue_event
from chalicelib.messaging.codec import encode
from chalicelib.messaging.telemetry import (
    METRICS,
    NAMESPACE,
    EmbeddedMetrics,
    Tracing,
    correlate,
    invocation,
    logger,
    record_of,
)
from chalicelib.triggers.realtime_tick import realtime_tick
from tests.flows.desk import T0, TENANT, Desk

UNITS = {"Count", "Milliseconds"}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={}"


def emf_lines(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def assert_emf(line: dict[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    """Check a line by the rules of the embedded metric format; return its metrics with their dimensions."""
    about = line["_aws"]
    assert about.keys() == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(about["Timestamp"], int)
    assert about["Timestamp"] > 1_600_000_000_000, "milliseconds since the epoch"
    found = set()
    for directive in about["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 1024
        assert len(directive["Metrics"]) <= 100
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            assert all(isinstance(line[name], str) and line[name] for name in dimensions)
            for metric in directive["Metrics"]:
                assert metric.keys() == {"Name", "Unit"}
                assert metric["Unit"] in UNITS
                assert isinstance(line[metric["Name"]], int | float)
                found.add((f"{directive['Namespace']}/{metric['Name']}", tuple(dimensions)))
    return found


@pytest.fixture(autouse=True)
def _no_world() -> Iterator[None]:
    yield
    wiring.use(None)


def one_line(metrics: EmbeddedMetrics, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    metrics.flush()
    (line,) = emf_lines(capsys.readouterr().out)
    return line


def test_counts_and_durations_become_one_line_of_four_metrics_and_plain_properties(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = EmbeddedMetrics("dev")
    metrics.count("signals", 3)
    metrics.count("signals", 2)
    metrics.count("ticks_skipped", kind="realtime", reason="LEASE-HELD")
    metrics.count("retries", trigger="realtime_tick")
    metrics.count("poison_messages", 2)
    metrics.count("engines_unhealthy", 0)
    metrics.duration("tick_lag_ms", 100)
    metrics.duration("tick_lag_ms", 2500.12345)
    metrics.duration("handler_ms", 12.5)
    line = one_line(metrics, capsys)
    told = {key: value for key, value in line.items() if key != "_aws"}
    assert told == {
        "stage": "dev",
        "service": "cts-trade-engine",
        "failures": 3,
        "engines_unhealthy": 0,
        "tick_lag_ms": 2500.123,
        "tick_lag_ms_max": 2500.123,
        "tick_lag_ms_count": 2,
        "handler_ms": 12.5,
        "signals": 5,
        "ticks_skipped": 1,
        "ticks_skipped_realtime_LEASE_HELD": 1,
        "retries": 1,
        "retries_realtime_tick": 1,
        "poison_messages": 2,
    }
    assert assert_emf(line) == {
        (f"{NAMESPACE}/{name}", ("stage",)) for name in ("failures", "engines_unhealthy", "tick_lag_ms")
    }


def test_the_declared_metrics_are_the_four_that_alarms_and_the_bill_know() -> None:
    assert {metric.name for metric in METRICS} == {
        "failures",
        "orders_unknown",
        "engines_unhealthy",
        "tick_lag_ms",
    }


def test_names_of_properties_need_no_quotes_in_a_query(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmbeddedMetrics("dev")
    metrics.count("signals_refused", reason="Größe/über 100 %", source="web-hook")
    line = one_line(metrics, capsys)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in line)


def test_a_flush_tells_what_came_since_the_last_one_and_nothing_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = EmbeddedMetrics("dev")
    metrics.flush()
    assert capsys.readouterr().out == ""
    metrics.count("signals")
    metrics.flush()
    metrics.flush()
    metrics.count("fills", 2)
    metrics.flush()
    first, second = emf_lines(capsys.readouterr().out)
    assert (first["signals"], first["failures"]) == (1, 0)
    assert second["fills"] == 2
    assert "signals" not in second


def test_a_service_name_in_the_environment_adds_no_dimension(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "other")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "other")
    metrics = EmbeddedMetrics("dev")
    metrics.count("signals")
    assert assert_emf(one_line(metrics, capsys)) == {(f"{NAMESPACE}/failures", ("stage",))}


def test_the_line_carries_what_the_invocation_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    metrics = EmbeddedMetrics("dev")
    with invocation("execute_signals", "request-1"):
        correlate("cause-1")
        metrics.count("signals")
        single = one_line(metrics, capsys)
    with invocation("execute_signals", "request-2"):
        for cause in ("cause-1", "cause-2"):
            correlate(cause)
        metrics.count("signals")
        several = one_line(metrics, capsys)
    about = ("trigger", "request_id", "memory_mb", "correlation_id")
    assert [single[key] for key in about] == ["execute_signals", "request-1", 512, "cause-1"]
    assert several["request_id"] == "request-2"
    assert "correlation_id" not in several
    assert several["cold_start"] is False, "only the first invocation of a process is cold"


def realtime_ticks_of(
    connections: int, capsys: pytest.CaptureFixture[str]
) -> tuple[set[tuple[str, tuple[str, ...]]], list[dict[str, Any]]]:
    """Run a realtime tick of each connection, ten to an invocation; return the metrics and the lines."""
    desk = Desk()
    names = [f"account-{number}" for number in range(connections)]
    for name in names:
        settings = to_plain(replace(desk.connection, connection_id=name))
        subject = engine_subject(TENANT, name)
        desk.engines.create(Engine(subject, Status.RUNNING, settings=settings, session_id="session"))
    wiring.use(replace(desk.world(), metrics=EmbeddedMetrics("dev")))
    bodies = [encode(Tick("realtime", engine_subject(TENANT, name), T0)) for name in names]
    messages = [
        {"MessageId": f"m{n}", "ReceiptHandle": "r", "Body": body, "Attributes": {}}
        for n, body in enumerate(bodies)
    ]
    for start in range(0, connections, 10):
        batch = messages[start : start + 10]
        realtime_tick(queue_event("cts-local-realtime-tick", "eu-central-1", batch), None)
    lines = emf_lines(capsys.readouterr().out)
    return set().union(*map(assert_emf, lines)), lines


def test_a_thousand_connections_have_the_metrics_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    known, lines = realtime_ticks_of(1, capsys)
    assert [line["ticks"] for line in lines] == [1]
    for connections in (50, 1000):
        found, lines = realtime_ticks_of(connections, capsys)
        assert sum(line["ticks"] for line in lines) == connections
        assert sum(line["failures"] for line in lines) == 0
        assert len(lines) == connections / 10, "one line per invocation"
        assert found == known
    assert known == {(f"{NAMESPACE}/{name}", ("stage",)) for name in ("failures", "tick_lag_ms")}


def test_what_a_record_was_correlated_with_ends_with_the_record() -> None:
    with invocation("realtime_tick"):
        with record_of("m1"):
            correlate("cause-1")
            keys = logger.get_current_keys()
            assert (keys["trigger"], keys["record"], keys["correlation_id"]) == (
                "realtime_tick",
                "m1",
                "cause-1",
            )
        assert {"record", "correlation_id"}.isdisjoint(logger.get_current_keys())
    assert "trigger" not in logger.get_current_keys()


def in_lambda(script: str, **environment: str) -> str:
    """Return the output of a script in a process that sees what Lambda tells of itself."""
    lambda_tells = {"LAMBDA_TASK_ROOT": "/var/task", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | lambda_tells | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


SPANS = """
import sys
from chalicelib.messaging.telemetry import Tracing
tracing = Tracing()
with tracing.span("realtime_tick"), tracing.span("tick:realtime"):
    pass
print("aws_xray_sdk.core" in sys.modules)
"""


def test_a_sampled_invocation_sends_subsegments_to_the_daemon() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        address = f"127.0.0.1:{daemon.getsockname()[1]}"
        in_lambda(SPANS, AWS_XRAY_DAEMON_ADDRESS=address, _X_AMZN_TRACE_ID=TRACE.format(1))
        segments = [json.loads(daemon.recv(65536).splitlines()[1]) for _ in range(2)]
    inner, outer = sorted(segments, key=lambda segment: segment["name"], reverse=True)
    assert (outer["name"], outer["parent_id"]) == ("## realtime_tick", "53995c3f42cd8ad8")
    assert (inner["name"], inner["parent_id"]) == ("## tick:realtime", outer["id"])
    assert outer["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize("trace", ["", TRACE.format(0)])
def test_an_invocation_that_is_not_sampled_does_not_import_the_tracer(trace: str) -> None:
    assert in_lambda(SPANS, _X_AMZN_TRACE_ID=trace).strip() == "False"


def test_spans_hide_no_error() -> None:
    def work() -> None:
        with Tracing().span("tick:market"):
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()


def test_in_lambda_the_warnings_of_libraries_are_structured_too() -> None:
    script = """
import logging, sys
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
from chalicelib.messaging.telemetry import correlate, invocation
with invocation("market_tick", "request-1"):
    correlate("cause-1")
    logging.getLogger("urllib3").warning("connection pool is full")
"""
    line = json.loads(in_lambda(script, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1"))
    told = [line[key] for key in ("message", "trigger", "request_id", "correlation_id", "level")]
    assert told == ["connection pool is full", "market_tick", "request-1", "cause-1", "WARNING"]
