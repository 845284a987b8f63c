"""Deploys a stage: `make infra` brings its resources up to date, `make deploy` its packaged functions.

python -m infra.stack --stage dev [--region R] [--parameter AlarmEmail=me@example.com] [--yes]
python -m infra.stack --stage dev --functions [--package build/package/dev]
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from chalicelib.errors import CtsError, UsageError
from chalicelib.settings import from_environment
from infra import upload
from infra.aws import explained, open_session
from infra.change_sets import Say, StackUpdate, Wanted
from infra.policies import stages

RESOURCES = Path(__file__).parent / "resources.yaml"
PACKAGES = Path("build/package")
PRODUCTION = "prod"

FROM_CONFIGURATION = {
    "Stage": "--stage",
    "Events": "CTS_EVENTS in .chalice/config.json",
    "Auth": "CTS_AUTH_ALGORITHM in .chalice/config.json",
}
"""Parameters that follow from what the functions are told, so that the two never differ."""

_ONE_NAME = re.compile(r"!Sub cts-\$\{Stage\}-((?:\$\{AWS::AccountId\}-)?[a-z.-]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One stage in one account and region, and how to speak to the person who deploys it."""

    stage: str
    session: boto3.session.Session
    say: Say
    consent: bool = False

    def agree(self) -> bool:
        """Ask the person at the terminal; without one only `--yes` is consent."""
        if self.consent or not sys.stdin.isatty():
            return self.consent
        return input(f"Something that holds state goes. Type {self.stage} to go on: ") == self.stage

    @property
    def resources_stack(self) -> str:
        return f"cts-{self.stage}-resources"

    @property
    def functions_stack(self) -> str:
        return f"cts-{self.stage}-functions"

    @property
    def tags(self) -> dict[str, str]:
        return {"application": "cts-trade-engine", "stage": self.stage}


def resource_parameters(stage: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the stack of resources; UsageError for one that isn't chosen here."""
    for name in given:
        if place := FROM_CONFIGURATION.get(name):
            raise UsageError(f"{name} is not a choice of its own: it follows from {place}")
    known = stages()
    if stage not in known:
        raise UsageError(f"there is no stage {stage!r} in .chalice/config.json: it has {', '.join(known)}")
    variables = known[stage]
    auth = variables.get("CTS_AUTH_ALGORITHM", "HS256")
    return {"Stage": stage, "Events": from_environment(variables).events, "Auth": auth, **given}


def with_plain_names(template: str, stage: str, account: str) -> str:
    """Return the template with its names written out.

    Only then does CloudFormation find what an earlier stack of the stage has left, and takes it over.
    """
    return _ONE_NAME.sub(
        lambda found: f"cts-{stage}-" + found[1].replace("${AWS::AccountId}", account), template
    )


def deploy_resources(deployment: Deployment, update: StackUpdate, given: Mapping[str, str]) -> None:
    """Create the stack of resources or bring it up to date, and say what comes next."""
    parameters = resource_parameters(deployment.stage, given)
    account = deployment.session.client("sts").get_caller_identity()["Account"]
    template = with_plain_names(RESOURCES.read_text(encoding="utf-8"), deployment.stage, account)
    deployment.say(f"{deployment.resources_stack} in account {account}, {deployment.session.region_name}:")
    outputs = update.bring(
        Wanted(
            deployment.resources_stack,
            {"TemplateBody": template},
            parameters,
            deployment.tags,
            adopt=True,
        ),
        deployment.agree,
    )
    if deployment.stage == PRODUCTION:
        deployment.session.client("cloudformation").update_termination_protection(
            StackName=deployment.resources_stack, EnableTerminationProtection=True
        )
    for line in _next_steps(deployment.stage, account, outputs):
        deployment.say(line)


def _next_steps(stage: str, account: str, outputs: Mapping[str, str]) -> list[str]:
    return [
        *(f"  {name} = {value}" for name, value in sorted(outputs.items())),
        "Next, one of these (always the same for a stage: both make functions of the same names):",
        f"  make package && make deploy STAGE={stage}",
        f"  chalice deploy --stage {stage}",
        f'    with "CTS_ACCOUNT": "{account}" in the stage\'s environment_variables in .chalice/config.json,',
        f"    after: export CTS_POSITIONS_STREAM_ARN={outputs['PositionsStreamArn']}",
    ]


def deploy_functions(deployment: Deployment, update: StackUpdate, package: Path) -> None:
    """Upload a package of `make package` and bring the stack of functions to its template."""
    template = _packaged_template(package, deployment.stage)
    bucket = update.outputs(deployment.resources_stack).get("BucketName")
    if bucket is None:
        raise UsageError(
            f"{deployment.resources_stack} is not there: run make infra STAGE={deployment.stage} first"
        )
    client = deployment.session.client("s3")
    archive = package / f"deployment-{_architecture(template)}.zip"
    if not archive.is_file():
        raise UsageError(f"{archive} is missing: run make package")
    code = upload.upload_file(client, bucket, archive)
    deployment.say(f"{archive.name} is s3://{bucket}/{code}")
    placed = json.dumps(with_code(template, bucket, code), sort_keys=True).encode()
    key = upload.upload_bytes(client, bucket, placed, "json")
    # In the form of AWS's own command line, which emulators know too.
    address = f"https://s3.{deployment.session.region_name}.amazonaws.com/{bucket}/{key}"
    outputs = update.bring(
        Wanted(
            deployment.functions_stack,
            {"TemplateURL": address},
            tags=deployment.tags,
            capabilities=("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        ),
        deployment.agree,
    )
    for name, value in sorted(outputs.items()):
        deployment.say(f"  {name} = {value}")


def with_code(template: Mapping[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """Return a template whose functions have their code at a place in S3."""
    placed: dict[str, Any] = json.loads(json.dumps(template))
    for properties in _functions(placed):
        properties["CodeUri"] = {"Bucket": bucket, "Key": key}
    return placed


def _packaged_template(package: Path, stage: str) -> dict[str, Any]:
    path = package / "template.json"
    if not path.is_file():
        raise UsageError(f"{path} is missing: run make package")
    template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found = {properties["Environment"]["Variables"]["CTS_STAGE"] for properties in _functions(template)}
    if found != {stage}:
        raise UsageError(f"{path} is of stage {', '.join(sorted(found))}, not {stage}")
    return template


def _architecture(template: Mapping[str, Any]) -> str:
    return str(_functions(template)[0]["Architectures"][0])


def _functions(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    resources = template["Resources"].values()
    return [found["Properties"] for found in resources if found["Type"] == "AWS::Serverless::Function"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the stage is as it shall be, 2 for wrong usage, 1 for what AWS refuses."""
    options = _parser().parse_args(arguments)
    try:
        with explained():
            _run(options)
    except CtsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _run(options: argparse.Namespace) -> None:
    given = dict(options.parameter)
    deployment = Deployment(options.stage, open_session(options.region), print, options.yes)
    update = StackUpdate(deployment.session.client("cloudformation"), print, time.sleep)
    if not options.functions:
        deploy_resources(deployment, update, given)
        return
    if given:
        raise UsageError(
            "the functions have no parameters: what they are told stands in .chalice/config.json"
        )
    deploy_functions(deployment, update, options.package or PACKAGES / options.stage)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m infra.stack", description="Deploys a stage with CloudFormation."
    )
    parser.add_argument("--stage", required=True, help="dev, prod, or another one of .chalice/config.json")
    parser.add_argument("--region", help="the region of the environment or profile, if left out")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="of infra/resources.yaml; one that was given once stays",
    )
    parser.add_argument(
        "--yes", action="store_true", help="replace or remove what holds state without asking"
    )
    parser.add_argument(
        "--functions", action="store_true", help="deploy the packaged functions, not the resources"
    )
    parser.add_argument("--package", type=Path, metavar="DIR", help="build/package/STAGE, if left out")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
