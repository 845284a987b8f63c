"""The emulator's stored S3 objects: a file per key, replaced as a whole, so that storage stays bounded.

A file is renamed into place before the caller answers: a kill -9 leaves the old object or the new one. `sync`
makes what was written since the last call survive a power failure.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError

FORMAT = 1


class ObjectFiles:
    """A directory of objects; a file is a header line in JSON, then the body."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`, made if it is missing; half-written files of a killed process are removed."""
        self._directory = directory
        self._unsynced: set[Path] = set()
        directory.mkdir(parents=True, exist_ok=True)
        for torn in directory.glob("*.new"):
            torn.unlink()

    def put(self, bucket: str, key: str, header: dict[str, Any], body: bytes) -> None:
        """Store an object in place of an older one of the same key."""
        path = self._path(bucket, key)
        fresh = path.with_suffix(".new")
        text = json.dumps({**header, "format": FORMAT, "bucket": bucket, "key": key, "size": len(body)})
        with fresh.open("wb", buffering=0) as target:
            target.write(text.encode() + b"\n")
            target.write(body)
        os.replace(fresh, path)
        self._unsynced.add(path)

    def delete(self, bucket: str, key: str) -> None:
        """Forget an object; one that is not there is fine."""
        path = self._path(bucket, key)
        path.unlink(missing_ok=True)
        self._unsynced.discard(path)

    def read_all(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Return (header, body) of every object; the header holds bucket, key and what `put` was given."""
        for path in sorted(self._directory.glob("*.object")):
            text, _, body = path.read_bytes().partition(b"\n")
            try:
                header = json.loads(text)
                whole = header["format"] == FORMAT and header["size"] == len(body)
            except (ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                raise UsageError(f"{path} is damaged: remove it, or start again with --fresh")
            yield header, body

    def sync(self) -> None:
        """Make the objects written since the last call survive a power failure."""
        for path in self._unsynced:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        self._unsynced.clear()

    def _path(self, bucket: str, key: str) -> Path:
        name = hashlib.sha256(f"{bucket}\0{key}".encode()).hexdigest()
        return self._directory / f"{name}.object"
