"""What the in-memory twins of one world share, in the place of the tables on DynamoDB."""

from threading import RLock
from typing import Any, TypeVar

from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import SealedCredentials
from chalicelib.domain.engine import Engine, Subject
from chalicelib.domain.paper import PaperAccount, PaperOrder
from chalicelib.domain.records import Record
from chalicelib.stores import keys

T = TypeVar("T")


class MemoryTables:
    """What the twins of one world share. Records live under (type, partition key) by sort key."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.engines: dict[Subject, Engine] = {}
        self.connections: dict[tuple[str, str], Connection] = {}
        self.credentials: dict[tuple[str, str], SealedCredentials] = {}
        self.records: dict[tuple[type[Any], str], dict[str, Any]] = {}
        self.open: dict[tuple[type[Any], str], dict[str, Any]] = {}
        self.paper_accounts: dict[str, PaperAccount] = {}
        self.paper_orders: dict[str, dict[str, PaperOrder]] = {}

    def put(self, tenant: str, record: Record) -> None:
        """Store a record as it is and keep the index of open ones."""
        place = (type(record), keys.partition_key(tenant, record))
        self.records.setdefault(place, {})[keys.sort_key(record)] = record
        opened = self.open.setdefault(place, {})
        if keys.is_open(record):
            opened[keys.sort_key(record)] = record
        else:
            opened.pop(keys.sort_key(record), None)

    def find(self, kind: type[T], partition: str, key: str) -> T | None:
        return self.records.get((kind, partition), {}).get(key)

    def stored(self, tenant: str, record: Record) -> Record | None:
        """Return what is stored under the key of a record."""
        return self.find(type(record), keys.partition_key(tenant, record), keys.sort_key(record))
