"""How messages are addressed: delays, deduplication and sizes; shared by the queues and their twins."""

import math
from collections.abc import Iterator
from dataclasses import replace

from chalicelib.domain.ids import digest
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.messaging.codec import encode

LONGEST_DELAY = 900
LARGEST_BODY = 200_000
"""Bytes of one message of signals, well below the 256 KB that SQS takes."""


def delay_seconds(tick: Tick, now: float) -> int:
    """Return how long SQS keeps a tick back: never less than to its slot. ValueError beyond 900 s."""
    delay = max(0, math.ceil(tick.slot - now))
    if delay > LONGEST_DELAY:
        raise ValueError(f"tick {tick.tick_id} is due in {delay} s: a queue delays {LONGEST_DELAY} s at most")
    return delay


def deduplication_id(batch: SignalBatch) -> str:
    """Return the same text for the same signals of one connection; signal ids repeat across connections."""
    return digest(batch.tenant, batch.connection_id, *(signal.signal_id for signal in batch.signals))


def split(batch: SignalBatch) -> Iterator[tuple[SignalBatch, str]]:
    """Yield the batch with its body, halved until each body fits a message; nothing without signals."""
    if not batch.signals:
        return
    body = encode(batch)
    if len(body) <= LARGEST_BODY or len(batch.signals) == 1:
        yield batch, body
        return
    middle = len(batch.signals) // 2
    yield from split(replace(batch, signals=batch.signals[:middle]))
    yield from split(replace(batch, signals=batch.signals[middle:]))
