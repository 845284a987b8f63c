"""What the in-memory twins of one world share, in the place of the tables on DynamoDB."""

from operator import itemgetter
from threading import RLock
from typing import Any, TypeVar

from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import SealedCredentials
from chalicelib.domain.engine import Engine, Subject
from chalicelib.domain.paper import PaperAccount, PaperOrder
from chalicelib.domain.records import Record
from chalicelib.stores import keys

T = TypeVar("T")


Place = tuple[type[Any], str]
"""Kind and partition key of records."""


class MemoryTables:
    """What the twins of one world share. Records live under (type, partition key) by sort key."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.engines: dict[Subject, Engine] = {}
        self.connections: dict[tuple[str, str], Connection] = {}
        self.credentials: dict[tuple[str, str], SealedCredentials] = {}
        self.records: dict[Place, dict[str, Any]] = {}
        self.paper_accounts: dict[str, PaperAccount] = {}
        self.paper_orders: dict[str, dict[str, PaperOrder]] = {}
        self._open: dict[Place, dict[str, tuple[str, Any]]] = {}
        self._listed: dict[Place, tuple[Any, ...]] = {}
        self._ordered: dict[Place, tuple[list[str], list[Any]]] = {}

    def put(self, tenant: str, record: Record) -> None:
        """Store a record as it is and keep the index of open ones."""
        self.put_at(*place_of(tenant, record), record)

    def put_at(self, place: Place, key: str, record: Record) -> None:
        """Store a record as it is under the place and key that are its own."""
        self.records.setdefault(place, {})[key] = record
        self._ordered.pop(place, None)
        opened = self._open.setdefault(place, {})
        if keys.is_open(record):
            # When a record began does not change any more.
            known = opened.get(key)
            opened[key] = known[0] if known else keys.time_key(record), record
        elif opened.pop(key, None) is None:
            return
        self._listed.pop(place, None)

    def listed_open(self, place: Place) -> tuple[Any, ...]:
        """Return the open records of a place, oldest first."""
        listed = self._listed.get(place)
        if listed is None:
            opened = sorted(self._open.get(place, {}).values(), key=itemgetter(0))
            listed = self._listed[place] = tuple(record for _, record in opened)
        return listed

    def by_time(self, place: Place) -> tuple[list[str], list[Any]]:
        """Return what the records of a place are ordered by, and the records in that order, oldest first."""
        ordered = self._ordered.get(place)
        if ordered is None:
            found = {keys.time_key(record): record for record in self.records.get(place, {}).values()}
            order = sorted(found)
            ordered = self._ordered[place] = order, [found[key] for key in order]
        return ordered

    def find(self, kind: type[T], partition: str, key: str) -> T | None:
        return self.records.get((kind, partition), {}).get(key)

    def stored(self, tenant: str, record: Record) -> Record | None:
        """Return what is stored under the key of a record."""
        return self.find(type(record), keys.partition_key(tenant, record), keys.sort_key(record))


def place_of(tenant: str, record: Record) -> tuple[Place, str]:
    """Return where a record is stored: its place and its sort key."""
    return (type(record), keys.partition_key(tenant, record)), keys.sort_key(record)
