"""The engine table: coordinators, engines and feeds, with a lease and a fence per kind of work."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.operand import Path
from pynamodb.transactions import TransactWrite

from chalicelib.domain.codec import from_plain, to_plain, to_stored
from chalicelib.domain.engine import Engine, Subject
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import AlreadyExists, StaleWrite
from chalicelib.settings import SCHEMA
from chalicelib.stores import keys
from chalicelib.stores.documents import FIRST_SCHEMA, check_reader
from chalicelib.stores.failures import failed_conditions, translated
from chalicelib.stores.packed_settings import pack, unpack
from chalicelib.stores.records import record_item
from chalicelib.stores.tables import AuditItem, EngineItem, connection_of

Image = Mapping[str, Mapping[str, Any]]

_OWN_NAMES = frozenset({"subject", "leases", "beats", "kills", "revision"})
_FIELDS = tuple(field.name for field in fields(Engine) if field.name not in _OWN_NAMES)
_WRITTEN_WHEN_USED = frozenset({"sent_orders", "breakers", "breakers_reset", "archived"})
_AT_FIRST = tuple(name for name in _FIELDS if name not in _WRITTEN_WHEN_USED)
# DynamoDB reserves `status` and others: every field is stored under this prefix.
_PREFIX = "f_"
_PACKED = frozenset({"settings"})
_ONE = {"N": "1"}


class DynamoEngineStore:
    """What `flows.world.EngineStore` asks for; `client` is that of `tables.bind_tables`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def _table(self) -> str:
        return str(EngineItem.Meta.table_name)

    def get(self, subject: Subject) -> Engine | None:
        """Read one item (strongly consistent): 1 call."""
        with translated(subject.text):
            answer = self._client.get_item(TableName=self._table, Key=_key(subject), ConsistentRead=True)
        return _engine(answer["Item"]) if "Item" in answer else None

    def all(self) -> tuple[Engine, ...]:
        """Read every item of every tenant: 1 call per megabyte."""
        found: list[Engine] = []
        more: dict[str, Any] = {}
        while True:
            with translated("engines"):
                answer = self._client.scan(TableName=self._table, ConsistentRead=True, **more)
            found.extend(_engine(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return tuple(sorted(found, key=lambda engine: (engine.subject.tenant, engine.subject.name)))
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def create(self, engine: Engine) -> Engine:
        """Store a new item without leases; AlreadyExists if it is there: 1 call."""
        item = {**_key(engine.subject), **_attributes(engine, _AT_FIRST, engine.beats)}
        item |= {"revision": _ONE, "schema_version": _number(SCHEMA)}
        try:
            with translated(engine.subject.text):
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
        except StaleWrite as error:
            raise AlreadyExists(f"engine {engine.subject.text} is there already") from error
        return replace(engine, leases={}, revision=1)

    def acquire(
        self, subject: Subject, kind: str, owner: str, now: float, ttl: float, slot: int | None
    ) -> Engine | Skip:
        """Take the lease of `kind` and return the item: 1 call, also when the lease is refused."""
        lease = f"lease_{kind}"
        conditions = [
            f"(attribute_not_exists({lease}_until) OR {lease}_until <= :now)",
            "(attribute_not_exists(min_reader) OR min_reader <= :schema)",
        ]
        values = {
            ":now": _number(now),
            ":until": _number(now + ttl),
            ":owner": {"S": owner},
            ":one": _ONE,
            ":schema": _number(SCHEMA),
        }
        if slot is not None:
            conditions.append(f"(attribute_not_exists({lease}_slot) OR {lease}_slot < :slot)")
            values[":slot"] = _number(slot)
        if not keys.is_feed(subject):
            conditions.append("attribute_exists(pk)")
        try:
            with translated(subject.text):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(subject),
                    UpdateExpression=f"SET {lease}_owner = :owner, {lease}_until = :until, "
                    f"schema_version = :schema ADD {lease}_fence :one, revision :one",
                    ConditionExpression=" AND ".join(conditions),
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except StaleWrite as error:
            return _refused(error, kind, slot)
        return _engine(answer["Attributes"])

    def save(self, engine: Engine, kind: str, fence: int, slot: int | None, changed: Sequence[str]) -> None:
        """Store what changed and release the lease, if its fence is still ours: 1 call."""
        names, beats = keys.split_changed(changed)
        lease = f"lease_{kind}"
        sets = _attributes(engine, names, {beat: engine.beats[beat] for beat in beats})
        sets |= {f"{lease}_owner": {"S": ""}, f"{lease}_until": _number(0)}
        if slot is not None:
            sets[f"{lease}_slot"] = _number(slot)
        expression = ", ".join(f"{name} = :v{number}" for number, name in enumerate(sets))
        values = {f":v{number}": value for number, value in enumerate(sets.values())}
        with translated(f"{kind} of {engine.subject.text}"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(engine.subject),
                UpdateExpression=f"SET {expression} ADD revision :one",
                ConditionExpression=f"{lease}_fence = :fence",
                ExpressionAttributeValues={**values, ":one": _ONE, ":fence": _number(fence)},
            )

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        """Move to `target` with its audit entry in one transaction: 1 call.

        What others wrote since `engine` was read is kept in the item, and is not in the answer.
        """
        moved = replace(engine, status=target, changed_at=now, revision=engine.revision + 1)
        sets = _attributes(moved, ("status", "changed_at", "session_id", "settings", "correlation_id"), {})
        subject = engine.subject
        try:
            with (
                translated(subject.text),
                TransactWrite(connection=connection_of(EngineItem)) as transaction,
            ):
                transaction.save(
                    record_item(subject.tenant, replace(audit, revision=1)),
                    condition=AuditItem.sort.does_not_exist(),
                )
                transaction.update(
                    EngineItem(subject.tenant, subject.name),
                    actions=[
                        *(Path([name]).set(*value.values()) for name, value in sets.items()),
                        EngineItem.revision.add(1),
                    ],
                    condition=Path([f"{_PREFIX}status"]) == _text(engine.status)["S"],
                )
        except TransactWriteError as error:
            _, overtaken = failed_conditions(error)
            if overtaken:
                raise StaleWrite(f"engine {subject.text} is not {engine.status} any more") from error
            raise AlreadyExists(f"audit entry {audit.entry_id} is there already") from error
        return moved

    def annotate(self, engine: Engine, changed: Sequence[str], audit: AuditEntry) -> None:
        """Store what is named in `changed` with its audit entry in one transaction: 1 call."""
        names, kills = keys.split_annotated(changed)
        actions = [
            Path([name]).set(*value.values()) for name, value in _attributes(engine, names, {}).items()
        ]
        for name in kills:
            place = Path([keys.kill_attribute(name)])
            kill = engine.kills.get(name)
            actions.append(place.remove() if kill is None else place.set(_text(kill)["S"]))
        subject = engine.subject
        try:
            with (
                translated(subject.text),
                TransactWrite(connection=connection_of(EngineItem)) as transaction,
            ):
                transaction.save(
                    record_item(subject.tenant, replace(audit, revision=1)),
                    condition=AuditItem.sort.does_not_exist(),
                )
                transaction.update(
                    EngineItem(subject.tenant, subject.name),
                    actions=[*actions, EngineItem.revision.add(1)],
                    condition=EngineItem.sort.exists(),
                )
        except TransactWriteError as error:
            _, gone = failed_conditions(error)
            if gone:
                raise StaleWrite(f"{subject.text} is not there any more") from error
            raise AlreadyExists(f"audit entry {audit.entry_id} is there already") from error

    def delete(self, subject: Subject) -> None:
        """Remove an item; nothing happens if it is not there: 1 call."""
        with translated(subject.text):
            self._client.delete_item(TableName=self._table, Key=_key(subject))


def _key(subject: Subject) -> dict[str, dict[str, str]]:
    return {"pk": {"S": subject.tenant}, "sk": {"S": subject.name}}


def _number(value: float) -> dict[str, str]:
    return {"N": str(value)}


def _text(value: Any) -> dict[str, str]:
    return {"S": json.dumps(to_stored(value), separators=(",", ":"))}


def _packed(value: Any) -> dict[str, bytes]:
    return {"B": pack(to_plain(value))}


def _value(stored: Mapping[str, Any]) -> Any:
    return unpack(stored["B"]) if "B" in stored else json.loads(stored["S"])


def _attributes(engine: Engine, names: Sequence[str], beats: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    attributes: dict[str, dict[str, Any]] = {
        f"{_PREFIX}{name}": (_packed if name in _PACKED else _text)(getattr(engine, name)) for name in names
    }
    attributes |= {f"beat_{kind}": _text(beat) for kind, beat in beats.items()}
    if "correlation_id" in names:
        attributes["correlation_id"] = {"S": engine.correlation_id}
    return attributes


def _engine(item: Image) -> Engine:
    """Build the value of an item; fields of a newer schema are left out, absent ones have their defaults.

    They stay in the item, because updates name the attributes that they write. Raises NewerSchema if a newer
    program left word (`min_reader`) that this one must not work on the item.
    """
    least = int(item["min_reader"]["N"]) if "min_reader" in item else FIRST_SCHEMA
    check_reader(least, f"{item['pk']['S']}/{item['sk']['S']}")
    plain: dict[str, Any] = {"subject": {"tenant": item["pk"]["S"], "name": item["sk"]["S"]}}
    leases: dict[str, dict[str, Any]] = {}
    beats: dict[str, Any] = {}
    kills: dict[str, Any] = {}
    for name, value in item.items():
        if name.startswith(_PREFIX):
            plain[name.removeprefix(_PREFIX)] = _value(value)
        elif name.startswith("beat_"):
            beats[name.removeprefix("beat_")] = _value(value)
        elif name.startswith("kill_"):
            kills[name.removeprefix("kill_")] = _value(value)
        elif name.startswith("lease_"):
            kind, _, part = name.removeprefix("lease_").rpartition("_")
            leases.setdefault(kind, {})[part] = value["S"] if "S" in value else float(value["N"])
    plain |= {"leases": leases, "beats": beats, "kills": kills, "revision": int(item["revision"]["N"])}
    return from_plain(Engine, plain, known_only=False)


def _refused(error: StaleWrite, kind: str, slot: int | None) -> Skip:
    """Say why a lease was refused, from the item that came with the refusal."""
    cause = error.__cause__
    image: Any = cause.response.get("Item") if isinstance(cause, ClientError) else None
    if not image:
        return Skip.NOT_RUNNING
    lease = _engine(image).lease(kind)
    return Skip.SLOT_DONE if slot is not None and lease.slot >= slot else Skip.LEASE_HELD
