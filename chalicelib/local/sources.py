"""Event source mappings: read a queue or a stream, hand batches to a function, take back what failed.

They follow the rules of Lambda's own mappings, so that handlers meet the same deliveries here as on AWS.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from chalicelib.local.event_shapes import queue_event, stream_event, table_event
from chalicelib.local.statistics import StatisticsFile

STREAM_ATTEMPTS = 5
"""How often a stream's batch is tried before it is put aside; a queue's limit is in its redrive policy."""

_RECEIVE_LIMIT = 10
_log = logging.getLogger("cts.local")

Invoke = Callable[[Mapping[str, Any], Sequence[str]], frozenset[str]]
"""Calls the function with an event and the identifiers of its records; returns those to deliver again."""


class Backlog(Protocol):
    """How many records a shard was ever given, and how many of them are consumed."""

    @property
    def consumed(self) -> int: ...
    @property
    def waiting(self) -> int: ...


class QueueSource:
    """One SQS queue. What the function reports as failed comes again after its visibility time-out."""

    def __init__(
        self, client: Any, queue: str, region: str, batch_size: int, invoke: Invoke, calls: StatisticsFile
    ) -> None:
        self._client = client
        self._queue = queue
        self._region = region
        self._batch_size = min(batch_size, _RECEIVE_LIMIT)
        self._invoke = invoke
        self._calls = calls
        self._url = client.get_queue_url(QueueName=queue)["QueueUrl"]

    def poll(self) -> int:
        """Receive one batch, invoke, delete what succeeded; return how many messages were received."""
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch_size,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        calls = {"ReceiveMessage": 1}
        if messages:
            identifiers = [message["MessageId"] for message in messages]
            failed = self._invoke(queue_event(self._queue, self._region, messages), identifiers)
            done = [message for message in messages if message["MessageId"] not in failed]
            if done:
                self._delete(done)
                calls["DeleteMessageBatch"] = 1
        self._calls.add({"pump_calls": calls})
        return len(messages)

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        for refused in answer.get("Failed", []):
            _log.warning("a message of %s was not deleted: %s", self._queue, refused.get("Message"))


@dataclass(slots=True)
class Shard:
    """Where the reading of one shard stands: a batch stays until it is done or put aside."""

    identifier: str
    iterator: str | None = None
    batch: list[Mapping[str, Any]] = field(default_factory=list)
    attempts: int = 0
    consumed: int = -1


class ShardReader(Protocol):
    """What differs between Kinesis and DynamoDB streams."""

    def first_iterator(self, shard: str) -> str: ...
    def read(self, iterator: str) -> tuple[list[Mapping[str, Any]], str | None]: ...
    def identifier(self, record: Mapping[str, Any]) -> str: ...
    def event(self, shard: str, records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]: ...
    def checkpoint(self, shard: str, consumed: int) -> None: ...


class StreamSource:
    """One stream, shard by shard, in order. A batch that keeps failing is put aside after some attempts.

    `poison` is the file that takes the records put aside, one JSON line each; `pause` waits after a failed
    attempt, whose number it is given.
    """

    def __init__(
        self,
        name: str,
        reader: ShardReader,
        invoke: Invoke,
        calls: StatisticsFile,
        poison: Path,
        pause: Callable[[int], None],
    ) -> None:
        self._name = name
        self._reader = reader
        self._invoke = invoke
        self._calls = calls
        self._poison = poison
        self._pause = pause
        self._shards: dict[str, Shard] = {}

    def poll(self, backlogs: Mapping[str, Backlog]) -> int:
        """Deliver one batch of every shard that has records waiting; return how many were delivered."""
        delivered = 0
        for identifier in sorted(backlogs):
            shard = self._shards.setdefault(identifier, Shard(identifier))
            if shard.consumed < 0:
                shard.consumed = backlogs[identifier].consumed
            if backlogs[identifier].waiting:
                delivered += self._deliver(shard)
        return delivered

    def _deliver(self, shard: Shard) -> int:
        if not shard.batch:
            self._fill(shard)
        if not shard.batch:
            return 0
        identifiers = [self._reader.identifier(record) for record in shard.batch]
        failed = self._invoke(self._reader.event(shard.identifier, shard.batch), identifiers)
        # Order within a shard holds: from the first failed record on, all are delivered again.
        done = next((n for n, identifier in enumerate(identifiers) if identifier in failed), len(identifiers))
        shard.attempts = (1 if done else shard.attempts + 1) if failed else 0
        moved = done
        if shard.attempts >= STREAM_ATTEMPTS:
            # A function that names its failures loses the one in the way, one that raises the whole batch.
            lost = 1 if len(failed) < len(identifiers) else len(identifiers)
            self._put_aside(shard.batch[:lost])
            moved, shard.attempts = lost, 0
        if moved:
            shard.batch = shard.batch[moved:]
            shard.consumed += moved
            self._reader.checkpoint(shard.identifier, shard.consumed)
        else:
            self._pause(shard.attempts)
        return len(identifiers)

    def _fill(self, shard: Shard) -> None:
        calls = {"GetRecords": 1}
        if shard.iterator is None:
            shard.iterator = self._reader.first_iterator(shard.identifier)
            calls["GetShardIterator"] = 1
        records, following = self._reader.read(shard.iterator)
        shard.batch = list(records)
        # An iterator that brought nothing although records wait is stale: begin anew at the oldest record.
        shard.iterator = following if records else None
        self._calls.add({"pump_calls": calls})

    def _put_aside(self, records: Sequence[Mapping[str, Any]]) -> None:
        _log.error("%d records of %s are put aside in %s", len(records), self._name, self._poison.name)
        with self._poison.open("a", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps({"source": self._name, "record": record}, default=str) + "\n")
        self._calls.add({"poison_records": {self._name: len(records)}})


class KinesisReader:
    """Reads a Kinesis stream; `consumed` takes (shard, records consumed so far) after each batch."""

    def __init__(
        self, client: Any, stream: str, region: str, batch_size: int, consumed: Callable[[str, int], None]
    ) -> None:
        self._client = client
        self._stream = stream
        self._region = region
        self._batch_size = batch_size
        self._consumed = consumed

    def first_iterator(self, shard: str) -> str:
        answer = self._client.get_shard_iterator(
            StreamName=self._stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )
        return str(answer["ShardIterator"])

    def read(self, iterator: str) -> tuple[list[Mapping[str, Any]], str | None]:
        answer = self._client.get_records(ShardIterator=iterator, Limit=self._batch_size)
        return answer["Records"], answer.get("NextShardIterator")

    def identifier(self, record: Mapping[str, Any]) -> str:
        return str(record["SequenceNumber"])

    def event(self, shard: str, records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return stream_event(self._stream, shard, self._region, records)

    def checkpoint(self, shard: str, consumed: int) -> None:
        self._consumed(shard, consumed)


class TableReader:
    """Reads the stream of a DynamoDB table, which has one shard here."""

    def __init__(
        self, client: Any, table: str, region: str, batch_size: int, consumed: Callable[[int], None]
    ) -> None:
        self._client = client
        self._region = region
        self._batch_size = batch_size
        self._consumed = consumed
        self._stream_arn = client.list_streams(TableName=table)["Streams"][0]["StreamArn"]
        description = client.describe_stream(StreamArn=self._stream_arn)["StreamDescription"]
        self._shard = description["Shards"][0]["ShardId"]

    def first_iterator(self, shard: str) -> str:
        del shard
        answer = self._client.get_shard_iterator(
            StreamArn=self._stream_arn, ShardId=self._shard, ShardIteratorType="TRIM_HORIZON"
        )
        return str(answer["ShardIterator"])

    def read(self, iterator: str) -> tuple[list[Mapping[str, Any]], str | None]:
        answer = self._client.get_records(ShardIterator=iterator, Limit=self._batch_size)
        return answer["Records"], answer.get("NextShardIterator")

    def identifier(self, record: Mapping[str, Any]) -> str:
        return str(record["dynamodb"]["SequenceNumber"])

    def event(self, shard: str, records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        del shard
        return table_event(self._stream_arn, self._region, records)

    def checkpoint(self, shard: str, consumed: int) -> None:
        del shard
        self._consumed(consumed)
