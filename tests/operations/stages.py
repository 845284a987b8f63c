"""Stages on moto for the tests of export and import: their resources, some state, and all they store."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from botocore.session import Session
from moto import mock_aws

from chalicelib.operations.transfer.importer import Wish, import_stage
from chalicelib.operations.transfer.stage import TABLES, Stage
from chalicelib.settings import Settings
from chalicelib.stores.tables import MODELS, table_definition

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ELSEWHERE = "eu-west-1"
NOW = 1_700_000_000.0
SCHEMA_1 = Path(__file__).parents[1] / "stores" / "schema_1.json"

OBJECTS = {
    "candles/binance/300": b"\x00candles" * 1000,
    "ladder/acme/desk-1/0": b"",
    "../../etc/passwd": b"a key is no path",
    "packages/abc.zip": b"code",
    "x" * 300: b"long",
}
STATE = {key: body for key, body in OBJECTS.items() if not key.startswith("packages/")}
"""With keys that no path may be made of; packages are no state."""

Items = dict[str, dict[tuple[str, str], dict[str, Any]]]


@contextmanager
def on_moto(monkeypatch: Any) -> Iterator[None]:
    """Run a block on an empty AWS."""
    for name in ("AWS_ENDPOINT_URL", "CTS_STAGE", "CTS_ACCOUNT", "CTS_BUCKET", "CTS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("CTS_EVENTS", "audit")
    with mock_aws():
        yield


@cache
def client(service: str, region: str) -> Any:
    """Return a client; making one takes longer than most tests."""
    session = Session()
    session.set_credentials("test", "test")
    return session.create_client(service, region)


def made(name: str, region: str = REGION) -> Stage:
    """Create the tables and the bucket of a stage."""
    settings = Settings(stage=name, region=region, account=ACCOUNT)
    stage = Stage(settings, *(client(service, region) for service in ("dynamodb", "s3", "kms")))
    for table in MODELS:
        stage.dynamodb.create_table(**table_definition(settings, table))
    stage.s3.create_bucket(Bucket=settings.bucket, CreateBucketConfiguration={"LocationConstraint": region})
    return stage


def realistic() -> dict[str, list[dict[str, Any]]]:
    """Return the items of a stage with a running engine, an open order and an open position."""
    plain = json.loads(SCHEMA_1.read_text(encoding="utf-8"))
    items = {name: [_decoded(item) for item in plain[name]] for name in TABLES}
    engine = items["engines"][0]
    coordinator = {**engine, "sk": {"S": "coordinator"}, "f_settings": {"S": "{}"}}
    stopped = {**engine, "sk": {"S": "engine#desk-2"}, "f_status": {"S": '"stopped"'}}
    feed = {
        "pk": {"S": "public"},
        "sk": {"S": "feed#binance#5m"},
        "revision": {"N": "4"},
        "lease_market_owner": {"S": "somebody"},
        "lease_market_until": {"N": "1700000050.5"},
        "lease_market_fence": {"N": "4"},
    }
    working = {"lease_strategy_owner": {"S": "somebody"}, "lease_strategy_until": {"N": "1700000050.5"}}
    items["engines"] = [{**engine, **working}, coordinator, stopped, feed]
    return items


def _decoded(item: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {kind: base64.b64decode(value) if kind == "B" else value}
        for name, typed in item.items()
        for kind, value in typed.items()
    }


def fill(stage: Stage, items: dict[str, list[dict[str, Any]]], objects: dict[str, bytes]) -> None:
    """Store items and objects as they are."""
    for table, listed in items.items():
        for item in listed:
            stage.dynamodb.put_item(TableName=stage.settings.table(table), Item=item)
    for key, body in objects.items():
        stage.s3.put_object(Bucket=stage.settings.bucket, Key=key, Body=body)


def stored(stage: Stage) -> Items:
    """Return all items by table and key."""
    return {
        name: {(item["pk"]["S"], item["sk"]["S"]): dict(item) for item in stage.items(name)}
        for name in TABLES
    }


def objects(stage: Stage) -> dict[str, bytes]:
    """Return all objects, packages too."""
    listed = stage.s3.list_objects_v2(Bucket=stage.settings.bucket).get("Contents", ())
    return {
        found["Key"]: stage.s3.get_object(Bucket=stage.settings.bucket, Key=found["Key"])["Body"].read()
        for found in listed
    }


def imported(stage: Stage, path: Path, **options: bool) -> list[str]:
    """Import an export and return what the person was told."""
    said: list[str] = []
    import_stage(stage, Wish(path, **options), NOW + 60, said.append, lambda _: None)
    return said
