"""Credentials through the API into DynamoDB and KMS on an emulated AWS: they go in, nothing shows them."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from botocore.session import get_session
from chalice.test import Client
from moto import mock_aws

from app import app
from chalicelib import wiring
from chalicelib.domain.credentials import credentials_of
from chalicelib.local.resources import create_resources
from chalicelib.messaging.telemetry import logger
from chalicelib.settings import Settings
from chalicelib.stores.tables import MODELS
from tests.flows.worlds import PRICES, ListedFeed
from tests.triggers.tokens import SECRET, bearer

REGION = "eu-central-1"
CANARY = "CANARY-c4e8"
GIVEN = {"api_key": f"key-{CANARY}", "secret": f"secret-{CANARY}", "password": f"password-{CANARY}"}
WISH = {"connection_id": "main", "exchange": "binance", "symbols": ["BTC/USDT"], "credentials": GIVEN}
_number = count()
SERVICES = ("dynamodb", "sqs", "kinesis", "s3")


@dataclass
class Stage:
    """The API over the deployed parts, what it said, and what it stored."""

    settings: Settings
    clients: dict[str, Any]
    client: Client
    logs: io.StringIO
    answers: list[str]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **bearer()}
        answer = self.client.http.request(method, path, headers=sent, body=raw)
        self.answers.append(json.dumps(answer.json_body))
        return answer.status_code, answer.json_body

    def stored(self) -> str:
        tables = [
            self.clients["dynamodb"].scan(TableName=self.settings.table(name))["Items"] for name in MODELS
        ]
        objects = self.clients["s3"].list_objects_v2(Bucket=self.settings.bucket).get("Contents", [])
        return json.dumps([tables, objects], default=str)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Stage]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "CTS_STAGE": "local",
        "CTS_AUTH_LOCAL_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    logs = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", logs)
    caplog.set_level(logging.INFO)
    with mock_aws():
        # Resources of its own for each test: an emulator that another test keeps is shared.
        settings = Settings(stage=f"keys{next(_number)}", region=REGION)
        session = get_session()
        clients = {name: session.create_client(name, REGION) for name in SERVICES}
        create_resources(settings, clients)
        kms = session.create_client("kms", REGION)
        kms.create_alias(AliasName=settings.key, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
        feed = ListedFeed(PRICES)
        wiring.use(wiring.build(settings, wiring.Overrides(feed=lambda _: feed)))
        yield Stage(settings, clients, Client(app), logs, [])
        wiring.use(None)


def test_nothing_that_can_be_read_holds_credentials(
    stage: Stage, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every answer, log line, metrics line and stored item of a life with credentials, searched for them."""
    status, answer = stage.ask("POST", "/connections", WISH)
    assert (status // 100, answer["data"]["has_credentials"]) == (2, True)
    assert stage.ask("PUT", "/connections/main/credentials", GIVEN)[1]["data"]["has_credentials"] is True
    assert stage.ask("GET", "/connections")[1]["data"]["items"][0]["has_credentials"] is True
    for body in (
        {**GIVEN, "more": CANARY},
        {"api_key": [CANARY], "secret": CANARY},
        {**GIVEN, "secret": CANARY * 1000},
        f'{{"api_key": "{CANARY}", "secret": {CANARY}}}'.encode(),
        f'"{CANARY}"'.encode(),
    ):
        assert stage.ask("PUT", "/connections/main/credentials", body)[0] == 400
    assert stage.ask("POST", "/connections", {**WISH, "name": "other"})[0] == 409
    assert stage.ask("POST", "/connections", {**WISH, "credentials": CANARY})[0] == 400
    assert stage.ask("PUT", "/connections/nope/credentials", GIVEN)[0] == 404
    assert stage.ask("POST", "/trade-engine/start")[0] == 200
    assert wiring.world().credentials.get("default", "main") == credentials_of(GIVEN)
    assert stage.ask("POST", "/trade-engine/main/stop")[0] == 200
    for path in (
        "/connections/main",
        "/audit",
        "/trade-engine/main/logs",
        "/trade-engine/status",
        "/sessions",
    ):
        assert stage.ask("GET", path)[0] == 200
    written = {
        "answers": "".join(stage.answers),
        "log": stage.logs.getvalue() + caplog.text,
        "output": "".join(capsys.readouterr()),
        "stored": stage.stored(),
    }
    assert "set_credentials" in written["stored"]
    for where, text in written.items():
        assert CANARY not in text, where
        assert "Q0FOQVJZ" not in text, f"{where}: in base64"


def test_a_fault_inside_shows_no_credentials(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody has foreseen, with the credentials in hand, is logged with its traceback."""
    stage.ask("POST", "/connections", {**WISH, "credentials": None})

    def fault(_: Any, tenant: str, connection_id: str, credentials: Any) -> Any:
        raise RuntimeError(f"a fault with {credentials!r} and {credentials}")

    monkeypatch.setattr(type(wiring.world().credentials), "seal", fault)
    status, answer = stage.ask("PUT", "/connections/main/credentials", GIVEN)
    assert (status, answer["code"]) == (500, "INTERNAL")
    written = stage.logs.getvalue() + caplog.text
    assert "a fault with" in written
    assert CANARY not in written + "".join(stage.answers)


def test_replacing_removing_and_deleting_reach_what_is_stored(stage: Stage) -> None:
    stage.ask("POST", "/connections", WISH)
    world = wiring.world()
    new = {"api_key": "a", "secret": "b"}
    stage.ask("PUT", "/connections/main/credentials", new)
    assert world.credentials.get("default", "main") == credentials_of(new)
    assert stage.ask("DELETE", "/connections/main/credentials")[1]["data"]["has_credentials"] is False
    assert stage.ask("DELETE", "/connections/main/credentials")[:1] == (404,)
    stage.ask("PUT", "/connections/main/credentials", new)
    assert stage.ask("DELETE", "/connections/main")[0] == 200
    assert '"default#credentials"' not in stage.stored()


def test_a_stage_without_a_key_says_what_to_do(stage: Stage) -> None:
    keyless = replace(stage.settings, key_alias="none")
    feed = ListedFeed(PRICES)
    wiring.use(wiring.build(keyless, wiring.Overrides(feed=lambda _: feed)))
    status, answer = stage.ask("POST", "/connections", WISH)
    assert (status, answer["code"]) == (409, "CONFLICT")
    assert answer["error"].startswith(
        "this stage has no key for credentials: deploy its resources with Key=customer"
    )
    assert stage.ask("GET", "/connections")[1]["data"]["items"] == []
    assert stage.ask("POST", "/connections", {**WISH, "credentials": None})[0] // 100 == 2
