"""All that must hold for a zip before it is deployed; `infra.package` refuses what fails here."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from infra.archive import Archive
from infra.dependencies import installed
from infra.import_check import absent, probe, read_problems
from infra.imports import Finder
from infra.native_check import native_problems
from infra.prune import KEPT_SERVICES, services
from infra.requirements import DEVELOPMENT, LOCAL, RUNTIME, normalised, pins
from infra.secret_scan import secret_problems
from infra.target import Target
from infra.tree import LEFT_OUT

MOST_ZIPPED = 40_000_000
MOST_UNZIPPED = 130_000_000

REQUIRED = ("app.py", "chalice/app.py", "ccxt/binance.py", "numpy/__init__.py", "talib/__init__.py")

DEVELOPMENT_PACKAGES = (
    "_pytest",
    "pip",
    "setuptools",
    "wheel",
    "pkg_resources",
    "aiohttp",
    "uvloop",
    "tests",
)
"""Packages that come with nothing we pin, or with what we pin for development only."""


def problems(
    target: Target, tree: Path, archive: Archive, repository: Path, handlers: Sequence[str]
) -> tuple[list[str], frozenset[str]]:
    """Return what is wrong with a package, and which of its files were loaded where it could be tried."""
    finder = Finder(tree, target.extension_suffixes)
    probed = probe(tree, handlers) if target.native else None
    found = [
        *size_problems(archive),
        *content_problems(tree),
        *development_problems(tree, repository),
        *secret_problems(tree),
        *read_problems(finder, handlers),
        *native_problems(target, tree),
        *(probed.problems if probed else ()),
    ]
    return found, probed.loaded if probed else frozenset()


def elsewhere_problems(target: Target, tree: Path, loaded: Iterable[str]) -> list[str]:
    """Return what another architecture's package was seen to load and this one does not have."""
    return absent(loaded, Finder(tree, target.extension_suffixes))


def size_problems(archive: Archive) -> list[str]:
    """Return which limit a zip exceeds."""
    limits = (("zip", archive.zipped, MOST_ZIPPED), ("unzipped", archive.unzipped, MOST_UNZIPPED))
    return [
        f"{what} size is {size / 1e6:.1f} MB, more than {most / 1e6:.0f} MB: "
        "see what grew (unzip -lv) and add a rule to infra/prune.py"
        for what, size, most in limits
        if size > most
    ]


def content_problems(tree: Path) -> list[str]:
    """Return what must be in a package and is not, or the other way round."""
    missing = [f"{name} is missing: see infra/tree.py" for name in REQUIRED if not (tree / name).is_file()]
    kept = [f"{name} is in the package: {why}" for name, why in LEFT_OUT.items() if (tree / name).exists()]
    absent_services = sorted(set(KEPT_SERVICES) - set(services(tree)))
    mute = [f"botocore has no service {name!r}: see infra/prune.py" for name in absent_services]
    return missing + kept + mute


def development_problems(tree: Path, repository: Path) -> list[str]:
    """Return the distributions and packages that functions have no use for."""
    wanted = pins(repository / RUNTIME)
    unwanted = {**pins(repository / LOCAL), **pins(repository / DEVELOPMENT)}
    found = installed(tree)
    return [
        *(f"{name} is for development: take it out of {RUNTIME}" for name in _sorted(found, unwanted)),
        *(f"{name} is not pinned in {RUNTIME}" for name in sorted(set(found) - set(wanted) - set(unwanted))),
        *(
            f"package {name} is for development: what brings it?"
            for name in (*DEVELOPMENT_PACKAGES, *_modules(unwanted))
            if (tree / name).is_dir()
        ),
    ]


def _sorted(found: Iterable[str], unwanted: Iterable[str]) -> list[str]:
    return sorted(set(found) & set(unwanted))


def _modules(distributions: Iterable[str]) -> list[str]:
    """Return the packages that distributions are known by; ccxt and Chalice come in parts, on purpose."""
    names = (normalised(name).replace("-", "_") for name in distributions)
    return [name for name in names if name not in ("ccxt", "chalice")]
