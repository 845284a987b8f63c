"""What a message in a dead-letter queue is: read from its body, as far as that can be read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.domain.dead_letters import DeadLetter
from chalicelib.errors import CtsError, Rejected
from chalicelib.messaging.codec import decode_signals, decode_tick
from chalicelib.settings import EXECUTE_QUEUE

STREAMS = "streams"
"""Where Lambda puts the places of records that a stream's function gave up; there is no queue behind it."""

SIGNALS = EXECUTE_QUEUE.removesuffix(".fifo")
LETTER_QUEUES = (*dict.fromkeys(f"{group}-tick" for group in TICK_QUEUES.values()), SIGNALS)
"""The queues whose messages may become dead letters, without stage and endings."""

_SHOWN_SYMBOLS = 3


def read_letter(letter: DeadLetter) -> DeadLetter:
    """Return a letter, of which place and body are known, with what its body says."""
    reader = _READERS.get(letter.queue, _tick)
    try:
        return reader(letter)
    except CtsError as error:
        return replace(letter, kind="unreadable", what=f"{len(letter.body)} characters", reason=str(error))


def _tick(letter: DeadLetter) -> DeadLetter:
    tick = decode_tick(letter.body)
    connection = tick.subject.name.partition("#")[2] if tick.subject.name.startswith("engine#") else ""
    return replace(
        letter,
        kind="tick",
        what=tick.tick_id,
        tenant=tick.subject.tenant,
        connection_id=connection,
        correlation_id=tick.tick_id,
    )


def _signals(letter: DeadLetter) -> DeadLetter:
    batch = decode_signals(letter.body)
    named = [f"{signal.action} {signal.direction} {signal.symbol}" for signal in batch.signals]
    more = f" and {len(named) - _SHOWN_SYMBOLS} more" if len(named) > _SHOWN_SYMBOLS else ""
    return replace(
        letter,
        kind="signals",
        what=", ".join(named[:_SHOWN_SYMBOLS]) + more,
        tenant=batch.tenant,
        connection_id=batch.connection_id,
        correlation_id=batch.correlation_id,
    )


def _stream(letter: DeadLetter) -> DeadLetter:
    """Read what Lambda says of records that it gave up (`OnFailure` of an event source)."""
    try:
        said: Any = json.loads(letter.body)
        context = said["requestContext"]
        place: Mapping[str, Any] = said.get("KinesisBatchInfo") or said["DDBStreamBatchInfo"]
        what = f"{place['batchSize']} records of {place['streamArn']} from {place['startSequenceNumber']}"
        reason, cause = str(context["condition"]), str(context["requestId"])
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected(f"no report of an event source ({error!r})") from None
    return replace(letter, kind="stream", what=what, correlation_id=cause, reason=reason)


_READERS: Mapping[str, Callable[[DeadLetter], DeadLetter]] = {SIGNALS: _signals, STREAMS: _stream}
