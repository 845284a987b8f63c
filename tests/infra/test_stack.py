"""Deployments of a stage: what is asked of AWS, what is uploaded where, and what the command says."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY
from moto import mock_aws

from chalicelib.errors import UsageError
from infra import stack
from infra.stack import Deployment, deploy_functions, deploy_resources, resource_parameters
from tests.infra.cloudformation import ACCOUNT, REGION
from tests.infra.scripted_cloudformation import CHANGE_SET, Script, change

STREAM = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/cts-dev-positions/stream/2026-01-01T00:00:00.000"


@pytest.fixture
def script() -> Iterator[Script]:
    found = Script()
    yield found
    found.stubber.assert_no_pending_responses()


@dataclass
class Session:
    """A session with the scripted CloudFormation; everything else is emulated."""

    script: Script
    region_name: str = REGION

    def client(self, service: str) -> Any:
        return self.script.client if service == "cloudformation" else boto3.client(service, REGION)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with mock_aws():
        yield


def deployment(script: Script, stage: str = "dev") -> Deployment:
    session: Any = Session(script)
    return Deployment(stage, session, script.said.append)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_resources_follow_the_configuration_and_lead_to_the_next_step(script: Script, stage: str) -> None:
    outputs = [{"OutputKey": "PositionsStreamArn", "OutputValue": STREAM}]
    name = f"cts-{stage}-resources"
    events = {"dev": "audit", "prod": "kinesis"}[stage]
    parameters = [
        {"ParameterKey": key, "ParameterValue": value}
        for key, value in (("Stage", stage), ("Events", events), ("Auth", "HS256"), ("Key", "customer"))
    ]
    script.no_stack()
    script.prepares(
        "CREATE",
        parameters,
        declared=("Stage", "Events", "Auth", "Key"),
        StackName=name,
        ImportExistingResources=True,
        Capabilities=[],
    )
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE", change("Add"))
    script.executes()
    script.stack("CREATE_COMPLETE")
    script.stack("CREATE_COMPLETE", Outputs=outputs)
    if stage == "prod":
        protected = {"StackName": name, "EnableTerminationProtection": True}
        script.stubber.add_response("update_termination_protection", {}, protected)
    deploy_resources(deployment(script, stage), script.update, {"Key": "customer"})
    assert script.said[0] == f"{name} in account {ACCOUNT}, {REGION}:"
    assert script.said[-4:] == [
        f"  make package && make deploy STAGE={stage}",
        f"  chalice deploy --stage {stage}",
        f'    with "CTS_ACCOUNT": "{ACCOUNT}" in the stage\'s environment_variables in .chalice/config.json,',
        f"    after: export CTS_POSITIONS_STREAM_ARN={STREAM}",
    ]


@pytest.mark.parametrize("name", ["Stage", "Events", "Auth"])
def test_what_the_functions_are_told_is_not_chosen_twice(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is not a choice of its own"):
        resource_parameters("dev", {name: "x"})


def test_a_stage_that_is_not_configured_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no stage 'staging'.*dev, prod"):
        resource_parameters("staging", {})


def package(folder: Path, stage: str = "dev") -> Path:
    """Write what `make package` leaves: a template and the zip of its architecture."""
    properties = {
        "Architectures": ["arm64"],
        "CodeUri": "./deployment.zip",
        "Environment": {"Variables": {"CTS_STAGE": stage}},
    }
    resources = {
        "Heartbeat": {"Type": "AWS::Serverless::Function", "Properties": properties},
        "RestAPI": {"Type": "AWS::Serverless::Api", "Properties": {}},
    }
    folder.mkdir(exist_ok=True)
    (folder / "template.json").write_text(json.dumps({"Resources": resources}))
    (folder / "deployment-arm64.zip").write_bytes(b"zip")
    return folder


@pytest.mark.usefixtures("aws")
def test_functions_are_uploaded_under_their_content_and_deployed(script: Script, tmp_path: Path) -> None:
    s3 = boto3.client("s3", REGION)
    bucket = f"cts-dev-{ACCOUNT}-objects"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    addresses: list[str] = []
    for _ in range(2):
        script.stack("CREATE_COMPLETE", Outputs=[{"OutputKey": "BucketName", "OutputValue": bucket}])
        script.no_stack()
        script.stubber.add_response("get_template_summary", {"Parameters": []})
        asked = {
            "StackName": "cts-dev-functions",
            "ChangeSetName": ANY,
            "ChangeSetType": "CREATE",
            "Parameters": [],
            "Tags": ANY,
            "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "ImportExistingResources": False,
            "TemplateURL": ANY,
        }
        script.stubber.add_response("create_change_set", {"Id": CHANGE_SET}, asked)
        script.change_set("CREATE_COMPLETE")
        script.change_set("CREATE_COMPLETE")
        script.executes()
        script.stack("CREATE_COMPLETE")
        script.stack("CREATE_COMPLETE", Outputs=[{"OutputKey": "EndpointURL", "OutputValue": "https://x"}])
        script.client.meta.events.register(
            "provide-client-params.cloudformation.CreateChangeSet",
            lambda params, **_: addresses.append(params["TemplateURL"]),
        )
        deploy_functions(deployment(script), script.update, package(tmp_path / "dev"))
    assert script.said[-1] == "  EndpointURL = https://x"
    keys = sorted(found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"])
    assert sorted(key.rpartition(".")[2] for key in keys) == ["json", "zip"]
    (address,) = set(addresses)
    key = address.removeprefix(f"https://s3.{REGION}.amazonaws.com/{bucket}/")
    placed = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    code = placed["Resources"]["Heartbeat"]["Properties"]["CodeUri"]
    assert code["Bucket"] == bucket
    assert s3.get_object(Bucket=bucket, Key=code["Key"])["Body"].read() == b"zip"


def test_functions_need_their_resources_first(script: Script, tmp_path: Path) -> None:
    script.no_stack()
    with pytest.raises(UsageError, match="run make infra STAGE=dev first"):
        deploy_functions(deployment(script), script.update, package(tmp_path))


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("stage", "spoil", "message"),
    [
        ("dev", _without("template.json"), "template.json is missing: run make package"),
        ("prod", lambda _: None, "is of stage prod, not dev"),
    ],
)
def test_a_package_that_does_not_fit_is_refused(
    script: Script, tmp_path: Path, stage: str, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(package(tmp_path, stage))
    with pytest.raises(UsageError, match=message):
        deploy_functions(deployment(script), script.update, tmp_path)


def test_a_package_without_its_zip_is_refused(script: Script, tmp_path: Path) -> None:
    _without("deployment-arm64.zip")(package(tmp_path))
    script.stack("CREATE_COMPLETE", Outputs=[{"OutputKey": "BucketName", "OutputValue": "cts-bucket"}])
    with pytest.raises(UsageError, match=r"deployment-arm64\.zip is missing"):
        deploy_functions(deployment(script), script.update, tmp_path)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody without credentials, region or profile."""
    for name in (
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "PROFILE",
        "REGION",
        "DEFAULT_REGION",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "dev"], "error: no region: add --region, or set AWS_REGION"),
        (["--stage", "dev", "--region", REGION], "error: no AWS credentials"),
        (
            ["--stage", "dev", "--region", REGION, "--functions", "--parameter", "Key=none"],
            "error: the functions have no parameters",
        ),
        (["--stage", "nowhere", "--region", REGION], "error: there is no stage 'nowhere'"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert stack.main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert printed.count("\n") == 1


def test_a_parameter_has_a_name_and_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stack.main(["--stage", "dev", "--parameter", "Key"])
    assert "'Key' is not NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminal", "typed", "yes", "agreed"),
    [
        (True, "dev", False, True),
        (True, "y", False, False),
        (False, "dev", False, False),
        (False, "", True, True),
    ],
)
def test_consent_is_typed_or_given_beforehand(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, typed: str, yes: bool, agreed: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed)
    session: Any = None
    assert Deployment("dev", session, print, consent=yes).agree() is agreed
