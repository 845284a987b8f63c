"""What the emulator's tests share: a started emulator that can be killed, and boto3 clients of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.local.emulator import CLIENT_CONFIG, Emulator

TENANT = {"tenant": {"S": "default"}}


class Clients:
    """boto3 clients of one endpoint."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        config = Config(**CLIENT_CONFIG)
        self.dynamodb, self.s3, self.sqs, self.kinesis, self.streams = (
            session.client(name, endpoint_url=endpoint, config=config)
            for name in ("dynamodb", "s3", "sqs", "kinesis", "dynamodbstreams")
        )


@contextmanager
def started(state: Path, virtual: bool = True) -> Iterator[tuple[Emulator, Clients]]:
    """Run an emulator on `state` for the length of a with block."""
    emulator = Emulator.start(state, virtual=virtual)
    try:
        yield emulator, Clients(emulator.endpoint_url)
    finally:
        emulator.stop()


def kill(emulator: Emulator) -> None:
    """Do what a power cut does to the process: kill -9, and wait until it is gone."""
    os.kill(emulator.process_id, signal.SIGKILL)
    emulator.stop()


def create_table(client: Any, name: str = "records", stream: bool = False) -> None:
    """Create a table with hash key `tenant`, range key `record` and a sparse local index on `open`."""
    keys = [
        {"AttributeName": "tenant", "KeyType": "HASH"},
        {"AttributeName": "record", "KeyType": "RANGE"},
    ]
    client.create_table(
        TableName=name,
        KeySchema=keys,
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("tenant", "record", "open")
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-open",
                "KeySchema": [keys[0], {"AttributeName": "open", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        **(
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
            if stream
            else {}
        ),
    )


def record(name: str, **attributes: Any) -> dict[str, Any]:
    """Return an item of that table."""
    return {**TENANT, "record": {"S": name}, **attributes}


def all_items(client: Any, table: str = "records") -> dict[str, dict[str, Any]]:
    """Return every item of a table by its range key."""
    return {item["record"]["S"]: item for item in client.scan(TableName=table)["Items"]}
