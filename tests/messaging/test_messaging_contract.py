"""Ticks, signals and events on their way: batches, delays, order, duplicates, refusals and rubbish."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.session import get_session
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.domain.cadence import TICK_KINDS, TICK_QUEUES
from chalicelib.domain.engine import Subject
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.errors import Rejected, Retryable
from chalicelib.flows.world import EventStream, SignalQueue, TickQueue
from chalicelib.local.resources import create_resources
from chalicelib.messaging.codec import decode_event, decode_signals, decode_tick, encode
from chalicelib.messaging.kinesis import KinesisEventStream
from chalicelib.messaging.memory import MemoryEventStream, MemorySignalQueue, MemoryTickQueue
from chalicelib.messaging.sqs import SqsSignalQueue, SqsTickQueue
from chalicelib.settings import Settings
from chalicelib.stores.clients import CONFIG
from tests.stores.examples import CONNECTION, TENANT, details, signal, signals

REGION = "eu-central-1"
_number = count()
ENGINE = Subject(TENANT, f"engine#{CONNECTION}")


class Wire:
    """Clients of an emulated AWS, and what was called."""

    def __init__(self) -> None:
        # An emulator that another test keeps is shared: every wire has resources of its own.
        self.settings = Settings(stage=f"msg{next(_number)}", region=REGION)
        self.calls: Counter[str] = Counter()
        self.clients = {
            name: get_session().create_client(name, REGION, config=CONFIG)
            for name in ("dynamodb", "sqs", "kinesis", "s3")
        }
        create_resources(self.settings, self.clients)
        for client in self.clients.values():
            client.meta.events.register("before-call", lambda model, **_: self.calls.update((model.name,)))

    def received(self, queue: str) -> list[dict[str, Any]]:
        client = self.clients["sqs"]
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        found: list[dict[str, Any]] = []
        for _ in range(50):
            answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
            if not answer.get("Messages"):
                break
            found += answer["Messages"]
            for message in answer["Messages"]:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def events(self) -> list[Event]:
        client = self.clients["kinesis"]
        shards = client.describe_stream(StreamName=self.settings.stream)["StreamDescription"]["Shards"]
        iterator = client.get_shard_iterator(
            StreamName=self.settings.stream, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = client.get_records(ShardIterator=iterator, Limit=10_000)["Records"]
        return [decode_event(record["Data"]) for record in records]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Wire()


def tick(slot: int, kind: Any = "indication") -> Tick:
    return Tick(kind, ENGINE, slot)


def batch(*names: str, connection: str = CONNECTION) -> SignalBatch:
    chosen = tuple(signal(name, connection_id=connection) for name in names)
    return SignalBatch(TENANT, connection, "c", chosen)


def event(number: int) -> Event:
    return Event(f"e{number}", "positionUpdate", TENANT, CONNECTION, float(number), "c", {"n": number})


def test_ticks_go_to_the_queue_of_their_kind(wire: Wire) -> None:
    queue: TickQueue = SqsTickQueue(wire.clients["sqs"], wire.settings)
    twin: TickQueue = MemoryTickQueue()
    sent = [tick(100 + n, kind) for n, kind in enumerate(TICK_KINDS)]
    for one in (queue, twin):
        one.send(sent, 200.0)
    assert isinstance(twin, MemoryTickQueue)
    assert twin.sent == sent
    for group in dict.fromkeys(TICK_QUEUES.values()):
        found = [decode_tick(message["Body"]) for message in wire.received(wire.settings.tick_queue(group))]
        assert found == [one_tick for one_tick in sent if TICK_QUEUES[one_tick.kind] == group]


def test_ticks_are_sent_by_ten(wire: Wire) -> None:
    queue = SqsTickQueue(wire.clients["sqs"], wire.settings)
    wire.calls.clear()
    queue.send([tick(n) for n in range(25)], 100.0)
    queue.send([tick(99)], 100.0)
    queue.send([], 100.0)
    assert wire.calls == {"GetQueueUrl": 1, "SendMessageBatch": 4}
    slots = {decode_tick(m["Body"]).slot for m in wire.received(wire.settings.tick_queue("decision"))}
    assert slots == {*range(25), 99}


def test_a_known_account_needs_no_look_up(wire: Wire) -> None:
    known = replace(wire.settings, account="123456789012")
    wire.calls.clear()
    SqsTickQueue(wire.clients["sqs"], known).send([tick(1)], 1.0)
    SqsSignalQueue(wire.clients["sqs"], known).send(batch("a"))
    assert wire.calls == {"SendMessageBatch": 1, "SendMessage": 1}
    assert len(wire.received(known.tick_queue("decision"))) == 1
    assert len(wire.received(known.execute_queue)) == 1


def test_a_tick_is_delayed_to_its_slot_and_never_delivered_before(wire: Wire, monkeypatch: Any) -> None:
    seen: list[Any] = []

    def record(QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        seen.extend(Entries)
        return {}

    monkeypatch.setattr(wire.clients["sqs"], "send_message_batch", record)
    queue, twin = SqsTickQueue(wire.clients["sqs"], wire.settings), MemoryTickQueue()
    ticks = [tick(slot) for slot in (90, 100, 101, 130, 1000)]
    queue.send(ticks, 100.25)
    twin.send(ticks, 100.25)
    assert [entry["DelaySeconds"] for entry in seen] == [0, 0, 1, 30, 900] == twin.delays


def test_a_tick_further_than_a_queue_delays_is_refused(wire: Wire) -> None:
    for queue in (SqsTickQueue(wire.clients["sqs"], wire.settings), MemoryTickQueue()):
        with pytest.raises(ValueError, match="900"):
            queue.send([tick(50), tick(1001)], 100.0)
    assert wire.received(wire.settings.tick_queue("decision")) == []


def test_refused_ticks_are_sent_once_more_and_then_retryable(wire: Wire, monkeypatch: Any) -> None:
    client, attempts = wire.clients["sqs"], []
    refused: dict[str, int] = {"3": 1, "4": 9}

    def partly(QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        names = [entry["Id"] for entry in Entries]
        attempts.append(names)
        failed = [name for name in names if refused.get(name, 0) >= len(attempts)]
        return {"Failed": [{"Id": name, "Code": "Busy", "SenderFault": False} for name in failed]}

    monkeypatch.setattr(client, "send_message_batch", partly)
    with pytest.raises(Retryable, match="1 of 5 ticks: Busy"):
        SqsTickQueue(client, wire.settings).send([tick(n) for n in range(5)], 100.0)
    assert attempts == [["0", "1", "2", "3", "4"], ["3", "4"]]
    refused["4"] = 1
    attempts.clear()
    SqsTickQueue(client, wire.settings).send([tick(n) for n in range(5)], 100.0)
    assert attempts == [["0", "1", "2", "3", "4"], ["3", "4"]]


def test_a_batch_of_signals_is_one_message_and_counts_once(wire: Wire) -> None:
    queue: SignalQueue = SqsSignalQueue(wire.clients["sqs"], wire.settings)
    twin: SignalQueue = MemorySignalQueue()
    sent = [batch("a", "b"), batch("a", "b"), batch("b"), batch("a", "b", connection="desk-2"), batch()]
    wire.calls.clear()
    for one in sent:
        queue.send(one)
        twin.send(one)
    assert wire.calls == {"GetQueueUrl": 1, "SendMessage": 4}
    messages = wire.received(wire.settings.execute_queue)
    found = [decode_signals(message["Body"]) for message in messages]
    expected = [sent[0], sent[2], sent[3]]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert isinstance(twin, MemorySignalQueue)
    assert twin.sent == expected
    groups = {message["Attributes"]["MessageGroupId"] for message in messages}
    assert groups == {f"{TENANT}#{CONNECTION}", f"{TENANT}#desk-2"}


def test_a_batch_above_200_kilobytes_is_split_in_order(wire: Wire) -> None:
    large = batch(*(f"{n:03d}" for n in range(200)))
    padded = tuple(replace(one, reasons=("x" * 2000,)) for one in large.signals)
    large = replace(large, signals=padded)
    twin = MemorySignalQueue()
    SqsSignalQueue(wire.clients["sqs"], wire.settings).send(large)
    twin.send(large)
    bodies = [message["Body"] for message in wire.received(wire.settings.execute_queue)]
    assert all(len(body) <= 200_000 for body in bodies)
    assert [decode_signals(body) for body in bodies] == twin.sent
    assert tuple(one for part in twin.sent for one in part.signals) == large.signals
    assert len(twin.sent) == 4


def test_events_keep_their_order_and_go_by_500(wire: Wire) -> None:
    stream: EventStream = KinesisEventStream(wire.clients["kinesis"], wire.settings.stream)
    twin: EventStream = MemoryEventStream()
    sent = [event(n) for n in range(501)]
    wire.calls.clear()
    for one in (stream, twin):
        one.put(sent)
        one.put([])
    assert wire.calls == {"PutRecords": 2}
    assert wire.events() == sent
    assert isinstance(twin, MemoryEventStream)
    assert twin.sent == sent


def test_large_events_go_in_several_calls(wire: Wire) -> None:
    stream = KinesisEventStream(wire.clients["kinesis"], wire.settings.stream)
    wire.calls.clear()
    stream.put([replace(event(n), data={"x": "y" * 900_000}) for n in range(9)])
    assert wire.calls == {"PutRecords": 3}
    assert [one.event_id for one in wire.events()] == [f"e{n}" for n in range(9)]


def test_refused_events_are_sent_again_and_then_retryable(wire: Wire, monkeypatch: Any) -> None:
    attempts: list[list[str]] = []
    refusals = {"e1": 1}

    def partly(StreamName: str, Records: Any) -> dict[str, Any]:  # noqa: N803
        names = [json.loads(record["Data"])["event_id"] for record in Records]
        attempts.append(names)
        results = [
            {"ErrorCode": "ProvisionedThroughputExceededException"}
            if refusals.get(name, 0) >= len(attempts)
            else {"SequenceNumber": "1"}
            for name in names
        ]
        return {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}

    monkeypatch.setattr(wire.clients["kinesis"], "put_records", partly)
    stream = KinesisEventStream(wire.clients["kinesis"], wire.settings.stream)
    stream.put([event(n) for n in range(3)])
    assert attempts == [["e0", "e1", "e2"], ["e1"]]
    refusals["e1"] = 99
    attempts.clear()
    with pytest.raises(Retryable, match="1 of 3 events"):
        stream.put([event(n) for n in range(3)])
    assert attempts == [["e0", "e1", "e2"], ["e1"], ["e1"]]


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "X"), True),
        (
            ClientError({"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "X"),
            True,
        ),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1"), True),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "X"), False),
    ],
    ids=["throttle", "server", "connection", "denied"],
)
def test_passing_troubles_are_retryable_and_others_are_not(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Exception, retried: bool
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    for client in wire.clients.values():
        monkeypatch.setattr(client, "_make_api_call", fail)
    sends: tuple[Callable[[], None], ...] = (
        lambda: SqsTickQueue(wire.clients["sqs"], wire.settings).send([tick(1)], 1.0),
        lambda: SqsSignalQueue(wire.clients["sqs"], wire.settings).send(batch("a")),
        lambda: KinesisEventStream(wire.clients["kinesis"], wire.settings.stream).put([event(1)]),
    )
    for send in sends:
        with pytest.raises(Retryable if retried else ClientError):
            send()


@pytest.mark.parametrize(
    "body",
    ["", "{", "null", "[]", "7", '"x"', "{}", '{"kind": "nonsense"}', '{"kind": "market", "slot": NaN}'],
)
def test_rubbish_is_rejected(body: str) -> None:
    for decode in (decode_tick, decode_signals):
        with pytest.raises(Rejected):
            decode(body)
    with pytest.raises(Rejected):
        decode_event(body.encode())
    with pytest.raises(Rejected):
        decode_event(b"\xff\xfe" + body.encode())


def test_a_field_of_a_newer_sender_is_left_out() -> None:
    newer = {**json.loads(encode(tick(5))), "colour": "blue"}
    assert decode_tick(json.dumps(newer)) == tick(5)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    chosen=st.lists(signals, min_size=1, max_size=3).map(tuple),
    slot=st.integers(0, 4 * 10**9),
    data=details,
    at=st.floats(0, 4e9),
)
def test_messages_come_back_as_they_went(
    chosen: tuple[Any, ...], slot: int, data: dict[str, Any], at: float
) -> None:
    sent = SignalBatch(TENANT, CONNECTION, "c", chosen)
    assert decode_signals(encode(sent)) == sent
    assert decode_tick(encode(replace(tick(slot), symbols=("A", "B")))).slot == slot
    happened = replace(event(1), data=data, at=at)
    assert decode_event(encode(happened).encode()) == happened
