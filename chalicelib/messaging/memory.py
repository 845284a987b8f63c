"""In-memory twins of queues and stream: they keep what was sent, encoded and decoded like the real ones."""

from collections.abc import Sequence

from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.messaging.codec import decode_event, decode_signals, decode_tick, encode


class MemoryTickQueue:
    """Twin of the tick queues."""

    def __init__(self) -> None:
        self.sent: list[Tick] = []

    def send(self, ticks: Sequence[Tick], now: float) -> None:
        self.sent.extend(decode_tick(encode(tick)) for tick in ticks)


class MemorySignalQueue:
    """Twin of the FIFO queue of signals."""

    def __init__(self) -> None:
        self.sent: list[SignalBatch] = []

    def send(self, batch: SignalBatch) -> None:
        self.sent.append(decode_signals(encode(batch)))


class MemoryEventStream:
    """Twin of the event stream."""

    def __init__(self) -> None:
        self.sent: list[Event] = []

    def put(self, events: Sequence[Event]) -> None:
        self.sent.extend(decode_event(encode(event).encode()) for event in events)
