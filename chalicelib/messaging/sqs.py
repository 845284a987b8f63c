"""Ticks and batches of signals through SQS: one standard queue per tick kind, one FIFO queue for execution."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.ids import digest
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.errors import Retryable
from chalicelib.messaging.codec import encode
from chalicelib.messaging.failures import translated
from chalicelib.settings import Settings

BATCH = 10
LONGEST_DELAY = 900
LARGEST_BODY = 200_000
"""Bytes of one message of signals, well below the 256 KB that SQS takes."""

_ATTEMPTS = 2


def delay_seconds(tick: Tick, now: float) -> int:
    """Return how long SQS keeps a tick back; never less than until its slot. ValueError beyond 900 s."""
    delay = max(0, math.ceil(tick.slot - now))
    if delay > LONGEST_DELAY:
        raise ValueError(f"tick {tick.tick_id} is due in {delay} s: a queue delays {LONGEST_DELAY} s at most")
    return delay


def deduplication_id(batch: SignalBatch) -> str:
    """Return the same text for the same signals of one connection; ids of signals repeat across connections."""
    return digest(batch.tenant, batch.connection_id, *(signal.signal_id for signal in batch.signals))


def split(batch: SignalBatch) -> Iterator[tuple[SignalBatch, str]]:
    """Yield the batch with its body, halved until each body fits a message; a batch without signals is none."""
    if not batch.signals:
        return
    body = encode(batch)
    if len(body) <= LARGEST_BODY or len(batch.signals) == 1:
        yield batch, body
        return
    middle = len(batch.signals) // 2
    yield from split(replace(batch, signals=batch.signals[:middle]))
    yield from split(replace(batch, signals=batch.signals[middle:]))


class _Queues:
    """Addresses of queues, asked for once per container."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._urls: dict[str, str] = {}

    def url(self, name: str) -> str:
        if name not in self._urls:
            with translated(name):
                self._urls[name] = self.client.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]


class SqsTickQueue:
    """What `flows.world.TickQueue` asks for: 1 call per ten ticks of one kind."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._queues = _Queues(client)
        self._settings = settings

    def send(self, ticks: Sequence[Tick], now: float) -> None:
        by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for tick in ticks:
            entry = {"MessageBody": encode(tick), "DelaySeconds": delay_seconds(tick, now)}
            by_kind[tick.kind].append(entry)
        for kind, entries in by_kind.items():
            queue = self._settings.tick_queue(kind)
            for start in range(0, len(entries), BATCH):
                self._send(queue, entries[start : start + BATCH])

    def _send(self, queue: str, entries: list[dict[str, Any]]) -> None:
        remaining = [{**entry, "Id": str(number)} for number, entry in enumerate(entries)]
        for _ in range(_ATTEMPTS):
            with translated(queue):
                answer = self._queues.client.send_message_batch(
                    QueueUrl=self._queues.url(queue), Entries=remaining
                )
            failed = {failure["Id"]: failure["Code"] for failure in answer.get("Failed", ())}
            if not failed:
                return
            remaining = [entry for entry in remaining if entry["Id"] in failed]
        raise Retryable(f"{queue} refused {len(remaining)} of {len(entries)} ticks: {min(failed.values())}")


class SqsSignalQueue:
    """What `flows.world.SignalQueue` asks for: 1 call per batch below 200 KB."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._queues = _Queues(client)
        self._name = settings.execute_queue

    def send(self, batch: SignalBatch) -> None:
        for part, body in split(batch):
            with translated(self._name):
                self._queues.client.send_message(
                    QueueUrl=self._queues.url(self._name),
                    MessageBody=body,
                    MessageGroupId=f"{part.tenant}#{part.connection_id}",
                    MessageDeduplicationId=deduplication_id(part),
                )
