"""Kinesis and DynamoDB streams whose consumed records are dropped; put in moto's place at start.

Sequence numbers go on where they were when old records are gone, and reading costs what is read.
"""

from collections.abc import Callable
from typing import Any

from moto.dynamodb.models.table import StreamShard
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.kinesis.models import Record, Shard

from chalicelib.local.emulator_patches import replace

#: The number moto gives to the first record of every DynamoDB stream.
FIRST_SEQUENCE_NUMBER = 1100000000017454423009

_MAXIMUM_ITERATORS = 2_000


def install() -> None:
    """Put these rules in the place of moto's."""
    replace(StreamShard, get=_table_records)
    replace(DynamoDBStreamsBackend, get_records=_bounded_iterators(DynamoDBStreamsBackend.get_records))
    replace(
        Shard,
        put_record=_put_record,
        get_records=_shard_records,
        get_max_sequence_number=_newest,
        get_min_sequence_number=lambda self: next(iter(self.records), 0),
    )


def _table_records(self: Any, start: int, quantity: int) -> list[dict[str, Any]]:
    first = max(0, int(start) - self.starting_sequence_number)
    return [record.to_json() for record in self.items[first : first + quantity]]


def _bounded_iterators(original: Callable[..., Any]) -> Callable[..., Any]:
    """Forget the oldest shard iterators, which moto keeps for ever; each read makes one."""

    def get_records(self: Any, iterator_arn: str, limit: int) -> Any:
        result = original(self, iterator_arn, limit)
        while len(self.shard_iterators) > _MAXIMUM_ITERATORS:
            del self.shard_iterators[next(iter(self.shard_iterators))]
        return result

    return get_records


def _newest(self: Any) -> int:
    if self.records:
        return int(next(reversed(self.records)))
    return int(getattr(self, "consumed", 0))


def _put_record(self: Any, partition_key: str, data: Any, explicit_hash_key: str) -> str:
    number = _newest(self) + 1
    self.records[number] = Record(partition_key, data, number, explicit_hash_key)
    return str(number)


def _shard_records(self: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Any], int, int]:
    if not self.records:
        return [], int(last_sequence_id), 0
    newest = _newest(self)
    first = max(int(last_sequence_id) + 1, next(iter(self.records)))
    last = min(newest, first + (limit or 10_000) - 1)
    found = [self.records[number] for number in range(first, last + 1)]
    if not found:
        return [], int(last_sequence_id), 0
    behind = self.records[newest].created_at - found[-1].created_at
    return found, found[-1].sequence_number, int(behind * 1000)
