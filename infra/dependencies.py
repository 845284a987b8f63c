"""Installs the pinned requirements for a target by pip, whatever this machine is; for `infra.tree`."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from chalicelib.errors import UsageError
from infra.requirements import RUNTIME, normalised, pins
from infra.target import Target

_LAST_LINES = 8


def install(target: Target, requirements: Path, into: Path) -> Mapping[str, str]:
    """Install wheels for `target` and return the versions installed, by normalised name.

    Raises UsageError if pip fails, or if it installed anything that `requirements` does not pin.
    """
    _pip(["install", *_wheel_options(target), "--no-compile", "--target", str(into), "-r", str(requirements)])
    found = installed(into)
    wanted = pins(requirements)
    loose = [f"{name}=={version}" for name, version in sorted(found.items()) if name not in wanted]
    if loose:
        raise UsageError(f"{RUNTIME} does not pin all that is installed: add {', '.join(loose)}")
    return found


def installed(tree: Path) -> dict[str, str]:
    """Return the versions of the distributions in a folder by normalised name."""
    return {normalised(found.name): found.version for found in distributions(path=[str(tree)])}


def download(requirement: str, into: Path) -> Path:
    """Download the pure wheel of one pinned requirement, without what it requires; return its path."""
    _pip(["download", "--only-binary=:all:", "--no-deps", "--dest", str(into), requirement])
    (wheel,) = into.glob("*.whl")
    return wheel


def _wheel_options(target: Target) -> list[str]:
    platforms = [f"--platform={tag}" for tag in target.platforms]
    version = f"--python-version={target.version}"
    return ["--only-binary=:all:", "--implementation=cp", version, *platforms]


def _pip(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise UsageError(f"pip {arguments[0]} failed: is the package registry reachable?\n{said}")
