"""The packaged zip and template, as they are, deployed by our own commands to an AWS emulator.

What the emulator cannot show is named in docs/unproven.md.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.settings import Settings
from tests.deployed import emulator, journey
from tests.deployed.emulator import Template
from tests.deployed.exchange import exchange
from tests.deployed.journey import JOURNEY, Deployed

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
STAGE = "prod"
PACKAGE = Path(os.environ.get("CTS_PACKAGE", "build/package")) / STAGE
SERVICES = ("cloudformation", "dynamodb", "sqs", "kinesis", "lambda", "apigateway", "logs")


@contextmanager
def deployed(folder: Path, spoiled: Callable[[Template], None] = lambda _: None) -> Iterator[Deployed]:
    """Run emulator and exchange, deploy both stacks as the documentation says; gives the stage.

    `spoiled` takes something out of the functions' template first.
    """
    with exchange(folder) as (_, found_by), emulator.running(found_by, folder / "emulator.log") as address:
        environment = _environment(address)
        package = emulator.digestible(PACKAGE, folder, spoiled)
        for step in ([], ["--functions", "--package", str(package)]):
            _command(environment, ["-m", "infra.stack", "--stage", STAGE, "--yes", *step])
        token = _command(environment, ["-m", "chalicelib.cli", "token", "--stage", STAGE]).strip()
        session = boto3.session.Session("test", "test", region_name=emulator.REGION)
        clients = {name: session.client(name, endpoint_url=address) for name in SERVICES}
        (api,) = clients["apigateway"].get_rest_apis()["items"]
        yield Deployed(
            Settings(STAGE, emulator.REGION, address, emulator.ACCOUNT, key_alias="", events="kinesis"),
            f"{address}/restapis/{api['id']}/api/_user_request_",
            token,
            clients,
        )


def _environment(address: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def _command(environment: dict[str, str], arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("deployed")) as found:
        yield found


@pytest.mark.parametrize("step", JOURNEY, ids=lambda step: step.__name__)
def test_the_deployed_stage(stage: Deployed, step: Any) -> None:
    step(stage)


def _without_executor(template: Template) -> None:
    del template["Resources"]["ExecuteSignals"]["Properties"]["Events"]


def test_an_event_source_that_is_missing_is_found(tmp_path: Path) -> None:
    with deployed(tmp_path, _without_executor) as stage:
        journey.a_connection_is_created_and_started(stage)
        with pytest.raises(AssertionError, match="the order is filled: not within"):
            journey.a_signal_in_the_queue_becomes_an_order_at_the_paper_venue(stage)


def test_a_table_that_is_missing_is_found(tmp_path: Path) -> None:
    with deployed(tmp_path) as stage:
        table = stage.settings.table("paper")
        stage.clients["dynamodb"].update_table(TableName=table, DeletionProtectionEnabled=False)
        stage.clients["dynamodb"].delete_table(TableName=table)
        # An engine compares its books with the venue's before it runs, so it does not even start.
        with pytest.raises(AssertionError, match="went into error"):
            journey.a_connection_is_created_and_started(stage)
