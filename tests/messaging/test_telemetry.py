"""Metrics as EMF lines, spans outside Lambda, and the correlation id in the log lines of a handler."""

import json
import warnings
from typing import Any

import pytest

from chalicelib.messaging.telemetry import NAMESPACE, EmbeddedMetrics, Tracing, logger


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_metrics_are_emf_lines_without_a_connection_in_their_dimensions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = EmbeddedMetrics()
    metrics.count("signals", 3)
    metrics.duration("handler_ms", 12.5, trigger="strategy_tick")
    metrics.flush()
    found = {line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]: line for line in lines(capsys)}
    assert found.keys() == {"signals", "handler_ms"}
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE for line in found.values())
    assert found["signals"]["signals"] == [3.0]
    assert found["handler_ms"]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "trigger"]]
    assert found["handler_ms"]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"] == "Milliseconds"


def test_a_flush_with_nothing_to_say_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EmbeddedMetrics().flush()
    assert lines(capsys) == []


def test_spans_work_outside_lambda_and_hide_no_error() -> None:
    def work() -> None:
        with Tracing().span("tick:market"):
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()


def test_the_correlation_id_stays_within_its_record() -> None:
    with logger.append_context_keys(correlation_id="market#1"):
        assert logger.get_current_keys()["correlation_id"] == "market#1"
    assert logger.get_current_keys().get("correlation_id") is None
