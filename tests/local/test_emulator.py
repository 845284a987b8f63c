"""The emulator's process through real boto3 clients: time, queues, conditions, and how it ends."""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.errors import UsageError
from chalicelib.local.emulator import Emulator
from tests.local.emulated import TENANT, Clients, create_table, record, started

START = 1_618_617_600.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Clients]]:
    with started(tmp_path_factory.mktemp("emulator")) as (emulator, clients):
        emulator.set_time(START)
        create_table(clients.dynamodb, stream=True)
        clients.s3.create_bucket(Bucket="candles")
        yield emulator, clients


@pytest.fixture
def emulator(running: tuple[Emulator, Clients]) -> Emulator:
    return running[0]


@pytest.fixture
def clients(running: tuple[Emulator, Clients]) -> Clients:
    return running[1]


def _now(emulator: Emulator) -> float:
    return emulator.pending().now


def _queue(clients: Clients, fifo: bool = False, **attributes: str) -> tuple[str, str]:
    name = f"q{uuid.uuid4().hex[:8]}" + (".fifo" if fifo else "")
    if fifo:
        attributes["FifoQueue"] = "true"
    return name, clients.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def _receive(clients: Clients, url: str, **named: Any) -> list[dict[str, Any]]:
    found = clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **named)
    return list(found.get("Messages", []))


def _bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def _delete(clients: Clients, url: str, message: dict[str, Any]) -> None:
    clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_a_delayed_message_comes_at_its_instant_and_not_a_millisecond_earlier(
    emulator: Emulator, clients: Clients
) -> None:
    name, url = _queue(clients)
    emulator.set_time(_now(emulator) + 0.3)
    sent = _now(emulator)
    clients.sqs.send_message(QueueUrl=url, MessageBody="tick", DelaySeconds=30)
    assert emulator.pending().queues[name] == pytest.approx(sent + 30, abs=1e-9)
    emulator.set_time(sent + 29.999)
    assert _receive(clients, url) == []
    emulator.set_time(emulator.pending().queues[name] or 0)
    assert _bodies(_receive(clients, url)) == ["tick"]


def test_a_received_message_returns_after_its_visibility_timeout(
    emulator: Emulator, clients: Clients
) -> None:
    name, url = _queue(clients, VisibilityTimeout="40")
    clients.sqs.send_message(QueueUrl=url, MessageBody="again")
    assert emulator.pending().queues[name] <= _now(emulator)
    start = _now(emulator)
    assert len(_receive(clients, url)) == 1
    assert _receive(clients, url) == []
    assert emulator.pending().queues[name] == pytest.approx(start + 40)
    emulator.set_time(start + 40)
    (message,) = _receive(clients, url, AttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    _delete(clients, url, message)
    emulator.set_time(start + 400)
    assert _receive(clients, url) == []
    assert emulator.pending().queues[name] is None


def test_a_changed_visibility_counts(emulator: Emulator, clients: Clients) -> None:
    name, url = _queue(clients)
    clients.sqs.send_message(QueueUrl=url, MessageBody="backoff")
    (message,) = _receive(clients, url)
    handle = message["ReceiptHandle"]
    clients.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=7)
    assert emulator.pending().queues[name] == pytest.approx(_now(emulator) + 7)
    clients.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert _bodies(_receive(clients, url)) == ["backoff"]


def test_next_due_is_the_earliest_of_all_queues(emulator: Emulator, clients: Clients) -> None:
    _, late = _queue(clients)
    _, early = _queue(clients)
    for url, delay in ((late, 900), (early, 600)):
        clients.sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=delay)
    emulator.set_time(_now(emulator) + 500)
    for name, due in emulator.pending().queues.items():
        if due is not None and due <= _now(emulator):
            clients.sqs.purge_queue(QueueUrl=clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])
    due = emulator.next_due()
    assert due is not None
    assert due == min(at for at in emulator.pending().queues.values() if at is not None)
    assert _now(emulator) < due <= _now(emulator) + 100


def test_dead_letters_after_the_receive_count(emulator: Emulator, clients: Clients) -> None:
    _, dead = _queue(clients)
    _, url = _queue(clients, VisibilityTimeout="10", RedrivePolicy=_redrive(clients, dead, 2))
    clients.sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert _bodies(_receive(clients, url)) == ["poison"]
        emulator.set_time(_now(emulator) + 10)
    assert _receive(clients, url) == []
    assert _bodies(_receive(clients, dead)) == ["poison"]


def _redrive(clients: Clients, dead: str, count: int) -> str:
    found = clients.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    arn = found["Attributes"]["QueueArn"]
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})


def _send_group(clients: Clients, url: str, group: str, bodies: str) -> None:
    for body in bodies:
        clients.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=group + body
        )


def test_all_messages_of_a_group_reach_the_dead_letters_in_order(
    emulator: Emulator, clients: Clients
) -> None:
    _, dead = _queue(clients, fifo=True)
    _, url = _queue(clients, fifo=True, VisibilityTimeout="5", RedrivePolicy=_redrive(clients, dead, 1))
    _send_group(clients, url, "a", "1234")
    assert _bodies(_receive(clients, url)) == ["1", "2", "3", "4"]
    emulator.set_time(_now(emulator) + 5)
    assert _receive(clients, url) == []
    assert _bodies(_receive(clients, dead)) == ["1", "2", "3", "4"]


def test_a_group_is_locked_while_one_of_its_messages_is_in_flight(
    emulator: Emulator, clients: Clients
) -> None:
    name, url = _queue(clients, fifo=True, VisibilityTimeout="5")
    _send_group(clients, url, "a", "12")
    _send_group(clients, url, "b", "3")
    (first,) = clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
    assert first["Body"] == "1"
    (other,) = _receive(clients, url)
    assert other["Body"] == "3"
    _delete(clients, url, other)
    assert emulator.pending().queues[name] == pytest.approx(_now(emulator) + 5)
    _delete(clients, url, first)
    assert _bodies(_receive(clients, url)) == ["2"]


def test_a_queues_delay_holds_back_each_message_of_a_group(emulator: Emulator, clients: Clients) -> None:
    name, url = _queue(clients, fifo=True, DelaySeconds="10")
    start = _now(emulator)
    _send_group(clients, url, "a", "1")
    emulator.set_time(start + 5)
    _send_group(clients, url, "a", "2")
    assert emulator.pending().queues[name] == pytest.approx(start + 10)
    emulator.set_time(start + 10)
    (first,) = _receive(clients, url)
    assert first["Body"] == "1"
    _delete(clients, url, first)
    emulator.set_time(start + 15)
    assert _bodies(_receive(clients, url)) == ["2"]


def test_a_duplicate_is_dropped_for_five_minutes_even_after_its_deletion(
    emulator: Emulator, clients: Clients
) -> None:
    _, url = _queue(clients, fifo=True)
    _send_group(clients, url, "a", "1")
    (message,) = _receive(clients, url)
    _delete(clients, url, message)
    emulator.set_time(_now(emulator) + 299)
    _send_group(clients, url, "a", "1")
    assert _receive(clients, url) == []
    emulator.set_time(_now(emulator) + 2)
    _send_group(clients, url, "a", "1")
    assert _bodies(_receive(clients, url)) == ["1"]


def test_a_long_poll_waits_and_blocks_nobody(clients: Clients) -> None:
    _, url = _queue(clients)
    found: list[str] = []
    waiting = threading.Thread(
        target=lambda: found.extend(_bodies(_receive(clients, url, WaitTimeSeconds=5)))
    )
    waiting.start()
    time.sleep(0.1)
    assert waiting.is_alive()
    clients.sqs.send_message(QueueUrl=url, MessageBody="at last")
    waiting.join(3)
    assert found == ["at last"]


def test_the_virtual_clock_stands_still_and_never_goes_back(emulator: Emulator) -> None:
    before = _now(emulator)
    time.sleep(0.02)
    emulator.set_time(before - 1000)
    assert _now(emulator) == before


def test_a_refused_condition_returns_the_old_item(clients: Clients) -> None:
    item = record("lease", fence={"N": "7"}, parts={"L": [{"M": {"size": {"N": "1.50"}}}]})
    clients.dynamodb.put_item(TableName="records", Item=item)
    with pytest.raises(ClientError) as refused:
        clients.dynamodb.update_item(
            TableName="records",
            Key=record("lease"),
            UpdateExpression="SET fence = :f",
            ConditionExpression="fence < :f",
            ExpressionAttributeValues={":f": {"N": "7"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == item


def test_a_cancelled_transaction_leaves_nothing_and_says_why(emulator: Emulator, clients: Clients) -> None:
    clients.dynamodb.put_item(TableName="records", Item=record("fence", fence={"N": "7"}))
    written = emulator.pending().dynamodb["records"].written
    with pytest.raises(ClientError) as refused:
        clients.dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "records", "Item": record("half")}},
                {
                    "Update": {
                        "TableName": "records",
                        "Key": record("fence"),
                        "UpdateExpression": "SET broken = :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
                {
                    "ConditionCheck": {
                        "TableName": "records",
                        "Key": record("other"),
                        "ConditionExpression": "attribute_exists(tenant)",
                    }
                },
            ]
        )
    reasons = [reason["Code"] for reason in refused.value.response["CancellationReasons"]]
    assert reasons == ["None", "None", "ConditionalCheckFailed"]
    assert "Item" not in clients.dynamodb.get_item(TableName="records", Key=record("half"))
    kept = clients.dynamodb.get_item(TableName="records", Key=record("fence"))["Item"]
    assert kept == record("fence", fence={"N": "7"})
    assert emulator.pending().dynamodb["records"].written == written


def test_a_transaction_with_an_unknown_table_leaves_nothing(clients: Clients) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        clients.dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "records", "Item": record("orphan")}},
                {"Delete": {"TableName": "nowhere", "Key": record("x")}},
            ]
        )
    assert "Item" not in clients.dynamodb.get_item(TableName="records", Key=record("orphan"))


def test_a_transaction_sent_twice_with_one_token_is_applied_once(clients: Clients) -> None:
    clients.dynamodb.put_item(TableName="records", Item=record("counter", n={"N": "0"}))
    addition = {
        "TableName": "records",
        "Key": record("counter"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for _ in range(2):
        clients.dynamodb.transact_write_items(TransactItems=[{"Update": addition}], ClientRequestToken="once")
    assert clients.dynamodb.get_item(TableName="records", Key=record("counter"))["Item"]["n"] == {"N": "1"}


def test_a_sparse_local_index_is_read_consistently_and_in_order(clients: Clients) -> None:
    for number, due in ((1, "b"), (2, None), (3, "a"), (4, "c")):
        attributes = {"open": {"S": due}} if due else {}
        clients.dynamodb.put_item(TableName="records", Item=record(f"order#{number}", **attributes))
    pages = clients.dynamodb.get_paginator("query").paginate(
        TableName="records",
        IndexName="by-open",
        ConsistentRead=True,
        KeyConditionExpression="tenant = :t AND #o BETWEEN :a AND :b",
        ExpressionAttributeNames={"#o": "open"},
        ExpressionAttributeValues={":t": TENANT["tenant"], ":a": {"S": "a"}, ":b": {"S": "b"}},
        PaginationConfig={"PageSize": 1},
    )
    assert [item["record"]["S"] for page in pages for item in page["Items"]] == ["order#3", "order#1"]


def test_a_query_by_prefix_is_ordered_both_ways_and_paged(clients: Clients) -> None:
    for number in (3, 1, 2):
        clients.dynamodb.put_item(
            TableName="records", Item=record(f"signal#{number}", raw={"B": b"\x00\xff"})
        )
    query: dict[str, Any] = {
        "TableName": "records",
        "KeyConditionExpression": "tenant = :t AND begins_with(#r, :p)",
        "ExpressionAttributeNames": {"#r": "record"},
        "ExpressionAttributeValues": {":t": TENANT["tenant"], ":p": {"S": "signal#"}},
    }
    found = clients.dynamodb.query(**query)["Items"]
    assert [item["record"]["S"] for item in found] == ["signal#1", "signal#2", "signal#3"]
    assert found[0]["raw"] == {"B": b"\x00\xff"}
    newest = clients.dynamodb.query(**query, ScanIndexForward=False, Limit=1)
    assert newest["Items"][0]["record"]["S"] == "signal#3"
    rest = clients.dynamodb.query(
        **query, ScanIndexForward=False, ExclusiveStartKey=newest["LastEvaluatedKey"]
    )
    assert [item["record"]["S"] for item in rest["Items"]] == ["signal#2", "signal#1"]


def test_an_update_that_creates_an_item_makes_one_stream_record(emulator: Emulator, clients: Clients) -> None:
    written = emulator.pending().dynamodb["records"].written
    clients.dynamodb.update_item(
        TableName="records",
        Key=record("upserted"),
        UpdateExpression="SET n = if_not_exists(n, :zero)",
        ExpressionAttributeValues={":zero": {"N": "0"}},
    )
    assert emulator.pending().dynamodb["records"].written == written + 1


def test_object_conditions(clients: Clients) -> None:
    named = {"Bucket": "candles", "Key": "binance/5m"}
    etag = clients.s3.put_object(**named, Body=b"one", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as exists:
        clients.s3.put_object(**named, Body=b"two", IfNoneMatch="*")
    assert exists.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    with pytest.raises(ClientError) as unchanged:
        clients.s3.get_object(**named, IfNoneMatch=etag)
    assert unchanged.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    newer = clients.s3.put_object(**named, Body=b"two", IfMatch=etag)["ETag"]
    with pytest.raises(ClientError) as stale:
        clients.s3.put_object(**named, Body=b"three", IfMatch=etag)
    assert stale.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    found = clients.s3.get_object(**named)
    assert (found["Body"].read(), found["ETag"]) == (b"two", newer)


def test_what_the_journal_cannot_keep_is_refused(clients: Clients) -> None:
    with pytest.raises(ClientError, match="does not keep what ExecuteStatement does"):
        clients.dynamodb.execute_statement(Statement="DELETE FROM records WHERE tenant = 'default'")


def test_a_real_clock_runs(tmp_path: Path) -> None:
    with started(tmp_path, virtual=False) as (emulator, _):
        emulator.set_time(5.0)
        assert abs(_now(emulator) - time.time()) < 5


def test_a_second_process_on_the_directory_is_refused_in_one_line(
    running: tuple[Emulator, Clients], tmp_path: Path
) -> None:
    with started(tmp_path), pytest.raises(UsageError, match=r"^state directory .* is in use .*--state$"):
        Emulator.start(tmp_path, virtual=True)


def test_a_taken_port_is_refused_in_one_line(emulator: Emulator, tmp_path: Path) -> None:
    port = int(emulator.endpoint_url.rpartition(":")[2])
    with pytest.raises(UsageError, match=rf"^port {port} on 127.0.0.1 cannot be used"):
        Emulator.start(tmp_path, virtual=True, port=port)


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from chalicelib.local.emulator import Emulator;"
            "emulator = Emulator.start(Path(sys.argv[1]), True); print(emulator.process_id, flush=True);"
            "time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            Emulator.start(tmp_path, virtual=True).stop()
            return
        except UsageError:
            assert time.monotonic() < deadline, "the emulator outlived its parent by five seconds"


def test_stop_takes_less_than_a_second(tmp_path: Path) -> None:
    emulator = Emulator.start(tmp_path, virtual=True)
    started_at = time.monotonic()
    emulator.stop()
    assert time.monotonic() - started_at < 1
    assert not emulator.alive()
