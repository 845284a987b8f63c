"""Builds what is deployed: `python -m infra.package` (make package) writes zips and templates.

For each stage `build/package/STAGE/` gets template.json and one deployment-ARCHITECTURE.zip per architecture.
The zips of all stages are alike: stages differ in their templates.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.errors import CtsError, UsageError
from infra import sam, vendor, zip_check
from infra.archive import Archive, write_archive
from infra.bytecode import compile_tree
from infra.direct import direct_problems
from infra.target import ARCHITECTURES, Target, require_python
from infra.tree import assemble

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = Path("build/package")
VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Packaged:
    """The zip of one target, which of its files were seen to be loaded, and what is wrong with it."""

    target: Target
    archive: Archive
    loaded: frozenset[str]
    problems: tuple[str, ...]


def package(
    repository: Path, out: Path, stages: Sequence[str], targets: Sequence[Target], twice: bool = False
) -> tuple[str, ...]:
    """Write zips and templates into `out`; return what is wrong with them, nothing if they can be deployed.

    A stage's folder is there only if nothing is wrong. `twice` builds each zip once more and compares. Raises
    UsageError where a step cannot be done at all.
    """
    for stage in stages:
        shutil.rmtree(out / stage, ignore_errors=True)
    templates = {
        stage: _timed(f"chalice, {stage}", partial(_template, repository, stage)) for stage in stages
    }
    _timed("vendor/: ccxt", lambda: _write_vendor(repository))
    handlers = sorted({handler for template in templates.values() for handler in sam.handlers(template)})
    problems: list[str] = []
    loaded: frozenset[str] = frozenset()
    archives: list[Archive] = []
    # The machine's own first: what it loads must be in the other as well.
    for target in sorted(targets, key=lambda found: not found.native):
        packaged = _build(repository, out, target, handlers, loaded)
        loaded = packaged.loaded or loaded
        archives.append(packaged.archive)
        problems.extend(f"{target.architecture}: {problem}" for problem in packaged.problems)
        if twice:
            problems.extend(_differences(repository, out, packaged))
    if not problems:
        for stage, template in templates.items():
            _write_stage(out / stage, stage, template, archives)
    return tuple(problems)


def _write_vendor(repository: Path) -> None:
    vendor.build(repository, repository / VENDOR)
    compile_tree(repository / VENDOR)


def _template(repository: Path, stage: str) -> dict[str, Any]:
    known = sam.stages(repository)
    if stage not in known:
        raise UsageError(f"no stage {stage!r} in .chalice/config.json: use {' or '.join(known)}")
    return sam.chalice_template(repository, stage)


def _build(
    repository: Path, out: Path, target: Target, handlers: Sequence[str], loaded: frozenset[str]
) -> Packaged:
    name = target.architecture
    tree = out / "tree" / name
    saved = _timed(f"{name}: contents", lambda: assemble(target, repository, repository / VENDOR, tree))
    archive = _timed(f"{name}: zip", lambda: write_archive(tree, out / _zip_name(target)))
    found, own = _timed(
        f"{name}: checks", lambda: zip_check.problems(target, tree, archive, repository, handlers)
    )
    found += [] if target.native else zip_check.elsewhere_problems(target, tree, loaded)
    print(
        f"{archive.path}: {archive.zipped / 1e6:.1f} MB, unzipped {archive.unzipped / 1e6:.1f} MB"
        f" ({saved / 1e6:.1f} MB left out), sha256 {archive.digest[:16]}"
    )
    return Packaged(target, archive, own, tuple(found))


def _differences(repository: Path, out: Path, first: Packaged) -> list[str]:
    """Build a zip again and return whether it is another one."""
    name = first.target.architecture
    tree = out / "again" / name
    _timed(f"{name}: again", lambda: assemble(first.target, repository, repository / VENDOR, tree))
    second = write_archive(tree, out / "again" / _zip_name(first.target))
    shutil.rmtree(tree)
    same = second.digest == first.archive.digest
    return [] if same else [f"{name}: two builds differ: compare {first.archive.path} with {second.path}"]


def _write_stage(folder: Path, stage: str, template: dict[str, Any], archives: Sequence[Archive]) -> None:
    from infra.template import merge

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("sam.json", template), ("template.json", merge(stage, template))):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    for archive in archives:
        shutil.copyfile(archive.path, folder / archive.path.name)


def _zip_name(target: Target) -> str:
    return f"deployment-{target.architecture}.zip"


def _timed(step: str, work: Callable[[], T]) -> T:
    started = time.perf_counter()
    done = work()
    print(f"{step}: {time.perf_counter() - started:.1f} s", flush=True)
    return done


def main(arguments: list[str] | None = None) -> int:
    """Package as the command line says; 0, 1 if a check fails, 2 if something keeps it from being done."""
    parser = argparse.ArgumentParser(prog="infra.package", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--stage", action="append", help="again for several; default: all of them")
    parser.add_argument(
        "--architecture", action="append", choices=ARCHITECTURES, help="again for both; default: both"
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT}")
    parser.add_argument("--direct", action="store_true", help="check the zip of `chalice deploy`, too")
    parser.add_argument(
        "--twice", action="store_true", help="build each zip twice: the bytes must be the same"
    )
    options = parser.parse_args(arguments)
    try:
        python = require_python()
        stages = options.stage or sam.stages(REPOSITORY)
        targets = [Target(name, python) for name in dict.fromkeys(options.architecture or ARCHITECTURES)]
        problems = package(REPOSITORY, options.out, stages, targets, options.twice)
        if options.direct:
            problems += tuple(
                _timed("chalice deploy", lambda: direct_problems(REPOSITORY, stages[0], python))
            )
    except CtsError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
