"""Checks that all that the functions can import is in a package; `infra.zip_check` calls it.

Two ways, because shared objects of another architecture don't load here: imports are read (every target), and
made by `infra/import_probe.py` in a Python that sees nothing but the package (the machine's own target).
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.exchanges.ccxt_loader import OWN_MODULES
from infra.imports import Finder, Import, imports, in_standard_library, module_name
from infra.tree import LEFT_OUT, OWN, own_files
from infra.vendor import EXCHANGES

MADE_AT_IMPORT = frozenset({"six.moves"})
"""Modules without a file: their packages make them when they are imported."""

WHEN_MADE = {"aws_xray_sdk.core": "Powertools imports it when a function on Lambda makes its tracer"}
"""Modules that are imported by none of our import statements, nor by what those import."""

_PROBE = Path(__file__).with_name("import_probe.py")


@dataclass(frozen=True, slots=True)
class Probed:
    """What a real import found: problems, and which files of the package it has loaded."""

    problems: tuple[str, ...]
    loaded: frozenset[str]


def read_problems(finder: Finder, handlers: Sequence[str]) -> list[str]:
    """Return what the functions import, at once or later, and the package does not have.

    Our own imports must all be there; of a dependency those that run whenever it is imported.
    """
    problems = [
        f"handler {handler} is not in the package: is its module among those left out?"
        for handler in handlers
        if finder.find(handler.rpartition(".")[0]) is None
    ]
    starts = {*WHEN_MADE, *OWN_MODULES.values(), *(f"ccxt.{exchange}" for exchange in EXCHANGES)}
    for path in own_files(finder.root):
        if path.suffix != ".py":
            continue
        for found in imports(path, finder.root):
            if not finder.provides(found):
                problems.append(_missing(path, finder.root, found))
            starts.update(_modules(finder, found))
    return problems + list(_dependency_problems(finder, starts))


def _dependency_problems(finder: Finder, starts: set[str]) -> Iterator[str]:
    """Follow the imports of dependencies as far as they run whenever the dependency is imported."""
    seen: set[str] = set()
    waiting = sorted(starts)
    while waiting:
        name = waiting.pop()
        path = finder.find(name)
        if name in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        waiting.extend({parent} - {""})
        if path is None:
            yield f"{name} is not in the package: it is pruned, or missing in requirements.txt"
        elif path.suffix == ".py" and name.partition(".")[0] != OWN[1]:
            for found in imports(path, finder.root):
                if found.when != "always" or found.module in MADE_AT_IMPORT:
                    continue
                if not finder.provides(found):
                    yield _missing(path, finder.root, found)
                waiting.extend(_modules(finder, found) - seen)


def _modules(finder: Finder, found: Import) -> set[str]:
    """Return the modules of the package that an import loads: a member may be a module itself."""
    if in_standard_library(found.module) or finder.find(found.module) is None:
        return set()
    member = f"{found.module}.{found.member}"
    return {found.module, member} if found.member and finder.find(member) else {found.module}


def _missing(path: Path, root: Path, found: Import) -> str:
    where = f"{path.relative_to(root).as_posix()}:{found.line} imports {found.module}"
    file = found.module.replace(".", "/")
    for name, reason in LEFT_OUT.items():
        if f"{file}.py" == name or file == name or file.startswith(f"{name}/"):
            return f"{where}, which is left out ({reason}): move what functions need elsewhere"
    return f"{where}, which is not in the package: pin it in requirements.txt, or don't prune it"


def probe(tree: Path, handlers: Sequence[str]) -> Probed:
    """Import every handler, every module and every name that our code imports, with the package alone."""
    wanted = {
        "handlers": list(handlers),
        "modules": [
            *(module_name(path, tree) for path in own_files(tree) if path.suffix == ".py"),
            *WHEN_MADE,
        ],
        "names": [
            (found.module, found.member)
            for path in own_files(tree)
            if path.suffix == ".py"
            for found in imports(path, tree)
        ],
        "exchanges": (*EXCHANGES, *OWN_MODULES),
    }
    command = [sys.executable, "-S", "-I", "-B", str(_PROBE), str(tree)]
    # No environment, no user: nothing of this machine decides what is found.
    done = subprocess.run(
        command, input=json.dumps(wanted), env={}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return Probed((f"the package's modules do not import: {done.stderr.strip()[-600:]}",), frozenset())
    answer = json.loads(done.stdout.splitlines()[-1])
    return Probed(tuple(answer["problems"]), frozenset(answer["loaded"]))


def absent(loaded: Iterable[str], finder: Finder) -> list[str]:
    """Return which files of another architecture's package have no counterpart in this one, though loaded."""
    return [
        f"{path} is loaded by the functions elsewhere, and nothing in this package stands for it"
        for path in sorted(loaded)
        if finder.find(_module(path)) is None
    ]


def _module(path: str) -> str:
    """Return the name of the module in a file, whatever architecture its ending names."""
    folder, _, file = path.rpartition("/")
    name = file.partition(".")[0]
    return ".".join(part for part in (*folder.split("/"), name) if part not in ("", "__init__"))
