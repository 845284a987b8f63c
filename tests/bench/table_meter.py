"""What calls to DynamoDB cost in a local run: follows every item, so that sizes are those of real images."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.capacity import Image, item_size, item_write_units, read_units, stored_bytes

CAUSES = ("work", "signal", "order")
"""What an amount is for: an invocation itself, what is kept about signals and events, or about orders."""

READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_SIGNAL_TABLES = frozenset({"signals", "audit"})
_ORDER_TABLES = frozenset({"orders", "positions", "paper"})
_TRANSACTION = "TransactWriteItems"
_CONDITIONAL = frozenset({"PutItem", "UpdateItem", _TRANSACTION})

Place = tuple[str, str, str]
"""Table, partition key and sort key of an item."""

Parameters = Mapping[str, Any]
Ask = Callable[[str, Parameters], Any]
"""Makes a call that nobody meters: operation and parameters."""

Charge = tuple[str, dict[str, float]]
"""A cause and its amounts."""


@dataclass(frozen=True)
class Write:
    """One item that a call writes, or only checks; `item` is what a put stores."""

    action: str
    table: str
    key: tuple[str, str]
    item: Image

    @property
    def changes(self) -> bool:
        return self.action != "ConditionCheck"


class TableMeter:
    """The images of all items of a stage. `indexes` are the sort keys of the local indexes of each table."""

    def __init__(self, stage: str, indexes: Mapping[str, Sequence[str]]) -> None:
        self._table = re.compile(rf"cts-{stage}-(.+)")
        self._indexes = indexes
        self._images: dict[Place, Image] = {}
        self.made: Counter[str] = Counter()
        """New items per table: how many signals and orders there were."""

    def item_sizes(self, table: str) -> dict[str, int]:
        """Return the bytes of each item of a table by its sort key, as last written."""
        return {sort: item_size(image) for (name, _, sort), image in self._images.items() if name == table}

    def before(self, operation: str, parameters: Parameters) -> dict[Place, Image]:
        """Return the items that a call is going to write, as far as they are there."""
        places = (self._place(write) for write in writes(operation, parameters))
        return {place: self._images[place] for place in places if place in self._images}

    def remember(self, operation: str, parameters: Parameters, ask: Ask) -> None:
        """Keep the images that a write left behind; what an update made is asked for."""
        for write in writes(operation, parameters):
            place = self._place(write)
            if write.action == "Put":
                self._images[place] = write.item
            elif write.action == "Update":
                key = {"pk": {"S": write.key[0]}, "sk": {"S": write.key[1]}}
                found = ask("GetItem", {"TableName": write.table, "Key": key, "ConsistentRead": True})
                self._images[place] = found["Item"]
            elif write.action == "Delete":
                self._images.pop(place, None)

    def charge(
        self, operation: str, parameters: Parameters, answer: Any, before: Mapping[Place, Image]
    ) -> Charge:
        """Return what a call that succeeded costs; `remember` must have seen it."""
        if operation in READS:
            return "work", {"dynamodb.read_units": _reads(operation, parameters, answer)}
        units, growth = 0, 0
        for write in writes(operation, parameters):
            place = self._place(write)
            old, new = before.get(place), self._images.get(place)
            indexes = self._indexes[place[0]]
            units += item_write_units(old, new, indexes)
            growth += stored_bytes(new, indexes) - stored_bytes(old, indexes)
            self.made[place[0]] += old is None and new is not None
        amounts = {"dynamodb.write_units": _factor(operation) * units, "dynamodb.growth_bytes": growth}
        return self._cause(operation, parameters), amounts

    def charge_refused(self, operation: str, parameters: Parameters) -> Charge:
        """Return what a write costs whose condition did not hold: as much as the item that is there."""
        if operation not in _CONDITIONAL:
            raise RuntimeError(f"nobody knows what a failed {operation} costs")
        images = (self._images.get(self._place(write)) for write in writes(operation, parameters))
        units = sum(item_write_units(image, image, ()) for image in images)
        return self._cause(operation, parameters), {"dynamodb.write_units": _factor(operation) * units}

    def _cause(self, operation: str, parameters: Parameters) -> str:
        tables = {self._place(write)[0] for write in writes(operation, parameters) if write.changes}
        if tables & _ORDER_TABLES:
            return "order"
        return "signal" if tables & _SIGNAL_TABLES else "work"

    def _place(self, write: Write) -> Place:
        found = self._table.fullmatch(write.table)
        if found is None:
            raise RuntimeError(f"{write.table} is no table of this stage")
        return found[1], *write.key


def _factor(operation: str) -> int:
    return 2 if operation == _TRANSACTION else 1


def _reads(operation: str, parameters: Parameters, answer: Any) -> float:
    consistent = bool(parameters.get("ConsistentRead"))
    if operation == "GetItem":
        return read_units([item_size(answer["Item"])] if "Item" in answer else [], consistent)
    if operation != "BatchGetItem":
        return read_units([item_size(item) for item in answer["Items"]], consistent)
    units = 0.0
    for table, request in parameters["RequestItems"].items():
        strong = bool(request.get("ConsistentRead"))
        found = answer["Responses"].get(table, [])
        units += sum(read_units([item_size(item)], strong) for item in found)
        units += (len(request["Keys"]) - len(found)) * read_units([], strong)
    return units


def writes(operation: str, parameters: Parameters) -> list[Write]:
    """Return what a call writes; nothing for one that reads."""
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return [_write(operation.removesuffix("Item"), parameters["TableName"], parameters)]
    if operation == _TRANSACTION:
        return [
            _write(action, request["TableName"], request)
            for item in parameters["TransactItems"]
            for action, request in item.items()
        ]
    if operation == "BatchWriteItem":
        return [
            _write(action.removesuffix("Request"), table, request)
            for table, requests in parameters["RequestItems"].items()
            for item in requests
            for action, request in item.items()
        ]
    return []


def _write(action: str, table: str, request: Parameters) -> Write:
    item = request.get("Item", {})
    key = request.get("Key") or item
    return Write(action, table, (key["pk"]["S"], key["sk"]["S"]), item)
