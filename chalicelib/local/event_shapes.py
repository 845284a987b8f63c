"""The events that AWS hands to Lambda functions, in their real shapes, from what the local AWS answers."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ACCOUNT = "123456789012"


def resource_name(service: str, region: str, resource: str) -> str:
    """Return the ARN of a resource of the local account."""
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def stable_uuid(*parts: object) -> str:
    """Return a UUID that depends on the parts and on nothing else."""
    return str(uuid5(NAMESPACE_URL, "/".join(str(part) for part in parts)))


def scheduled_event(rule: str, region: str, epoch_seconds: float) -> dict[str, Any]:
    """Return the event of a schedule rule of EventBridge, fired at a whole second."""
    time = datetime.fromtimestamp(int(epoch_seconds), UTC)
    return {
        "version": "0",
        "id": stable_uuid(rule, int(epoch_seconds)),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [resource_name("events", region, f"rule/{rule}")],
        "detail": {},
    }


def queue_event(queue: str, region: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the event of an SQS event source mapping for the messages of one ReceiveMessage."""
    return {"Records": [_queue_record(queue, region, message) for message in messages]}


def _queue_record(queue: str, region: str, message: Mapping[str, Any]) -> dict[str, Any]:
    own_queue = resource_name("sqs", region, queue)
    attributes = dict(message["Attributes"])
    attributes.setdefault("SenderId", ACCOUNT)
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": {
            name: _message_attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody") or _md5(message["Body"]),
        "eventSource": "aws:sqs",
        "eventSourceARN": own_queue,
        "awsRegion": region,
    }


def _message_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        shape["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shape["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shape


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def stream_event(
    stream: str, shard: str, region: str, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the event of a Kinesis event source mapping for records of one shard."""
    return {"Records": [_stream_record(stream, shard, region, record) for record in records]}


def _stream_record(stream: str, shard: str, region: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": _epoch(record.get("ApproximateArrivalTimestamp")),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/cts-local",
        "awsRegion": region,
        "eventSourceARN": resource_name("kinesis", region, f"stream/{stream}"),
    }


def table_event(stream_arn: str, region: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the event of a DynamoDB stream's event source mapping."""
    return {"Records": [_table_record(stream_arn, region, record) for record in records]}


def _table_record(stream_arn: str, region: str, record: Mapping[str, Any]) -> dict[str, Any]:
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = _epoch(change.get("ApproximateCreationDateTime"))
    for image in ("Keys", "NewImage", "OldImage"):
        if image in change:
            change[image] = {name: _wire_value(value) for name, value in change[image].items()}
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": change,
        "eventSourceARN": stream_arn,
    }


def _wire_value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute value as JSON carries it: binaries are base64 texts in an event, bytes in boto3."""
    ((kind, content),) = value.items()
    if kind == "B":
        return {kind: base64.b64encode(bytes(content)).decode()}
    if kind == "BS":
        return {kind: [base64.b64encode(bytes(item)).decode() for item in content]}
    if kind == "L":
        return {kind: [_wire_value(item) for item in content]}
    if kind == "M":
        return {kind: {name: _wire_value(item) for name, item in content.items()}}
    return {kind: content}


def _epoch(moment: datetime | float | Decimal | None) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment or 0)
