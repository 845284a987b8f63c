"""What survives: the journal's files by themselves, and the whole emulator killed and started again."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import UsageError
from chalicelib.local.emulator import Emulator
from chalicelib.local.journal import Journal
from chalicelib.local.object_files import ObjectFiles
from tests.local.emulated import Clients, all_items, create_table, kill, record, started

START = 1_618_617_600.0


def _item(number: int, value: int) -> list[Any]:
    return ["item", "records", [{"S": "default"}, {"S": str(number)}], {"n": {"N": str(value)}}]


def test_the_last_image_wins_and_a_tombstone_removes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(1.0, [_item(1, 1), _item(2, 1)])
    journal.append(2.0, [_item(1, 2), [*_item(2, 1)[:3], None]])
    journal.close()
    again = Journal(tmp_path)
    assert list(again.state.changes()) == [_item(1, 2)]
    assert again.state.clock == 2.0
    again.close()


def test_a_torn_last_line_is_ignored_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(1.0, [_item(1, 1)])
    journal.append(2.0, [_item(1, 2), _item(2, 2)])
    journal.close()
    log = tmp_path / "journal.log"
    log.write_bytes(log.read_bytes()[:-7])
    again = Journal(tmp_path)
    assert list(again.state.changes()) == [_item(1, 1)]
    again.append(3.0, [_item(3, 3)])
    again.close()
    last = Journal(tmp_path)
    assert list(last.state.changes()) == [_item(1, 1), _item(3, 3)]
    last.close()


def test_damage_before_the_end_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(1.0, [_item(1, 1)])
    journal.close()
    with (tmp_path / "journal.log").open("ab") as log:
        log.write(b"\0\0\0\n[2.0,[]]\n")
    with pytest.raises(UsageError, match=r"damaged in line 4: .*--fresh"):
        Journal(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.log").write_text('{"format": 99}\n')
    with pytest.raises(UsageError, match=r"has format 99, this program reads 1: use --fresh"):
        Emulator.start(tmp_path, virtual=True)
    assert (tmp_path / "journal.log").read_text() == '{"format": 99}\n'


def test_the_log_stays_short_however_often_an_item_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, compact_bytes=10_000)
    for number in range(2_000):
        journal.append(float(number), [_item(number % 5, number)])
    assert journal.size < 11_000
    journal.close()
    again = Journal(tmp_path)
    assert list(again.state.changes()) == [_item(number % 5, number) for number in range(1_995, 2_000)]
    again.close()


def test_a_compaction_that_was_cut_off_leaves_the_old_log(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(1.0, [_item(1, 1)])
    journal.close()
    (tmp_path / "journal.new").write_bytes(b'{"format": 1}\n[5.0,[["it')
    again = Journal(tmp_path)
    assert list(again.state.changes()) == [_item(1, 1)]
    again.close()


def test_a_half_written_object_leaves_the_old_one(tmp_path: Path) -> None:
    files = ObjectFiles(tmp_path)
    files.put("b", "k", {"etag": "1"}, b"old\nbody")
    (path,) = tmp_path.glob("*.object")
    path.with_suffix(".new").write_bytes(b'{"format": 1, "si')
    ((header, body),) = ObjectFiles(tmp_path).read_all()
    assert (header["etag"], body) == ("1", b"old\nbody")
    assert [found.suffix for found in tmp_path.iterdir()] == [".object"]


def _write_until_dead(clients: Clients, url: str, acknowledged: dict[str, Any]) -> None:
    for number in range(100_000):
        try:
            clients.dynamodb.put_item(
                TableName="records", Item=record(f"r{number % 40}", n={"N": str(number)})
            )
            acknowledged[f"r{number % 40}"] = number
            pair = [
                {"Put": {"TableName": "records", "Item": record(f"pair-{side}", n={"N": str(number)})}}
                for side in "ab"
            ]
            clients.dynamodb.transact_write_items(TransactItems=pair)
            acknowledged["pair"] = number
            clients.sqs.send_message(QueueUrl=url, MessageBody=str(number))
            acknowledged["sent"] = number
            body = str(number).encode() * 20_000
            acknowledged["etag"] = clients.s3.put_object(Bucket="candles", Key="5m", Body=body)["ETag"]
            acknowledged["object"] = number
        except (BotoCoreError, ClientError):
            return


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_kill_in_a_stream_of_writes_loses_nothing_acknowledged(seed: int, tmp_path: Path) -> None:
    acknowledged: dict[str, Any] = {}
    emulator = Emulator.start(tmp_path, virtual=True)
    clients = Clients(emulator.endpoint_url)
    create_table(clients.dynamodb)
    clients.s3.create_bucket(Bucket="candles")
    url = clients.sqs.create_queue(QueueName="ticks")["QueueUrl"]
    writer = threading.Thread(target=_write_until_dead, args=(clients, url, acknowledged))
    writer.start()
    # The kill comes at a random moment, but never before there is something to lose: machines may be slow.
    assert _reached(lambda: acknowledged.get("object", 0) > 5, 30)
    time.sleep(random.Random(seed).random() / 3)
    os.kill(emulator.process_id, signal.SIGKILL)
    writer.join(10)
    emulator.stop()
    with started(tmp_path) as (_, clients):
        items = {name: int(item["n"]["N"]) for name, item in all_items(clients.dynamodb).items()}
        for name, number in acknowledged.items():
            if name.startswith("r"):
                assert items[name] in (number, number + 40)
        assert items["pair-a"] == items["pair-b"]
        assert items["pair-a"] - acknowledged["pair"] in (0, 1)
        assert _sent(clients, "ticks") - {acknowledged["sent"] + 1} == set(range(acknowledged["sent"] + 1))
        found = clients.s3.get_object(Bucket="candles", Key="5m")
        number = acknowledged["object"]
        assert found["Body"].read() in (str(number).encode() * 20_000, str(number + 1).encode() * 20_000)


def _reached(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    return condition()


def _sent(clients: Clients, name: str) -> set[int]:
    url = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    bodies: set[int] = set()
    while found := clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies |= {int(message["Body"]) for message in found}
    return bodies


def test_a_kill_in_compactions_loses_nothing(tmp_path: Path) -> None:
    emulator = Emulator.start(tmp_path, virtual=True)
    clients = Clients(emulator.endpoint_url)
    create_table(clients.dynamodb)
    for number in range(60):
        item = record(f"r{number}", pad={"S": "x" * 2000})
        clients.dynamodb.put_item(TableName="records", Item=item)
    for attempt in range(3):
        compacting = threading.Thread(target=_compact_until_dead, args=(emulator,))
        compacting.start()
        time.sleep(0.03 + attempt / 40)
        os.kill(emulator.process_id, signal.SIGKILL)
        compacting.join(10)
        emulator.stop()
        emulator = Emulator.start(tmp_path, virtual=True)
        assert len(all_items(Clients(emulator.endpoint_url).dynamodb)) == 60
    emulator.stop()


def _compact_until_dead(emulator: Emulator) -> None:
    for _ in range(10_000):
        try:
            emulator.compact()
        except Exception:
            return


def test_the_clock_goes_on_where_it_was(tmp_path: Path) -> None:
    with started(tmp_path) as (emulator, _):
        emulator.set_time(START + 0.25)
        kill(emulator)
    with started(tmp_path) as (emulator, _):
        assert emulator.pending().now == START + 0.25


def test_tables_come_back_with_settings_and_all_attribute_types(tmp_path: Path) -> None:
    item = record(
        "all", n={"N": "1.50"}, b={"B": b"\x00\xfe"}, bs={"BS": [b"\x01"]}, ss={"SS": ["x"]}, t={"BOOL": True}
    )
    item["m"] = {"M": {"l": {"L": [{"B": b"\xff"}, {"NULL": True}, {"M": {}}]}}}
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START)
        create_table(clients.dynamodb, stream=True)
        clients.dynamodb.update_time_to_live(
            TableName="records", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        clients.dynamodb.put_item(TableName="records", Item=item)
        clients.dynamodb.batch_write_item(
            RequestItems={
                "records": [
                    {"PutRequest": {"Item": record("batch")}},
                    {"DeleteRequest": {"Key": record("nothing")}},
                ]
            }
        )
        clients.dynamodb.put_item(TableName="records", Item=record("gone"))
        clients.dynamodb.delete_item(TableName="records", Key=record("gone"))
        create_table(clients.dynamodb, "dropped")
        clients.dynamodb.put_item(TableName="dropped", Item=record("x"))
        clients.dynamodb.delete_table(TableName="dropped")
        described = clients.dynamodb.describe_table(TableName="records")["Table"]
        kill(emulator)
    with started(tmp_path) as (_, clients):
        assert all_items(clients.dynamodb) == {"all": item, "batch": record("batch")}
        again = clients.dynamodb.describe_table(TableName="records")["Table"]
        assert again == described
        assert clients.dynamodb.list_tables()["TableNames"] == ["records"]
        ttl = clients.dynamodb.describe_time_to_live(TableName="records")["TimeToLiveDescription"]
        assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            clients.dynamodb.put_item(
                TableName="records", Item=item, ConditionExpression="attribute_not_exists(tenant)"
            )


def test_messages_come_back_where_they_were(tmp_path: Path) -> None:
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START)
        _prepare_queues(clients, emulator)
        kill(emulator)
    with started(tmp_path) as (emulator, clients):
        urls = {
            name: clients.sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("a.fifo", "dead.fifo")
        }
        found = clients.sqs.receive_message(
            QueueUrl=urls["a.fifo"],
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )["Messages"]
        assert [message["Body"] for message in found] == ["in-flight", "waiting"]
        assert found[0]["Attributes"]["MessageGroupId"] == "g"
        assert found[0]["Attributes"]["MessageDeduplicationId"] == "in-flight"
        assert found[1]["MessageAttributes"] == {"raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
        (dead,) = clients.sqs.receive_message(QueueUrl=urls["dead.fifo"])["Messages"]
        assert dead["Body"] == "poison"
        assert emulator.pending().queues["delayed"] == START + 1000


def _prepare_queues(clients: Clients, emulator: Emulator) -> None:
    fifo = {"FifoQueue": "true"}
    clients.sqs.create_queue(QueueName="dead.fifo", Attributes=fifo)
    url = clients.sqs.create_queue(QueueName="a.fifo", Attributes=fifo)["QueueUrl"]
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo", "maxReceiveCount": 1}
    clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    attributes = {"raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}

    def send(body: str, group: str, **named: Any) -> None:
        clients.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body, **named
        )

    send("poison", "bad")
    clients.sqs.receive_message(QueueUrl=url, VisibilityTimeout=5)
    emulator.set_time(START + 100)
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=url)
    send("deleted", "g")
    (message,) = clients.sqs.receive_message(QueueUrl=url)["Messages"]
    clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    send("in-flight", "g")
    assert clients.sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "in-flight"
    send("waiting", "g", MessageAttributes=attributes)
    delayed = clients.sqs.create_queue(QueueName="delayed")["QueueUrl"]
    clients.sqs.send_message(QueueUrl=delayed, MessageBody="late", DelaySeconds=900)
    purged = clients.sqs.create_queue(QueueName="purged")["QueueUrl"]
    clients.sqs.send_message(QueueUrl=purged, MessageBody="x")
    clients.sqs.purge_queue(QueueUrl=purged)
    assert emulator.pending().queues["purged"] is None


def test_objects_keep_etag_type_metadata_and_time(tmp_path: Path) -> None:
    named = {"Bucket": "candles", "Key": "binance/5m ü+.json"}
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START)
        clients.s3.create_bucket(Bucket="candles")
        clients.s3.put_object(**named, Body=b"{}", ContentType="application/json", Metadata={"fence": "7"})
        before = clients.s3.get_object(**named)
        for key in ("one", "two", "three"):
            clients.s3.put_object(Bucket="candles", Key=key, Body=b"x")
        clients.s3.delete_object(Bucket="candles", Key="one")
        clients.s3.delete_objects(Bucket="candles", Delete={"Objects": [{"Key": "two"}]})
        kill(emulator)
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START + 60)
        after = clients.s3.get_object(**named)
        assert after["Body"].read() == b"{}"
        for part in ("ETag", "ContentType", "Metadata", "LastModified"):
            assert after[part] == before[part]
        listed = clients.s3.list_objects_v2(Bucket="candles")["Contents"]
        assert [found["Key"] for found in listed] == ["binance/5m ü+.json", "three"]
        clients.s3.put_object(**named, Body=b"[]", IfMatch=before["ETag"])


def _read_stream(clients: Clients, table: str) -> list[dict[str, Any]]:
    arn = clients.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    described = clients.streams.describe_stream(StreamArn=arn)["StreamDescription"]
    shard = described["Shards"][0]["ShardId"]
    iterator = clients.streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return list(clients.streams.get_records(ShardIterator=iterator)["Records"])


def test_unconsumed_stream_records_come_back(tmp_path: Path) -> None:
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START)
        create_table(clients.dynamodb, stream=True)
        for number in range(4):
            clients.dynamodb.put_item(TableName="records", Item=record("one", n={"N": str(number)}))
        clients.dynamodb.delete_item(TableName="records", Key=record("one"))
        emulator.checkpoint(dynamodb={"records": 3})
        before = _read_stream(clients, "records")
        kill(emulator)
    with started(tmp_path) as (emulator, clients):
        backlog = emulator.pending().dynamodb["records"]
        assert (backlog.consumed, backlog.written, backlog.waiting) == (3, 5, 2)
        after = _read_stream(clients, "records")
        assert after == before
        assert [found["eventName"] for found in after] == ["MODIFY", "REMOVE"]
        assert after[0]["dynamodb"]["OldImage"]["n"] == {"N": "2"}
        clients.dynamodb.put_item(TableName="records", Item=record("two"))
        numbers = [int(found["dynamodb"]["SequenceNumber"]) for found in _read_stream(clients, "records")]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def _read_kinesis(clients: Clients, shard: str = "shardId-000000000000") -> list[tuple[str, bytes]]:
    iterator = clients.kinesis.get_shard_iterator(
        StreamName="signals", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = clients.kinesis.get_records(ShardIterator=iterator)["Records"]
    return [(entry["SequenceNumber"], entry["Data"]) for entry in found]


def test_unconsumed_kinesis_records_come_back_in_order(tmp_path: Path) -> None:
    shard = "shardId-000000000000"
    with started(tmp_path) as (emulator, clients):
        emulator.set_time(START)
        clients.kinesis.create_stream(StreamName="signals", ShardCount=1)
        records = [{"Data": b"\x00%d" % number, "PartitionKey": str(number)} for number in range(6)]
        clients.kinesis.put_records(StreamName="signals", Records=records)
        emulator.checkpoint(kinesis={"signals": {shard: 4}})
        before = _read_kinesis(clients)
        kill(emulator)
    with started(tmp_path) as (emulator, clients):
        backlog = emulator.pending().kinesis["signals"][shard]
        assert (backlog.consumed, backlog.written) == (4, 6)
        assert _read_kinesis(clients) == before == [("5", b"\x004"), ("6", b"\x005")]
        emulator.checkpoint(kinesis={"signals": {shard: 6}})
        kill(emulator)
    with started(tmp_path) as (emulator, clients):
        assert _read_kinesis(clients) == []
        clients.kinesis.put_record(StreamName="signals", Data=b"next", PartitionKey="p")
        assert _read_kinesis(clients) == [("7", b"next")]


def test_a_token_is_remembered_over_a_kill(tmp_path: Path) -> None:
    addition = {
        "TableName": "records",
        "Key": record("counter"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    with started(tmp_path) as (emulator, clients):
        create_table(clients.dynamodb)
        clients.dynamodb.transact_write_items(TransactItems=[{"Update": addition}], ClientRequestToken="t")
        kill(emulator)
    with started(tmp_path) as (_, clients):
        clients.dynamodb.transact_write_items(TransactItems=[{"Update": addition}], ClientRequestToken="t")
        assert all_items(clients.dynamodb)["counter"]["n"] == {"N": "1"}
