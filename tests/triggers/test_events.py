"""Every event handler with an event of the shape AWS sends: what it does, and what it asks to have again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.domain.codec import to_plain
from chalicelib.domain.engine import coordinator_subject, engine_subject
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.errors import Retryable
from chalicelib.local.event_shapes import queue_event, scheduled_event, stream_event, table_event
from chalicelib.messaging.codec import encode
from chalicelib.settings import Settings
from chalicelib.triggers.execute_signals import execute_signals
from chalicelib.triggers.heartbeat import heartbeat
from chalicelib.triggers.publish_positions import publish_positions
from chalicelib.triggers.realtime_tick import realtime_tick
from chalicelib.triggers.record_events import record_events
from tests.flows.desk import CONNECTION_ID, T0, TENANT, Desk

REGION = "eu-central-1"
SETTINGS = Settings()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    wiring.use(desk.world())
    yield desk
    wiring.use(None)


def messages(queue: str, *bodies: str, group: str = "") -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1", **({"MessageGroupId": group} if group else {})}
    received = [
        {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": body, "Attributes": attributes}
        for number, body in enumerate(bodies)
    ]
    return queue_event(queue, REGION, received)


def failed(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_the_schedule_plans_the_minute_of_its_time_not_of_its_arrival(desk: Desk) -> None:
    assert heartbeat(scheduled_event("heartbeat", REGION, T0), None) == {"ticks": 7}
    ticks = wiring.world().ticks.sent  # type: ignore[attr-defined]
    assert min(tick.slot for tick in ticks) == T0 + 2
    assert max(tick.slot for tick in ticks) < T0 + 60


def test_a_batch_of_ticks_works_around_a_poison_message(desk: Desk) -> None:
    good = [encode(Tick("health", coordinator_subject(TENANT), T0 + n)) for n in (5, 35)]
    answer = realtime_tick(messages("cts-local-realtime-tick", good[0], "no json", good[1]), None)
    assert failed(answer) == ["m1"]
    assert (desk.metrics["ticks"], desk.metrics["poison_messages"]) == (2, 1)


def test_a_tick_that_meets_trouble_is_delivered_again_and_others_are_not(desk: Desk) -> None:
    real = desk.records.open_orders
    calls = []

    def once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise Retryable("throttled")
        return real(*arguments)

    desk.records.open_orders = once  # type: ignore[method-assign]
    bodies = [encode(Tick("realtime", engine_subject(TENANT, CONNECTION_ID), T0 + n)) for n in (10, 40)]
    answer = realtime_tick(messages("cts-local-realtime-tick", *bodies), None)
    assert failed(answer) == ["m0"]
    assert desk.metrics["retries"] == 1


def test_signals_are_executed_and_a_failure_holds_back_its_group_only(desk: Desk) -> None:
    batches = [
        SignalBatch(TENANT, CONNECTION_ID, f"k{n}", (desk.signal(number=n, symbol=symbol),))
        for n, symbol in enumerate(("BTC/USDT", "ETH/USDT"))
    ]
    desk.engines.acquire(desk.subject, "execute", "other", desk.now, 55.0, None)
    held = messages("cts-local-execute-signals.fifo", *map(encode, batches), group="default#paper-1")
    assert failed(execute_signals(held, None)) == ["m0", "m1"]
    assert desk.metrics["retries"] == 1, "the second was not tried: it must not overtake the first"
    desk.now += 56
    assert failed(execute_signals(held, None)) == []
    assert sorted(order.symbol for order in desk.orders()) == ["BTC/USDT", "ETH/USDT"]
    desk.assert_books_equal()


def test_events_become_audit_entries_once_and_rubbish_blocks_nothing(desk: Desk) -> None:
    event = Event("signal-1", "signal", TENANT, CONNECTION_ID, float(T0), "k", {"symbol": "BTC/USDT"})
    records = [
        {
            "SequenceNumber": str(number),
            "PartitionKey": "default#paper-1",
            "Data": data,
            "ApproximateArrivalTimestamp": datetime.fromtimestamp(T0, UTC),
        }
        for number, data in enumerate((encode(event).encode(), b"\xff rubbish", encode(event).encode()))
    ]
    shape = stream_event(SETTINGS.stream, "shardId-000000000000", REGION, records)
    assert failed(record_events(shape, None)) == []
    entries = desk.records.list_audit(TENANT, 10, None).items
    assert [(entry.entry_id, entry.action, entry.correlation_id) for entry in entries] == [
        ("signal-1", "signal", "k")
    ]
    assert desk.metrics["poison_messages"] == 1


def test_a_changed_position_becomes_an_event_with_the_id_of_its_revision(desk: Desk) -> None:
    desk.execute(desk.signal())
    (position,) = desk.positions()
    plain = to_plain(position)
    del plain["revision"]
    image = {
        "pk": {"S": f"{TENANT}#{CONNECTION_ID}"},
        "sk": {"S": position.position_id},
        "document": {"S": json.dumps(plain)},
        "revision": {"N": str(position.revision)},
    }
    change = {
        "eventID": "1",
        "eventName": "MODIFY",
        "dynamodb": {
            "Keys": {key: image[key] for key in ("pk", "sk")},
            "NewImage": image,
            "SequenceNumber": "1",
            "ApproximateCreationDateTime": datetime.fromtimestamp(T0, UTC),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/cts-local-positions/stream/1"
    publish_positions(table_event(arn, REGION, [change]), None)
    (event,) = desk.stream.sent
    assert event.event_id == f"{position.position_id}-{position.revision}"
    assert (event.tenant, event.data["state"]) == (TENANT, "open")
