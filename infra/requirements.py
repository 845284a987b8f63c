"""Reads the requirements files of the repository: which versions are pinned, and which names are for whom."""

import re
from collections.abc import Iterator
from pathlib import Path

from chalicelib.errors import UsageError

RUNTIME = "requirements.txt"
LOCAL = "requirements-local.txt"
DEVELOPMENT = "requirements-dev.txt"

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;]+)(\s*;.*)?")


def normalised(name: str) -> str:
    """Return a distribution's name in the one form in which names compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """Return the versions that a file pins by normalised name, without the files it includes by `-r`.

    Raises UsageError for a line that pins nothing: what is built must not change from day to day.
    """
    return dict(_pins(path))


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    for number, raw in enumerate(path.read_text().splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line or line.startswith("-r "):
            continue
        pin = _PIN.fullmatch(line)
        if pin is None:
            raise UsageError(f"{path.name}:{number} pins no version: write {line.split()[0]}==VERSION")
        yield normalised(pin["name"]), pin["version"]
