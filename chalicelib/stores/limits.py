"""Shared rate limits in DynamoDB: one item per API key with its slots, its pause and its circuit breaker."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.circuit_breaker import Breaker
from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.rate_limit import LimitKey, LimitState, Overtaken, Slot
from chalicelib.errors import StaleWrite
from chalicelib.settings import MIN_READER, SCHEMA
from chalicelib.stores.documents import FIRST_SCHEMA, check_reader
from chalicelib.stores.failures import translated
from chalicelib.stores.tables import LimitItem

KEPT = 7 * 86400
"""Seconds after its last change that an item stays: longer than any exchange shuts a key out."""

_FIELDS = 4
"""Numbers that a slot is stored as: its start after the first one's, its width, its weight, its requests."""


class DynamoLimitStore:
    """What `domain.rate_limit.LimitStore` asks for; `client` is that of `tables.bind_tables`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def _table(self) -> str:
        return str(LimitItem.Meta.table_name)

    def load(self, key: LimitKey) -> LimitState:
        """Read one item (strongly consistent): 1 call."""
        with translated(f"rate limit of {key.text}"):
            answer = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return _state(answer.get("Item"))

    def save(self, key: LimitKey, state: LimitState, now: float) -> LimitState | Overtaken:
        """Store against the revision: 1 call, also when somebody else was first."""
        revision = state.revision + 1
        values = {
            ":document": {"S": _document(state)},
            ":revision": {"N": str(revision)},
            ":expires": {"N": str(int(max(now, state.held_until)) + KEPT)},
            ":schema": {"N": str(SCHEMA)},
            ":nobody": {"S": ""},
        }
        condition = "attribute_not_exists(pk)"
        if state.revision:
            condition = "revision = :known"
            values[":known"] = {"N": str(state.revision)}
        try:
            with translated(f"rate limit of {key.text}"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    UpdateExpression="SET document = :document, revision = :revision, expires = :expires, "
                    "schema_version = :schema, correlation_id = :nobody",
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except StaleWrite as error:
            cause = error.__cause__
            return Overtaken(_state(cause.response.get("Item") if isinstance(cause, ClientError) else None))
        return replace(state, revision=revision)


def _key(key: LimitKey) -> dict[str, dict[str, str]]:
    return {"pk": {"S": key.tenant}, "sk": {"S": f"{key.exchange}#{key.key_digest}"}}


def _document(state: LimitState) -> str:
    """Return a state as JSON, its slots as bare numbers: hundreds of them must stay within some kilobytes."""
    base = min((slot.start for slot in state.slots), default=0)
    numbers: list[int] = []
    for slot in state.slots:
        numbers += (slot.start - base, slot.until - slot.start, slot.weight, slot.requests)
    plain = {
        "held_until": state.held_until,
        "breaker": to_plain(state.breaker),
        "base": base,
        "slots": numbers,
    }
    if MIN_READER > FIRST_SCHEMA:
        plain["min_reader"] = MIN_READER
    return json.dumps(plain, separators=(",", ":"))


def _state(item: Mapping[str, Any] | None) -> LimitState:
    if not item:
        return LimitState()
    plain = json.loads(item["document"]["S"])
    check_reader(plain.get("min_reader", FIRST_SCHEMA), "a shared rate limit")
    base, numbers = plain["base"], plain["slots"]
    slots = []
    for place in range(0, len(numbers), _FIELDS):
        start, width, weight, requests = numbers[place : place + _FIELDS]
        slots.append(Slot(base + start, base + start + width, weight, requests))
    breaker = from_plain(Breaker, plain["breaker"], known_only=False)
    return LimitState(tuple(slots), plain["held_until"], breaker, int(item["revision"]["N"]))
