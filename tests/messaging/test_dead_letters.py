"""Dead letters in both worlds: the twin, and SQS on an emulated AWS; also in the local emulator."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.dead_letters import DeadLetter
from chalicelib.domain.engine import Subject
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.flows.world import DeadLetters
from chalicelib.local.emulator import Emulator
from chalicelib.local.resources import create_resources
from chalicelib.messaging.codec import encode
from chalicelib.messaging.dead_letters import SqsDeadLetters
from chalicelib.messaging.letters import LETTER_QUEUES, read_letter
from chalicelib.messaging.memory import MemoryDeadLetters
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.clients import CONFIG
from tests.stores.examples import CONNECTION, TENANT, signal

REGION = "eu-central-1"
NOW = 1_700_000_000.0
_number = count()

TICK = Tick("realtime", Subject(TENANT, f"engine#{CONNECTION}"), 1_700_000_010)
FEED = Tick("market", Subject("public", "feed#binance#1m"), 1_700_000_002)


def batch(*names: str) -> SignalBatch:
    return SignalBatch(TENANT, CONNECTION, "cause", tuple(signal(name) for name in names))


@dataclass
class Office:
    """Dead letters, a way for messages to die, and the bodies that came back to a queue."""

    letters: DeadLetters
    die: Callable[[str, str], None]
    returned: Callable[[str], list[str]]


def source(settings: Settings, queue: str) -> str:
    return f"cts-{settings.stage}-{queue}{'.fifo' if queue == 'execute-signals' else ''}"


def of_sqs(client: Any, settings: Settings, streams: bool = False) -> Office:
    def url(name: str) -> str:
        found: str = client.get_queue_url(QueueName=name)["QueueUrl"]
        return found

    def die(queue: str, body: str) -> None:
        name = dead_letter_queue(source(settings, queue))
        order = {"MessageGroupId": "g", "MessageDeduplicationId": str(next(_number))}
        client.send_message(QueueUrl=url(name), MessageBody=body, **(order if name.endswith(".fifo") else {}))

    def returned(queue: str) -> list[str]:
        address = url(source(settings, queue))
        answer = client.receive_message(
            QueueUrl=address, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        found = []
        for message in answer.get("Messages", ()):
            client.delete_message(QueueUrl=address, ReceiptHandle=message["ReceiptHandle"])
            assert message["Attributes"].get("MessageGroupId", "g") == "g", "order is kept per connection"
            found.append(message["Body"])
        return found

    return Office(SqsDeadLetters(client, settings, streams, wait=0), die, returned)


def of_memory() -> Office:
    twin = MemoryDeadLetters()

    def returned(queue: str) -> list[str]:
        return [body for name, body in twin.sent if name == queue]

    return Office(twin, lambda queue, body: put(twin, queue, body), returned)


def put(twin: MemoryDeadLetters, queue: str, body: str) -> None:
    number = next(_number)
    twin.put(queue, f"m{number}", body, NOW + number)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Settings]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        settings = Settings(stage=f"dlq{next(_number)}", region=REGION)
        clients = {
            name: get_session().create_client(name, REGION, config=CONFIG)
            for name in ("dynamodb", "sqs", "kinesis", "s3")
        }
        create_resources(settings, clients)
        yield clients["sqs"], settings


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state: Path = tmp_path_factory.mktemp("emulator")
    running = Emulator.start(state, virtual=False, region=REGION)
    try:
        yield running.endpoint_url
    finally:
        running.stop()


@pytest.fixture(params=["memory", "aws", "emulator"])
def office(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Office:
    if request.param == "memory":
        return of_memory()
    if request.param == "aws":
        return of_sqs(*request.getfixturevalue("sqs"))
    endpoint = request.getfixturevalue("emulator")
    settings = Settings(stage=f"dlq{next(_number)}", region=REGION, endpoint_url=endpoint)
    session = get_session()
    session.set_credentials("test", "test")
    clients = {
        name: session.create_client(name, REGION, endpoint_url=endpoint, config=CONFIG)
        for name in ("dynamodb", "sqs", "kinesis", "s3")
    }
    create_resources(settings, clients)
    return of_sqs(clients["sqs"], settings)


def only(office: Office) -> DeadLetter:
    (letter,) = office.letters.all()
    return letter


def test_without_any_there_are_none(office: Office) -> None:
    assert office.letters.all() == ()
    assert office.letters.take("realtime-tick.nothing") is None
    assert office.letters.take("nowhere.nothing") is None


def test_a_letter_says_what_it_is_and_looking_takes_nothing(office: Office) -> None:
    office.die("realtime-tick", encode(TICK))
    for _ in range(2):
        letter = only(office)
        assert (letter.queue, letter.kind, letter.what) == ("realtime-tick", "tick", TICK.tick_id)
        assert (letter.tenant, letter.connection_id) == (TENANT, CONNECTION)
        assert letter.correlation_id == TICK.tick_id
        assert letter.letter_id.startswith("realtime-tick.")
        assert letter.sent_at > 1_600_000_000
        assert letter.received >= 1
        assert letter.body == encode(TICK)


def test_all_queues_are_looked_at_oldest_letter_first(office: Office) -> None:
    for queue in LETTER_QUEUES:
        office.die(queue, encode(batch("1")) if queue == "execute-signals" else encode(FEED))
    found = office.letters.all()
    assert sorted(letter.queue for letter in found) == sorted(LETTER_QUEUES)
    assert [letter.sent_at for letter in found] == sorted(letter.sent_at for letter in found)


def test_more_than_one_receive_brings_are_found(office: Office) -> None:
    for number in range(23):
        office.die("realtime-tick", encode(replace(TICK, slot=number)))
    found = office.letters.all()
    assert {letter.what for letter in found} == {replace(TICK, slot=n).tick_id for n in range(23)}
    taken = office.letters.take(found[-1].letter_id)
    assert taken is not None
    assert taken.what == found[-1].what


@pytest.mark.parametrize("queue", ["realtime-tick", "execute-signals"])
def test_a_letter_goes_back_to_its_queue_once(office: Office, queue: str) -> None:
    body = encode(batch("1")) if queue == "execute-signals" else encode(TICK)
    office.die(queue, body)
    letter = office.letters.take(only(office).letter_id)
    assert letter is not None
    office.letters.send_again(letter, NOW)
    assert office.returned(queue) == [body]
    assert office.letters.all() == ()
    assert office.letters.take(letter.letter_id) is None


def test_the_same_signals_can_be_sent_again_twice(sqs: tuple[Any, Settings]) -> None:
    office = of_sqs(*sqs)
    body = encode(batch("1"))
    for attempt in range(2):
        office.die("execute-signals", body)
        letter = office.letters.take(only(office).letter_id)
        assert letter is not None
        office.letters.send_again(letter, NOW + attempt)
        assert office.returned("execute-signals") == [body]


def test_a_taken_letter_is_hidden_until_it_is_given_back_or_removed(office: Office) -> None:
    office.die("decision-tick", encode(TICK))
    letter = office.letters.take(only(office).letter_id)
    assert letter is not None
    assert office.letters.all() == ()
    assert office.letters.take(letter.letter_id) is None
    office.letters.release(letter)
    again = office.letters.take(only(office).letter_id)
    assert again is not None
    office.letters.remove(again)
    assert office.letters.all() == ()
    assert office.returned("decision-tick") == []


def test_taking_one_leaves_the_others(office: Office) -> None:
    for number in range(3):
        office.die("realtime-tick", encode(replace(TICK, slot=number)))
    first, second, third = office.letters.all()
    taken = office.letters.take(second.letter_id)
    assert taken is not None
    assert {letter.letter_id for letter in office.letters.all()} == {first.letter_id, third.letter_id}


@pytest.mark.parametrize("queue", ["realtime-tick", "execute-signals"])
@pytest.mark.parametrize("body", ["no json", "{}", "[]", '"text"'])
def test_what_nobody_can_read_says_why(office: Office, queue: str, body: str) -> None:
    office.die(queue, body)
    letter = only(office)
    assert (letter.kind, letter.tenant, letter.body) == ("unreadable", "", body)
    assert letter.reason


def test_a_long_batch_is_told_in_short(office: Office) -> None:
    office.die("execute-signals", encode(batch("1", "2", "3", "4", "5")))
    letter = only(office)
    assert letter.kind == "signals"
    assert letter.what == ", ".join(["enter long BTC/USDT"] * 3) + " and 2 more"
    assert letter.correlation_id == "cause"


STREAM_REPORT = {
    "requestContext": {"requestId": "r-1", "condition": "RetryAttemptsExhausted"},
    "KinesisBatchInfo": {
        "batchSize": 3,
        "streamArn": "arn:aws:kinesis:eu-central-1:1:stream/cts-dev-events",
        "startSequenceNumber": "49",
    },
}


def test_places_in_streams_are_seen_by_who_asks_for_them(sqs: tuple[Any, Settings]) -> None:
    client, settings = sqs
    assert of_sqs(client, settings, streams=True).letters.all() == (), "a local run has no such queue"
    client.create_queue(QueueName=f"cts-{settings.stage}-streams-dlq")
    office = of_sqs(client, settings, streams=True)
    office.die("streams", json.dumps(STREAM_REPORT))
    letter = only(office)
    assert (letter.kind, letter.reason, letter.correlation_id) == ("stream", "RetryAttemptsExhausted", "r-1")
    assert letter.what == f"3 records of {STREAM_REPORT['KinesisBatchInfo']['streamArn']} from 49"  # type: ignore[index]
    assert of_sqs(client, settings).letters.all() == ()


def test_a_report_of_a_table_stream_is_read_too() -> None:
    place = STREAM_REPORT["KinesisBatchInfo"]
    said = {"requestContext": STREAM_REPORT["requestContext"], "DDBStreamBatchInfo": place}
    letter = read_letter(DeadLetter("streams.1", "unreadable", "streams", "", NOW, body=json.dumps(said)))
    assert letter.kind == "stream"
