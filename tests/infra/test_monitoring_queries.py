"""Saved queries against the code: they read what it writes, and know every word that it counts by."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from chalicelib.flows.execute_signals import KEY_REFUSED
from chalicelib.messaging.telemetry import METRICS, Metric
from infra import monitoring
from infra.template import lambda_name

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
MOST_CHARACTERS = 10000

LINE = {"stage", "service", "trigger", "request_id", "cold_start", "memory_mb", "correlation_id"}
LOG = {"level", "message", "exception", "exception_name", "record"}
"""What the line of metrics and log lines have besides counts, durations and extra keys."""

COMMANDS = {
    "fields",
    "filter",
    "stats",
    "sort",
    "limit",
    "by",
    "as",
    "and",
    "or",
    "in",
    "like",
    "asc",
    "desc",
}


def texts() -> dict[str, str]:
    return {name: query["Properties"]["QueryString"] for name, query in monitoring.queries("dev").items()}


@cache
def method_calls() -> tuple[tuple[str, ast.Call], ...]:
    """Return all calls of methods in the code, with the methods' names."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "chalicelib").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return tuple((call.func.attr, call) for call in calls if isinstance(call.func, ast.Attribute))


@cache
def counted() -> frozenset[str]:
    """Return the names of all counts and durations in the code."""
    firsts = [call.args[0] for name, call in method_calls() if name in ("count", "duration") and call.args]
    return frozenset(str(first.value) for first in firsts if isinstance(first, ast.Constant))


@cache
def written() -> frozenset[str]:
    """Return the names of all numbers and extra keys that the code writes into its lines."""
    names = {metric.name for metric in METRICS} | counted()
    for name, call in method_calls():
        if name == "line":
            names.update(keyword.arg for keyword in call.keywords if keyword.arg)
        extras = [keyword.value for keyword in call.keywords if keyword.arg == "extra"]
        keys = [key for extra in extras if isinstance(extra, ast.Dict) for key in extra.keys]
        names.update(str(key.value) for key in keys if isinstance(key, ast.Constant))
    return frozenset(names)


@cache
def said() -> frozenset[str]:
    """Return the fixed messages of log lines in the code."""
    speaking = ("info", "warning", "error", "exception", "line")
    firsts = [call.args[0] for name, call in method_calls() if name in speaking and call.args]
    return frozenset(str(first.value) for first in firsts if isinstance(first, ast.Constant))


def fields_of(query: str) -> set[str]:
    """Return the names that a query reads: what is no command, function, alias, text or pattern."""
    bare = re.sub(r'"[^"]*"|\'[^\']*\'', "", query)
    aliases = set(re.findall(r"\bas (\w+)", bare))
    words = set(re.findall(r"(?<![@\w])[a-z_]\w*(?![\w(])", bare))
    return words - COMMANDS - aliases


@pytest.mark.parametrize("name", texts())
def test_a_query_reads_only_what_the_code_writes(name: str) -> None:
    details = {f"{count}_{value}" for count, values in monitoring.SUMS.items() for value in values}
    assert fields_of(texts()[name]) - written() - details - LINE - LOG == set()
    assert len(texts()[name]) <= MOST_CHARACTERS


@pytest.mark.parametrize("name", texts())
def test_a_query_looks_for_messages_that_the_code_says(name: str) -> None:
    filters = re.findall(r"\bmessage (?:=|in) (.+)", texts()[name])
    assert {word for wanted in filters for word in re.findall(r'"([^"]+)"', wanted)} <= said()


def test_fields_are_found_in_queries() -> None:
    query = (
        'filter ispresent(a_ms) and level in ["X"] | stats sum(b_c) * 2 as d, '
        "max(@timestamp) by bin(5m), e | sort d desc | filter strcontains(@message, '\"f\":true')"
    )
    assert fields_of(query) == {"a_ms", "level", "b_c", "e"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_something_writes_each_metric_that_an_alarm_watches(metric: Metric) -> None:
    assert counted() & set(metric.sources)


def test_sums_know_every_reason_that_the_executor_gives() -> None:
    tree = ast.parse((ROOT / "chalicelib" / "flows" / "execute_signals.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    given = [node.args[0] for node in calls if getattr(node.func, "id", "") in ("Refused", "_Done")]
    reasons = {value.value for value in given if isinstance(value, ast.Constant)}
    reasons |= {value.id for value in given if isinstance(value, ast.Name) and value.id == KEY_REFUSED}
    assert {KEY_REFUSED, "NOTHING_TO_LEAVE"} <= reasons
    assert reasons <= set(monitoring.SUMS["signals_refused"])


@pytest.mark.parametrize(("stage", "has_stream"), [("dev", False), ("prod", True)])
def test_a_query_reads_logs_of_functions_that_its_stage_has(stage: str, has_stream: bool) -> None:
    queries = {name: query["Properties"] for name, query in monitoring.queries(stage).items()}
    everywhere = [f"/aws/lambda/{lambda_name(stage, name)}" for name in monitoring.functions(stage)]
    assert queries["one-correlation-id"]["LogGroupNames"] == everywhere
    assert (f"/aws/lambda/cts-trade-engine-{stage}-record_events" in everywhere) is has_stream
    for name, query in queries.items():
        assert query["Name"] == f"cts/{stage}/{name}"
        assert set(query["LogGroupNames"]) <= set(everywhere)


def test_every_query_is_on_the_dashboard_or_in_the_runbook() -> None:
    dashboard = yaml.safe_load((ROOT / "infra" / "monitoring_dashboard.yaml").read_text())
    shown = {widget.get("query") for section in dashboard for widget in section["widgets"]}
    assert {name for name in texts() if name not in shown and f"`{name}`" not in RUNBOOK} == set()


def test_every_list_of_sums_is_used() -> None:
    for count in monitoring.SUMS:
        assert any(f"sum({count}_" in text for text in texts().values()), count
