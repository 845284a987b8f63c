"""Names the AWS operation of a request and its effect, which the journal must keep; the server asks."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, unquote

from chalicelib.local.emulator_http import Request


class Effect(Enum):
    """What an operation leaves behind."""

    NOTHING = "nothing"
    ITEMS = "items of tables, records of their streams"
    MESSAGES = "messages of queues"
    RECORDS = "records of Kinesis streams"
    OBJECT = "the object that the request names"
    OBJECTS = "the objects that the body names"
    CREATED = "a new resource"
    SETTING = "a setting of a resource"
    DELETED = "a resource and all it held are gone"
    UNKNOWN = "something that the journal cannot keep"


_EFFECTS = {
    Effect.ITEMS: ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"),
    Effect.MESSAGES: (
        *("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"),
        *("ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "PurgeQueue"),
    ),
    Effect.RECORDS: ("PutRecord", "PutRecords"),
    Effect.CREATED: ("CreateTable", "CreateQueue", "CreateStream"),
    Effect.DELETED: ("DeleteTable", "DeleteQueue", "DeleteStream"),
    Effect.SETTING: (
        *("UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "TagResource", "UntagResource"),
        *("SetQueueAttributes", "TagQueue", "UntagQueue", "AddTagsToStream", "RemoveTagsFromStream"),
        *("IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod"),
    ),
    Effect.NOTHING: ("Query", "Scan", "BatchGetItem", "TransactGetItems"),
}
_EFFECT_OF = {operation: effect for effect, operations in _EFFECTS.items() for operation in operations}
_READ_PREFIXES = ("Get", "Describe", "List")


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS request with its operation and effect; `parameters` is the JSON body (empty for S3)."""

    service: str
    operation: str
    effect: Effect
    parameters: dict[str, Any]
    request: Request


def parse_call(service: str, request: Request) -> Call:
    """Name the operation of a request; ValueError if a JSON body is none."""
    if service == "s3":
        operation = f"{request.method} {request.target}"
        return Call(service, operation, _object_effect(request), {}, request)
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
    is_read = operation.startswith(_READ_PREFIXES)
    effect = _EFFECT_OF.get(operation, Effect.NOTHING if is_read else Effect.UNKNOWN)
    return Call(service, operation, effect, json.loads(request.body or b"{}"), request)


def bucket_and_key(target: str) -> tuple[str, str]:
    """Return bucket and key of a path-style S3 target, either may be empty."""
    bucket, _, key = target.partition("?")[0].lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def _object_effect(request: Request) -> Effect:
    _, key = bucket_and_key(request.target)
    query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    names = query.keys() - {"x-id", "versionId"}
    if request.method in ("GET", "HEAD"):
        return Effect.NOTHING
    if not key:
        return _bucket_effect(request.method, names)
    if not names or (request.method != "PUT" and names == {"uploadId"}):
        return Effect.OBJECT
    # Parts of an upload need not survive: its completion stores the whole object.
    return Effect.NOTHING if names & {"partNumber", "uploads"} else Effect.UNKNOWN


def _bucket_effect(method: str, names: set[str]) -> Effect:
    if method == "POST":
        return Effect.OBJECTS if "delete" in names else Effect.UNKNOWN
    if names:
        return Effect.SETTING
    return Effect.CREATED if method == "PUT" else Effect.DELETED
