"""What of the dependencies a function never reads, as data with reasons; `infra.tree` leaves it out."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """Paths that match a pattern (relative to the package, `*` spans folders) are left out, and why."""

    pattern: str
    reason: str


KEPT_SERVICES = {
    "dynamodb": "all stores",
    "kinesis": "events, where a stage has the stream",
    "kms": "credentials of exchanges",
    "s3": "candles and snapshots",
    "secretsmanager": "the secret that tokens are signed with",
    "sqs": "ticks and signals",
    "sts": "the SDK itself, for credentials of a role",
    "xray": "the X-Ray SDK asks it for sampling rules",
}
"""AWS services whose description stays in botocore; the others are 15 MB of the zip."""

_TYPING = "for type checkers only"
_SOURCE = "source of what is compiled in the shared objects"
_TESTS = "tests of a dependency, or helpers for them"
_INSTALLER = "what installers remember"

DROPPED = (
    Rule("*/__pycache__/*", "compiled again for /var/task, with pyc files that never look at a time"),
    Rule("*.pyi", _TYPING),
    Rule("*/py.typed", _TYPING),
    Rule("*-stubs/*", _TYPING),
    *(
        Rule(f"*.{ending}", _SOURCE)
        for ending in ("a", "c", "cpp", "f", "f90", "h", "hpp", "in", "pc", "pxd", "pxi", "pyf", "pyx")
    ),
    Rule("*/tests/*", _TESTS),
    Rule("*/conftest.py", _TESTS),
    Rule("numpy/_core/*_tests.*.so", _TESTS),
    Rule("numpy/testing/*", _TESTS),
    Rule("numpy/ma/testutils.py", _TESTS),
    Rule("numpy/_pyinstaller/*", "for a packager that is not used"),
    Rule("numpy/f2py/*", "compiles Fortran"),
    Rule("numpy/doc/*", "documentation"),
    Rule("numpy/random/_examples/*", "documentation"),
    Rule("aws_lambda_powertools/event_handler/openapi/swagger_ui/*", "a web page that the API does not show"),
    Rule("cffi/*", "writes bindings; those of cryptography are made, and load `_cffi_backend` alone"),
    Rule("cffi-*.dist-info/*", "its package is left out"),
    Rule("pycparser/*", "reads C for cffi"),
    Rule("pycparser-*.dist-info/*", "its package is left out"),
    Rule("bin/*", "commands"),
    Rule("*.dist-info/INSTALLER", _INSTALLER),
    Rule("*.dist-info/RECORD", _INSTALLER),
    Rule("*.dist-info/REQUESTED", _INSTALLER),
    Rule("*.dist-info/WHEEL", _INSTALLER),
    Rule("*.dist-info/direct_url.json", _INSTALLER),
    Rule("*.dist-info/entry_points.txt", "nothing looks for plugins"),
    Rule("*.dist-info/sboms/*", "bills of material of shared objects"),
    Rule("*.dist-info/top_level.txt", _INSTALLER),
    Rule("*.dist-info/zip-safe", _INSTALLER),
)
"""METADATA stays, because `importlib.metadata` reads it, and so do licenses."""


def dropped(path: str) -> Rule | None:
    """Return the rule that leaves out a path relative to the package, or None if it stays."""
    service = _service_of(path)
    if service and service not in KEPT_SERVICES:
        return Rule("botocore/data/*", "services that no function calls")
    return next((rule for rule in DROPPED if fnmatchcase(path, rule.pattern)), None)


def prune(tree: Path) -> int:
    """Remove from a folder of installed dependencies what rules drop; return the bytes it took."""
    saved = 0
    for path in sorted(tree.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif dropped(path.relative_to(tree).as_posix()):
            saved += path.stat().st_size
            path.unlink()
    return saved


def services(tree: Path) -> Iterator[str]:
    """Yield the AWS services that botocore can speak to in a tree."""
    data = tree / "botocore" / "data"
    return (path.name for path in sorted(data.iterdir()) if path.is_dir()) if data.is_dir() else iter(())


def _service_of(path: str) -> str:
    """Return the service that a file describes; those directly in `data` belong to all."""
    parts = path.split("/")
    return parts[2] if parts[:2] == ["botocore", "data"] and len(parts) > 3 else ""
