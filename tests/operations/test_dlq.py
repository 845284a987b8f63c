"""`cts dlq`: over a stage on moto and over the local emulator, as an operator types it."""

import argparse
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.messages import Tick
from chalicelib.domain.order import OrderState
from chalicelib.errors import NotFound, UsageError
from chalicelib.local.emulator import Emulator
from chalicelib.local.resources import create_resources
from chalicelib.messaging.codec import encode
from chalicelib.operations.dlq import command
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.clients import CONFIG
from chalicelib.stores.engines import DynamoEngineStore
from chalicelib.stores.records import DynamoRecordStore
from chalicelib.stores.tables import bind_tables
from tests.stores.examples import CONNECTION, TENANT, order

REGION = "eu-central-1"
_number = count()
TICK = Tick("realtime", engine_subject(TENANT, CONNECTION), 1_700_000_010)


def cts(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="cts")
    command.register(parser.add_subparsers(required=True))
    given = parser.parse_args(["dlq", *arguments])
    return int(given.command(given))


class Stage:
    """A stage with resources of its own, and ways for things to die in it."""

    def __init__(self, endpoint: str | None) -> None:
        self.settings = Settings(stage=f"dlc{next(_number)}", region=REGION, endpoint_url=endpoint or "")
        self.clients = {
            name: get_session().create_client(name, REGION, endpoint_url=endpoint, config=CONFIG)
            for name in ("dynamodb", "sqs", "kinesis", "s3")
        }
        create_resources(self.settings, self.clients)

    def cts(self, action: str, *arguments: str) -> int:
        return cts(action, "--stage", self.settings.stage, "--region", REGION, *arguments)

    def url(self, queue: str) -> str:
        found: str = self.clients["sqs"].get_queue_url(QueueName=queue)["QueueUrl"]
        return found

    def die(self, body: str) -> None:
        queue = dead_letter_queue(self.settings.tick_queue("realtime"))
        self.clients["sqs"].send_message(QueueUrl=self.url(queue), MessageBody=body)

    def returned(self) -> list[str]:
        url = self.url(self.settings.tick_queue("realtime"))
        answer = self.clients["sqs"].receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", ())]

    def bind(self) -> None:
        bind_tables(self.settings, self.clients["dynamodb"])


@pytest.fixture(params=["moto", "emulator"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_ENDPOINT_URL", "CTS_STAGE", "CTS_ACCOUNT", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # Waiting for messages is for the many servers of the real SQS.
    monkeypatch.setattr("chalicelib.messaging.dead_letters.SqsDeadLetters.__init__.__defaults__", (False, 0))
    if request.param == "moto":
        with mock_aws():
            yield Stage(None)
        return
    emulator = Emulator.start(tmp_path, virtual=False, region=REGION)
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
        yield Stage(emulator.endpoint_url)
    finally:
        emulator.stop()


def listed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert stage.cts("list", "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_list_retry_and_drop(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.cts("list") == 0
    assert capsys.readouterr().out == "no dead letters\n"
    stage.die(encode(TICK))
    stage.die("no json")
    assert stage.cts("list") == 0
    page = capsys.readouterr().out
    assert f"tick of {TENANT}/{CONNECTION}, " in page
    assert f"correlation id {TICK.tick_id}" in page
    assert "unreadable of nobody known" in page
    assert "Tick is not JSON" in page
    ids = {letter["kind"]: letter["letter_id"] for letter in listed(stage, capsys)}
    assert stage.cts("retry", ids["tick"]) == 0
    assert capsys.readouterr().out == f"sent again: {ids['tick']}\n"
    assert stage.returned() == [encode(TICK)]
    assert stage.cts("drop", ids["unreadable"]) == 0
    assert capsys.readouterr().out == f"dropped: {ids['unreadable']}\n"
    assert listed(stage, capsys) == []
    stage.bind()
    (dropped,) = DynamoRecordStore().list_audit("default", 9, None).items
    assert (dropped.action, dropped.details["body"]) == ("dead_letter_drop", "no json")


def test_several_go_in_the_order_given_until_one_is_not_there(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.die(encode(TICK))
    (letter,) = listed(stage, capsys)
    with pytest.raises(NotFound, match=r"realtime-tick\.gone"):
        stage.cts("drop", letter["letter_id"], "realtime-tick.gone", "realtime-tick.never")
    assert capsys.readouterr().out == f"dropped: {letter['letter_id']}\n"


def test_orders_of_all_tenants_are_listed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.bind()
    engines = DynamoEngineStore(stage.clients["dynamodb"])
    for tenant in ("acme", "other"):
        engines.create(Engine(engine_subject(tenant, CONNECTION)))
        dead = order(f"cts-{tenant}", state=OrderState.UNKNOWN, reason="dead letter: not found")
        DynamoRecordStore().commit(tenant, [dead, order(f"cts-{tenant}-2", state=OrderState.ACCEPTED)])
    found = listed(stage, capsys)
    assert [(letter["tenant"], letter["letter_id"]) for letter in found] == [
        ("acme", f"order.{CONNECTION}.cts-acme"),
        ("other", f"order.{CONNECTION}.cts-other"),
    ]


@pytest.mark.parametrize(
    ("seconds", "told"), [(-1, "0 s"), (59, "59 s"), (600, "10 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_told_in_units(seconds: float, told: str) -> None:
    assert command._age(seconds) == told


def test_without_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(UsageError, match="no region"):
        cts("list", "--stage", "dev")


@pytest.mark.parametrize("action", ["list", "retry", "drop"])
def test_a_stage_that_does_not_exist_is_told(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with (
        mock_aws(),
        pytest.raises(Exception, match=r"was refused \(ResourceNotFoundException|NonExistentQueue") as told,
    ):
        cts(
            action,
            "--stage",
            "nowhere",
            "--region",
            REGION,
            *(() if action == "list" else ("realtime-tick.1",)),
        )
    assert "\n" not in str(told.value)
