"""`cts import`: fills a stage from an export that is checked whole before anything is written.

Engines come in at rest: one that worked when it was exported may still work where it came from, and two
engines of one account would trade twice.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.domain.engine import Subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict, UsageError
from chalicelib.operations.transfer.check import Checked, check, objects_of
from chalicelib.operations.transfer.exporter import Say, export_stage
from chalicelib.operations.transfer.format import Manifest, from_json, read_lines, read_manifest
from chalicelib.operations.transfer.stage import TABLES, Item, Stage, working_name
from chalicelib.operations.transfer.write import Sleep, delete_items, delete_objects, put_items, put_objects
from chalicelib.settings import SCHEMA
from chalicelib.stores.records import record_item

_STOPPED = {"S": f'"{Status.STOPPED.value}"'}


@dataclass(frozen=True, slots=True)
class Wish:
    """What to import and how: `replace` removes what is there, `as_is` leaves engines as they were."""

    source: Path
    replace: bool = False
    as_is: bool = False


def import_stage(stage: Stage, wish: Wish, now: float, say: Say, sleep: Sleep = time.sleep) -> None:
    """Fill a stage; UsageError or Conflict says what keeps it from being done, before anything is written."""
    manifest = read_manifest(wish.source)
    if manifest.schema > SCHEMA:
        raise UsageError(
            f"the export is of schema {manifest.schema}, this program knows {SCHEMA}: use the newer program"
        )
    stage.check_tables()
    if manifest.objects and not stage.has_bucket():
        raise UsageError(
            f"there is no bucket {stage.settings.bucket}: make infra STAGE={stage.settings.stage}"
        )
    checked = check(wish.source, manifest)
    say(f"checked: stage {manifest.stage} in {manifest.region} at {manifest.created_at}, nothing is missing")
    _make_room(stage, wish, manifest, now, say, sleep)
    _fill(stage, wish, manifest, now, say, sleep)
    for line in advice(stage, wish, manifest, checked):
        say(line)


def advice(stage: Stage, wish: Wish, manifest: Manifest, checked: Checked) -> Iterator[str]:
    """Yield what the person must know before the stage works on."""
    if manifest.working:
        yield f"the export is no single moment: meanwhile worked {', '.join(manifest.working)}"
    key = stage.key_arn()
    if checked.credentials and not same_key(manifest.key, key):
        yield (
            f"the exchange credentials of {checked.credentials} connections can't be decrypted here: they "
            f"need {manifest.key or 'a key that is not known'}, this stage has {key or 'none'}; set them "
            "again: PUT /connections/ID/credentials"
        )
    if checked.working and wish.as_is:
        yield f"at work as they were: {', '.join(checked.working)}; they must work nowhere else"
    elif checked.working:
        yield (
            f"stopped, their open orders and positions as they were: {', '.join(checked.working)}; before "
            "you start them, make sure that they are stopped where they came from"
        )


def same_key(one: str, other: str) -> bool:
    """Tell whether two ARNs are one key, or replicas of one multi-Region key: these decrypt alike."""
    if not one or one == other:
        return bool(one)
    # arn:PARTITION:kms:REGION:ACCOUNT:key/ID: replicas differ in their region alone.
    places = [arn.split(":") for arn in (one, other)]
    parts = [(place[:3], place[4:]) for place in places]
    return parts[0] == parts[1] and "key/mrk-" in one


def _make_room(stage: Stage, wish: Wish, manifest: Manifest, now: float, say: Say, sleep: Sleep) -> None:
    """See to it that the stage is empty; what is there is exported before it is removed."""
    present = [name for name in TABLES if next(stage.items(name), None)]
    if manifest.objects and next(stage.object_keys(), None):
        present.append("objects")
    if not present:
        return
    if not wish.replace:
        raise Conflict(
            f"{stage.title} is not empty: it has {', '.join(present)}; with --replace the export takes their "
            "place, and what is there is exported first"
        )
    if working := stage.working():
        raise Conflict(f"{stage.title} has engines at work: stop {', '.join(working)} first")
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = wish.source.absolute().with_name(f"{wish.source.absolute().name}-replaced-{moment}")
    say(f"what is there now goes to {kept}:")
    export_stage(stage, kept, manifest.objects is not None, now, say)
    for name in reversed(TABLES):
        say(f"{name}: {delete_items(stage, name, sleep)} items removed")
    if manifest.objects:
        say(f"objects: {delete_objects(stage)} removed")


def _fill(stage: Stage, wish: Wish, manifest: Manifest, now: float, say: Say, sleep: Sleep) -> None:
    """Write everything, engines last, and compare what is there with what was written."""
    if manifest.objects:
        say(f"objects: {put_objects(stage, wish.source, objects_of(wish.source, manifest.objects))}")
    for name in TABLES:
        items: Iterator[Item] = map(from_json, read_lines(wish.source, manifest.tables[name]))
        # DynamoDB would remove them, at a time of its choice.
        items = (item for item in items if not _is_over(item, now))
        if name == "engines" and not wish.as_is:
            items = (at_rest(item, now) for item in items)
        count = put_items(stage, name, items, sleep)
        found = stage.count(name)
        # The audit log may have heard of the imported positions, and engines that work on may add to theirs.
        grows = name == "audit" or (name == "engines" and wish.as_is)
        if found < count or (found > count and not grows):
            raise Conflict(f"{name} has {found} items, not {count}: something else writes to {stage.title}")
        say(f"{name}: {count} items")
    _record(stage, wish, manifest, now, sleep)


def _is_over(item: Item, now: float) -> bool:
    """Tell whether an item that may expire already has."""
    return "expires" in item and float(item["expires"]["N"]) <= now


def at_rest(item: Item, now: float) -> Item:
    """Return the item of an engine, coordinator or feed as it is when nothing works on it.

    Leases are given back; their fences stay, because a fence only grows.
    """
    free = {name: {"S": ""} for name in item if name.startswith("lease_") and name.endswith("_owner")}
    free |= {name: {"N": "0"} for name in item if name.startswith("lease_") and name.endswith("_until")}
    if working_name(item):
        free |= {"f_status": _STOPPED, "f_changed_at": {"S": repr(now)}}
    return {**item, **free}


def _record(stage: Stage, wish: Wish, manifest: Manifest, now: float, sleep: Sleep) -> None:
    """Leave word in the audit log of each engine that was stopped by coming here."""
    if wish.as_is:
        return
    cause = f"import-{manifest.tables['engines'].sha256[:16]}"
    entries = []
    for item in map(from_json, read_lines(wish.source, manifest.tables["engines"])):
        if working_name(item):
            subject = Subject(item["pk"]["S"], item["sk"]["S"])
            entry = AuditEntry(
                entry_id=f"{cause}-{subject.name}",
                at=now,
                actor="cts import",
                action="import",
                subject=subject.text,
                correlation_id=cause,
                before=item["f_status"]["S"].strip('"'),
                after=Status.STOPPED.value,
                details={"stage": manifest.stage, "region": manifest.region, "exported": manifest.created_at},
                revision=1,
            )
            entries.append(record_item(subject.tenant, entry).serialize())
    put_items(stage, "audit", entries, sleep)
