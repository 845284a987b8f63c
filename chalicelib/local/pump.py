"""The event pump: stands in for EventBridge, the event source mappings and Lambda on one machine.

It calls the handlers that Lambda would call, with events of the same shape; `replay` and `live` drive it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.local.clock import Clock
from chalicelib.local.emulator import Emulator, Pending
from chalicelib.local.event_shapes import scheduled_event
from chalicelib.local.invoker import Invoker
from chalicelib.local.recorder import Recorder
from chalicelib.local.sources import KinesisReader, QueueSource, StreamSource, TableReader
from chalicelib.local.statistics import StatisticsFile
from chalicelib.settings import Settings

POISON_FILE = "poison.jsonl"
_QUEUE_BATCH = 10
_STREAM_BATCH = 100
_SCHEDULE_ATTEMPTS = 3

SourceKind = Literal["schedule", "queue", "stream", "table"]


@dataclass(frozen=True, slots=True)
class Function:
    """One function and what triggers it; `resource` is the name of its rule, queue, stream or table."""

    name: str
    source: SourceKind
    resource: str
    handler: str
    batch_size: int = 1
    concurrency: int = 1


def functions(settings: Settings) -> tuple[Function, ...]:
    """Return all functions of the engine with their triggers, in the order in which a replay serves them.

    Ticks of the same second: candles first, exits before entries.
    """
    triggers = "chalicelib.triggers"
    ticks = [
        Function(
            name=f"{queue}_tick",
            source="queue",
            resource=settings.tick_queue(queue),
            handler=f"{triggers}.{queue}_tick.{queue}_tick",
            batch_size=_QUEUE_BATCH,
            concurrency=2,
        )
        for queue in dict.fromkeys(TICK_QUEUES.values())
    ]
    return (
        Function("heartbeat", "schedule", "cts-local-heartbeat", f"{triggers}.heartbeat.heartbeat"),
        *ticks,
        Function(
            name="execute_signals",
            source="queue",
            resource=settings.execute_queue,
            handler=f"{triggers}.execute_signals.execute_signals",
            batch_size=_QUEUE_BATCH,
            concurrency=2,
        ),
        Function(
            name="record_events",
            source="stream",
            resource=settings.stream,
            handler=f"{triggers}.record_events.record_events",
            batch_size=_STREAM_BATCH,
        ),
        Function(
            name="publish_positions",
            source="table",
            resource=settings.table("positions"),
            handler=f"{triggers}.publish_positions.publish_positions",
            batch_size=_STREAM_BATCH,
        ),
    )


@dataclass(frozen=True, slots=True)
class Mapped:
    """A function with the poll of its source; `due` tells from what is pending whether to poll."""

    function: Function
    due: Callable[[Pending], bool]
    poll: Callable[[Pending], int]


class Pump:
    """Connects functions with their sources in the emulator; `clients` are the pump's own.

    `pause` is called with the attempt's number after a stream's batch failed (a replay does not wait).
    """

    def __init__(
        self,
        table: Sequence[Function],
        emulator: Emulator,
        clock: Clock,
        recorder: Recorder,
        statistics: StatisticsFile,
        settings: Settings,
        clients: Mapping[str, Any],
        state: Path,
        pause: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._table = tuple(table)
        self._emulator = emulator
        self._region = settings.region
        self._invoker = Invoker(clock, recorder, settings.region)
        self._statistics = statistics
        self._poison = state / POISON_FILE
        self._pause = pause
        self._clients = clients
        self.mapped = tuple(
            self._mapped(function) for function in self._table if function.source != "schedule"
        )
        self._queues = tuple(f.resource for f in self._table if f.source == "queue")

    def fire_schedule(self, at: float) -> None:
        """Invoke every scheduled function for the second `at`, again if it fails, as often as Lambda does."""
        for function in self._table:
            if function.source != "schedule":
                continue
            event = scheduled_event(function.resource, self._region, at)
            for _ in range(_SCHEDULE_ATTEMPTS):
                if not self._invoker.invoke(function.name, function.handler, event, [event["id"]]):
                    break

    def next_due(self, pending: Pending) -> float | None:
        """Return when the next message of a function's queue is receivable; None while nothing waits."""
        times = (pending.queues.get(queue) for queue in self._queues)
        return min((time for time in times if time is not None), default=None)

    def drain(self, stopping: Callable[[], bool]) -> Pending:
        """Deliver all that is receivable now, in the table's order; return what then remains."""
        while True:
            pending = self._emulator.pending()
            delivered = 0
            for source in self.mapped:
                if stopping():
                    return pending
                if source.due(pending):
                    delivered += source.poll(pending)
            if not delivered:
                return pending

    def _mapped(self, function: Function) -> Mapped:
        invoke = partial(self._invoker.invoke, function.name, function.handler)
        if function.source == "queue":
            queue = QueueSource(
                self._clients["sqs"],
                function.resource,
                self._region,
                function.batch_size,
                invoke,
                self._statistics,
            )
            return Mapped(function, partial(_queue_due, function.resource), lambda _: queue.poll())
        if function.source == "stream":
            return self._stream(function, invoke)
        return self._table_stream(function, invoke)

    def _stream(self, function: Function, invoke: Any) -> Mapped:
        name = function.resource

        def consumed(shard: str, count: int) -> None:
            self._emulator.checkpoint(kinesis={name: {shard: count}})

        client = self._clients["kinesis"]
        reader = KinesisReader(client, name, self._region, function.batch_size, consumed)
        source = StreamSource(name, reader, invoke, self._statistics, self._poison, self._pause)
        return Mapped(
            function,
            lambda pending: any(shard.waiting for shard in pending.kinesis.get(name, {}).values()),
            lambda pending: source.poll(pending.kinesis.get(name, {})),
        )

    def _table_stream(self, function: Function, invoke: Any) -> Mapped:
        name = function.resource

        def consumed(count: int) -> None:
            self._emulator.checkpoint(dynamodb={name: count})

        client = self._clients["dynamodbstreams"]
        reader = TableReader(client, name, self._region, function.batch_size, consumed)
        source = StreamSource(name, reader, invoke, self._statistics, self._poison, self._pause)
        return Mapped(
            function,
            lambda pending: name in pending.dynamodb and pending.dynamodb[name].waiting > 0,
            lambda pending: source.poll({name: pending.dynamodb[name]}),
        )


def _queue_due(queue: str, pending: Pending) -> bool:
    at = pending.queues.get(queue)
    return at is not None and at <= pending.now
