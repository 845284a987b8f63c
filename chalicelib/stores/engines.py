"""The engine table: coordinators, engines and feeds, with a lease and a fence per kind of work."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.operand import Path
from pynamodb.transactions import TransactWrite

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.engine import PUBLIC_TENANT, Engine, Subject
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import AlreadyExists, StaleWrite
from chalicelib.settings import SCHEMA
from chalicelib.stores.failures import CONDITION_FAILED, failed_conditions, translated
from chalicelib.stores.records import audit_item
from chalicelib.stores.tables import EngineItem

Image = Mapping[str, Mapping[str, str]]

_OWN_NAMES = frozenset({"subject", "leases", "beats", "revision"})
FIELDS = tuple(field.name for field in fields(Engine) if field.name not in _OWN_NAMES)
# DynamoDB reserves `status` and others: every field is stored under this prefix.
_PREFIX = "f_"


class DynamoEngineStore:
    """Coordinators, engines and feeds in DynamoDB, one item each; `client` is that of `bind_tables`."""

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
                return tuple(sorted(found, key=lambda engine: engine.subject.text))
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def create(self, engine: Engine) -> Engine:
        """Store a new item; AlreadyExists if it is there: 1 call."""
        item = {**_key(engine.subject), **_fields(engine, FIELDS), **_marks(1)}
        for kind, beat in engine.beats.items():
            item[f"beat_{kind}"] = _text(beat)
        try:
            with translated(engine.subject.text):
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
        except StaleWrite as error:
            raise AlreadyExists(f"{engine.subject.text} exists already") from error
        return _engine(item)

    def acquire(
        self, subject: Subject, kind: str, owner: str, now: float, ttl: float, slot: int | None
    ) -> Engine | Skip:
        """Take the lease of `kind` and return the item: 1 call, also when the lease is refused."""
        prefix = f"lease_{kind}"
        free = f"(attribute_not_exists({prefix}_until) OR {prefix}_until <= :now)"
        conditions = [free]
        values = {
            ":now": _number(now),
            ":until": _number(now + ttl),
            ":owner": {"S": owner},
            ":one": _number(1),
        }
        if slot is not None:
            conditions.append(f"(attribute_not_exists({prefix}_slot) OR {prefix}_slot < :slot)")
            values[":slot"] = _number(slot)
        if subject.tenant != PUBLIC_TENANT:
            conditions.append("attribute_exists(pk)")
        try:
            with translated(subject.text):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(subject),
                    UpdateExpression=f"SET {prefix}_owner = :owner, {prefix}_until = :until ADD {prefix}_fence :one",
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
        prefix = f"lease_{kind}"
        sets = {f"{prefix}_owner": {"S": ""}, f"{prefix}_until": _number(0)}
        if slot is not None:
            sets[f"{prefix}_slot"] = _number(slot)
        for name in changed:
            attribute, _, key = name.partition(".")
            if attribute == "beats":
                sets[f"beat_{key}"] = _text(engine.beats[key])
            else:
                sets.update(_fields(engine, (attribute,)))
        self._update(engine.subject, sets, f"{prefix}_fence = :fence", {":fence": _number(fence)})

    def transition(self, engine: Engine, target: Status, now: float, audit: AuditEntry) -> Engine:
        """Move to `target` with its audit entry in one transaction: 2 calls."""
        status = f"{_PREFIX}status"
        moving = ("session_id", "settings", "correlation_id")
        sets = _fields(engine, moving)
        sets[status] = _text(target)
        sets[f"{_PREFIX}changed_at"] = _text(now)
        actions = [Path(name).set(value["S"]) for name, value in sets.items()]
        connection = EngineItem._get_connection().connection
        condition = Path(status) == _text(engine.status)["S"]
        try:
            with TransactWrite(connection=connection) as transaction:
                transaction.update(
                    EngineItem(engine.subject.tenant, engine.subject.name),
                    actions=[*actions, Path("revision").add(1)],
                    condition=condition,
                )
                transaction.save(audit_item(engine.subject.tenant, audit))
        except TransactWriteError as error:
            if failed_conditions(error):
                raise StaleWrite(f"{engine.subject.text} is no longer {engine.status}") from error
            with translated(engine.subject.text):
                raise
        after = self.get(engine.subject)
        if after is None:
            raise StaleWrite(f"{engine.subject.text} was deleted")
        return after

    def delete(self, subject: Subject) -> None:
        """Remove an item; nothing happens if it is not there: 1 call."""
        with translated(subject.text):
            self._client.delete_item(TableName=self._table, Key=_key(subject))

    def _update(
        self, subject: Subject, sets: dict[str, dict[str, str]], condition: str, values: dict[str, Any]
    ) -> None:
        names = list(sets)
        expression = ", ".join(f"{name} = :v{number}" for number, name in enumerate(names))
        values.update({f":v{number}": sets[name] for number, name in enumerate(names)})
        with translated(subject.text):
            self._client.update_item(
                TableName=self._table,
                Key=_key(subject),
                UpdateExpression=f"SET {expression} ADD revision :one",
                ConditionExpression=condition,
                ExpressionAttributeValues={**values, ":one": _number(1)},
            )


def _key(subject: Subject) -> dict[str, dict[str, str]]:
    return {"pk": {"S": subject.tenant}, "sk": {"S": subject.name}}


def _number(value: float) -> dict[str, str]:
    return {"N": repr(value)}


def _text(value: Any) -> dict[str, str]:
    return {"S": json.dumps(to_plain(value), separators=(",", ":"))}


def _fields(engine: Engine, names: Sequence[str]) -> dict[str, dict[str, str]]:
    return {f"{_PREFIX}{name}": _text(getattr(engine, name)) for name in names}


def _marks(revision: int) -> dict[str, dict[str, str]]:
    return {"revision": _number(revision), "schema_version": _number(SCHEMA)}


def _engine(item: Image) -> Engine:
    """Build the value of an item; fields of a newer schema are left out, absent ones have their defaults."""
    plain: dict[str, Any] = {"subject": {"tenant": item["pk"]["S"], "name": item["sk"]["S"]}}
    leases: dict[str, dict[str, Any]] = {}
    beats: dict[str, Any] = {}
    for name, value in item.items():
        if name.startswith(_PREFIX):
            plain[name.removeprefix(_PREFIX)] = json.loads(value["S"])
        elif name.startswith("beat_"):
            beats[name.removeprefix("beat_")] = json.loads(value["S"])
        elif name.startswith("lease_"):
            _, kind, part = name.split("_")
            leases.setdefault(kind, {})[part] = value["S"] if part == "owner" else float(value["N"])
    plain["leases"], plain["beats"] = leases, beats
    plain["revision"] = int(item.get("revision", {"N": "0"})["N"])
    return from_plain(Engine, plain, known_only=False)


def _refused(error: StaleWrite, kind: str, slot: int | None) -> Skip:
    """Say why a lease was refused, from the item that came with the refusal."""
    cause = error.__cause__
    assert isinstance(cause, ClientError)
    assert cause.response["Error"]["Code"].startswith(CONDITION_FAILED)
    item: Image = cause.response.get("Item", {})  # type: ignore[typeddict-item]
    if not item:
        return Skip.NOT_RUNNING
    lease = _engine(item).lease(kind)
    return Skip.SLOT_DONE if slot is not None and lease.slot >= slot else Skip.LEASE_HELD
