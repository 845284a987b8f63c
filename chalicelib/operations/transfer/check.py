"""Reads a whole export before any of it is imported: what is missing, changed or not of this program?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.codec import from_plain
from chalicelib.errors import CtsError, UsageError
from chalicelib.operations.transfer.format import (
    Lines,
    Manifest,
    ObjectFile,
    check_file,
    file_name,
    read_lines,
    table_file,
)
from chalicelib.operations.transfer.stage import TABLES, working_name

_CREDENTIALS = "#credentials"
"""End of the partition in which the connections table keeps encrypted credentials."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the import must tell: which engines worked when they were exported, how many have credentials."""

    working: tuple[str, ...]
    credentials: int


def check(source: Path, manifest: Manifest) -> Checked:
    """Read all files of an export; UsageError names the first one that is not as the manifest says."""
    if set(manifest.tables) != set(TABLES):
        raise UsageError(
            f"{source} has the tables {', '.join(sorted(manifest.tables))}: use the program it is of"
        )
    working: list[str] = []
    credentials = 0
    for name, lines in manifest.tables.items():
        if lines.file != table_file(name):
            raise _wrong(source, lines.file)
        for item in _checked_lines(source, lines):
            if not (isinstance(item, dict) and {"pk", "sk"} <= item.keys()):
                raise _wrong(source, lines.file)
            if name == "engines" and (engine := working_name(item)):
                working.append(engine)
            credentials += name == "connections" and item["pk"]["S"].endswith(_CREDENTIALS)
    if manifest.objects:
        for line in _checked_lines(source, manifest.objects):
            found = _object_file(source, manifest.objects, line)
            check_file(source, found.file, found.sha256)
    return Checked(tuple(working), credentials)


def objects_of(source: Path, lines: Lines) -> Iterator[ObjectFile]:
    """Yield the objects of an export."""
    for line in read_lines(source, lines):
        yield _object_file(source, lines, line)


def _checked_lines(source: Path, lines: Lines) -> Iterator[object]:
    check_file(source, lines.file, lines.sha256)
    count = 0
    for line in read_lines(source, lines):
        yield line
        count += 1
    if count != lines.count:
        raise UsageError(f"{source / lines.file} has {count} lines, not {lines.count}: use another export")


def _object_file(source: Path, lines: Lines, line: object) -> ObjectFile:
    try:
        found = from_plain(ObjectFile, line)
    except CtsError as error:
        raise _wrong(source, lines.file) from error
    # The name follows from the key: nothing outside the directory is ever read.
    if found.file != file_name(found.key):
        raise _wrong(source, lines.file)
    return found


def _wrong(source: Path, file: str) -> UsageError:
    return UsageError(f"{source / file} is not what `cts export` writes: use another export")
