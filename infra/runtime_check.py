"""Runs every function of the packaged zip under Lambda's own runtime: `python -m infra.runtime_check`.

make test-package calls it. Each function is its own process without site-packages, and gets real events: what
it does is checked at the services (moto on the loopback), not only that it does not fail. The exchange is a
fake on the loopback over TLS. `--without NAME` takes a package out first: then the check must fail.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from chalicelib.errors import CtsError, UsageError
from infra import package, sam
from infra.archive import unpack
from infra.runtime_cases import CHECKS
from infra.runtime_function import runtime
from infra.runtime_stage import CheckFailed, Stage, standing
from infra.target import ARCHITECTURES, Target, require_python

RUNTIME_FOLDER = Path("build/tools/awslambdaric")


def check(packaged: Path, without: Iterable[str] = ()) -> list[str]:
    """Run the checks on the zip in `packaged` and return what fails; `without` names packages to remove."""
    # The tests' own fake; what they consist of is not typed.
    exchange = import_module("tests.deployed.exchange").exchange
    handlers = _handlers(packaged)
    problems = [
        f"{name}: infra/runtime_cases.py has no check of it" for name in handlers.keys() - CHECKS.keys()
    ]
    with tempfile.TemporaryDirectory(prefix="cts-runtime-") as folder:
        tree, logs = Path(folder) / "package", Path(folder) / "logs"
        unpack(packaged / f"deployment-{_own_architecture()}.zip", tree)
        for name in without:
            _remove(tree, name)
        with (
            exchange(Path(folder)) as (_, variables),
            standing("dev", tree, runtime(RUNTIME_FOLDER.absolute()), handlers, variables, logs) as stage,
        ):
            return problems + _failures(stage)


def _failures(stage: Stage) -> list[str]:
    """Run the checks up to the first that fails: the later ones need what it has not done."""
    for name, checked in CHECKS.items():
        started = time.perf_counter()
        try:
            checked(stage)
        except CheckFailed as failed:
            print(f"{name}: FAILED, and nothing after it was tried", flush=True)
            return [str(failed)]
        print(f"{name}: {checked.__doc__} {time.perf_counter() - started:.1f} s", flush=True)
    return []


def _own_architecture() -> str:
    """Return the architecture whose zip runs on this machine."""
    python = require_python()
    native = [name for name in ARCHITECTURES if Target(name, python).native]
    if not native:
        raise UsageError(f"functions can't run on this machine: its architecture is none of {ARCHITECTURES}")
    return native[0]


def _handlers(packaged: Path) -> dict[str, str]:
    """Return the handlers of the templates of all stages by the last part of their names."""
    templates = sorted(packaged.glob("*/sam.json"))
    if not templates:
        raise UsageError(f"{packaged} holds no package: run make package")
    found = {handler for path in templates for handler in sam.handlers(json.loads(path.read_text()))}
    return {handler.rpartition(".")[2]: handler for handler in sorted(found)}


def _remove(tree: Path, name: str) -> None:
    folder, module = tree / name, tree / f"{name}.py"
    if not folder.exists() and not module.exists():
        raise UsageError(f"the package has no {name}")
    shutil.rmtree(folder, ignore_errors=True)
    module.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check as the command line says; 0, 1 if a function fails, 2 if something keeps it from being tried."""
    parser = argparse.ArgumentParser(prog="infra.runtime_check", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--package", type=Path, default=package.OUT, help=f"default: {package.OUT}")
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME", help="a package to take out"
    )
    options = parser.parse_args(arguments)
    try:
        problems = check(options.package, options.without)
    except CtsError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
