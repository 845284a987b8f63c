"""The event pump against the real emulator process, with toy functions: shapes, failures, order, time."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.local.aws_clients import own_clients
from chalicelib.local.clock import VirtualClock
from chalicelib.local.emulator import Emulator
from chalicelib.local.pump import POISON_FILE, Function, Pump
from chalicelib.local.recorder import Recorder
from chalicelib.local.replay import Plan, Replay
from chalicelib.local.sources import STREAM_ATTEMPTS
from chalicelib.local.state import Progress
from chalicelib.local.statistics import StatisticsFile
from chalicelib.settings import Settings, dead_letter_queue

START = 1_618_617_600
REGION = "eu-central-1"
VISIBILITY = 60
ORDERS, ORDERED, STREAM, TABLE = "orders", "ordered.fifo", "events", "positions"

Deliveries = list[tuple[str, float, dict[str, Any]]]
deliveries: Deliveries = []
answers: dict[str, Callable[[dict[str, Any]], Any]] = {}
clock = VirtualClock(0)


def _handler(name: str) -> Callable[[dict[str, Any], Any], Any]:
    def handle(event: dict[str, Any], context: Any) -> Any:
        assert 0 < context.get_remaining_time_in_millis() <= 900_000
        assert len(context.aws_request_id) == 36
        deliveries.append((name, clock.now(), event))
        return answers[name](event) if name in answers else None

    return handle


on_schedule, on_queue, on_fifo = _handler("schedule"), _handler("queue"), _handler("fifo")
on_stream, on_table = _handler("stream"), _handler("table")

_TABLE = (
    Function("schedule", "schedule", "rule", f"{__name__}.on_schedule"),
    Function("queue", "queue", ORDERS, f"{__name__}.on_queue", batch_size=10),
    Function("fifo", "queue", ORDERED, f"{__name__}.on_fifo", batch_size=10),
    Function("stream", "stream", STREAM, f"{__name__}.on_stream", batch_size=100),
    Function("table", "table", TABLE, f"{__name__}.on_table", batch_size=100),
)


class Bench:
    """An emulator with toy resources, a pump on it, and clients to feed it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.emulator = Emulator.start(state / "aws", virtual=True, region=REGION)
        self.move(START)
        self.clients = own_clients(self.emulator.endpoint_url, REGION)
        self.urls: dict[str, str] = {}
        for name in (ORDERS, ORDERED):
            self._create_queue(name)
        self.clients["kinesis"].create_stream(StreamName=STREAM, ShardCount=1)
        self.clients["dynamodb"].create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.statistics = StatisticsFile(state / "statistics.jsonl")
        self.pump = self.new_pump()

    def new_pump(self) -> Pump:
        recorder = Recorder(self.statistics)
        settings = Settings(region=REGION)
        return Pump(
            _TABLE, self.emulator, clock, recorder, self.statistics, settings, self.clients, self.state
        )

    def _create_queue(self, name: str) -> None:
        sqs = self.clients["sqs"]
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        dead = dead_letter_queue(name)
        self.urls[dead] = sqs.create_queue(QueueName=dead, Attributes=fifo)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:{dead}"
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
        attributes = {**fifo, "VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": redrive}
        self.urls[name] = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def move(self, to: float) -> None:
        clock.move(to)
        self.emulator.set_time(clock.now())

    def send(self, body: str, delay: int = 0) -> None:
        self.clients["sqs"].send_message(
            QueueUrl=self.urls[ORDERS],
            MessageBody=body,
            DelaySeconds=delay,
            MessageAttributes={"trace": {"DataType": "String", "StringValue": "t-1"}},
        )

    def send_ordered(self, body: str, group: str) -> None:
        self.clients["sqs"].send_message(
            QueueUrl=self.urls[ORDERED],
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=f"{group}-{body}",
        )

    def drain(self) -> None:
        self.pump.drain(lambda: False)

    def replay(self, end: int, step: int = 60, progress: Progress | None = None) -> list[Progress]:
        saved: list[Progress] = []
        plan = Plan(START, end, step)
        Replay(plan, self.pump, self.emulator, clock, threading.Event(), saved.append, lambda *_: None).run(
            progress
        )
        return saved


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    global clock
    clock = VirtualClock(START)
    deliveries.clear()
    answers.clear()
    running = Bench(tmp_path)
    yield running
    running.emulator.stop()


def _bodies(name: str) -> list[list[str]]:
    return [[record["body"] for record in event["Records"]] for at, _, event in deliveries if at == name]


def _raise(_event: dict[str, Any]) -> Any:
    raise RuntimeError("a fault in the function")


def _failing(*bodies: str) -> Callable[[dict[str, Any]], Any]:
    def answer(event: dict[str, Any]) -> Any:
        failed = [r["messageId"] for r in event["Records"] if r["body"] in bodies]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    return answer


def test_queue_event_has_the_shape_that_lambda_delivers(bench: Bench) -> None:
    bench.send("hello")
    bench.drain()
    (record,) = deliveries[0][2]["Records"]
    assert set(record) == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }
    assert {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    } <= set(record["attributes"])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["SentTimestamp"] == str(START * 1000)
    assert record["body"] == "hello"
    assert record["md5OfBody"] == "5d41402abc4b2a76b9719d911017c592"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == f"arn:aws:sqs:{REGION}:123456789012:{ORDERS}"
    assert record["messageAttributes"] == {
        "trace": {
            "stringValue": "t-1",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        }
    }


def test_fifo_event_carries_group_and_sequence(bench: Bench) -> None:
    bench.send_ordered("a", "one")
    bench.drain()
    (record,) = deliveries[0][2]["Records"]
    assert record["attributes"]["MessageGroupId"] == "one"
    assert record["attributes"]["MessageDeduplicationId"] == "one-a"
    assert record["attributes"]["SequenceNumber"]


def test_scheduled_event_has_the_shape_of_eventbridge(bench: Bench) -> None:
    bench.pump.fire_schedule(START + 60)
    ((_, _, event),) = deliveries
    assert event == {
        "version": "0",
        "id": event["id"],
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2021-04-17T00:01:00Z",
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:123456789012:rule/rule"],
        "detail": {},
    }


def test_failed_schedule_is_invoked_three_times_as_lambda_does(bench: Bench) -> None:
    answers["schedule"] = _raise
    bench.pump.fire_schedule(START)
    assert [name for name, _, _ in deliveries] == ["schedule"] * 3
    assert len({event["id"] for _, _, event in deliveries}) == 1


def test_stream_event_has_the_shape_of_kinesis(bench: Bench) -> None:
    bench.clients["kinesis"].put_record(StreamName=STREAM, Data=b"payload", PartitionKey="key")
    bench.drain()
    (record,) = deliveries[0][2]["Records"]
    assert set(record) == {
        "kinesis",
        "eventSource",
        "eventVersion",
        "eventID",
        "eventName",
        "invokeIdentityArn",
        "awsRegion",
        "eventSourceARN",
    }
    assert set(record["kinesis"]) == {
        "kinesisSchemaVersion",
        "partitionKey",
        "sequenceNumber",
        "data",
        "approximateArrivalTimestamp",
    }
    assert base64.b64decode(record["kinesis"]["data"]) == b"payload"
    assert record["kinesis"]["partitionKey"] == "key"
    assert record["kinesis"]["approximateArrivalTimestamp"] == START
    assert record["eventID"] == f"shardId-000000000000:{record['kinesis']['sequenceNumber']}"


def test_table_event_has_new_and_old_images(bench: Bench) -> None:
    for quantity in ("1", "2"):
        bench.clients["dynamodb"].put_item(
            TableName=TABLE, Item={"id": {"S": "p"}, "quantity": {"N": quantity}}
        )
    bench.clients["dynamodb"].delete_item(TableName=TABLE, Key={"id": {"S": "p"}})
    bench.drain()
    records = deliveries[0][2]["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    changed = records[1]
    assert set(changed) == {
        "eventID",
        "eventName",
        "eventVersion",
        "eventSource",
        "awsRegion",
        "dynamodb",
        "eventSourceARN",
    }
    assert changed["dynamodb"]["Keys"] == {"id": {"S": "p"}}
    assert changed["dynamodb"]["OldImage"]["quantity"] == {"N": "1"}
    assert changed["dynamodb"]["NewImage"]["quantity"] == {"N": "2"}
    assert changed["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert changed["dynamodb"]["ApproximateCreationDateTime"] == START
    assert int(changed["dynamodb"]["SequenceNumber"]) > int(records[0]["dynamodb"]["SequenceNumber"])
    assert "NewImage" not in records[2]["dynamodb"]
    json.dumps(records)


def test_only_failed_messages_of_a_batch_come_again(bench: Bench) -> None:
    answers["queue"] = _failing("bad")
    for body in ("good", "bad", "fine"):
        bench.send(body)
    bench.drain()
    bench.move(START + VISIBILITY - 1)
    bench.drain()
    assert _bodies("queue") == [["good", "bad", "fine"]]
    bench.move(START + VISIBILITY)
    answers.clear()
    bench.drain()
    assert _bodies("queue") == [["good", "bad", "fine"], ["bad"]]
    assert deliveries[1][2]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"
    assert bench.emulator.pending().queues[ORDERS] is None


@pytest.mark.parametrize(
    "answer",
    [
        _raise,
        lambda _: {"batchItemFailures": [{"itemIdentifier": "nobody"}]},
        lambda _: {"batchItemFailures": [{}]},
    ],
    ids=["exception", "unknown identifier", "no identifier"],
)
def test_broken_answer_fails_the_whole_batch(bench: Bench, answer: Callable[[Any], Any]) -> None:
    answers["queue"] = answer
    bench.send("one")
    bench.send("two")
    bench.drain()
    bench.move(START + VISIBILITY)
    answers.clear()
    bench.drain()
    assert _bodies("queue") == [["one", "two"], ["one", "two"]]
    assert bench.statistics.totals.failed_invocations == {"queue": 1}


def test_poison_message_ends_in_the_dead_letter_queue(bench: Bench) -> None:
    answers["queue"] = _raise
    bench.send("poison")
    bench.replay(START + 600)
    assert len(_bodies("queue")) == 5
    times = [at for name, at, _ in deliveries if name == "queue"]
    assert times == [START + VISIBILITY * number for number in range(5)]
    pending = bench.emulator.pending().queues
    assert pending[ORDERS] is None
    assert pending[dead_letter_queue(ORDERS)] is not None


def test_delayed_messages_arrive_at_their_second_in_order(bench: Bench) -> None:
    for body, delay in (("late", 40), ("early", 2), ("middle", 20)):
        bench.send(body, delay)
    bench.replay(START + 120)
    queued = [(event["Records"][0]["body"], at) for name, at, event in deliveries if name == "queue"]
    assert queued == [("early", START + 2), ("middle", START + 20), ("late", START + 40)]
    heartbeats = [at for name, at, _ in deliveries if name == "schedule"]
    assert heartbeats == [START, START + 60]


def test_fifo_keeps_order_and_holds_a_group_behind_its_failure(bench: Bench) -> None:
    answers["fifo"] = _raise
    for body in ("1", "2", "3"):
        bench.send_ordered(body, "one")
    bench.drain()
    answers.clear()
    bench.send_ordered("4", "one")
    bench.drain()
    assert _bodies("fifo") == [["1", "2", "3"]]
    bench.move(START + VISIBILITY)
    bench.drain()
    assert [body for batch in _bodies("fifo")[1:] for body in batch] == ["1", "2", "3", "4"]


def test_stream_goes_on_behind_a_poison_record(bench: Bench) -> None:
    def answer(event: dict[str, Any]) -> Any:
        bad = [r for r in event["Records"] if base64.b64decode(r["kinesis"]["data"]) == b"bad"]
        return {"batchItemFailures": [{"itemIdentifier": r["kinesis"]["sequenceNumber"]} for r in bad]}

    answers["stream"] = answer
    for data in (b"a", b"bad", b"b", b"c"):
        bench.clients["kinesis"].put_record(StreamName=STREAM, Data=data, PartitionKey="k")
    bench.drain()
    seen = [[base64.b64decode(r["kinesis"]["data"]) for r in event["Records"]] for _, _, event in deliveries]
    assert seen == [[b"a", b"bad", b"b", b"c"]] + [[b"bad", b"b", b"c"]] * (STREAM_ATTEMPTS - 1) + [
        [b"b", b"c"]
    ]
    assert bench.statistics.totals.poison_records == {STREAM: 1}
    (line,) = (bench.state / POISON_FILE).read_text().splitlines()
    assert json.loads(line)["record"]["PartitionKey"] == "k"
    assert not any(shard.waiting for shard in bench.emulator.pending().kinesis[STREAM].values())


def test_consumed_records_are_not_delivered_to_the_next_pump(bench: Bench) -> None:
    put = bench.clients["kinesis"].put_record
    put(StreamName=STREAM, Data=b"first", PartitionKey="k")
    bench.clients["dynamodb"].put_item(TableName=TABLE, Item={"id": {"S": "1"}})
    bench.drain()
    put(StreamName=STREAM, Data=b"between", PartitionKey="k")
    bench.drain()
    put(StreamName=STREAM, Data=b"second", PartitionKey="k")
    bench.clients["dynamodb"].put_item(TableName=TABLE, Item={"id": {"S": "2"}})
    streamed = [event["Records"] for name, _, event in deliveries if name == "stream"]
    assert [[base64.b64decode(r["kinesis"]["data"]) for r in batch] for batch in streamed] == [
        [b"first"],
        [b"between"],
    ]
    deliveries.clear()
    bench.pump = bench.new_pump()
    bench.drain()
    by_name = {name: event["Records"] for name, _, event in deliveries}
    assert [base64.b64decode(r["kinesis"]["data"]) for r in by_name["stream"]] == [b"second"]
    assert [r["dynamodb"]["Keys"]["id"]["S"] for r in by_name["table"]] == ["2"]


def test_replay_saves_its_progress_and_goes_on_from_there(bench: Bench) -> None:
    saved = bench.replay(START + 180)
    assert [progress.next_heartbeat for progress in saved] == [START + 60, START + 120, START + 180]
    deliveries.clear()
    bench.send("in flight", 30)
    bench.replay(START + 300, progress=saved[-1])
    assert [(name, at) for name, at, _ in deliveries] == [
        ("queue", START + 240),
        ("schedule", START + 240),
        ("schedule", START + 240),
    ]
    assert [event["time"] for name, _, event in deliveries if name == "schedule"] == [
        "2021-04-17T00:03:00Z",
        "2021-04-17T00:04:00Z",
    ]


def test_calls_of_the_pump_are_counted_apart(bench: Bench) -> None:
    bench.send("hello")
    bench.drain()
    totals = bench.statistics.totals
    assert totals.pump_calls == {"ReceiveMessage": 1, "DeleteMessageBatch": 1}
    assert totals.aws_calls == {}
