"""Reads from moto's memory what a call has changed, for the journal; the emulator's server calls it."""

from collections.abc import Callable
from datetime import UTC
from typing import Any
from xml.etree import ElementTree

from moto.dynamodb.models import dynamodb_backends
from moto.kinesis.models import Stream, kinesis_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Message, sqs_backends

from chalicelib.local import emulator_queues
from chalicelib.local.emulator_calls import Call, Effect, bucket_and_key
from chalicelib.local.emulator_patches import ACCOUNT, replace
from chalicelib.local.emulator_streams import FIRST_SEQUENCE_NUMBER
from chalicelib.local.emulator_tables import touched_items
from chalicelib.local.journal import Change
from chalicelib.local.object_files import ObjectFiles


class Backends:
    """moto's memory of one region, in one account."""

    def __init__(self, region: str) -> None:
        self.tables: dict[str, Any] = dynamodb_backends[ACCOUNT][region].tables
        self.queues: dict[str, Any] = sqs_backends[ACCOUNT][region].queues
        self.streams: dict[str, Any] = kinesis_backends[ACCOUNT][region].streams
        self.objects: Any = s3_backends[ACCOUNT]["aws"]


class Capture:
    """Reads what calls changed, and which records and messages wait."""

    def __init__(self, backends: Backends, objects: ObjectFiles) -> None:
        self._backends = backends
        self._objects = objects
        self._put_records: list[tuple[str, str, Any]] = []
        replace(Stream, put_record=self._recording(Stream.put_record))

    def changes(self, call: Call, now: float) -> list[Change]:
        """Return what a successful call changed, for the journal; S3 objects are stored here at once."""
        if call.effect in (Effect.CREATED, Effect.SETTING):
            return [["define", _resource(call), _recorded(call, now)]]
        if call.effect is Effect.DELETED:
            return [["undefine", _resource(call)]]
        if call.effect is Effect.ITEMS:
            return self._item_changes(call.parameters)
        if call.effect is Effect.MESSAGES:
            return _message_changes()
        if call.effect is Effect.RECORDS:
            return self._record_changes()
        self._store_objects(call)
        return []

    def consume(self, kind: str, name: str, shard_id: str, count: int) -> None:
        """Drop the first `count` records ever written to a shard; they were consumed."""
        if kind == "dynamodb":
            shard = self._backends.tables[name].stream_shard
            fresh = max(0, FIRST_SEQUENCE_NUMBER + count - shard.starting_sequence_number)
            del shard.items[:fresh]
            shard.starting_sequence_number += fresh
            shard.stored = len(shard.items)
            return
        shard = self._backends.streams[name].shards[shard_id]
        shard.consumed = max(count, getattr(shard, "consumed", 0))
        while shard.records and next(iter(shard.records)) <= count:
            shard.records.popitem(last=False)

    def pending(self) -> dict[str, Any]:
        """Return [consumed, written] of every shard, and when each queue has its next message."""
        kinesis = {
            name: {
                shard_id: [getattr(shard, "consumed", 0), shard.get_max_sequence_number()]
                for shard_id, shard in stream.shards.items()
            }
            for name, stream in self._backends.streams.items()
        }
        dynamodb = {}
        for name, table in self._backends.tables.items():
            if table.stream_shard is not None:
                consumed = table.stream_shard.starting_sequence_number - FIRST_SEQUENCE_NUMBER
                dynamodb[name] = [consumed, consumed + len(table.stream_shard.items)]
        queues = {name: emulator_queues.next_due(queue) for name, queue in self._backends.queues.items()}
        return {"queues": queues, "kinesis": kinesis, "dynamodb": dynamodb}

    def _item_changes(self, parameters: dict[str, Any]) -> list[Change]:
        changes: list[Change] = []
        streams: dict[str, Any] = {}
        for table, hash_value, range_value in touched_items(parameters, self._backends.tables):
            item = table.get_item(hash_value, range_value)
            key = [hash_value.to_json(), range_value.to_json() if range_value else None]
            changes.append(["item", table.name, key, item.to_json()["Attributes"] if item else None])
            if table.stream_shard is not None:
                streams[table.name] = table.stream_shard
        for name, shard in streams.items():
            first = getattr(shard, "stored", 0)
            shard.stored = len(shard.items)
            changes += [["stream", name, record.record] for record in shard.items[first:]]
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
        changes = []
        for stream, shard_id, record in put:
            # moto keeps the data as base64, in bytes or text, depending on how it came.
            data = record.data if isinstance(record.data, str) else record.data.decode()
            fields = [record.sequence_number, record.partition_key, data, record.explicit_hash_key]
            changes.append(["kinesis", stream, shard_id, *fields, record.created_at])
        return changes

    def _store_objects(self, call: Call) -> None:
        bucket, key = bucket_and_key(call.request.target)
        if call.effect is Effect.OBJECT:
            self._store_object(bucket, key)
        elif call.effect is Effect.OBJECTS:
            for element in ElementTree.fromstring(call.request.body).iter():
                if element.tag.rpartition("}")[2] == "Key":
                    self._store_object(bucket, element.text or "")

    def _store_object(self, bucket: str, key: str) -> None:
        stored = self._backends.objects.get_object(bucket, key)
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


def _resource(call: Call) -> str:
    if call.service == "s3":
        return f"s3/{bucket_and_key(call.request.target)[0]}"
    names = ("TableName", "QueueName", "StreamName", "QueueUrl", "ResourceArn", "StreamARN")
    name = next(str(call.parameters[name]) for name in names if name in call.parameters)
    return f"{call.service}/{name.rpartition('/')[2]}"


def _recorded(call: Call, now: float) -> dict[str, Any]:
    kept = ("content-type", "x-amz-target", "content-md5")
    headers = call.request.headers
    return {
        "at": now,
        "service": call.service,
        "creates": call.effect is Effect.CREATED,
        "method": call.request.method,
        "target": call.request.target,
        "headers": {
            name: headers[name] for name in headers if name in kept or name.startswith("x-amz-bucket")
        },
        "body": call.request.body.decode(),
    }


def _message_changes() -> list[Change]:
    changes: list[Change] = []
    for event in emulator_queues.drain():
        if isinstance(event, emulator_queues.Added):
            changes.append(["message", event.queue, _message_image(event.message)])
        else:
            changes.append(["unmessage", event.queue, list(event.identities)])
    return changes


def _message_image(message: Message) -> dict[str, Any]:
    return {
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
