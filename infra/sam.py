"""Lets Chalice write the template of a stage, without letting it install anything; for `infra.package`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError
from chalicelib.settings import DEFAULT_REGION
from infra.target import Architecture
from infra.tree import copy_own

CONFIGURATION = ".chalice"
_STATE = ("deployed", "deployments", "venv")

_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_FUNCTION = "AWS::Serverless::Function"


def chalice_template(repository: Path, stage: str) -> dict[str, Any]:
    """Return the SAM template that `chalice package` writes for a stage.

    Chalice reads the project from a copy without requirements, so that it takes seconds: the zip is made by
    `infra.tree`. Variables of this shell that begin with AWS_ or CTS_ have no say.
    """
    with tempfile.TemporaryDirectory() as folder:
        project, out = Path(folder) / "project", Path(folder) / "out"
        copy_own(repository, project)
        copy_configuration(repository, project)
        (project / "requirements.txt").touch()
        return run_chalice(project, stage, out)


def copy_configuration(repository: Path, project: Path) -> None:
    """Copy what Chalice is configured by, without what it remembers of deployments."""
    ignored = shutil.ignore_patterns(*_STATE)
    shutil.copytree(repository / CONFIGURATION, project / CONFIGURATION, ignore=ignored)


def run_chalice(project: Path, stage: str, out: Path) -> dict[str, Any]:
    """Run `chalice package` on a project and return the template; the zip lies beside it in `out`."""
    command = [sys.executable, "-c", _CHALICE, "--project-dir", str(project), "package"]
    done = subprocess.run(
        [*command, "--stage", stage, str(out)],
        cwd=project,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    template = out / "sam.json"
    if done.returncode or not template.is_file():
        raise UsageError(f"chalice package --stage {stage} failed:\n{done.stderr.strip()[-1200:]}")
    found: dict[str, Any] = json.loads(template.read_text())
    return found


def handlers(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the handlers of all functions of a template."""
    return tuple(sorted(str(function["Handler"]) for function in _functions(template)))


def _functions(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    resources = template["Resources"].values()
    return (resource["Properties"] for resource in resources if resource["Type"] == _FUNCTION)


def architecture(repository: Path) -> Architecture:
    """Return the architecture that Chalice itself would deploy for."""
    configured = json.loads((repository / CONFIGURATION / "config.json").read_text())
    named: Architecture = configured.get("lambda_architecture", "x86_64")
    return named


def stages(repository: Path) -> tuple[str, ...]:
    """Return the stages that Chalice is configured for."""
    return tuple(json.loads((repository / CONFIGURATION / "config.json").read_text())["stages"])


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CTS_"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, "AWS_DEFAULT_REGION": DEFAULT_REGION, "AWS_EC2_METADATA_DISABLED": "true"}
