"""`cts export`: everything a stage stores, in one directory that appears when it is complete."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.errors import UsageError
from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.transfer.format import (
    CHUNK,
    FORMAT,
    OBJECT_INDEX,
    OBJECTS,
    Lines,
    Manifest,
    ObjectFile,
    file_name,
    private_file,
    table_file,
    to_json,
    write_lines,
    write_manifest,
)
from chalicelib.operations.transfer.stage import TABLES, Stage
from chalicelib.settings import SCHEMA

Say = Callable[[str], object]

_DISTRIBUTION = "cts-trade-engine"


def export_stage(stage: Stage, out: Path, with_objects: bool, now: float, say: Say) -> Manifest:
    """Write an export of a stage to the new directory `out`; nothing is left behind if it fails.

    Tables are read one after the other: while engines work, the export is no single moment, and says so.
    """
    if out.exists():
        raise UsageError(f"--out {out} exists: name a new directory")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: no directory {out.absolute().parent}; create it first")
    stage.check_tables()
    if with_objects and not stage.has_bucket():
        raise UsageError(f"there is no bucket {stage.settings.bucket}: add --no-objects to go without")
    # Beside its final place, so that it gets there in one step; readable by its owner only.
    partial = Path(tempfile.mkdtemp(prefix=f"{out.name}.partial-", dir=out.absolute().parent))
    try:
        manifest = _write(stage, partial, with_objects, now, say)
        os.rename(partial, out)
    except BaseException:
        shutil.rmtree(partial)
        raise
    return manifest


def _write(stage: Stage, directory: Path, with_objects: bool, now: float, say: Say) -> Manifest:
    before = stage.working()
    (directory / "tables").mkdir()
    tables: dict[str, Lines] = {}
    for name in TABLES:
        items = (to_json(item) for item in stage.items(name))
        tables[name] = write_lines(directory, table_file(name), items)
        say(f"{name}: {tables[name].count} items")
    objects = None
    if with_objects:
        (directory / OBJECTS).mkdir()
        objects = write_lines(directory, OBJECT_INDEX, _objects(stage, directory))
        say(f"objects: {objects.count}")
    manifest = Manifest(
        format=FORMAT,
        schema=SCHEMA,
        program=_program(),
        stage=stage.settings.stage,
        region=stage.settings.region,
        account=stage.settings.account,
        created_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        tables=tables,
        objects=objects,
        working=tuple(sorted({*before, *stage.working()})),
        key=stage.key_arn(),
    )
    write_manifest(directory, manifest)
    return manifest


def _objects(stage: Stage, directory: Path) -> Iterator[dict[str, object]]:
    """Store each object as a file and yield its line of the index."""
    for key in stage.object_keys():
        try:
            body = stage.s3.get_object(Bucket=stage.settings.bucket, Key=key)["Body"]
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                # Removed since it was listed: a cache of a connection that was just deleted.
                continue
            raise
        digest, size = hashlib.sha256(), 0
        with private_file(directory / file_name(key)) as file:
            for chunk in body.iter_chunks(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        found = ObjectFile(key, file_name(key), size, digest.hexdigest())
        yield {name: getattr(found, name) for name in ObjectFile.__slots__}


def _program() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
