"""Small folders with modules, for the tests of packaging."""

from collections.abc import Mapping
from pathlib import Path

from infra.imports import Finder
from infra.target import Target

REPOSITORY = Path(__file__).resolve().parents[2]
X86 = Target("x86_64", (3, 12))
ARM = Target("arm64", (3, 12))


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by their paths and return the folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def finder(root: Path, target: Target = X86) -> Finder:
    """Return what finds modules in a folder as a target does."""
    return Finder(root, target.extension_suffixes)
