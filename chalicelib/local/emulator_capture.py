"""Between moto's memory and the journal: what a request changed, and how a booting emulator gets it back."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from moto.core.common_models import BaseModel
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import StreamRecord
from moto.kinesis.models import Record, Stream, kinesis_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Message, sqs_backends

from chalicelib.local import emulator_queues
from chalicelib.local.emulator_clock import EmulatorClock
from chalicelib.local.emulator_http import Request
from chalicelib.local.emulator_patches import ACCOUNT, place_item, touched_items, wire_default
from chalicelib.local.journal import Change, JournalState, ObjectFiles

FIRST_SEQUENCE_NUMBER = 1100000000017454423009

_ITEM_WRITES = frozenset(("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"))
_CREATES = frozenset(("CreateTable", "CreateQueue", "CreateStream", "CreateBucket"))
_DELETES = frozenset(("DeleteTable", "DeleteQueue", "DeleteStream", "DeleteBucket"))
_SETTINGS = frozenset(
    ("UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "TagResource", "UntagResource")
    + ("SetQueueAttributes", "TagQueue", "UntagQueue", "AddTagsToStream", "RemoveTagsFromStream")
    + ("IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod", "BucketSetting")
)
_OTHERS = frozenset(
    ("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "PurgeQueue")
    + ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "PutRecord", "PutRecords", "Query", "Scan")
    + (
        "BatchGetItem",
        "TransactGetItems",
        "ObjectWrite",
        "ObjectPart",
        "ObjectDelete",
        "ObjectsDelete",
        "Read",
    )
)
_KEPT = _ITEM_WRITES | _CREATES | _DELETES | _SETTINGS | _OTHERS
_READ_PREFIXES = ("Get", "Describe", "List")


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS request with its service and operation; `parameters` is the JSON body (empty for S3)."""

    service: str
    operation: str
    parameters: dict[str, Any]
    request: Request

    @property
    def is_kept(self) -> bool:
        """Whether the journal knows how to keep what this operation does."""
        return self.operation in _KEPT or self.operation.startswith(_READ_PREFIXES)


def parse_call(service: str, request: Request) -> Call:
    """Name the operation of a request; ValueError if a JSON body is none."""
    if service == "s3":
        return Call(service, _object_operation(request), {}, request)
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
    return Call(service, operation, json.loads(request.body or b"{}"), request)


def bucket_and_key(target: str) -> tuple[str, str]:
    """Return bucket and key of a path-style S3 target, either may be empty."""
    bucket, _, key = target.partition("?")[0].lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def _object_operation(request: Request) -> str:
    bucket, key = bucket_and_key(request.target)
    query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    names = query.keys() - {"x-id", "versionId"}
    if request.method in ("GET", "HEAD"):
        return "Read"
    if not key:
        return _bucket_operation(request.method, names)
    if not names or names == {"uploadId"}:
        return "ObjectDelete" if request.method == "DELETE" else "ObjectWrite"
    return (
        "ObjectPart" if names & {"partNumber", "uploads"} else f"{request.method} {'&'.join(sorted(names))}"
    )


def _bucket_operation(method: str, names: set[str]) -> str:
    if method == "POST":
        return "ObjectsDelete" if "delete" in names else f"POST {'&'.join(sorted(names))}"
    if names:
        return "BucketSetting"
    return "CreateBucket" if method == "PUT" else "DeleteBucket"


class Capture:
    """Reads what calls changed, and puts it back; one region, one account."""

    def __init__(self, region: str, objects: ObjectFiles, clock: EmulatorClock) -> None:
        self._clock = clock
        self.tables: dict[str, Any] = dynamodb_backends[ACCOUNT][region].tables
        self.queues: dict[str, Any] = sqs_backends[ACCOUNT][region].queues
        self.streams: dict[str, Any] = kinesis_backends[ACCOUNT][region].streams
        self._sqs = sqs_backends[ACCOUNT][region]
        self._s3 = s3_backends[ACCOUNT]["aws"]
        self._objects = objects
        self._put_records: list[tuple[str, str, Any]] = []
        Stream.put_record = self._recording(Stream.put_record)

    def changes(self, call: Call) -> list[Change]:
        """Return what a successful call changed, for the journal; S3 objects are stored here at once."""
        operation = call.operation
        if operation in _ITEM_WRITES:
            return self._item_changes(call.parameters)
        if operation in _CREATES or operation in _SETTINGS:
            return [["define", self._resource(call), _recorded(call, self._clock.now())]]
        if operation in _DELETES:
            return [["undefine", self._resource(call)]]
        if call.service == "s3":
            self._store_objects(call)
            return []
        return self._message_changes() if call.service == "sqs" else self._record_changes()

    def _resource(self, call: Call) -> str:
        parameters = call.parameters
        if call.service == "s3":
            return f"s3/{bucket_and_key(call.request.target)[0]}"
        name = (
            parameters.get("TableName")
            or parameters.get("QueueName")
            or parameters.get("StreamName")
            or parameters.get("QueueUrl")
            or parameters.get("ResourceArn")
            or parameters.get("StreamARN", "")
        )
        return f"{call.service}/{name.rpartition('/')[2]}"

    def _item_changes(self, parameters: dict[str, Any]) -> list[Change]:
        changes: list[Change] = []
        streams: dict[str, Any] = {}
        for table, hash_value, range_value in touched_items(parameters, self.tables):
            item = table.get_item(hash_value, range_value)
            key = [hash_value.to_json(), range_value.to_json() if range_value else None]
            changes.append(["item", table.name, key, item.to_json()["Attributes"] if item else None])
            streams[table.name] = table.stream_shard
        for name, shard in streams.items():
            if shard is None:
                continue
            first = shard.__dict__.get("stored", 0)
            shard.stored = len(shard.items)
            changes += [["stream", name, record.record] for record in shard.items[first:]]
        return [json.loads(json.dumps(change, default=wire_default)) for change in changes]

    def _message_changes(self) -> list[Change]:
        changes: list[Change] = []
        for event in emulator_queues.drain():
            if isinstance(event, emulator_queues.Added):
                changes.append(["message", event.queue, _message_image(event.message)])
            else:
                changes.append(["unmessage", event.queue, list(event.identities)])
        return changes

    def _recording(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def put_record(stream: Any, partition_key: str, explicit_hash_key: str, data: str) -> Any:
            sequence_number, shard_id = original(stream, partition_key, explicit_hash_key, data)
            record = stream.shards[shard_id].records[int(sequence_number)]
            self._put_records.append((stream.stream_name, shard_id, record))
            return sequence_number, shard_id

        return put_record

    def _record_changes(self) -> list[Change]:
        put, self._put_records = self._put_records, []
        return [
            [
                "kinesis",
                stream,
                shard_id,
                record.sequence_number,
                record.partition_key,
                record.data if isinstance(record.data, str) else record.data.decode(),
                record.explicit_hash_key,
                record.created_at,
            ]
            for stream, shard_id, record in put
        ]

    def _store_objects(self, call: Call) -> None:
        bucket, key = bucket_and_key(call.request.target)
        if call.operation in ("ObjectWrite", "ObjectDelete"):
            self._store_object(bucket, key)
        elif call.operation == "ObjectsDelete":
            for element in ElementTree.fromstring(call.request.body).iter():
                if element.tag.rpartition("}")[2] == "Key":
                    self._store_object(bucket, element.text or "")

    def _store_object(self, bucket: str, key: str) -> None:
        stored = self._s3.get_object(bucket, key)
        if stored is None:
            self._objects.delete(bucket, key)
            return
        header = {
            "etag": stored.etag.strip('"'),
            "modified": stored.last_modified.replace(tzinfo=UTC).timestamp(),
            "metadata": dict(stored.metadata),
            "checksum": [stored.checksum_algorithm, stored.checksum_value, stored.checksum_type],
        }
        self._objects.put(bucket, key, header, stored.value)

    def restore(self, state: JournalState) -> None:
        """Put a journal's data into resources that exist already."""
        for table_name, images in state.items.items():
            for key, image in images.values():
                _restore_item(self.tables[table_name], key, image)
        for queue, message in state.messages.values():
            self.queues[queue]._messages.append(_restored_message(message))
            _remember_deduplication(self.queues[queue], message)
        for kind, names in state.consumed.items():
            for name, shards in names.items():
                for shard, count in shards.items():
                    self.consume(kind, name, shard, count)
        for table_name, records in state.stream_records.items():
            shard = self.tables[table_name].stream_shard
            shard.items = [_restored_stream_record(record) for record in records]
            shard.stored = len(shard.items)
        for stream, shards_of in state.kinesis_records.items():
            for shard_id, entries in shards_of.items():
                records = self.streams[stream].shards[shard_id].records
                for sequence_number, *fields, created in entries:
                    self._clock.pin(created)
                    records[sequence_number] = Record(fields[0], fields[1], sequence_number, fields[2])
        for header, body in self._objects.read_all():
            self._clock.pin(header["modified"])
            self._restore_object(header, body)

    def _restore_object(self, header: dict[str, Any], body: bytes) -> None:
        if header["bucket"] not in self._s3.buckets:
            self._objects.delete(header["bucket"], header["key"])
            return
        stored = self._s3.put_object(header["bucket"], header["key"], body)
        stored.set_metadata(header["metadata"], replace=True)
        stored._etag = header["etag"]
        stored.checksum_algorithm, stored.checksum_value, stored.checksum_type = header["checksum"]

    def consume(self, kind: str, name: str, shard_id: str, count: int) -> None:
        """Drop the first `count` records ever written to a shard; they were consumed."""
        if kind == "dynamodb":
            shard = self.tables[name].stream_shard
            fresh = max(0, FIRST_SEQUENCE_NUMBER + count - shard.starting_sequence_number)
            del shard.items[:fresh]
            shard.stored = len(shard.items)
            shard.starting_sequence_number += fresh
            return
        shard = self.streams[name].shards[shard_id]
        shard.consumed = max(count, getattr(shard, "consumed", 0))
        while shard.records and next(iter(shard.records)) <= count:
            shard.records.popitem(last=False)

    def backlog(self) -> dict[str, Any]:
        """Return [consumed, written] per Kinesis shard and per DynamoDB stream, and when queues have a message."""
        kinesis = {
            name: {
                shard_id: [getattr(shard, "consumed", 0), shard.get_max_sequence_number()]
                for shard_id, shard in stream.shards.items()
            }
            for name, stream in self.streams.items()
        }
        dynamodb = {}
        for name, table in self.tables.items():
            if table.stream_shard is not None:
                consumed = table.stream_shard.starting_sequence_number - FIRST_SEQUENCE_NUMBER
                dynamodb[name] = [consumed, consumed + len(table.stream_shard.items)]
        queues = {name: emulator_queues.next_due(queue) for name, queue in self.queues.items()}
        return {"queues": queues, "kinesis": kinesis, "dynamodb": dynamodb}


def _recorded(call: Call, now: float) -> dict[str, Any]:
    headers = {
        name: value
        for name, value in call.request.headers.items()
        if name in ("content-type", "x-amz-target", "content-md5") or name.startswith("x-amz-bucket")
    }
    return {
        "at": now,
        "service": call.service,
        "creates": call.operation in _CREATES,
        "method": call.request.method,
        "target": call.request.target,
        "headers": headers,
        "body": call.request.body.decode(),
    }


def _message_image(message: Message) -> dict[str, Any]:
    image = {
        "id": message.id,
        "body": message.body,
        "attributes": message.message_attributes,
        "system_attributes": message.system_attributes,
        "sent": message.sent_timestamp,
        "deduplication_id": message.deduplication_id,
        "group_id": message.group_id,
        "sequence_number": message.sequence_number,
        "delayed_until": message.delayed_until,
    }
    found: dict[str, Any] = json.loads(json.dumps(image, default=wire_default))
    return found


def _restored_message(image: dict[str, Any]) -> Message:
    message = Message(image["id"], image["body"], image["system_attributes"])
    message.message_attributes = {
        name: {part: base64.b64decode(v) if part == "BinaryValue" else v for part, v in value.items()}
        for name, value in image["attributes"].items()
    }
    message.sent_timestamp = image["sent"]
    message.deduplication_id = image["deduplication_id"]
    message.group_id = image["group_id"]
    message.sequence_number = image["sequence_number"]
    message.delayed_until = image["delayed_until"]
    return message


def _remember_deduplication(queue: Any, image: dict[str, Any]) -> None:
    if image["deduplication_id"] is not None:
        queue.__dict__.setdefault("deduplication", {})[image["deduplication_id"]] = image["sent"]


def _with_bytes(value: Any) -> Any:
    """Return an attribute value of the wire with its binary parts decoded, as moto keeps it."""
    if isinstance(value, dict):
        return {name: _decoded(name, part) for name, part in value.items()}
    return value


def _decoded(kind: str, part: Any) -> Any:
    if kind == "B" and isinstance(part, str):
        return base64.b64decode(part)
    if kind == "BS":
        return [base64.b64decode(one) for one in part]
    if kind == "M":
        return {name: _with_bytes(value) for name, value in part.items()}
    if kind == "L":
        return [_with_bytes(value) for value in part]
    return part


def _attributes(image: dict[str, Any]) -> dict[str, Any]:
    return {name: _with_bytes(value) for name, value in image.items()}


def _restore_item(table: Any, key: list[Any], image: dict[str, Any]) -> None:
    hash_value, range_value = (DynamoType(_with_bytes(part)) if part else None for part in key)
    item: Any = BaseModel.__new__(Item)
    item.hash_key, item.range_key = hash_value, range_value
    item.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
    for name, value in _attributes(image).items():
        # The size check of every insertion would be quadratic, and was passed when the item was written.
        dict.__setitem__(item.attrs, name, DynamoType(value))
    place_item(table, hash_value, range_value, item)


def _restored_stream_record(record: dict[str, Any]) -> StreamRecord:
    body = dict(record["dynamodb"])
    created = datetime.fromtimestamp(body["ApproximateCreationDateTime"], UTC).replace(tzinfo=None)
    body["ApproximateCreationDateTime"] = created
    for name in ("Keys", "OldImage", "NewImage"):
        if name in body:
            body[name] = _attributes(body[name])
    restored: StreamRecord = BaseModel.__new__(StreamRecord)
    restored.record = {**record, "dynamodb": body}
    return restored
