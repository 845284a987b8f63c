"""Writes and removes many items and objects of a stage at once; for `cts import`."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.errors import Retryable
from chalicelib.operations.transfer.format import ObjectFile
from chalicelib.operations.transfer.stage import Item, Stage

T = TypeVar("T")
Sleep = Callable[[float], object]

MOST_ITEMS = 25
MOST_OBJECTS = 1000
ATTEMPTS = 10
_LONGEST_PAUSE = 5.0


def put_items(stage: Stage, table: str, items: Iterable[Item], sleep: Sleep) -> int:
    """Store items and return how many: 1 call per 25, and more where DynamoDB takes only some of them."""
    return _write(stage, table, ({"PutRequest": {"Item": item}} for item in items), sleep)


def delete_items(stage: Stage, table: str, sleep: Sleep) -> int:
    """Remove all items of a table and return how many."""
    keys = ({"pk": item["pk"], "sk": item["sk"]} for item in stage.items(table))
    return _write(stage, table, ({"DeleteRequest": {"Key": key}} for key in keys), sleep)


def put_objects(stage: Stage, source: Path, objects: Iterable[ObjectFile]) -> int:
    """Store objects from their files and return how many: 1 call each."""
    count = 0
    for found in objects:
        with (source / found.file).open("rb") as body:
            stage.s3.put_object(
                Bucket=stage.settings.bucket, Key=found.key, Body=body, ContentLength=found.size
            )
        count += 1
    return count


def delete_objects(stage: Stage) -> int:
    """Remove all objects of a stage but the packages of its functions, and return how many."""
    count = 0
    for keys in _batches(stage.object_keys(), MOST_OBJECTS):
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        refused = stage.s3.delete_objects(Bucket=stage.settings.bucket, Delete=listed).get("Errors")
        if refused:
            raise Retryable(f"object {refused[0]['Key']} could not be removed ({refused[0]['Code']})")
        count += len(keys)
    return count


def _write(stage: Stage, table: str, requests: Iterable[Any], sleep: Sleep) -> int:
    name, count = stage.settings.table(table), 0
    for batch in _batches(requests, MOST_ITEMS):
        _write_batch(stage, name, batch, sleep)
        count += len(batch)
    return count


def _write_batch(stage: Stage, name: str, batch: list[Any], sleep: Sleep) -> None:
    """Hand in a batch until DynamoDB has taken all of it, with growing pauses."""
    left = batch
    for attempt in range(ATTEMPTS):
        answer = stage.dynamodb.batch_write_item(RequestItems={name: left})
        left = answer.get("UnprocessedItems", {}).get(name, [])
        if not left:
            return
        sleep(random.random() * min(_LONGEST_PAUSE, 0.1 * 2.0**attempt))
    raise Retryable(f"{name} refused {len(left)} items {ATTEMPTS} times: run this again with --replace")


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch
