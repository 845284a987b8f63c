"""Both worlds of the contract suites: in-memory twins, and the real stores on an emulated AWS."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from unittest.mock import patch

from botocore.session import get_session
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from chalicelib.domain.paper import PaperLedger
from chalicelib.flows.world import ConnectionStore, EngineStore, ObjectStore, RecordStore
from chalicelib.local.resources import create_resources
from chalicelib.settings import Settings
from chalicelib.stores.clients import CONFIG
from chalicelib.stores.connections import DynamoConnectionStore
from chalicelib.stores.engines import DynamoEngineStore
from chalicelib.stores.memory import (
    MemoryConnectionStore,
    MemoryEngineStore,
    MemoryPaperLedger,
    MemoryRecordStore,
    MemoryTables,
)
from chalicelib.stores.memory_objects import MemoryBucket, MemoryObjectStore
from chalicelib.stores.objects import S3ObjectStore
from chalicelib.stores.paper_ledger import DynamoPaperLedger
from chalicelib.stores.records import DynamoRecordStore
from chalicelib.stores.tables import bind_tables

SETTINGS = Settings(stage="test", region="eu-central-1")


@dataclass
class Stores:
    """One of each store; `containers` are two object stores on one bucket; `calls` stays empty in memory."""

    engines: EngineStore
    connections: ConnectionStore
    records: RecordStore
    ledger: PaperLedger
    containers: tuple[ObjectStore, ObjectStore]
    calls: Counter[str] = field(default_factory=Counter)
    clients: dict[str, Any] = field(default_factory=dict)


def in_memory() -> Stores:
    tables, bucket = MemoryTables(), MemoryBucket()
    return Stores(
        MemoryEngineStore(tables),
        MemoryConnectionStore(tables),
        MemoryRecordStore(tables),
        MemoryPaperLedger(tables),
        (MemoryObjectStore(bucket), MemoryObjectStore(bucket)),
    )


@contextmanager
def emulated() -> Iterator[Stores]:
    """Run the real stores on moto inside this process."""
    with mock_aws(), _one_at_a_time():
        calls: Counter[str] = Counter()
        clients = {}
        for name in ("dynamodb", "s3", "sqs", "kinesis"):
            clients[name] = get_session().create_client(name, SETTINGS.region, config=CONFIG)
            clients[name].meta.events.register(f"before-call.{name}", _counting(name, calls))
        bind_tables(SETTINGS, clients["dynamodb"])
        create_resources(SETTINGS, clients)
        calls.clear()
        yield Stores(
            DynamoEngineStore(clients["dynamodb"]),
            DynamoConnectionStore(),
            DynamoRecordStore(),
            DynamoPaperLedger(),
            (S3ObjectStore(clients["s3"], SETTINGS.bucket), S3ObjectStore(clients["s3"], SETTINGS.bucket)),
            calls,
            clients,
        )


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let moto carry out one request after the other: it looks and then writes, without a lock between."""
    lock, act = Lock(), DynamoHandler.call_action

    def locked(self: DynamoHandler) -> Any:
        with lock:
            return act(self)

    with patch.object(DynamoHandler, "call_action", locked):
        yield


def _counting(service: str, calls: Counter[str]) -> Any:
    return lambda model, **_: calls.update((f"{service}.{model.name}",))
