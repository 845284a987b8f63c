"""Alarms and their runbook: they fit each other, the template, and the numbers that the code writes."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint_all
from cfnlint.decode import cfn_yaml
from moto import mock_aws

from chalicelib.messaging.telemetry import METRICS, NAMESPACE
from infra import monitoring
from infra.template import lambda_name

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("dev", "prod")
MOST_ALARMS = 9
TOPIC = "arn:aws:sns:eu-central-1:123456789012:cts-dev-alarms"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
RESOURCES = ROOT / "infra" / "resources.yaml"
POINTER = re.compile(r"docs/runbook\.md#([a-z-]+)")


def resource_alarms() -> dict[str, dict[str, Any]]:
    """Return the alarms of the resources stack by name without stage."""
    resources = cfn_yaml.load(str(RESOURCES))["Resources"].values()
    alarms = [found["Properties"] for found in resources if found["Type"] == "AWS::CloudWatch::Alarm"]
    return {alarm["AlarmName"]["Fn::Sub"].removeprefix("cts-${Stage}-"): alarm for alarm in alarms}


def alarms(stage: str) -> dict[str, dict[str, Any]]:
    return {name: alarm["Properties"] for name, alarm in monitoring.alarms(stage).items()}


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return namespace, name and dimensions of the metrics that an alarm reads."""
    if "Metrics" not in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def sections() -> dict[str, str]:
    """Return the runbook's sections about alarms by their anchors."""
    chapter = RUNBOOK.split("\n## Alarms\n")[1].split("\n## ")[0]
    parts = re.split(r"^### (.+)$", chapter, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_cloudformation_takes_the_resources(stage: str) -> None:
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": monitoring.resources(stage)}
    found = lint_all(json.dumps(template))
    assert [str(match) for match in found if match.rule.severity != "informational"] == []


def test_cloudwatch_takes_alarms_and_dashboard() -> None:
    with mock_aws():
        client = boto3.client("cloudwatch", region_name="eu-central-1")
        for alarm in alarms("dev").values():
            client.put_metric_alarm(**alarm | {"AlarmActions": [TOPIC], "OKActions": [TOPIC]})
        client.put_dashboard(DashboardName="cts-dev", DashboardBody=json.dumps(monitoring.dashboard("dev")))
        assert len(client.describe_alarms()["MetricAlarms"]) == len(monitoring.alarms("dev"))


@pytest.mark.parametrize("stage", STAGES)
def test_there_is_one_dashboard_and_the_alarms_are_few(stage: str) -> None:
    kinds = [resource["Type"] for resource in monitoring.resources(stage).values()]
    known = {"AWS::CloudWatch::Dashboard", "AWS::CloudWatch::Alarm", "AWS::Logs::QueryDefinition"}
    assert set(kinds) == known
    assert kinds.count("AWS::CloudWatch::Dashboard") == 1
    assert kinds.count("AWS::CloudWatch::Alarm") + len(resource_alarms()) <= MOST_ALARMS


@pytest.mark.parametrize("stage", STAGES)
def test_an_alarm_says_one_sentence_tells_the_topic_and_knows_silence(stage: str) -> None:
    topic = {"Fn::ImportValue": f"cts-{stage}-alarms"}
    for name, alarm in alarms(stage).items():
        text = rf"[A-Z][^.]+\. What to do: docs/runbook\.md#{name}"
        assert alarm["AlarmName"] == f"cts-{stage}-{name}"
        assert re.fullmatch(text, alarm["AlarmDescription"]), name
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        assert alarm["TreatMissingData"] == ("breaching" if name == "heartbeat-missing" else "notBreaching")


@pytest.mark.parametrize("stage", STAGES)
def test_alarms_watch_what_is_there(stage: str) -> None:
    declared = {metric.name for metric in METRICS}
    lambdas = {lambda_name(stage, name) for name in monitoring.functions(stage)}
    for name, alarm in alarms(stage).items():
        for metric in metrics_of(alarm):
            dimensions = {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]}
            if metric["Namespace"] == NAMESPACE:
                assert metric["MetricName"] in declared, name
                assert dimensions == {"stage": stage}
            elif metric["Namespace"] == "AWS/Lambda":
                assert dimensions["FunctionName"] in lambdas, name
            else:
                assert metric["Namespace"] == "AWS/ApiGateway"
                assert dimensions == {"ApiName": f"cts-trade-engine-{stage}", "Stage": "api"}


def test_every_metric_of_our_own_has_an_alarm() -> None:
    watched = {metric["MetricName"] for alarm in alarms("dev").values() for metric in metrics_of(alarm)}
    assert {metric.name for metric in METRICS} <= watched


def rings(alarm: dict[str, Any], periods: Sequence[float | None]) -> bool:
    """Tell whether an alarm rings after these periods; None is a period without data."""
    breaches = {
        "LessThanThreshold": lambda value: value < alarm["Threshold"],
        "GreaterThanThreshold": lambda value: value > alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    silence = alarm["TreatMissingData"] == "breaching"
    last = periods[-alarm["EvaluationPeriods"] :]
    breaching = [silence if value is None else breaches(value) for value in last]
    return sum(breaching) >= alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])


@pytest.mark.parametrize(
    ("name", "periods", "expected"),
    [
        ("heartbeat-missing", [5, None], True),
        ("heartbeat-missing", [5, 0], True),
        ("heartbeat-missing", [0, 1], False),
        ("failures", [0, 0, 0, 0, 3], False),
        ("failures", [1, 0, 1, 0, 1], True),
        ("failures", [None] * 5, False),
        ("orders-unknown", [None, None, None, None, 1], True),
        ("orders-unknown", [1, None, None, None, None, None], False),
        ("engines-unhealthy", [0, 0, 1], False),
        ("engines-unhealthy", [0, 1, 1], True),
        ("engines-unhealthy", [None] * 3, False),
        ("ticks-late", [70000, 300, 65000, 400, 61000], True),
        ("ticks-late", [300, 300, 60000, 60000, 60000], False),
    ],
)
def test_an_alarm_rings_when_it_should(name: str, periods: list[float | None], expected: bool) -> None:
    assert rings(alarms("dev")[name], periods) is expected


def test_a_heartbeat_that_fails_counts_as_missing() -> None:
    parts = {part["Id"]: part for part in alarms("dev")["heartbeat-missing"]["Metrics"]}
    shown = parts.pop("succeeded")
    assert (shown["Expression"], shown["ReturnData"]) == ("invoked - failed", True)
    told = {
        key: (part["MetricStat"]["Metric"]["MetricName"], part["MetricStat"]["Stat"], part["ReturnData"])
        for key, part in parts.items()
    }
    assert told == {"invoked": ("Invocations", "Sum", False), "failed": ("Errors", "Sum", False)}


def test_the_dashboard_knows_the_alarms_of_the_resources() -> None:
    assert set(monitoring.RESOURCE_ALARMS) == set(resource_alarms())


def test_each_alarm_has_its_section_in_the_runbook_and_each_section_an_alarm() -> None:
    every = [*alarms("dev").values(), *resource_alarms().values()]
    pointers = [POINTER.findall(alarm["AlarmDescription"]) for alarm in every]
    assert all(len(found) == 1 for found in pointers), pointers
    assert {anchor for found in pointers for anchor in found} == set(sections())


@pytest.mark.parametrize("name", sections())
def test_a_section_answers_the_four_questions(name: str) -> None:
    section = sections()[name]
    found = [section.find(f"**{question}**") for question in ("Money", "Look", "Do", "Stop engines")]
    assert found == sorted(found)
    assert found[0] >= 0


def test_the_runbook_names_queries_sections_and_queues_that_exist() -> None:
    headings = re.findall(r"^##+ (.+)$", RUNBOOK, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= anchors
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+(?:\.fifo)?)`", RUNBOOK))
    known = {*monitoring.queries("dev"), *anchors}
    text = RESOURCES.read_text()
    assert {name for name in named - known if f"cts-${{Stage}}-{name}" not in text} == set()
    assert {name for name in named if name.endswith(("-dlq", "-dlq.fifo"))}
