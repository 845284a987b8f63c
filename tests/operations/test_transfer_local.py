"""Export and import of local runs: their emulator is reached by its address, as any AWS is."""

import argparse
from pathlib import Path

import pytest

from chalicelib.local.event_shapes import ACCOUNT
from chalicelib.local.resources import create_resources
from chalicelib.operations.transfer import command as transfer
from chalicelib.operations.transfer.stage import Stage, open_stage
from chalicelib.settings import Settings
from tests.local.emulated import Clients, started
from tests.operations.stages import STATE, fill, objects, realistic, stored

REGION = "us-east-1"


def _stage(clients: Clients, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Point the environment at an emulator, make its resources, and return its stage as commands see it."""
    for name in ("AWS_PROFILE", "CTS_BUCKET", "CTS_KEY", "CTS_STAGE"):
        monkeypatch.delenv(name, raising=False)
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    services = ("dynamodb", "sqs", "kinesis", "s3")
    settings = Settings(region=REGION, endpoint_url=endpoint, account=ACCOUNT)
    create_resources(settings, {name: getattr(clients, name) for name in services})
    return open_stage("local", None)


def _run(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    transfer.register(parser.add_subparsers())
    given = parser.parse_args(arguments)
    assert given.command(given) == 0


def test_the_state_of_a_local_run_moves_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "export")
    with started(tmp_path / "one", virtual=False) as (emulator, clients):
        source = _stage(clients, emulator.endpoint_url, monkeypatch)
        fill(source, realistic(), STATE)
        before = stored(source), objects(source)
        _run("export", "--stage", "local", "--out", out)
    with started(tmp_path / "two", virtual=False) as (emulator, clients):
        target = _stage(clients, emulator.endpoint_url, monkeypatch)
        _run("import", "--stage", "local", "--from", out, "--as-is")
        assert (stored(target), objects(target)) == before
