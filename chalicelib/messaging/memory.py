"""In-memory twins of queues and stream: they keep what was sent, encoded and decoded like the real ones."""

from collections.abc import Sequence

from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.messaging.codec import decode_event, decode_signals, decode_tick, encode
from chalicelib.messaging.envelope import deduplication_id, delay_seconds, split


class MemoryTickQueue:
    """Twin of SqsTickQueue; `delays` holds the delay in seconds of each tick in `sent`."""

    def __init__(self) -> None:
        self.sent: list[Tick] = []
        self.delays: list[int] = []

    def send(self, ticks: Sequence[Tick], now: float) -> None:
        delays = [delay_seconds(tick, now) for tick in ticks]
        self.sent.extend(decode_tick(encode(tick)) for tick in ticks)
        self.delays.extend(delays)


class MemorySignalQueue:
    """Twin of SqsSignalQueue; a batch with the same signals counts once for the twin's whole life."""

    def __init__(self) -> None:
        self.sent: list[SignalBatch] = []
        self._seen: set[str] = set()

    def send(self, batch: SignalBatch) -> None:
        for part, body in split(batch):
            identity = deduplication_id(part)
            if identity not in self._seen:
                self._seen.add(identity)
                self.sent.append(decode_signals(body))


class MemoryEventStream:
    """Twin of KinesisEventStream."""

    def __init__(self) -> None:
        self.sent: list[Event] = []

    def put(self, events: Sequence[Event]) -> None:
        self.sent.extend(decode_event(encode(event).encode()) for event in events)
