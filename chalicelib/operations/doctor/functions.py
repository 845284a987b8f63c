"""Checks of `cts doctor` of what runs: functions, their event sources, the schedule and the API."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.doctor.findings import Check, Finding, Site
from chalicelib.settings import EXECUTE_QUEUE

APP = "cts-trade-engine"
API = "api_handler"
AUTHORIZER = "authorize"
HEARTBEAT = "heartbeat"
EVERY_MINUTE = "rate(1 minute)"

SOURCES = {
    "market_tick": "market-tick",
    "decision_tick": "decision-tick",
    "realtime_tick": "realtime-tick",
    "execute_signals": EXECUTE_QUEUE,
}
"""Which queue calls which function."""

TABLE_READER, STREAM_READER = "publish_positions", "record_events"
FUNCTIONS = (HEARTBEAT, *SOURCES, TABLE_READER, AUTHORIZER, API)

_OPEN_METHODS = frozenset({"OPTIONS"})
"""Browsers ask these before a request, without a token; API Gateway answers them by itself."""

Configuration = Mapping[str, Any]


def lambda_names(stage: str, function: str) -> tuple[str, ...]:
    """Return what a function may be called: `chalice deploy` names that of the API after the stage alone."""
    full = f"{APP}-{stage}-{function}"
    return (full, f"{APP}-{stage}") if function == API else (full,)


def configuration(site: Site, function: str) -> Configuration | None:
    """Return the configuration of a deployed function, None if there is none."""
    for name in lambda_names(site.stage, function):
        try:
            found: Configuration = site.clients["lambda"].get_function_configuration(FunctionName=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
        else:
            return found
    return None


def functions(site: Site) -> Iterator[Finding]:
    """Are all functions deployed, ready, of this stage, and of one package?"""
    wanted = (*FUNCTIONS, STREAM_READER) if site.settings.events == "kinesis" else FUNCTIONS
    packages: dict[str, list[str]] = {}
    for function in wanted:
        found = configuration(site, function)
        if found:
            packages.setdefault(found["CodeSha256"], []).append(function)
        yield _function(site.stage, function, found)
    if len(packages) > 1:
        newest = max(packages.values(), key=len)
        others = sorted(name for names in packages.values() if names is not newest for name in names)
        yield Finding(
            "versions", "fail", f"another package than the rest: {', '.join(others)}", _deploy(site.stage)
        )
    elif packages:
        yield Finding("versions", "ok", f"all functions run package {next(iter(packages))[:12]}")


def _function(stage: str, function: str, found: Configuration | None) -> Finding:
    label = f"function {function}"
    if found is None:
        return Finding(label, "fail", "is not deployed", _deploy(stage))
    for field in ("State", "LastUpdateStatus"):
        if found.get(field) == "Failed":
            reason = found.get(f"{field}Reason", "no reason given")
            return Finding(label, "fail", f"{field} is Failed: {reason}", _deploy(stage))
    theirs = found.get("Environment", {}).get("Variables", {}).get("CTS_STAGE")
    if theirs != stage:
        return Finding(label, "fail", f"works for stage {theirs}, not {stage}", _deploy(stage))
    if found.get("State", "Active") != "Active":
        return Finding(label, "warn", f"is {found['State']}", "wait a minute, then ask again")
    about = f"{found['Runtime']} {'/'.join(found.get('Architectures', ()))}, {found['MemorySize']} MB"
    return Finding(label, "ok", f"{about}, deployed {found['LastModified'][:16]}")


def _deploy(stage: str) -> str:
    return f"make package && make deploy STAGE={stage}"


def queue_source(site: Site, function: str) -> Finding:
    """Does a queue call its function, and does the function's word on what failed count?"""
    arn = site.arn("sqs", f"cts-{site.stage}-{SOURCES[function]}")
    return _source(site, function, arn)


def table_source(site: Site) -> Finding:
    """Does the stream of the positions table call its function?"""
    name = site.settings.table("positions")
    try:
        arn = site.clients["dynamodb"].describe_table(TableName=name)["Table"].get("LatestStreamArn")
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        arn = None
    if not arn:
        return Finding(f"source of {TABLE_READER}", "skipped", f"{name} has no stream: see table positions")
    return _source(site, TABLE_READER, arn)


def stream_source(site: Site) -> Finding:
    """Does the stream of events call its function, where the stage has one?"""
    if site.settings.events != "kinesis":
        return Finding(f"source of {STREAM_READER}", "skipped", "events go to the audit table")
    return _source(site, STREAM_READER, site.arn("kinesis", f"stream/{site.settings.stream}"))


def _source(site: Site, function: str, arn: str) -> Finding:
    label = f"source of {function}"
    listed = site.clients["lambda"].list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    # With warm containers it is an alias that is called: the name may be followed by `:live`.
    place = f":function:{lambda_names(site.stage, function)[0]}"
    found = next((one for one in listed if f"{one['FunctionArn']}:".partition(f"{place}:")[1]), None)
    if found is None:
        return Finding(label, "fail", f"nothing brings {arn.rpartition(':')[2]} to it", _deploy(site.stage))
    update = f"aws lambda update-event-source-mapping --uuid {found['UUID']}"
    if found["State"] in ("Disabled", "Disabling"):
        return Finding(label, "fail", "is switched off", f"{update} --enabled")
    if "ReportBatchItemFailures" not in found.get("FunctionResponseTypes", ()):
        remedy = f"{update} --function-response-types ReportBatchItemFailures"
        return Finding(label, "fail", "what fails is lost: partial batch responses are off", remedy)
    if found["State"] != "Enabled":
        return Finding(label, "warn", f"is {found['State']}", "wait a minute, then ask again")
    return Finding(label, "ok", f"batches of {found['BatchSize']}, partial failures come again")


def schedule(site: Site) -> Finding:
    """Does EventBridge call the heartbeat every minute?"""
    client = site.clients["events"]
    arn = site.arn("lambda", f"function:{lambda_names(site.stage, HEARTBEAT)[0]}")
    names = [
        name
        for target in (arn, f"{arn}:live")
        for name in client.list_rule_names_by_target(TargetArn=target)["RuleNames"]
    ]
    if not names:
        return Finding(
            "schedule", "fail", "nothing calls the heartbeat: no tick is planned", _deploy(site.stage)
        )
    rules = [client.describe_rule(Name=name) for name in names]
    enabled = [rule for rule in rules if rule["State"] == "ENABLED"]
    if not enabled:
        remedy = f"aws events enable-rule --name {names[0]}"
        return Finding("schedule", "fail", f"rule {names[0]} is switched off: no tick is planned", remedy)
    if all(rule.get("ScheduleExpression") != EVERY_MINUTE for rule in enabled):
        found = f"rule {names[0]} fires by {enabled[0].get('ScheduleExpression')}, not {EVERY_MINUTE}"
        return Finding("schedule", "fail", found, _deploy(site.stage))
    return Finding("schedule", "ok", f"{EVERY_MINUTE}, rule {enabled[0]['Name']}")


def api(site: Site) -> Finding:
    """Does every route of the API ask the authorizer?"""
    client = site.clients["apigateway"]
    names = {APP, f"{APP}-{site.stage}"}
    apis = [one for page in client.get_paginator("get_rest_apis").paginate() for one in page["items"]]
    ours = [one["id"] for one in apis if one["name"] in names and _is_of_stage(site, one["id"])]
    if not ours:
        remedy = f"if it is deployed, its routes are open: take it down; else {_deploy(site.stage)}"
        return Finding("API", "fail", f"no API asks the authorizer of stage {site.stage}", remedy)
    opened = [route for api_id in ours for route in _open_routes(client, api_id)]
    if opened:
        return Finding("API", "fail", f"open to everybody: {', '.join(opened[:5])}", _deploy(site.stage))
    address = f"https://{ours[0]}.execute-api.{site.settings.region}.amazonaws.com/api"
    return Finding("API", "ok", f"{address}, every route asks for a token")


def _is_of_stage(site: Site, api_id: str) -> bool:
    """Tell whether the authorizer of an API is the function of this stage; Chalice names all APIs alike."""
    place = f":function:{lambda_names(site.stage, AUTHORIZER)[0]}"
    found = site.clients["apigateway"].get_authorizers(restApiId=api_id)["items"]
    uris = (one.get("authorizerUri", "").removesuffix("/invocations").removesuffix(":live") for one in found)
    return any(uri.endswith(place) for uri in uris)


def _open_routes(client: Any, api_id: str) -> Iterator[str]:
    pages = client.get_paginator("get_resources").paginate(restApiId=api_id, embed=["methods"])
    for page in pages:
        for resource in page["items"]:
            for method, settings in resource.get("resourceMethods", {}).items():
                if method not in _OPEN_METHODS and settings.get("authorizationType", "NONE") == "NONE":
                    yield f"{method} {resource['path']}"


CHECKS = (
    Check("functions", functions),
    *(Check(f"source of {name}", partial(queue_source, function=name)) for name in SOURCES),
    Check(f"source of {TABLE_READER}", table_source),
    Check(f"source of {STREAM_READER}", stream_source),
    Check("schedule", schedule),
    Check("API", api),
)
