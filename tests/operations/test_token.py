"""`cts token`: tokens of a local run and of a deployed stage, each taken by the authorizer of that stage."""

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain.token import Unauthorized
from chalicelib.errors import Rejected, UsageError
from chalicelib.local.access import open_to_tokens
from chalicelib.operations import token
from tests.triggers.tokens import SECRET, call

REGION = "eu-central-1"
_number = count()


def cts(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="cts")
    token.register(parser.add_subparsers(required=True))
    given = parser.parse_args(["token", *arguments])
    return int(given.command(given))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that the command printed."""
    assert cts(*arguments) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return line


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CTS_STAGE", "local")
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", "")
    open_to_tokens(tmp_path)
    return tmp_path


@pytest.fixture
def stage() -> str:
    """A stage of the test's own: an emulator that another test keeps is shared."""
    return f"tok{next(_number)}"


@pytest.fixture
def secrets(stage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager with the secret of the stage, and an authorizer of that stage."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "CTS_STAGE": stage,
        "CTS_AUTH_ALGORITHM": "HS256",
        "CTS_AUTH_MAX_HOURS": "23",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("secretsmanager", REGION)
        client.create_secret(Name=f"cts-{stage}-jwt", SecretString=SECRET)
        yield client


def test_a_token_of_a_local_run(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = call(printed(capsys, "--state", str(state)))
    assert found["context"] == {"tenant": "default", "subject": "operator", "roles": "admin"}
    chosen = ("--subject", "ann", "--tenant", "acme", "--role", "viewer", "--hours", "0.5")
    found = call(printed(capsys, "--state", str(state), *chosen))
    assert found["context"] == {"tenant": "acme", "subject": "ann", "roles": "viewer"}


def test_a_token_of_a_deployed_stage(secrets: Any, stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = call(printed(capsys, "--stage", stage, "--subject", "ann", "--hours", "23"))
    assert found["context"] == {"tenant": "default", "subject": "ann", "roles": "admin"}


def test_a_token_of_another_stage_opens_nothing_here(
    secrets: Any, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.create_secret(Name=f"cts-{stage}-b-jwt", SecretString=SECRET[::-1])
    with pytest.raises(Unauthorized):
        call(printed(capsys, "--stage", f"{stage}-b", "--hours", "1"))


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf"])
def test_hours_that_are_none_are_refused(state: Path, hours: str) -> None:
    with pytest.raises(UsageError, match="is not a number of hours above 0"):
        cts("--state", str(state), f"--hours={hours}")


def test_what_the_stage_would_refuse_is_not_printed(
    secrets: Any, stage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for arguments, text in (
        (("--stage", stage, "--hours", "24"), "longer than this stage takes"),
        (("--stage", stage, "--hours", "1", "--subject", "an n"), "subject: use 1 to 255"),
        (("--stage", stage, "--hours", "1", "--tenant", "Acme"), "tenant: use 1 to 40"),
        (("--stage", "nowhere", "--hours", "1"), "no secret 'cts-nowhere-jwt' in eu-central-1"),
        (("--state", str(tmp_path)), "has a secret for tokens"),
    ):
        with pytest.raises(Rejected, match=text) as refused:
            cts(*arguments)
        assert "\n" not in str(refused.value)
    assert capsys.readouterr().out == ""
