"""Puts together what a function's zip holds: our code, Chalice's runtime, ccxt's exchanges, dependencies."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from chalicelib.errors import UsageError
from infra.bytecode import compile_tree
from infra.dependencies import install
from infra.prune import prune
from infra.requirements import RUNTIME
from infra.target import Target

OWN = ("app.py", "chalicelib")

LEFT_OUT = {
    "chalicelib/backtest": "runs on the user's machine",
    "chalicelib/cli.py": "runs on the user's machine",
    "chalicelib/local": "the system on one machine, with its emulator",
    "chalicelib/operations": "commands of whoever runs a stage",
}
"""Our own code that no function imports; `infra.imports` fails if one does."""

CHALICE_RUNTIME = ("__init__.py", "app.py")
"""What Chalice puts into its zips of itself: the rest is its command line."""


def assemble(target: Target, repository: Path, vendor: Path, into: Path) -> int:
    """Fill the empty folder `into` for a target and return the bytes that pruning saved."""
    shutil.rmtree(into, ignore_errors=True)
    install(target, repository / RUNTIME, into)
    saved = prune(into)
    shutil.copytree(vendor, into, dirs_exist_ok=True)
    copy_own(repository, into)
    _copy_chalice(into)
    compile_tree(into)
    return saved


def copy_own(repository: Path, into: Path) -> None:
    """Copy our own code, without what no function imports."""
    for path in own_files(repository):
        copy = into / path.relative_to(repository)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def own_files(root: Path) -> Iterator[Path]:
    """Yield the files of our own code in a repository or a package, in the order of their names."""
    for path in (root / OWN[0], *sorted((root / OWN[1]).rglob("*"))):
        name = path.relative_to(root).as_posix()
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
        left_out = any(name == other or name.startswith(f"{other}/") for other in LEFT_OUT)
        if path.is_file() and not hidden and not left_out:
            yield path


def _copy_chalice(into: Path) -> None:
    spec = find_spec("chalice")
    if spec is None or spec.origin is None:
        raise UsageError("chalice is not installed: run make install")
    (into / "chalice").mkdir(exist_ok=True)
    for name in CHALICE_RUNTIME:
        shutil.copyfile(Path(spec.origin).parent / name, into / "chalice" / name)
