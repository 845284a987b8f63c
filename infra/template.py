"""Adds to the template of `chalice package` what Chalice cannot say; called by `infra.package` per stage.

Memory, timeouts, variables and policies stay in `.chalice/`, where `chalice deploy` finds them too.
"""

from collections.abc import Collection, Mapping
from typing import Any

from chalicelib.errors import UsageError
from infra import api, monitoring
from infra.sources import SCHEDULED_FUNCTION, completed_sources, is_scheduled
from infra.target import Architecture
from infra.warm import PROVISIONED, SNAPSTART, through_alias, warm_properties

Properties = dict[str, Any]
Resource = dict[str, Any]
Template = dict[str, Any]

APP = "cts-trade-engine"

FUNCTION_TYPE = "AWS::Serverless::Function"
API_TYPE = "AWS::Serverless::Api"
LOG_GROUP_TYPE = "AWS::Logs::LogGroup"

API_FUNCTION = "api_handler"
"""What Chalice calls the function of all routes, whose handler is the app itself."""
API_HANDLER = "app.app"

LOG_DAYS = {"prod": 90}
LOG_DAYS_ELSEWHERE = 14
"""Logs explain incidents; what must be known for longer stands in the audit table."""

LOGGING: Properties = {
    "LogFormat": "JSON",
    # Metrics are log lines of level INFO: a higher level would drop them.
    "ApplicationLogLevel": "INFO",
    # START, END and REPORT of each invocation would be most of the bytes; Lambda's metrics say the same.
    "SystemLogLevel": "WARN",
}

TRACED = frozenset({"execute_signals", API_FUNCTION})
"""Functions that start traces: money and people. Ticks are most invocations, and each trace is paid for."""


def merge(
    stage: str,
    sam: Mapping[str, Any],
    architecture: Architecture = "arm64",
    snapstart: Collection[str] | None = None,
    provisioned: Mapping[str, int] | None = None,
) -> Template:
    """Return the template of a stage's functions, complete but for the place of their code.

    `snapstart` names functions that start from a snapshot, `provisioned` says how many containers of which
    are kept warm; left out, what `infra.warm` has for the stage. UsageError names what does not fit together.
    """
    names = function_names(sam)
    warm = warm_properties(
        names.values(),
        SNAPSTART.get(stage, ()) if snapstart is None else snapstart,
        PROVISIONED.get(stage, {}) if provisioned is None else provisioned,
    )
    functions = {
        logical_id: _function(stage, name, sam["Resources"][logical_id], architecture, warm.get(name, {}))
        for logical_id, name in names.items()
    }
    groups = {_log_group_id(name): _log_group(stage, name) for name in names.values()}
    others = {
        logical_id: _other(stage, resource)
        for logical_id, resource in sam["Resources"].items()
        if resource["Type"] not in (FUNCTION_TYPE, LOG_GROUP_TYPE)
    }
    others = through_alias(others, [logical_id for logical_id, name in names.items() if name in warm])
    return {**sam, "Resources": _joined(others, groups, functions, monitoring.resources(stage))}


def function_names(sam: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the functions, as Chalice knows them, by their ids in the template."""
    return {
        logical_id: _name(resource["Properties"]["Handler"])
        for logical_id, resource in sam["Resources"].items()
        if resource["Type"] == FUNCTION_TYPE
    }


def lambda_name(stage: str, function: str) -> str:
    """Return the name of a Lambda function: the one that `chalice deploy` gives it."""
    return f"{APP}-{stage}-{function}"


def _name(handler: str) -> str:
    return API_FUNCTION if handler == API_HANDLER else handler.rpartition(".")[2]


def _function(
    stage: str, name: str, function: Resource, architecture: Architecture, warm: Properties
) -> Resource:
    properties = function["Properties"]
    variables = properties.get("Environment", {}).get("Variables", {})
    if variables.get("CTS_STAGE") != stage:
        raise UsageError(f"{name} was packaged for stage {variables.get('CTS_STAGE')}, not {stage}")
    added = {
        "FunctionName": lambda_name(stage, name),
        "Architectures": [architecture],
        "Tracing": "Active" if name in TRACED else "PassThrough",
        "LoggingConfig": {**LOGGING, "LogGroup": {"Ref": _log_group_id(name)}},
        # With it the addresses of queues need no look-up.
        "Environment": {"Variables": {**variables, "CTS_ACCOUNT": {"Ref": "AWS::AccountId"}}},
        **warm,
    }
    if events := properties.get("Events"):
        added["Events"] = completed_sources(stage, name, events)
        added |= SCHEDULED_FUNCTION if is_scheduled(events) else {}
    return _with(function, added)


def _log_group_id(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_")) + "LogGroup"


def _log_group(stage: str, name: str) -> Resource:
    """Return the log group of a function; one that Lambda makes by itself keeps everything for ever."""
    return {
        "Type": LOG_GROUP_TYPE,
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {
            "LogGroupName": f"/aws/lambda/{lambda_name(stage, name)}",
            "RetentionInDays": LOG_DAYS.get(stage, LOG_DAYS_ELSEWHERE),
        },
    }


def _other(stage: str, resource: Resource) -> Resource:
    if resource["Type"] == API_TYPE:
        return {**resource, "Properties": api.completed(f"{APP}-{stage}", resource["Properties"])}
    return resource


def _with(resource: Resource, properties: Mapping[str, Any]) -> Resource:
    return {**resource, "Properties": {**resource["Properties"], **properties}}


def _joined(*parts: Mapping[str, Resource]) -> dict[str, Resource]:
    joined: dict[str, Resource] = {}
    for part in parts:
        if twice := joined.keys() & part.keys():
            raise UsageError(f"two resources of the template are called {min(twice)}")
        joined |= part
    return joined
