"""Items with a JSON document: from values, to values, and in transactions against their revisions."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.codec import from_plain, to_stored, unknown_fields
from chalicelib.domain.engine import COORDINATOR, TENANT_WIDE
from chalicelib.domain.records import Fence
from chalicelib.domain.stored import Stored
from chalicelib.errors import AlreadyExists, KillSwitchOn, NewerSchema, StaleWrite
from chalicelib.settings import MIN_READER, SCHEMA
from chalicelib.stores import keys
from chalicelib.stores.failures import failed_conditions, translated
from chalicelib.stores.tables import EngineItem, Item, OrderItem, connection_of

T = TypeVar("T")

FIRST_SCHEMA = 1
_READER = "min_reader"
"""Field of a document that says which programs may read it; absent as long as the first one may."""


def to_document(value: Any) -> str:
    """Return a dataclass as compact JSON without its revision, which is an attribute of the item.

    What a newer program stored beside our fields goes along, and so does its word on who may read it.
    """
    plain = to_stored(value)
    del plain["revision"]
    if isinstance(value, Stored):
        plain = {**value.newer, **plain}
    reader = max(MIN_READER, plain.get(_READER, FIRST_SCHEMA))
    if reader > FIRST_SCHEMA:
        plain[_READER] = reader
    return json.dumps(plain, separators=(",", ":"))


def from_document(kind: type[T], document: str, revision: float) -> T:
    """Build the value of an item: fields of a newer schema go into `newer`, absent ones have defaults.

    Raises NewerSchema if the program that wrote it said that this one would misread it.
    """
    plain = json.loads(document)
    check_reader(plain.get(_READER, FIRST_SCHEMA), kind.__name__)
    value = from_plain(kind, {**plain, "revision": int(revision)}, known_only=False)
    if not isinstance(value, Stored):
        return value
    newer = unknown_fields(kind, plain)
    return replace(value, newer=newer) if newer else value


def check_reader(least: int, what: str) -> None:
    """Raise NewerSchema if only programs of schema `least` and newer may read this."""
    if least > SCHEMA:
        raise NewerSchema(
            f"{what} may be read from schema {least} on, this program knows {SCHEMA}: "
            f"finish the deployment, or deploy the newer version again"
        )


def value_of(kind: type[T], item: Item) -> T:
    """Build the value of an item."""
    return from_document(kind, item.document, item.revision)


def find(kind: type[T], model: type[Item], partition: str, sort: str) -> T | None:
    """Read one item (strongly consistent): 1 call."""
    try:
        with translated(sort):
            item = model.get(partition, sort, consistent_read=True)
    except model.DoesNotExist:
        return None
    return value_of(kind, item)


@dataclass(frozen=True, slots=True)
class Write:
    """One item to store, if the stored revision is one less than its own (1: not there)."""

    item: Item
    name: str

    @property
    def is_new(self) -> bool:
        return int(self.item.revision) == 1

    @property
    def condition(self) -> Condition:
        return Item.sort.does_not_exist() if self.is_new else Item.revision == int(self.item.revision) - 1

    @property
    def actions(self) -> list[Action]:
        """What an item that is there becomes; its attributes that only a newer program knows stay."""
        attributes = self.item.get_attributes().items()
        present = self.item.attribute_values
        return [
            attribute.set(present[name]) if present.get(name) is not None else attribute.remove()
            for name, attribute in attributes
            if not (attribute.is_hash_key or attribute.is_range_key)
        ]


def store_all(writes: Sequence[Write], fence: Fence | None = None) -> None:
    """Store all items or none, under a fence if given: 1 call.

    Raises StaleWrite when the fence has moved; KillSwitchOn where the fence asks for it; AlreadyExists when a
    new item is there, because that proves an earlier attempt; else StaleWrite when a revision has moved.
    """
    if len(writes) == 1 and fence is None:
        _store_one(writes[0])
        return
    # DynamoDB hears of the new items first, and answers in that order.
    writes = sorted(writes, key=lambda write: not write.is_new)
    try:
        with translated(writes[0].name), TransactWrite(connection=connection_of(OrderItem)) as transaction:
            if fence is not None:
                transaction.condition_check(
                    EngineItem,
                    fence.subject.tenant,
                    fence.subject.name,
                    condition=Path([f"lease_{fence.kind}_fence"]) == fence.number,
                )
                if fence.unless_killed:
                    tenant = fence.subject.tenant
                    transaction.condition_check(EngineItem, tenant, COORDINATOR, condition=_not_killed(fence))
            for write in writes:
                if write.is_new:
                    transaction.save(write.item, condition=write.condition)
                else:
                    transaction.update(write.item, write.actions, condition=write.condition)
    except TransactWriteError as error:
        failed = failed_conditions(error)
        if fence is not None and failed.pop(0):
            raise StaleWrite(f"{fence.kind} of {fence.subject.text} has a newer holder") from error
        if fence is not None and fence.unless_killed and failed.pop(0):
            raise KillSwitchOn(f"a kill switch holds for {fence.subject.text}: nothing is entered") from error
        lost = [write for write, moved in zip(writes, failed, strict=True) if moved]
        raise _lost(lost) from error


def _not_killed(fence: Fence) -> Condition:
    """Return what holds of a coordinator's item while no kill switch is on for the engine of a fence."""
    everybody, own = (
        Path([keys.kill_attribute(name)]) for name in (TENANT_WIDE, fence.subject.connection_id)
    )
    off: Condition = everybody.does_not_exist() & own.does_not_exist()
    return off


def _store_one(write: Write) -> None:
    try:
        with translated(write.name):
            if write.is_new:
                write.item.save(condition=write.condition)
            else:
                write.item.update(write.actions, condition=write.condition)
    except StaleWrite as error:
        raise _lost([write]) from error


def _lost(writes: Sequence[Write]) -> AlreadyExists | StaleWrite:
    for write in writes:
        if write.is_new:
            return AlreadyExists(f"{write.name} is there already")
    return StaleWrite(f"{writes[0].name} was written by somebody else")


def store_new(items: Sequence[Item], most: int, key: Callable[[Item], object]) -> None:
    """Store those items that are not there, `most` in a transaction: 1 call each, 2 if some were there."""
    unique = list({key(item): item for item in reversed(items)}.values())[::-1]
    for start in range(0, len(unique), most):
        left = unique[start : start + most]
        while left:
            left = _left_over(left)


def _left_over(items: list[Item]) -> list[Item]:
    """Store all items or none, and return those of them that may still be stored; always fewer."""
    try:
        with translated("records"), TransactWrite(connection=connection_of(OrderItem)) as transaction:
            for item in items:
                transaction.save(item, condition=Item.sort.does_not_exist())
    except TransactWriteError as error:
        failed = failed_conditions(error)
        return [item for item, there in zip(items, failed, strict=True) if not there]
    return []
