"""Puts what a journal holds back into moto's memory; the server calls it once, before it serves."""

import base64
from datetime import UTC, datetime
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import StreamRecord
from moto.kinesis.models import Record
from moto.sqs.models import Message

from chalicelib.local.emulator_capture import Backends, Capture
from chalicelib.local.emulator_clock import EmulatorClock
from chalicelib.local.emulator_tables import place_item
from chalicelib.local.journal import JournalState
from chalicelib.local.object_files import ObjectFiles


def restore_data(
    state: JournalState, objects: ObjectFiles, backends: Backends, capture: Capture, clock: EmulatorClock
) -> None:
    """Fill resources that exist already; the clock is left at some recorded time."""
    for table_name, images in state.items.items():
        for key, image in images.values():
            _restore_item(backends.tables[table_name], key, image)
    for queue, message in state.messages.values():
        _restore_message(backends.queues[queue], message)
    for kind, names in state.consumed.items():
        for name, shards in names.items():
            for shard_id, count in shards.items():
                capture.consume(kind, name, shard_id, count)
    for table_name, records in state.stream_records.items():
        shard = backends.tables[table_name].stream_shard
        shard.items = [_stream_record(record) for record in records]
        shard.stored = len(shard.items)
    for stream, shards_of in state.kinesis_records.items():
        for shard_id, entries in shards_of.items():
            for number, partition_key, data, explicit_hash_key, created in entries:
                clock.pin(created)
                record = Record(partition_key, data, number, explicit_hash_key)
                backends.streams[stream].shards[shard_id].records[number] = record
    for header, body in objects.read_all():
        clock.pin(header["modified"])
        if header["bucket"] in backends.objects.buckets:
            _restore_object(backends.objects, header, body)
        else:
            objects.delete(header["bucket"], header["key"])


def _restore_object(backend: Any, header: dict[str, Any], body: bytes) -> None:
    stored = backend.put_object(header["bucket"], header["key"], body)
    stored.set_metadata(header["metadata"], replace=True)
    stored._etag = header["etag"]
    stored.checksum_algorithm, stored.checksum_value, stored.checksum_type = header["checksum"]


def _restore_message(queue: Any, image: dict[str, Any]) -> None:
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
    queue._messages.append(message)
    if message.deduplication_id is not None:
        queue.__dict__.setdefault("deduplication", {})[message.deduplication_id] = image["sent"]


def _restore_item(table: Any, key: list[Any], image: dict[str, Any]) -> None:
    hash_value, range_value = (DynamoType(_with_bytes(part)) if part else None for part in key)
    item: Any = object.__new__(Item)
    item.hash_key, item.range_key = hash_value, range_value
    item.attrs = LimitedSizeDict()
    for name, value in image.items():
        # The size check of every insertion would be quadratic, and was passed when the item was written.
        dict.__setitem__(item.attrs, name, DynamoType(_with_bytes(value)))
    place_item(table, hash_value, range_value, item)


def _stream_record(record: dict[str, Any]) -> Any:
    body = dict(record["dynamodb"])
    created = datetime.fromtimestamp(body["ApproximateCreationDateTime"], UTC)
    body["ApproximateCreationDateTime"] = created.replace(tzinfo=None)
    for part in ("Keys", "OldImage", "NewImage"):
        if part in body:
            body[part] = {name: _with_bytes(value) for name, value in body[part].items()}
    restored: Any = object.__new__(StreamRecord)
    restored.record = {**record, "dynamodb": body}
    return restored


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Return an attribute value of the wire with its binary parts decoded, as moto keeps it."""
    return {kind: _decoded(kind, part) for kind, part in value.items()}


def _decoded(kind: str, part: Any) -> Any:
    if kind == "B":
        return base64.b64decode(part)
    if kind == "BS":
        return [base64.b64decode(one) for one in part]
    if kind == "M":
        return {name: _with_bytes(value) for name, value in part.items()}
    if kind == "L":
        return [_with_bytes(value) for value in part]
    return part
