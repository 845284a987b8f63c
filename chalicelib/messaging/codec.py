"""Messages as JSON text and back; rubbish is Rejected, so that it ends in a dead-letter queue."""

import json
from typing import Any, TypeVar

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.errors import Rejected

M = TypeVar("M", Tick, SignalBatch, Event)


def encode(message: Tick | SignalBatch | Event) -> str:
    """Return a message as compact JSON."""
    return json.dumps(to_plain(message), separators=(",", ":"))


def decode_tick(body: str) -> Tick:
    """Read a tick; Rejected if it is none."""
    return _decode(Tick, body)


def decode_signals(body: str) -> SignalBatch:
    """Read a batch of signals; Rejected if it is none."""
    return _decode(SignalBatch, body)


def decode_event(data: bytes) -> Event:
    """Read an event; Rejected if it is none."""
    try:
        return _decode(Event, data.decode())
    except UnicodeDecodeError as error:
        raise Rejected(f"event is not UTF-8 text: {error}") from None


def _decode(kind: type[M], body: str) -> M:
    try:
        data: Any = json.loads(body)
    except ValueError as error:
        raise Rejected(f"{kind.__name__} is not JSON: {error}") from None
    return from_plain(kind, data, known_only=False)
