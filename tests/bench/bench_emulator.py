"""Measures how fast an AWS emulator answers one boto3 client: `python -m tests.bench.bench_emulator`.

Without `--endpoint` it starts the project's own emulator; with it, any server that speaks the same services.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.local.emulator import CLIENT_CONFIG, Emulator

_ITEM = {
    "tenant": {"S": "default"},
    "record": {"S": "position#0"},
    "version": {"N": "1"},
    "symbol": {"S": "BTC/USDT"},
    "quantity": {"S": "0.01500000"},
    "tags": {"M": {"origin": {"S": "ladder"}, "level": {"S": "real"}}},
}


def _clients(endpoint: str, tuned: bool) -> dict[str, Any]:
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    config = Config(**CLIENT_CONFIG) if tuned else Config()
    return {
        name: session.client(name, endpoint_url=endpoint, config=config)
        for name in ("dynamodb", "s3", "sqs", "kinesis")
    }


def _rate(name: str, repeat: int, call: Callable[[int], object]) -> tuple[str, float, float]:
    call(0)
    started = time.perf_counter()
    for number in range(1, repeat + 1):
        call(number)
    seconds = time.perf_counter() - started
    return name, repeat / seconds, 1000 * seconds / repeat


def _create(clients: dict[str, Any], name: str) -> str:
    clients["dynamodb"].create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "tenant", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "tenant", "AttributeType": "S"},
            {"AttributeName": "record", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    clients["s3"].create_bucket(Bucket=name)
    clients["kinesis"].create_stream(StreamName=name, ShardCount=1)
    url: str = clients["sqs"].create_queue(QueueName=name)["QueueUrl"]
    return url


def _dynamodb_cases(client: Any, table: str, repeat: int) -> list[tuple[str, float, float]]:
    def item(number: int) -> dict[str, Any]:
        return {**_ITEM, "record": {"S": f"position#{number % 50}"}, "version": {"N": str(number)}}

    def update(number: int) -> None:
        client.update_item(
            TableName=table,
            Key={"tenant": {"S": "default"}, "record": {"S": "lease"}},
            UpdateExpression="SET #v = :next, #s = :s",
            ConditionExpression="attribute_not_exists(#v) OR #v < :next",
            ExpressionAttributeNames={"#v": "version", "#s": "slot"},
            ExpressionAttributeValues={":next": {"N": str(number + 1)}, ":s": {"S": "running"}},
        )

    def transact(number: int) -> None:
        puts = [{"Put": {"TableName": table, "Item": item(number + offset)}} for offset in range(4)]
        client.transact_write_items(TransactItems=puts)

    key = {"tenant": {"S": "default"}, "record": {"S": "position#1"}}
    return [
        _rate("dynamodb put", repeat, lambda n: client.put_item(TableName=table, Item=item(n))),
        _rate("dynamodb update, conditional", repeat, update),
        _rate("dynamodb get", repeat, lambda _: client.get_item(TableName=table, Key=key)),
        _rate(
            "dynamodb query 50",
            repeat // 4,
            lambda _: client.query(
                TableName=table,
                KeyConditionExpression="tenant = :t AND begins_with(#r, :p)",
                ExpressionAttributeNames={"#r": "record"},
                ExpressionAttributeValues={":t": {"S": "default"}, ":p": {"S": "position#"}},
            ),
        ),
        _rate("dynamodb transact write 4", repeat // 4, transact),
    ]


def _stream_cases(
    clients: dict[str, Any], name: str, url: str, repeat: int
) -> list[tuple[str, float, float]]:
    sqs, body = clients["sqs"], json.dumps({"tick": "strategy#default#1", "pad": "x" * 300})
    entries = [{"Id": str(number), "MessageBody": body} for number in range(10)]

    def receive_and_delete(_: int) -> None:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        handles = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(found)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=handles)

    records = [{"Data": body.encode(), "PartitionKey": str(number)} for number in range(10)]
    batches = max(5, repeat // 20)
    return [
        _rate("sqs send", repeat // 4, lambda _: sqs.send_message(QueueUrl=url, MessageBody=body)),
        _rate("sqs send batch 10", batches, lambda _: sqs.send_message_batch(QueueUrl=url, Entries=entries)),
        _rate("sqs receive 10 + delete 10", batches, receive_and_delete),
        _rate(
            "kinesis put records 10",
            batches,
            lambda _: clients["kinesis"].put_records(StreamName=name, Records=records),
        ),
    ]


def _object_cases(client: Any, bucket: str, repeat: int) -> list[tuple[str, float, float]]:
    body = uuid.uuid4().bytes * 65536
    return [
        _rate("s3 put 1 MB", repeat // 20, lambda _: client.put_object(Bucket=bucket, Key="a", Body=body)),
        _rate(
            "s3 get 1 MB", repeat // 20, lambda _: client.get_object(Bucket=bucket, Key="a")["Body"].read()
        ),
    ]


def _measure(endpoint: str, repeat: int, tuned: bool) -> None:
    clients, name = _clients(endpoint, tuned), f"bench{uuid.uuid4().hex[:8]}"
    url = _create(clients, name)
    rows = _dynamodb_cases(clients["dynamodb"], name, repeat)
    rows += _stream_cases(clients, name, url, repeat)
    rows += _object_cases(clients["s3"], name, repeat)
    for label, rate, milliseconds in rows:
        print(f"{label:32} {rate:9.0f} /s {milliseconds:9.2f} ms")


def main() -> None:
    """Print one line per operation: calls per second and milliseconds per call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", help="a running server; default: the project's own emulator")
    parser.add_argument("--repeat", type=int, default=400)
    parser.add_argument("--default-client", action="store_true", help="botocore's own defaults")
    options = parser.parse_args()
    tuned = not options.default_client
    if options.endpoint:
        _measure(options.endpoint, options.repeat, tuned)
        return
    with tempfile.TemporaryDirectory() as directory:
        emulator = Emulator.start(Path(directory), virtual=False)
        try:
            _measure(emulator.endpoint_url, options.repeat, tuned)
        finally:
            emulator.stop()


if __name__ == "__main__":
    main()
