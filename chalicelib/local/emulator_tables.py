"""What moto 5.2.5 does slowly or wrongly in DynamoDB; put in moto's place when the emulator starts.

moto copies whole tables with their streams before a transaction and sorts whole tables before a query: 150 ms
and 35 ms at a few hundred items. Here a transaction keeps what it touches, a query looks at its partition.
"""

import copy
import pickle
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from moto.dynamodb import responses
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend, table
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import ast_nodes, expressions, validators

from chalicelib.local.emulator_patches import replace

_Method = Callable[..., Any]


def install() -> None:
    """Put these rules in the place of moto's."""
    replace(
        Table,
        # A transaction copies its tables to roll back; _transact_write_items restores the touched items.
        __deepcopy__=lambda self, _: self,
        all_items=_all_items,
        query=_query(Table.query),
    )
    # Query and Scan copy what they found, lest another thread change it: there is none here.
    replace(table, copy=SimpleNamespace(copy=copy.copy, deepcopy=lambda found: found))
    replace(
        DynamoDBBackend,
        update_item=_update_item(DynamoDBBackend.update_item),
        transact_write_items=_transact_write_items(DynamoDBBackend.transact_write_items),
    )
    # Ten passes over its tree validate an update; each asks at every node which kinds of node it handles.
    traverser = ast_nodes.DepthFirstTraverser  # type: ignore[attr-defined]
    replace(traverser, nodes_to_be_processed=_once_per_class(traverser.nodes_to_be_processed))
    # Copying the tree node by node costs as much as the rest of an update; pickle does it in one go.
    replace(validators, deepcopy=lambda tree: pickle.loads(pickle.dumps(tree, pickle.HIGHEST_PROTOCOL)))
    # Every update parses its expression three times; what uses the tree copies it first.
    parser = expressions.UpdateExpressionParser  # type: ignore[attr-defined]
    replace(parser, make=staticmethod(lru_cache(512)(parser.make)))
    # DynamoDB takes 100 actions in a transaction; moto's constant is that of 2018.
    replace(responses, TRANSACTION_MAX_ITEMS=100)


def touched_items(body: dict[str, Any], tables: dict[str, Any]) -> list[tuple[Any, Any, Any]]:
    """Return (table, hash value, range value or None) of every item that a DynamoDB request may write."""
    named: list[tuple[str, dict[str, Any]]] = []
    if "TableName" in body:
        named.append((body["TableName"], body.get("Key") or body["Item"]))
    for table_name, requests in body.get("RequestItems", {}).items():
        for request in requests:
            named += [(table_name, part.get("Key") or part["Item"]) for part in request.values()]
    for entry in body.get("TransactItems", []):
        named += [(part["TableName"], part.get("Key") or part["Item"]) for part in entry.values()]
    touched = []
    for table_name, attributes in named:
        found = tables[table_name.rpartition("/")[2]]
        range_value = DynamoType(attributes[found.range_key_attr]) if found.range_key_attr else None
        touched.append((found, DynamoType(attributes[found.hash_key_attr]), range_value))
    return touched


def place_item(target: Any, hash_value: Any, range_value: Any, item: Any | None) -> None:
    """Store or remove an item without conditions and without a stream record."""
    holder, key = (
        (target.items, hash_value) if range_value is None else (target.items[hash_value], range_value)
    )
    if item is None:
        holder.pop(key, None)
    else:
        holder[key] = item


def _once_per_class(original: _Method) -> _Method:
    known: dict[type, Any] = {}

    def nodes_to_be_processed(self: Any) -> Any:
        found = known.get(type(self))
        if found is None:
            found = known[type(self)] = original(self)
        return found

    return nodes_to_be_processed


def _transact_write_items(original: _Method) -> _Method:
    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        for entry in transact_items:
            for part in entry.values():
                self.get_table(part["TableName"])
        try:
            touched = touched_items({"TransactItems": transact_items}, self.tables)
        except KeyError as missing:
            raise MockValidationException("The provided key element does not match the schema") from missing
        before = [(t, h, r, copy.deepcopy(t.get_item(h, r))) for t, h, r in touched]
        lengths = [(t.stream_shard, len(t.stream_shard.items)) for t, _, _ in touched if t.stream_shard]
        try:
            original(self, transact_items)
        except Exception:
            for target, hash_value, range_value, item in before:
                place_item(target, hash_value, range_value, item)
            for shard, length in lengths:
                del shard.items[length:]
            raise

    return transact_write_items


def _update_item(original: _Method) -> _Method:
    """Hide that an update which creates an item first stores its bare key, with a stream record."""

    def update_item(self: Any, table_name: str, key: dict[str, Any], *rest: Any, **named: Any) -> Any:
        target = self.get_table(table_name)
        hash_value, range_value = self.get_keys_value(target, key)
        before = target.get_item(hash_value, range_value)
        if before is not None:
            return original(self, table_name, key, *rest, **named)
        records = target.stream_shard.items if target.stream_shard else []
        length = len(records)
        try:
            item = original(self, table_name, key, *rest, **named)
        except Exception:
            place_item(target, hash_value, range_value, None)
            del records[length:]
            raise
        for bare in records[length:-1]:
            records[-1].record["dynamodb"]["SequenceNumber"] = bare.record["dynamodb"]["SequenceNumber"]
        del records[length:-1]
        return item

    return update_item


def _all_items(self: Any) -> list[Any]:
    candidates: list[Any] | None = self.__dict__.get("query_candidates")
    if candidates is not None:
        return candidates
    if not self.range_key_attr:
        return sorted(self.items.values(), key=lambda item: item.hash_key.cast_value)
    return sorted(_every_item(self), key=lambda item: (item.hash_key.cast_value, item.range_key.cast_value))


def _every_item(target: Any) -> list[Any]:
    if not target.range_key_attr:
        return list(target.items.values())
    return [item for partition in target.items.values() for item in partition.values()]


def _query(original: _Method) -> _Method:
    def query(self: Any, hash_key: Any, comparison: Any, operands: Any, *rest: Any, **named: Any) -> Any:
        # The place of index_name among moto's positional arguments, after the three above.
        index_name = rest[4] if len(rest) > 4 else named.get("index_name")
        conditions = named.get("hash_key_conditions") or []
        if index_name:
            self.query_candidates = _index_candidates(self, conditions)
        else:
            self.query_candidates = _partition_candidates(self, hash_key, comparison, operands)
        try:
            return original(self, hash_key, comparison, operands, *rest, **named)
        finally:
            del self.query_candidates

    return query


def _index_candidates(target: Any, conditions: list[tuple[str, Any]]) -> list[Any]:
    items = _every_item(target)
    for name, value in conditions:
        items = [item for item in items if name in item.attrs and item.attrs[name] == value]
    return items


def _partition_candidates(target: Any, hash_key: Any, comparison: str | None, operands: Any) -> list[Any]:
    if hash_key not in target.items:
        return []
    if not target.range_key_attr:
        return [target.items[hash_key]]
    partition = list(target.items[hash_key].values())
    if comparison == "BEGINS_WITH":
        prefix = operands[0].value
        return [item for item in partition if item.range_key.value.startswith(prefix)]
    return partition
