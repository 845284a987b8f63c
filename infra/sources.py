"""What Chalice cannot say about event sources, as data with reasons; used by `infra.template`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.errors import UsageError

Properties = dict[str, Any]
Resource = dict[str, Any]

MOST_AT_ONCE = {
    # One per exchange: two at one exchange would only share its rate limit.
    "market_tick": 5,
    # Fifty connections at one slot, well under a second each, are through before their candle is 10 s old.
    "decision_tick": 10,
    # Exits don't wait: fifty connections that talk to their exchange for 2 s each are through in 5 s.
    "realtime_tick": 20,
    # Each connection is a message group, which has one executor at a time anyway.
    "execute_signals": 20,
}
"""Invocations at once per queue: bounds the bill, and leaves the account's concurrency to the others.

It is not reserved: a new account has 10 in all, of which AWS lets nobody reserve any."""

STREAM: Properties = {
    # Begins with what the stream still has: an event that comes twice is stored once, one missed is lost.
    "StartingPosition": "TRIM_HORIZON",
    # A record that can't be worked on is cornered by halves, and given up after ten attempts or an hour:
    # till then it holds up the events behind it.
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 10,
    "MaximumRecordAgeInSeconds": 3600,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}

FILTERS: dict[str, Mapping[str, Any]] = {
    # A removed position is no news, and an invocation that is not made costs nothing.
    "publish_positions": {"eventName": ["INSERT", "MODIFY"]},
}

SCHEDULE: Properties = {
    # 60 s is the least AWS takes. A later heartbeat would plan a minute that is over.
    "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 2},
}

SCHEDULED_FUNCTION: Properties = {
    # Lambda repeats a failed event after a minute: by then the next heartbeat has come.
    "EventInvokeConfig": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
}


def completed_sources(stage: str, function: str, events: Mapping[str, Resource]) -> dict[str, Resource]:
    """Return the event sources of a function with what the tables above add; UsageError for a new queue."""
    return {key: _completed(stage, function, event) for key, event in events.items()}


def is_scheduled(events: Mapping[str, Resource]) -> bool:
    """Tell whether a schedule is among the event sources of a function."""
    return any(event["Type"] == "Schedule" for event in events.values())


def _completed(stage: str, function: str, event: Resource) -> Resource:
    add = _ADDITIONS.get(event["Type"])
    return {**event, "Properties": {**event["Properties"], **add(stage, function)}} if add else event


def _queue(_stage: str, function: str) -> Properties:
    if function not in MOST_AT_ONCE:
        raise UsageError(f"infra/sources.py does not say how many of {function} may run at once")
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": MOST_AT_ONCE[function]},
    }


def _stream(stage: str, function: str) -> Properties:
    queue = f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:cts-{stage}-streams-dlq"
    source = {
        **STREAM,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Fn::Sub": queue}}},
    }
    if function in FILTERS:
        source["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(FILTERS[function])}]}
    return source


def _table(stage: str, function: str) -> Properties:
    # The address of a table's stream ends with the time of its creation: no name to derive it from.
    return {**_stream(stage, function), "Stream": {"Fn::ImportValue": f"cts-{stage}-positions-stream"}}


def _schedule(_stage: str, _function: str) -> Properties:
    return SCHEDULE


_ADDITIONS: dict[str, Callable[[str, str], Properties]] = {
    "SQS": _queue,
    "Kinesis": _stream,
    "DynamoDB": _table,
    "Schedule": _schedule,
}
