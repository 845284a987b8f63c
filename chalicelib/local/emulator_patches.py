"""What the emulator's process changes in moto 5.2.5 before it serves: the clock, and what makes moto slow.

moto's server needs 3 ms for a small DynamoDB call, 35 ms for a query of 50 items and 150 ms for a transaction of
four writes. The time goes into walking the service model for every attribute of every answer, into copying whole
tables before a transaction, and into sorting whole tables before a query.
"""

import base64
import copy
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import moto.core.utils

from chalicelib.local.emulator_clock import EmulatorClock

ACCOUNT = "123456789012"

_Method = Callable[..., Any]

#: DynamoDB operations whose results carry the names of the wire already, so that they can be dumped as they are.
_PLAIN_OPERATIONS = frozenset(
    ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem")
    + ("TransactWriteItems", "TransactGetItems")
)


def install(clock: EmulatorClock) -> None:
    """Change moto for this process; must run before any other part of moto is imported."""
    moto.core.utils.utcnow = clock.utcnow
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    _install_dispatch()
    _install_serializer()
    _install_dynamodb()
    _install_streams()
    from chalicelib.local import emulator_queues

    emulator_queues.install()


def wire_default(value: object) -> object:
    """Turn what moto keeps and JSON lacks into the wire's form: bytes, times and its own attribute values."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp()
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"no wire form of {type(value).__name__}")


def _install_dispatch() -> None:
    from moto.core import responses
    from moto.dynamodb.responses import DynamoHandler
    from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
    from moto.iam import models as iam
    from moto.kinesis.responses import KinesisResponse
    from moto.sqs.responses import SQSResponse

    responses.method_names_from_class = cache(responses.method_names_from_class)
    responses.camelcase_to_underscores = cache(responses.camelcase_to_underscores)
    iam.mark_account_as_visited = lambda **_: None
    for handler in (DynamoHandler, DynamoDBStreamsHandler, KinesisResponse, SQSResponse):
        # Their bodies are JSON: decoding them and parsing them as a query string is wasted.
        handler.use_raw_body = True


def _install_serializer() -> None:
    from moto.core.serialize import BaseJSONSerializer

    original: _Method = BaseJSONSerializer.get_value

    def get_value(self: Any, value: Any, key: str, shape: Any) -> Any:
        if type(value) is dict and not self._value_picker.response_transformers:
            return value.get(key)
        return original(self, value, key, shape)

    BaseJSONSerializer.get_value = get_value


def _install_dynamodb() -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table
    from moto.dynamodb.responses import DynamoHandler

    DynamoHandler.parse_parameters = _parse_parameters(DynamoHandler.parse_parameters)
    DynamoHandler.serialized = _serialized(DynamoHandler.serialized)
    DynamoDBBackend.transact_write_items = _transact_write_items(DynamoDBBackend.transact_write_items)
    DynamoDBBackend.update_item = _update_item(DynamoDBBackend.update_item)
    # A transaction copies its tables to roll back; _transact_write_items restores the touched items instead.
    Table.__deepcopy__ = lambda table, _: table
    Table.all_items = _all_items
    Table.query = _query(Table.query)


def _parse_parameters(original: _Method) -> _Method:
    def parse_parameters(self: Any, request: Any) -> None:
        if b'"B"' in request.data or b'"BS"' in request.data:
            original(self, request)
        else:
            self.params = json.loads(request.data)

    return parse_parameters


def _serialized(original: _Method) -> _Method:
    def serialized(self: Any, action_result: Any) -> Any:
        result = action_result.result
        if isinstance(result, Exception) or self._get_action() not in _PLAIN_OPERATIONS:
            return original(self, action_result)
        present = {name: value for name, value in result.items() if value is not None}
        headers = {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}
        return 200, headers, json.dumps(present, default=wire_default)

    return serialized


def touched_items(body: dict[str, Any], tables: dict[str, Any]) -> list[tuple[Any, Any, Any]]:
    """Return (table, hash value, range value or None) of every item that a DynamoDB request may write."""
    from moto.dynamodb.models.dynamo_type import DynamoType

    named: list[tuple[str, dict[str, Any]]] = []
    if "TableName" in body:
        named.append((body["TableName"], body.get("Key") or body.get("Item") or {}))
    for table_name, requests in body.get("RequestItems", {}).items():
        for request in requests:
            named += [(table_name, part.get("Key") or part.get("Item")) for part in request.values()]
    for entry in body.get("TransactItems", []):
        named += [(part["TableName"], part.get("Key") or part.get("Item")) for part in entry.values()]
    touched = []
    for table_name, attributes in named:
        table = tables[table_name.rpartition("/")[2]]
        range_key = DynamoType(attributes[table.range_key_attr]) if table.range_key_attr else None
        touched.append((table, DynamoType(attributes[table.hash_key_attr]), range_key))
    return touched


def place_item(table: Any, hash_value: Any, range_value: Any, item: Any | None) -> None:
    """Store or remove an item without conditions and without a stream record."""
    if range_value is None:
        if item is None:
            table.items.pop(hash_value, None)
        else:
            table.items[hash_value] = item
    elif item is None:
        table.items[hash_value].pop(range_value, None)
    else:
        table.items[hash_value][range_value] = item


def _transact_write_items(original: _Method) -> _Method:
    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        if any(part["TableName"] not in self.tables for entry in transact_items for part in entry.values()):
            return original(self, transact_items)
        touched = touched_items({"TransactItems": transact_items}, self.tables)
        before = [(t, h, r, copy.deepcopy(t.get_item(h, r))) for t, h, r in touched]
        lengths = [(t.stream_shard, len(t.stream_shard.items)) for t, _, _ in touched if t.stream_shard]
        try:
            return original(self, transact_items)
        except Exception:
            for table, hash_value, range_value, item in before:
                place_item(table, hash_value, range_value, item)
            for shard, length in lengths:
                del shard.items[length:]
            raise

    return transact_write_items


def _update_item(original: _Method) -> _Method:
    """An update that creates an item first stores its bare key, with a stream record of its own: hide that."""

    def update_item(self: Any, table_name: str, key: dict[str, Any], *rest: Any, **named: Any) -> Any:
        table, hash_value, range_value = touched_items({"TableName": table_name, "Key": key}, self.tables)[0]
        if table.get_item(hash_value, range_value) is not None:
            return original(self, table_name, key, *rest, **named)
        records = table.stream_shard.items if table.stream_shard else []
        length = len(records)
        try:
            item = original(self, table_name, key, *rest, **named)
        except Exception:
            place_item(table, hash_value, range_value, None)
            del records[length:]
            raise
        for bare in records[length:-1]:
            records[-1].record["dynamodb"]["SequenceNumber"] = bare.record["dynamodb"]["SequenceNumber"]
        del records[length:-1]
        return item

    return update_item


def _all_items(self: Any) -> list[Any]:
    candidates: list[Any] | None = self.__dict__.get("query_candidates")
    if candidates is not None:
        return candidates
    if not self.range_key_attr:
        return sorted(self.items.values(), key=lambda item: item.hash_key.cast_value)
    items = [item for partition in self.items.values() for item in partition.values()]
    return sorted(items, key=lambda item: (item.hash_key.cast_value, item.range_key.cast_value))


def _query(original: _Method) -> _Method:
    def query(
        self: Any, hash_key: Any, range_comparison: Any, range_objs: Any, *rest: Any, **named: Any
    ) -> Any:
        index_name = named.get("index_name") or (rest[4] if len(rest) > 4 else None)
        conditions = named.get("hash_key_conditions")
        self.query_candidates = _candidates(
            self, hash_key, range_comparison, range_objs, index_name, conditions
        )
        try:
            return original(self, hash_key, range_comparison, range_objs, *rest, **named)
        finally:
            del self.query_candidates

    return query


def _candidates(
    table: Any, hash_key: Any, comparison: str | None, operands: Any, index_name: str | None, conditions: Any
) -> list[Any] | None:
    """Return the items a query can match, unsorted, or None where moto must look at all."""
    if index_name:
        items = _every_item(table)
        for name, value in conditions or []:
            items = [item for item in items if name in item.attrs and item.attrs[name].value == value.value]
        return items
    if hash_key not in table.items:
        return []
    if not table.range_key_attr:
        return [table.items[hash_key]]
    partition = list(table.items[hash_key].values())
    if comparison == "BEGINS_WITH":
        prefix = operands[0].value
        return [item for item in partition if item.range_key.value.startswith(prefix)]
    return partition


def _every_item(table: Any) -> list[Any]:
    if not table.range_key_attr:
        return list(table.items.values())
    return [item for partition in table.items.values() for item in partition.values()]


def _install_streams() -> None:
    from moto.dynamodb.models.table import StreamShard
    from moto.dynamodbstreams.models import DynamoDBStreamsBackend
    from moto.kinesis.models import Shard

    StreamShard.get = _stream_get
    DynamoDBStreamsBackend.get_records = _bounded_iterators(DynamoDBStreamsBackend.get_records)
    Shard.get_records = _shard_get_records
    Shard.put_record = _shard_put_record
    Shard.get_max_sequence_number = _last_sequence_number
    Shard.get_min_sequence_number = lambda self: next(iter(self.records), 0)


def _stream_get(self: Any, start: int, quantity: int) -> list[dict[str, Any]]:
    first = max(0, int(start) - self.starting_sequence_number)
    return [record.to_json() for record in self.items[first : first + quantity]]


def _bounded_iterators(original: _Method) -> _Method:
    def get_records(self: Any, iterator_arn: str, limit: int) -> Any:
        result = original(self, iterator_arn, limit)
        while len(self.shard_iterators) > 2000:
            del self.shard_iterators[next(iter(self.shard_iterators))]
        return result

    return get_records


def _last_sequence_number(self: Any) -> int:
    """Return the newest sequence number ever given; the numbers go on after old records were dropped."""
    if self.records:
        return int(next(reversed(self.records)))
    return int(getattr(self, "consumed", 0))


def _shard_put_record(self: Any, partition_key: str, data: Any, explicit_hash_key: str) -> str:
    from moto.kinesis.models import Record

    number = _last_sequence_number(self) + 1
    self.records[number] = Record(partition_key, data, number, explicit_hash_key)
    return str(number)


def _shard_get_records(self: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Any], int, int]:
    newest = _last_sequence_number(self)
    first = max(int(last_sequence_id) + 1, self.get_min_sequence_number())
    last = min(newest, first + (limit or 10_000) - 1)
    found = [self.records[number] for number in range(first, last + 1)] if self.records else []
    behind = self.records[newest].created_at - found[-1].created_at if found else 0.0
    return found, found[-1].sequence_number if found else int(last_sequence_id), int(behind * 1000)
