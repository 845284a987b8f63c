"""SQS rules that moto 5.2.5 lacks or is slow at; the emulator's process puts them in moto's place at start.

Beyond moto: a message is receivable at its due instant and not a moment later (a virtual clock stands
exactly on it), a FIFO group is locked while any of its messages is in flight, all messages of a group reach
the dead-letter queue in order, and a deduplication id counts for five minutes even after a deletion.
A long poll does not block here: the HTTP layer asks again.
"""

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from moto.core.utils import unix_time_millis
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from chalicelib.local.emulator_patches import replace

_DEDUPLICATION_MILLISECONDS = models.DEDUPLICATION_TIME_IN_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Added:
    """A message came into a queue, by a send or as a dead letter."""

    queue: str
    message: Message


@dataclass(frozen=True, slots=True)
class Removed:
    """Messages left a queue for good."""

    queue: str
    identities: tuple[str, ...]


_events: list[Added | Removed] = []


def drain() -> list[Added | Removed]:
    """Return what happened to messages since the last call, in order."""
    happened = list(_events)
    _events.clear()
    return happened


def due_milliseconds(message: Message) -> int:
    """Return the epoch millisecond from which the message alone could be received."""
    return round(max(message.visible_at, message.delayed_until))


def next_due(queue: Queue) -> float | None:
    """Return the epoch second of the queue's next receivable message, None for an empty queue."""
    if not queue._messages:
        return None
    if not queue.fifo_queue:
        return min(due_milliseconds(message) for message in queue._messages) / 1000
    groups: dict[str | None, int] = {}
    for message in queue._messages:
        known = groups.get(message.group_id)
        # Only the first message's delay counts; but every message in flight locks its group.
        due = due_milliseconds(message) if known is None else max(known, round(message.visible_at))
        groups[message.group_id] = due
    return min(groups.values()) / 1000


def _now() -> int:
    return round(unix_time_millis())


def _visible(message: Message) -> bool:
    return _now() >= round(message.visible_at)


def _delayed(message: Message) -> bool:
    return _now() < round(message.delayed_until)


def _mark_received(message: Message, visibility_timeout: int | None = None) -> None:
    message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or _now()
    message.approximate_receive_count += 1
    message.change_visibility(int(visibility_timeout or 0))
    message.receipt_handle = f"{message.id}#{message.approximate_receive_count}#{uuid.uuid4().hex}"


def _had_receipt_handle(message: Message, receipt_handle: str) -> bool:
    return receipt_handle.split("#")[0] == message.id


def _is_duplicate(queue: Queue, message: Message) -> bool:
    if not queue.fifo_queue or message.deduplication_id is None:
        return False
    now = _now()
    seen: dict[str, int] = queue.__dict__.setdefault("deduplication", {})
    for known in [known for known, sent in seen.items() if now - sent >= _DEDUPLICATION_MILLISECONDS]:
        del seen[known]
    if message.deduplication_id in seen:
        return True
    seen[message.deduplication_id] = now
    return False


def _add_message(queue: Queue, message: Message) -> None:
    if not _is_duplicate(queue, message):
        queue._messages.append(message)
        _events.append(Added(queue.name, message))


def _delete_message(queue: Queue, receipt_handle: str) -> None:
    identity, *rest = receipt_handle.split("#")
    if len(rest) != 2:
        raise ReceiptHandleIsInvalid()
    for index, message in enumerate(queue._messages):
        if message.id == identity:
            del queue._messages[index]
            _events.append(Removed(queue.name, (identity,)))
            return


def _move_to_dead_letters(queue: Queue, message: Message) -> None:
    target = queue.dead_letter_queue
    assert target is not None
    queue._messages.remove(message)
    message.visible_at = 0.0
    target._messages.append(message)
    _events.append(Added(target.name, message))


def _is_exhausted(queue: Queue, message: Message) -> bool:
    if queue.dead_letter_queue is None or not queue.redrive_policy:
        return False
    return bool(message.approximate_receive_count >= queue.redrive_policy["maxReceiveCount"])


def _drop_expired(queue: Queue, now: int) -> None:
    maximum_age = 1000 * int(cast(Any, queue).message_retention_period)
    expired = [m.id for m in queue._messages if (m.sent_timestamp or 0) + maximum_age <= now]
    if expired:
        queue._messages = [m for m in queue._messages if m.id not in expired]
        _events.append(Removed(queue.name, tuple(expired)))


def _receivable(queue: Queue, count: int) -> list[Message]:
    """Return up to `count` messages in order; move those that were received too often to the dead letters."""
    now = _now()
    _drop_expired(queue, now)
    locked = {m.group_id for m in queue._messages if round(m.visible_at) > now} if queue.fifo_queue else set()
    found: list[Message] = []
    for message in list(queue._messages):
        if len(found) == count:
            break
        if queue.fifo_queue and message.group_id in locked:
            continue
        if due_milliseconds(message) > now:
            locked.add(message.group_id)
        elif _is_exhausted(queue, message):
            _move_to_dead_letters(queue, message)
        else:
            found.append(message)
    return found


def _receive_message(
    backend: SQSBackend,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    visibility_timeout: int,
    message_attribute_names: list[str] | None = None,
) -> list[Message]:
    del wait_seconds_timeout
    copies = []
    for message in _receivable(backend.get_queue(queue_name), count):
        message.mark_received(visibility_timeout=visibility_timeout)
        shown = copy.copy(message)
        models._filter_message_attributes(shown, message_attribute_names or [])
        copies.append(shown)
    return copies


def _purge_queue(backend: SQSBackend, queue_name: str) -> None:
    queue = backend.get_queue(queue_name)
    _events.append(Removed(queue_name, tuple(message.id for message in queue._messages)))
    queue._messages = []


_full_attributes: Any = Queue.attributes.fget  # type: ignore[attr-defined]
_sending = False


def _attributes(queue: Queue) -> dict[str, Any]:
    """Return a queue's attributes; moto asks for one on every send, and counts all messages for it."""
    if _sending:
        return {
            "ContentBasedDeduplication": str(getattr(queue, "content_based_deduplication", False)).lower()
        }
    attributes: dict[str, Any] = _full_attributes(queue)
    return attributes


def _while_sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(*arguments: Any, **named: Any) -> Any:
        global _sending
        _sending, before = True, _sending
        try:
            return original(*arguments, **named)
        finally:
            _sending = before

    return send


def install() -> None:
    """Put these rules in the place of moto's."""
    replace(
        Message,
        visible=property(_visible),
        delayed=property(_delayed),
        mark_received=_mark_received,
        had_receipt_handle=_had_receipt_handle,
    )
    replace(
        Queue,
        add_message=_add_message,
        delete_message=_delete_message,
        attributes=property(_attributes),
    )
    replace(
        SQSBackend,
        receive_message=_receive_message,
        purge_queue=_purge_queue,
        send_message=_while_sending(SQSBackend.send_message),
        send_message_batch=_while_sending(SQSBackend.send_message_batch),
    )
