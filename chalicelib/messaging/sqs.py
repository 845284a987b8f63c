"""Ticks and signals through SQS: standard queues for ticks, one FIFO queue for execution."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.errors import Retryable
from chalicelib.messaging.codec import encode
from chalicelib.messaging.envelope import deduplication_id, delay_seconds, split
from chalicelib.messaging.failures import translated
from chalicelib.settings import Settings

BATCH = 10
_ATTEMPTS = 2


class Queues:
    """Addresses of queues: made from the account's number, else asked for once per container."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self.client = client
        self._settings = settings
        self._urls: dict[str, str] = {}

    def url(self, name: str) -> str:
        if name not in self._urls:
            with translated(name):
                known = self._settings.queue_url(name)
                self._urls[name] = known or self.client.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]


class SqsTickQueue:
    """What `flows.world.TickQueue` asks for: 1 call per ten ticks of one queue."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._queues = Queues(client, settings)
        self._settings = settings

    def send(self, ticks: Sequence[Tick], now: float) -> None:
        by_queue: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for tick in ticks:
            entry = {"MessageBody": encode(tick), "DelaySeconds": delay_seconds(tick, now)}
            by_queue[self._settings.tick_queue(TICK_QUEUES[tick.kind])].append(entry)
        for queue, entries in by_queue.items():
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
        self._queues = Queues(client, settings)
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
