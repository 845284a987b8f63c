"""What watches the functions of a stage: dashboard, alarms, saved queries; the packaging merges it in.

The content stands in monitoring_dashboard.yaml, monitoring_alarms.yaml and monitoring_queries.yaml; here it
becomes CloudFormation resources.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chalicelib.domain.cadence import TICK_KINDS, TICK_QUEUES
from chalicelib.domain.exits import ExitReason
from chalicelib.domain.lease import Skip
from chalicelib.domain.risk import AFTER_SIZE, BEFORE_SIZE
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.tables import MODELS
from infra.policies import functions_of, stages

APP = "cts-trade-engine"

RESOURCE_ALARMS = (
    "market-tick-dead-letters",
    "realtime-tick-dead-letters",
    "execute-signals-dead-letters",
    "signals-wait",
)
"""Names of the alarms in resources.yaml, for the dashboard."""

EXECUTOR_REFUSALS = (
    "NOTHING_TO_LEAVE",
    "POSITION_BUSY",
    "DUPLICATE",
    "ENGINE_NOT_RUNNING",
    "KILL_SWITCH",
    "NOT_CONFIGURED",
    "KEY_REFUSED",
)
"""Reasons that the executor of signals gives besides those of the risk gate."""

SUMS: dict[str, tuple[str, ...]] = {
    "ticks": TICK_KINDS,
    "ticks_failed": TICK_KINDS,
    "ticks_skipped": tuple(f"{kind}_{reason.value}" for kind in TICK_KINDS for reason in Skip),
    "signals_refused": tuple(
        dict.fromkeys((*(code for code, _ in (*BEFORE_SIZE, *AFTER_SIZE)), *EXECUTOR_REFUSALS))
    ),
    "positions_closed": tuple(reason.value for reason in ExitReason),
}
"""Values that the dimensions of a count take; Logs Insights can't list columns that it isn't told."""

_HERE = Path(__file__).parent
_ROW = 24
_WIDTH = 8
_HEIGHT = 6
_TITLE_HEIGHT = 2


def resources(stage: str) -> dict[str, dict[str, Any]]:
    """Return the CloudFormation resources by their logical names, for the stack of the functions.

    The alarms tell the topic that the stage's resources stack exports as `cts-STAGE-alarms`.
    """
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": f"cts-{stage}",
                "DashboardBody": {"Fn::Sub": json.dumps(dashboard(stage), separators=(",", ":"))},
            },
        },
        **{f"{_logical(name)}Alarm": alarm for name, alarm in alarms(stage).items()},
        **{f"{_logical(name)}Query": query for name, query in queries(stage).items()},
    }


def alarms(stage: str) -> dict[str, dict[str, Any]]:
    """Return the alarms of the functions by name."""
    topic = [{"Fn::ImportValue": f"cts-{stage}-alarms"}]
    return {
        name: {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": f"cts-{stage}-{name}",
                "AlarmDescription": f"{alarm['means']} What to do: docs/runbook.md#{name}",
                **_filled(alarm["properties"], stage=stage),
                "AlarmActions": topic,
                "OKActions": topic,
            },
        }
        for name, alarm in _content("alarms").items()
    }


def queries(stage: str) -> dict[str, dict[str, Any]]:
    """Return the saved queries of Logs Insights by name."""
    return {
        name: {
            "Type": "AWS::Logs::QueryDefinition",
            "Properties": {
                "Name": f"cts/{stage}/{name}",
                "QueryString": query_text(query),
                "LogGroupNames": log_groups(stage, query.get("of")),
            },
        }
        for name, query in _content("queries").items()
    }


def query_text(query: Mapping[str, Any]) -> str:
    """Return the text of a query with its sums written out."""
    sums = {
        f"sums:{name}": ", ".join(f"sum({name}_{value}) as {value}" for value in values)
        for name, values in SUMS.items()
    }
    return str(_filled(query["query"].strip(), **sums))


def functions(stage: str) -> tuple[str, ...]:
    """Return the names of the functions that a stage has."""
    return functions_of(stages()[stage])


def log_groups(stage: str, names: Iterable[str] | None = None) -> list[str]:
    """Return the log groups of the named functions, or of all."""
    return [f"/aws/lambda/{APP}-{stage}-{name}" for name in names or functions(stage)]


def dashboard(stage: str) -> dict[str, Any]:
    """Return the body of the dashboard; `${AWS::Region}` and its like in it are left to Fn::Sub."""
    widgets: list[dict[str, Any]] = []
    top = 0
    for section in _filled(_content("dashboard"), stage=stage):
        text = {"markdown": f"## {section['title']}\n{section['text']}"}
        title = {"type": "text", "width": _ROW, "height": _TITLE_HEIGHT, "properties": text}
        drawn = [title, *(_widget(stage, widget) for widget in section["widgets"])]
        for widget, x, y in _placed(drawn, top):
            widgets.append(widget | {"x": x, "y": y})
            top = max(top, y + widget["height"])
    return {"start": "-PT12H", "periodOverride": "inherit", "widgets": widgets}


def _placed(widgets: Iterable[dict[str, Any]], top: int) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Return widgets with their places, in rows from left to right, the first row at `top`."""
    x = height = 0
    for widget in widgets:
        if x + widget["width"] > _ROW:
            x, top, height = 0, top + height, 0
        yield widget, x, top
        x, height = x + widget["width"], max(height, widget["height"])


def _widget(stage: str, widget: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"alarms": _alarm_widget, "query": _log_widget}
    kind = next((kind for kind in kinds if kind in widget), None)
    drawn = kinds[kind](stage, widget) if kind else _metric_widget(stage, widget)
    drawn["properties"]["title"] = widget["title"]
    return drawn | {"width": widget.get("width", _WIDTH), "height": widget.get("height", _HEIGHT)}


def _alarm_widget(stage: str, _: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:cts-{stage}-"
    names = (*alarms(stage), *RESOURCE_ALARMS)
    return {"type": "alarm", "properties": {"alarms": [prefix + name for name in names]}}


def _log_widget(stage: str, widget: Mapping[str, Any]) -> dict[str, Any]:
    query = _content("queries")[widget["query"]]
    sources = [f"SOURCE '{group}'" for group in log_groups(stage, query.get("of"))]
    return {
        "type": "log",
        "properties": {
            "query": " | ".join([*sources, query_text(query)]),
            "region": "${AWS::Region}",
            "view": widget["view"],
            "stacked": False,
        },
    }


def _metric_widget(stage: str, widget: Mapping[str, Any]) -> dict[str, Any]:
    if "each_function" in widget:
        metrics = _each_function(stage, widget)
    elif "search" in widget:
        metrics = [[{"expression": _search(stage, widget["search"])}]]
    else:
        metrics = widget["metrics"]
    properties: dict[str, Any] = {
        "metrics": metrics,
        "region": widget.get("region", "${AWS::Region}"),
        "view": "timeSeries",
        "period": widget.get("period", 60),
        "yAxis": {"left": {"min": 0}},
    }
    if "line" in widget:
        properties["annotations"] = {"horizontal": [widget["line"]]}
    return {"type": "metric", "properties": properties}


def _each_function(stage: str, widget: Mapping[str, Any]) -> list[list[Any]]:
    """Return one metric per function, or with `expression` one computed line per function."""
    metrics: list[list[Any]] = []
    for number, name in enumerate(functions(stage)):
        metric = ["AWS/Lambda", widget["each_function"], "FunctionName", f"{APP}-{stage}-{name}"]
        shown = {"stat": widget["stat"], "label": name}
        if "expression" in widget:
            memory = _settings(stage, name)["lambda_memory_size"]
            expression = _filled(widget["expression"], metric=f"m{number}", memory=memory)
            metrics.append([{"expression": expression, "label": name, "id": f"e{number}"}])
            shown |= {"id": f"m{number}", "visible": False}
        metrics.append([*metric, shown])
    return metrics


def _search(stage: str, search: Mapping[str, Any]) -> str:
    """Return a search for one metric of many resources, named exactly: another stage's are not ours."""
    settings = Settings(stage=stage)
    queues = settings.queues(dict.fromkeys(TICK_QUEUES.values()))
    among = {
        "queues": queues,
        "dead_letters": [*map(dead_letter_queue, queues), f"cts-{stage}-streams-dlq"],
        "tables": [settings.table(name) for name in MODELS],
        "log_groups": log_groups(stage),
    }[search["among"]]
    names = " OR ".join(f'"{name}"' for name in among)
    terms = f'MetricName="{search["metric"]}" {search["dimension"]}=({names})'
    schema = f"{{{search['namespace']},{search['dimension']}}}"
    return f"SEARCH('{schema} {terms}', '{search['stat']}', {search.get('period', 60)})"


def _settings(stage: str, name: str) -> dict[str, Any]:
    """Return the settings of a function from Chalice's configuration."""
    config = json.loads((_HERE.parent / ".chalice" / "config.json").read_text())
    whole = config["stages"][stage]
    return {**config, **whole, **whole.get("lambda_functions", {}).get(name, {})}


@cache
def _content(name: str) -> Any:
    return yaml.safe_load((_HERE / f"monitoring_{name}.yaml").read_text())


def _filled(value: Any, **values: object) -> Any:
    """Replace `{name}` in all texts of a value; other braces stay."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"{{{name}}}", str(text))
        return value
    if isinstance(value, dict):
        return {key: _filled(part, **values) for key, part in value.items()}
    return [_filled(part, **values) for part in value] if isinstance(value, list) else value


def _logical(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
