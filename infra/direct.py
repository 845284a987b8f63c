"""Checks the zip that `chalice deploy` makes by itself; `python -m infra.package --direct` calls it.

That zip is larger than ours: Chalice leaves nothing of the requirements out, and compiles nothing. It must
fit the limit of a direct upload, and Chalice must have found every wheel: of what it misses it only warns.
"""

import shutil
import tempfile
from pathlib import Path

from infra.archive import unpack
from infra.import_check import probe, read_problems
from infra.imports import Finder
from infra.native_check import native_problems
from infra.requirements import RUNTIME
from infra.sam import architecture, copy_configuration, handlers, run_chalice
from infra.target import Target
from infra.tree import OWN

MOST_UPLOADED = 50_000_000
_VENDOR = "vendor"


def direct_problems(repository: Path, stage: str, python: tuple[int, int]) -> list[str]:
    """Let Chalice package a copy of the repository as it is; return what is wrong with its zip."""
    target = Target(architecture(repository), python)
    with tempfile.TemporaryDirectory() as folder:
        project, out, tree = (Path(folder) / name for name in ("project", "out", "tree"))
        _copy(repository, project)
        template = run_chalice(project, stage, out)
        zipped = out / "deployment.zip"
        size = zipped.stat().st_size
        print(f"chalice deploy, {target.architecture}: {size / 1e6:.1f} MB", flush=True)
        unpack(zipped, tree)
        names = handlers(template)
        return [
            *upload_problems(size),
            *read_problems(Finder(tree, target.extension_suffixes), names),
            *native_problems(target, tree),
            *(probe(tree, names).problems if target.native else ()),
        ]


def upload_problems(size: int) -> list[str]:
    """Return whether a zip is too large to be given to Lambda without a bucket."""
    if size <= MOST_UPLOADED:
        return []
    return [
        f"chalice deploy would upload {size / 1e6:.1f} MB, more than {MOST_UPLOADED / 1e6:.0f}: move what is "
        f"large from {RUNTIME} into {_VENDOR}/ (infra/vendor.py), pruned"
    ]


def _copy(repository: Path, project: Path) -> None:
    """Copy what `chalice deploy` reads of a repository; compiled modules change from run to run."""
    project.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    copy_configuration(repository, project)
    shutil.copytree(repository / OWN[1], project / OWN[1], ignore=ignored)
    shutil.copytree(repository / _VENDOR, project / _VENDOR)
    for name in (OWN[0], RUNTIME):
        shutil.copyfile(repository / name, project / name)
