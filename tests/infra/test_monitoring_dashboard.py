"""The dashboard as CloudWatch will draw it: its places, its limits, and that all it points to is there."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from chalicelib.messaging.telemetry import METRICS, NAMESPACE
from infra import monitoring
from infra.template import lambda_name

STAGES = ("dev", "prod")
RUNBOOK = (Path(__file__).resolve().parents[2] / "docs" / "runbook.md").read_text()
PSEUDO = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws"}
SECTIONS = ["Engines", "Ticks", "Orders", "Exchanges", "Money", "Cost"]
MOST_SEARCH = 1024


def body(stage: str) -> dict[str, Any]:
    """Return the body as CloudFormation hands it to CloudWatch."""
    text = monitoring.resources(stage)["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    drawn: dict[str, Any] = json.loads(re.sub(r"\$\{([^}]+)\}", lambda found: PSEUDO[found[1]], text))
    return drawn


def widgets(stage: str, kind: str) -> list[dict[str, Any]]:
    return [widget["properties"] for widget in body(stage)["widgets"] if widget["type"] == kind]


def metrics(stage: str) -> list[list[Any]]:
    return [metric for widget in widgets(stage, "metric") for metric in widget["metrics"]]


@pytest.mark.parametrize("stage", STAGES)
def test_the_dashboard_has_its_sections_with_a_pointer_each(stage: str) -> None:
    texts = [widget["markdown"] for widget in widgets(stage, "text")]
    assert [text.splitlines()[0].removeprefix("## ") for text in texts] == SECTIONS
    headings = set(re.findall(r"^##+ (.+)$", RUNBOOK.lower(), re.MULTILINE))
    assert set(re.findall(r"docs/runbook\.md#([\w-]+)", " ".join(texts))) <= headings


@pytest.mark.parametrize("stage", STAGES)
def test_no_widget_covers_another_or_leaves_the_grid(stage: str) -> None:
    placed = body(stage)["widgets"]
    for widget in placed:
        assert widget["x"] >= 0
        assert widget["x"] + widget["width"] <= 24
    for one, other in combinations(placed, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("stage", STAGES)
def test_every_alarm_of_both_stacks_is_shown(stage: str) -> None:
    (shown,) = widgets(stage, "alarm")
    names = [*monitoring.alarms(stage), *monitoring.RESOURCE_ALARMS]
    prefix = f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:cts-{stage}-"
    assert shown["alarms"] == [prefix + name for name in names]


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_shown_cost_nothing_or_are_the_four_of_our_own(stage: str) -> None:
    named = [metric for metric in metrics(stage) if len(metric) > 1]
    own = {(metric[1], *metric[2:4]) for metric in named if metric[0] == NAMESPACE}
    assert own == {(metric.name, "stage", stage) for metric in METRICS}
    free = {"AWS/Lambda", "AWS/SQS", "AWS/ApiGateway", "AWS/Billing"}
    assert {metric[0] for metric in named} == {NAMESPACE, *free}
    lambdas = {lambda_name(stage, name) for name in monitoring.functions(stage)}
    assert {metric[3] for metric in named if metric[0] == "AWS/Lambda"} == lambdas


@pytest.mark.parametrize("stage", STAGES)
def test_a_search_names_its_resources_exactly_and_is_short_enough(stage: str) -> None:
    searches = [metric[0]["expression"] for metric in metrics(stage) if "SEARCH" in str(metric[0])]
    assert len(searches) == 6
    for search in searches:
        inner = re.fullmatch(r"SEARCH\('(.+)', '(Sum|Maximum)', \d+\)", search)
        assert inner
        assert len(inner[1]) <= MOST_SEARCH, len(inner[1])
        names = re.search(r"(?:QueueName|TableName|LogGroupName)=\((.+)\)", inner[1])
        assert names
        for name in names[1].split(" OR "):
            assert re.fullmatch(rf'"(cts-{stage}-|/aws/lambda/cts-trade-engine-{stage}-)[\w.-]+"', name)


@pytest.mark.parametrize("stage", STAGES)
def test_a_log_widget_is_a_saved_query_over_the_same_logs(stage: str) -> None:
    queries = [query["Properties"] for query in monitoring.queries(stage).values()]
    saved = {query["QueryString"]: query for query in queries}
    shown = widgets(stage, "log")
    assert len(shown) >= len(SECTIONS)
    for widget in shown:
        sources = re.findall(r"SOURCE '([^']+)' \| ", widget["query"])
        text = widget["query"].rpartition("SOURCE ")[2].partition(" | ")[2]
        assert saved[text]["LogGroupNames"] == sources
        # Only a query over time can be drawn as lines.
        assert (widget["view"] == "timeSeries") <= ("bin(" in text)


def test_gigabyte_seconds_are_duration_times_memory() -> None:
    (drawn,) = (w for w in widgets("prod", "metric") if w["title"] == "Gigabyte-seconds")
    computed = {m[0]["label"]: m[0]["expression"] for m in drawn["metrics"] if len(m) == 1}
    hidden = {m[-1]["id"]: m for m in drawn["metrics"] if len(m) > 1}
    assert set(computed) == set(monitoring.functions("prod"))
    identifier, expression = computed["decision_tick"].split(" ", 1)
    assert expression == "* 1769 / 1024000"
    metric = hidden[identifier]
    assert metric[1:4] == ["Duration", "FunctionName", lambda_name("prod", "decision_tick")]
    assert (metric[-1]["stat"], metric[-1]["visible"]) == ("Sum", False)


def test_identifiers_of_a_widget_are_its_own() -> None:
    for widget in widgets("prod", "metric"):
        parts = [part for metric in widget["metrics"] for part in metric if isinstance(part, dict)]
        found = [part["id"] for part in parts if "id" in part]
        assert len(found) == len(set(found))


def test_charges_are_asked_where_aws_reports_them() -> None:
    charged = [w for w in widgets("dev", "metric") if any(m[0] == "AWS/Billing" for m in w["metrics"])]
    assert [widget["region"] for widget in charged] == ["us-east-1"]
