"""Events into the Kinesis stream: the durable, replayable record of what happened."""

from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.domain.messages import Event
from chalicelib.errors import Retryable
from chalicelib.messaging.codec import encode
from chalicelib.messaging.failures import translated

MOST_RECORDS = 500
MOST_BYTES = 4_000_000
"""Bytes of one call, below the 5 MB that Kinesis takes."""

_ATTEMPTS = 3

Entry = dict[str, Any]


class KinesisEventStream:
    """What `flows.world.EventStream` asks for: 1 call per 500 events."""

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream

    def put(self, events: Sequence[Event]) -> None:
        """Append events; those refused by a throttle are sent again behind the others, then Retryable.

        The order of a connection is that of its partition key; events that were refused may come later, and
        carry their time.
        """
        entries = [
            {"Data": encode(event).encode(), "PartitionKey": f"{event.tenant}#{event.connection_id}"}
            for event in events
        ]
        for chunk in _chunks(entries):
            self._put(chunk)

    def _put(self, entries: list[Entry]) -> None:
        remaining, code = entries, ""
        for _ in range(_ATTEMPTS):
            with translated(self._stream):
                answer = self._client.put_records(StreamName=self._stream, Records=remaining)
            if not answer.get("FailedRecordCount"):
                return
            results = answer["Records"]
            code = next(result["ErrorCode"] for result in results if result.get("ErrorCode"))
            remaining = [
                entry for entry, result in zip(remaining, results, strict=True) if result.get("ErrorCode")
            ]
        raise Retryable(f"{self._stream} refused {len(remaining)} of {len(entries)} events: {code}")


def _chunks(entries: list[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        weight = len(entry["Data"]) + len(entry["PartitionKey"])
        if chunk and (len(chunk) == MOST_RECORDS or size + weight > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += weight
    if chunk:
        yield chunk
