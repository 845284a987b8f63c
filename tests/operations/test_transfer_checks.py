"""What is wrong with an export is found before anything is written, what goes wrong later is told."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import Conflict, Retryable, UsageError
from chalicelib.operations.transfer.format import file_name
from chalicelib.operations.transfer.importer import Wish, import_stage
from chalicelib.operations.transfer.stage import Stage
from chalicelib.operations.transfer.write import ATTEMPTS
from tests.operations.stages import NOW, imported, made, objects, stored


def _changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((path / "manifest.json").read_bytes())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def _relined(
    path: Path, file: str, change: Callable[[list[Any]], list[Any]], place: Callable[[Any], Any]
) -> None:
    """Change the lines of a file, and the manifest so that it knows."""
    lines = [json.loads(line) for line in gzip.decompress((path / file).read_bytes()).splitlines()]
    changed = change(lines)
    packed = gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in changed))
    (path / file).write_bytes(packed)
    sha256 = hashlib.sha256(packed).hexdigest()
    _changed(path, lambda manifest: place(manifest).update(sha256=sha256, count=len(changed)))


def _object_elsewhere(lines: list[Any]) -> list[Any]:
    return [{**lines[0], "file": "objects/../../secret"}, *lines[1:]]


def _without_keys(lines: list[Any]) -> list[Any]:
    return [{"pk": line["pk"]} for line in lines]


ORDERS = "tables/orders.jsonl.gz"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (
        lambda path: (path / "manifest.json").unlink(),
        "name a directory that `cts export` made",
    ),
    "a manifest that is no JSON": (lambda path: (path / "manifest.json").write_text("{"), "is broken"),
    "a manifest without tables": (lambda path: _changed(path, lambda m: m.pop("tables")), "is broken"),
    "another format": (
        lambda path: _changed(path, lambda m: m.update(format=2)),
        "of format 2, this",
    ),
    "a newer schema": (lambda path: _changed(path, lambda m: m.update(schema=99)), "use the newer program"),
    "a table too few": (lambda path: _changed(path, lambda m: m["tables"].pop("orders")), "has the tables"),
    "a file that is missing": (lambda path: (path / ORDERS).unlink(), "orders.jsonl.gz can't be read"),
    "a file cut short": (
        lambda path: (path / ORDERS).write_bytes((path / ORDERS).read_bytes()[:-9]),
        "orders.jsonl.gz is not what was exported",
    ),
    "an object that changed": (
        lambda path: (path / file_name("candles/binance/300")).write_bytes(b"other"),
        "is not what was exported",
    ),
    "a file of another table": (
        lambda path: _changed(path, lambda m: m["tables"].update(orders=m["tables"]["paper"])),
        "is not what `cts export` writes",
    ),
    "a count that is wrong": (
        lambda path: _changed(path, lambda m: m["tables"]["orders"].update(count=7)),
        "has 1 lines, not 7",
    ),
    "an item without keys": (
        lambda path: _relined(
            path, ORDERS, lambda lines: [{"pk": lines[0]["pk"]}], lambda m: m["tables"]["orders"]
        ),
        "is not what `cts export` writes",
    ),
    "an object outside of the directory": (
        lambda path: _relined(path, "objects.jsonl.gz", _object_elsewhere, lambda m: m["objects"]),
        "is not what `cts export` writes",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_export_is_refused_before_anything_is_written(exported: Path, what: str) -> None:
    target = made("two")
    spoil, message = BROKEN[what]
    spoil(exported)
    with pytest.raises(UsageError, match=message):
        imported(target, exported)
    assert all(not items for items in stored(target).values())
    assert objects(target) == {}


def test_what_dynamodb_did_not_take_is_written_again(
    exported: Path, source: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, pauses = made("two"), []
    write = target.dynamodb.batch_write_item

    def one_at_a_time(RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        write(RequestItems={table: requests[:1]})
        return {"UnprocessedItems": {table: requests[1:]} if requests[1:] else {}}

    monkeypatch.setattr(target.dynamodb, "batch_write_item", one_at_a_time)
    import_stage(target, Wish(exported, as_is=True), NOW, lambda _: None, pauses.append)
    assert stored(target) == stored(source)
    assert pauses


def test_a_table_that_takes_nothing_ends_the_import(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, pauses = made("two"), []
    monkeypatch.setattr(
        target.dynamodb, "batch_write_item", lambda **given: {"UnprocessedItems": given["RequestItems"]}
    )
    with pytest.raises(Retryable, match="run this again with --replace"):
        import_stage(target, Wish(exported), NOW, lambda _: None, pauses.append)
    assert len(pauses) == ATTEMPTS
    assert max(pauses) <= 5.0


def test_an_item_that_gets_lost_on_the_way_is_noticed(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = made("two")
    write = target.dynamodb.batch_write_item

    def forgetful(RequestItems: dict[str, list[Any]]) -> Any:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        return write(RequestItems={table: requests[1:]}) if requests[1:] else {}

    monkeypatch.setattr(target.dynamodb, "batch_write_item", forgetful)
    with pytest.raises(Conflict, match="items, not"):
        imported(target, exported)
