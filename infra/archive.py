"""Writes a folder as a zip that depends on the files' names and contents alone; for `infra.package`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE, _EXECUTABLE_MODE = 0o100644, 0o100755
_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip on disk: its size, the size of its files, and the digest of its bytes."""

    path: Path
    zipped: int
    unzipped: int
    digest: str


def write_archive(tree: Path, path: Path) -> Archive:
    """Zip the files of `tree` in the order of their names, with one time and fixed modes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unzipped = 0
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as zipped:
        for file in sorted(tree.rglob("*"), key=lambda found: found.relative_to(tree).as_posix()):
            if not file.is_file():
                continue
            content = file.read_bytes()
            unzipped += len(content)
            entry = ZipInfo(file.relative_to(tree).as_posix(), _TIME)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = _UNIX
            mode = _EXECUTABLE_MODE if ".so" in file.suffixes else _MODE
            entry.external_attr = mode << 16
            zipped.writestr(entry, content)
    return Archive(path, path.stat().st_size, unzipped, digest(path))


def unpack(path: Path, into: Path) -> None:
    """Unzip an archive of `write_archive`."""
    with ZipFile(path) as zipped:
        zipped.extractall(into)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
