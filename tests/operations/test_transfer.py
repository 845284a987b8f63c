"""Export and import: everything comes back as it was, and engines come back at rest."""

import argparse
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.lifecycle import Status
from chalicelib.errors import Conflict, UsageError
from chalicelib.operations.transfer import command as transfer
from chalicelib.operations.transfer.exporter import export_stage
from chalicelib.operations.transfer.format import from_json, read_manifest, to_json
from chalicelib.operations.transfer.importer import same_key
from chalicelib.operations.transfer.stage import TABLES, Stage
from chalicelib.stores.engines import DynamoEngineStore
from chalicelib.stores.records import DynamoRecordStore
from chalicelib.stores.tables import bind_tables
from tests.operations.stages import (
    ELSEWHERE,
    NOW,
    OBJECTS,
    STATE,
    fill,
    imported,
    made,
    objects,
    realistic,
    stored,
)


def test_everything_comes_back_item_by_item_in_another_region(source: Stage, exported: Path) -> None:
    target = made("two", ELSEWHERE)
    imported(target, exported, as_is=True)
    assert stored(target) == stored(source)
    assert objects(target) == STATE


def test_the_manifest_says_what_is_there_and_only_the_owner_may_read_it(
    source: Stage, exported: Path
) -> None:
    manifest = read_manifest(exported)
    assert (manifest.stage, manifest.region, manifest.account) == ("one", "eu-central-1", "123456789012")
    assert manifest.created_at == "2023-11-14T22:13:20+00:00"
    assert {name: lines.count for name, lines in manifest.tables.items()} == {
        name: len(items) for name, items in stored(source).items()
    }
    assert manifest.objects is not None
    assert manifest.objects.count == len(STATE)
    assert manifest.working == ("acme/coordinator", "acme/engine#desk-1")
    assert stat.S_IMODE(exported.stat().st_mode) == 0o700
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_an_export_of_the_same_state_has_the_same_bytes(
    source: Stage, exported: Path, tmp_path: Path
) -> None:
    again = export_stage(source, tmp_path / "again", True, NOW, lambda _: None)
    assert again == read_manifest(exported)


def test_many_megabytes_come_in_pages(aws: None, tmp_path: Path) -> None:
    one, two = made("one"), made("two")
    items = [
        {"pk": {"S": "t"}, "sk": {"S": f"{n:03d}"}, "document": {"S": f"{n}" * 40_000}} for n in range(70)
    ]
    fill(one, {"audit": items}, {})
    export_stage(one, tmp_path / "out", True, NOW, lambda _: None)
    imported(two, tmp_path / "out")
    assert stored(two) == stored(one)
    assert sorted(sort for _, sort in stored(two)["audit"]) == [f"{n:03d}" for n in range(70)]


def test_what_has_expired_since_is_left_out(aws: None, tmp_path: Path) -> None:
    """DynamoDB removes it within days, also in the middle of an import."""
    one, two = made("one"), made("two")
    times = {"past": NOW + 59, "just": NOW + 60, "future": NOW + 61}
    items = [
        {"pk": {"S": "t"}, "sk": {"S": name}, "expires": {"N": str(int(at))}} for name, at in times.items()
    ]
    fill(one, {"audit": items}, {})
    export_stage(one, tmp_path / "out", True, NOW, lambda _: None)
    imported(two, tmp_path / "out")
    assert list(stored(two)["audit"]) == [("t", "future")]


def test_every_type_of_dynamodb_goes_through_json() -> None:
    item = {
        "s": {"S": "text"},
        "n": {"N": "1.10"},
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"\x01", b"\x02"]},
        "ss": {"SS": ["a"]},
        "none": {"NULL": True},
        "flag": {"BOOL": False},
        "list": {"L": [{"B": b"\x03"}, {"M": {"inner": {"B": b"\x04"}}}]},
    }
    assert from_json(json.loads(json.dumps(to_json(item)))) == item


def test_engines_come_in_at_rest_and_with_their_fences(source: Stage, exported: Path) -> None:
    target = made("two", ELSEWHERE)
    said = imported(target, exported)
    bind_tables(target.settings, target.dynamodb)
    store = DynamoEngineStore(target.dynamodb)
    engines = {engine.subject.text: engine for engine in store.all()}
    assert {text: engine.status for text, engine in engines.items() if "feed" not in text} == {
        "acme/coordinator": Status.STOPPED,
        "acme/engine#desk-1": Status.STOPPED,
        "acme/engine#desk-2": Status.STOPPED,
    }
    assert engines["acme/engine#desk-1"].changed_at == NOW + 60
    assert engines["acme/engine#desk-2"].changed_at == 100.0, "it was stopped before"
    leases = [lease for engine in engines.values() for lease in engine.leases.values()]
    assert len(leases) == 4
    assert all((lease.owner, lease.until) == ("", 0.0) for lease in leases)
    assert engines["public/feed#binance#5m"].lease("market").fence == 4
    assert engines["acme/engine#desk-1"].session_id == "s-1", "the next start ends this session"
    entries = DynamoRecordStore().list_audit("acme", 10, None).items
    assert [(e.subject, e.before, e.after) for e in entries if e.action == "import"] == [
        ("acme/engine#desk-1", "running", "stopped"),
        ("acme/coordinator", "running", "stopped"),
    ]
    assert any("make sure that they are stopped where they came from" in line for line in said)
    others = [
        {name: found for name, found in stored(s).items() if name not in ("engines", "audit")}
        for s in (source, target)
    ]
    assert others[0] == others[1]


def test_a_stage_that_is_not_empty_is_refused_and_left_alone(exported: Path) -> None:
    target = made("two")
    fill(target, {"orders": realistic()["orders"]}, {"candles/x/60": b"here"})
    before = (stored(target), objects(target))
    with pytest.raises(Conflict, match=r"not empty: it has orders, objects; with --replace"):
        imported(target, exported)
    assert (stored(target), objects(target)) == before


def test_replace_keeps_what_was_there_in_an_export_of_its_own(source: Stage, exported: Path) -> None:
    target = made("two")
    order = {**realistic()["orders"][0], "sk": {"S": "other"}}
    fill(target, {"orders": [order]}, {"candles/x/60": b"here", "packages/p.zip": b"code"})
    before = (stored(target), objects(target))
    said = imported(target, exported, replace=True, as_is=True)
    assert stored(target) == stored(source)
    assert objects(target) == {**STATE, "packages/p.zip": b"code"}
    (kept,) = exported.parent.glob("export-replaced-*")
    assert kept.name == "export-replaced-20231114T221420Z"
    assert any(str(kept) in line for line in said)
    restored = made("three")
    imported(restored, kept, as_is=True)
    assert (stored(restored), objects(restored)) == (before[0], {"candles/x/60": b"here"})


def test_replace_is_refused_while_engines_work(source: Stage, exported: Path) -> None:
    before = stored(source)
    with pytest.raises(Conflict, match="stop acme/coordinator, acme/engine#desk-1 first"):
        imported(source, exported, replace=True)
    assert stored(source) == before
    assert list(exported.parent.iterdir()) == [exported]


def test_without_objects_the_bucket_is_left_alone_or_may_be_missing(source: Stage, tmp_path: Path) -> None:
    """Tables that were restored under the names of another stage have no bucket."""
    for key in OBJECTS:
        source.s3.delete_object(Bucket=source.settings.bucket, Key=key)
    source.s3.delete_bucket(Bucket=source.settings.bucket)
    with pytest.raises(UsageError, match="no bucket cts-one-123456789012-objects: add --no-objects"):
        export_stage(source, tmp_path / "out", True, NOW, lambda _: None)
    export_stage(source, tmp_path / "out", False, NOW, lambda _: None)
    target = made("two")
    fill(target, {}, {"candles/x/60": b"here"})
    imported(target, tmp_path / "out", as_is=True)
    assert stored(target) == stored(source)
    assert objects(target) == {"candles/x/60": b"here"}


def test_an_export_that_fails_leaves_nothing(
    source: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(source.s3, "get_object", fails)
    with pytest.raises(KeyboardInterrupt):
        export_stage(source, tmp_path / "out", True, NOW, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_export_never_writes_over_anything(source: Stage, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists: name a new directory"):
        export_stage(source, exported, True, NOW, lambda _: None)
    with pytest.raises(UsageError, match="create it first"):
        export_stage(source, tmp_path / "no" / "where", True, NOW, lambda _: None)


def test_a_stage_without_its_tables_is_named(exported: Path) -> None:
    target = made("two")
    target.dynamodb.delete_table(TableName="cts-two-paper")
    with pytest.raises(UsageError, match="no table cts-two-paper: make infra STAGE=two"):
        imported(target, exported)


ARN = "arn:aws:kms:eu-central-1:1:key/"
KEYS = [
    (ARN + "a", ARN + "a", True),
    (ARN + "a", ARN + "b", False),
    (ARN + "mrk-a", "arn:aws:kms:us-east-1:1:key/mrk-a", True),
    (ARN + "mrk-a", "arn:aws:kms:us-east-1:2:key/mrk-a", False),
    (ARN + "a", "arn:aws:kms:us-east-1:1:key/a", False),
    (ARN + "a", "", False),
    ("", "", False),
]


@pytest.mark.parametrize(("one", "other", "same"), KEYS)
def test_only_the_same_key_or_its_replica_decrypts(one: str, other: str, same: bool) -> None:
    assert same_key(one, other) is same
    assert same_key(other, one) is same


def test_credentials_that_can_not_be_decrypted_here_are_told(source: Stage, tmp_path: Path) -> None:
    sealed = {"pk": {"S": "acme#credentials"}, "sk": {"S": "desk-1"}, "document": {"S": '{"ciphertext":"x"}'}}
    fill(source, {"connections": [sealed]}, {})
    key = source.kms.create_key()["KeyMetadata"]
    source.kms.create_alias(AliasName="alias/cts-one", TargetKeyId=key["KeyId"])
    manifest = export_stage(source, tmp_path / "out", True, NOW, lambda _: None)
    assert manifest.key == key["Arn"]
    target = made("two")
    said = "\n".join(imported(target, tmp_path / "out"))
    assert f"credentials of 1 connections can't be decrypted here: they need {key['Arn']}" in said
    assert "PUT /connections/ID/credentials" in said
    target.kms.create_alias(AliasName="alias/cts-two", TargetKeyId=key["KeyId"])
    again = "\n".join(imported(target, tmp_path / "out", replace=True))
    assert "can't be decrypted" not in again


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    transfer.register(parser.add_subparsers())
    given = parser.parse_args(arguments)
    return int(given.command(given))


def test_the_commands(source: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = made("two", ELSEWHERE)
    out = str(tmp_path / "out")
    assert _run("export", "--stage", "one", "--out", out) == 0
    said = capsys.readouterr().out
    assert "orders: 1 items" in said
    assert "no single moment: meanwhile worked acme/coordinator, acme/engine#desk-1" in said
    assert _run("import", "--stage", "two", "--region", ELSEWHERE, "--from", out) == 0
    assert f"stage two ({ELSEWHERE}) is filled from {out}" in capsys.readouterr().out
    assert {name: len(items) for name, items in stored(target).items()} == {
        name: len(items) + 2 * (name == "audit") for name, items in stored(source).items()
    }
    with pytest.raises(Conflict):
        _run("import", "--stage", "two", "--region", ELSEWHERE, "--from", out)
    assert _run("import", "--stage", "two", "--region", ELSEWHERE, "--from", out, "--replace", "--as-is") == 0
    assert stored(target) == stored(source)


def test_the_commands_say_in_one_line_that_there_are_no_credentials(
    aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="no AWS credentials"):
        _run("export", "--stage", "one", "--out", str(tmp_path / "out"))


def test_engines_are_written_last_and_removed_first() -> None:
    assert TABLES[-1] == "engines"
