"""An export on disk: a manifest, one compressed file of JSON lines per table, objects as files.

Lines are items in DynamoDB's own JSON (`{"pk": {"S": "..."}}`), binary values in base64. The manifest is
written last: a directory without one is no export.
"""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.errors import CtsError, UsageError

FORMAT = 1
MANIFEST = "manifest.json"
OBJECTS = "objects"
OBJECT_INDEX = "objects.jsonl.gz"
CHUNK = 1 << 20
_LONGEST_NAME = 200
_PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class Lines:
    """One file of lines: how many, and the SHA-256 of the file as it lies there."""

    file: str
    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """One line of the index of objects."""

    key: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds and where it is from; `working` names engines that were not at rest meanwhile.

    `key` is the ARN of the KMS key of the credentials, empty where it is not known.
    """

    format: int
    schema: int
    program: str
    stage: str
    region: str
    account: str
    created_at: str
    tables: Mapping[str, Lines]
    objects: Lines | None = None
    working: tuple[str, ...] = ()
    key: str = ""


class LineWriter:
    """Writes lines into a compressed file, whose bytes depend on the lines only."""

    def __init__(self, file: BinaryIO) -> None:
        self._hashed = _Hashed(file)
        self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._hashed, mtime=0)
        self.count = 0

    def add(self, line: Mapping[str, Any]) -> None:
        self._packed.write(json.dumps(line, separators=(",", ":"), sort_keys=True).encode() + b"\n")
        self.count += 1

    def finish(self) -> str:
        """Write what is left and return the hash of the file."""
        self._packed.close()
        return str(self._hashed.digest.hexdigest())


@dataclass
class _Hashed:
    """A file that knows the hash of what was written to it."""

    file: BinaryIO
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Create a file that only its owner may read, and see to it that it lies on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_lines(directory: Path, file: str, lines: Iterator[Mapping[str, Any]]) -> Lines:
    """Write all lines into a new file of an export."""
    with private_file(directory / file) as opened:
        writer = LineWriter(opened)
        for line in lines:
            writer.add(line)
        return Lines(file, sha256=writer.finish(), count=writer.count)


def read_lines(directory: Path, lines: Lines) -> Iterator[Any]:
    """Yield the lines of a file; UsageError if it is broken."""
    try:
        with gzip.open(directory / lines.file, "rb") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{directory / lines.file} is broken ({error}): use another export") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes the directory an export."""
    with private_file(directory / MANIFEST) as file:
        file.write(json.dumps(to_plain(manifest), indent=1).encode() + b"\n")


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest; UsageError if the directory is no export that this program knows."""
    try:
        plain = json.loads((directory / MANIFEST).read_bytes())
        if plain["format"] != FORMAT:
            raise UsageError(
                f"{directory} is an export of format {plain['format']}, this program reads {FORMAT}"
            )
        return from_plain(Manifest, plain, known_only=False)
    except UsageError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"{directory} has no {MANIFEST}: name a directory that `cts export` made") from error
    except (OSError, ValueError, KeyError, TypeError, CtsError) as error:
        raise UsageError(f"{directory / MANIFEST} is broken ({error}): use another export") from error


def check_file(directory: Path, file: str, sha256: str) -> None:
    """Raise UsageError unless a file is there with that hash."""
    digest = hashlib.sha256()
    try:
        with (directory / file).open("rb") as opened:
            while chunk := opened.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise UsageError(
            f"{directory / file} can't be read ({error.strerror}): use another export"
        ) from error
    if digest.hexdigest() != sha256:
        raise UsageError(f"{directory / file} is not what was exported: use another export")


def table_file(name: str) -> str:
    """Return the name of a table's file."""
    return f"tables/{name}.jsonl.gz"


def file_name(key: str) -> str:
    """Return the name of an object's file: its key in a form that no file system takes for a path."""
    name = quote(key, safe="").replace(".", "%2E")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(key.encode()).hexdigest()
    return f"{OBJECTS}/{name}"


def to_json(typed: Any) -> Any:
    """Return an item or a value of boto3 as JSON can hold it."""
    return _walk(typed, lambda data: base64.b64encode(bytes(data)).decode())


def from_json(typed: Any) -> Any:
    """Return what `to_json` was given."""
    return _walk(typed, base64.b64decode)


def _walk(item: Mapping[str, Any], binary: Any) -> dict[str, Any]:
    return {name: _value(typed, binary) for name, typed in item.items()}


def _value(typed: Mapping[str, Any], binary: Any) -> dict[str, Any]:
    ((kind, value),) = typed.items()
    if kind == "B":
        return {kind: binary(value)}
    if kind == "BS":
        return {kind: [binary(one) for one in value]}
    if kind == "L":
        return {kind: [_value(one, binary) for one in value]}
    if kind == "M":
        return {kind: _walk(value, binary)}
    return {kind: value}
