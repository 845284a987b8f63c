"""What the API shows of a connection's ladder: its sets with their numbers, their last changes, their lacks.

It reads the stored snapshot and is as old as that: `candle_time` says when its last candle closed. Level
changes come from the audit log.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.connection import Connection, warnings
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.ladder.evidence import SetEvidence, evidence, ranked
from chalicelib.domain.ladder.rules import Ladder
from chalicelib.domain.ladder.snapshot import from_snapshot
from chalicelib.domain.ladder.state import LEVELS, LadderState, counts_by_level
from chalicelib.errors import Conflict, Rejected
from chalicelib.flows.ladder_step import configured_ladder
from chalicelib.flows.lifecycle import require_connection
from chalicelib.flows.listings import DEFAULT_LIMIT, MAX_LIMIT, concerns
from chalicelib.flows.world import World

_AUDIT_PAGE = 500
_AUDIT_READS = 20
"""Pages of the audit log that one request may read: some ten thousand entries."""
_AUDIT_SECONDS = 5.0
"""After that no further page is begun: entries may be long, and API Gateway waits for 29 s."""

LEVEL_EVENT = "ladderLevels"
_CHANGE = re.compile(r"(?P<set_id>\S+) (?P<before>\w+)>(?P<after>\w+) (?P<why>.+) at=(?P<at>\d+)")

_PARAMETERS = ("connection_id", "level", "limit", "cursor")


@dataclass(frozen=True, slots=True)
class LadderQuery:
    """Which part of a ladder is asked for; `level` is a row of LEVELS, None for all."""

    connection_id: str
    level: int | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str = ""


def query_of(parameters: Mapping[str, str]) -> LadderQuery:
    """Return the query in a request's parameters; Rejected names what there is."""
    for name in parameters:
        if name not in _PARAMETERS:
            raise Rejected(f"unknown parameter {name!r}: the ladder takes {', '.join(_PARAMETERS)}")
    if not parameters.get("connection_id"):
        raise Rejected("parameter connection_id is missing: every connection has a ladder of its own")
    level = parameters.get("level", "")
    if level and level not in LEVELS:
        raise Rejected(f"unknown level {level!r}: use one of {', '.join(LEVELS)}")
    return LadderQuery(
        connection_id=parameters["connection_id"],
        level=LEVELS.index(level) if level else None,
        limit=_limit(parameters.get("limit", str(DEFAULT_LIMIT))),
        cursor=parameters.get("cursor", ""),
    )


def ladder_view(world: World, tenant: str, query: LadderQuery) -> Mapping[str, Any]:
    """Return one page of a connection's sets, best first, with what is true of the whole ladder.

    Raises NotFound, or Conflict where there is no ladder (yet) or the cursor is of an older one.
    """
    connection, engine = _place(world, tenant, query.connection_id)
    ladder, state = _stored(world, connection, engine)
    rows = ranked(ladder, state, query.level)
    first = _position(query.cursor, state.closed_until)
    shown = tuple(evidence(ladder, state, rows[first : first + query.limit]))
    changes = _changes(world, connection, shown)
    last = first + len(shown)
    return {
        "connection_id": connection.connection_id,
        "profile": connection.ladder.profile,
        "warnings": warnings(connection),
        "candle_time": state.closed_until,
        "age": world.now() - state.closed_until,
        "counts": counts_by_level(state),
        "items": [{**to_plain(one), "change": changes.get(one.set_id)} for one in shown],
        "cursor": f"{state.closed_until}:{last}" if last < len(rows) else None,
    }


def _place(world: World, tenant: str, connection_id: str) -> tuple[Connection, Engine]:
    """Return the connection as its engine knows it since its start, and the engine."""
    require_connection(world, tenant, connection_id)
    engine = world.engines.get(engine_subject(tenant, connection_id))
    if engine is None or not engine.settings:
        raise Conflict(f"connection {connection_id!r} has no ladder yet: start its engine")
    settings = from_plain(Connection, engine.settings, known_only=False)
    if not settings.ladder.enabled:
        raise Conflict(f"the ladder of connection {connection_id!r} is off (ladder.enabled): there is none")
    return settings, engine


def _stored(world: World, connection: Connection, engine: Engine) -> tuple[Ladder, LadderState]:
    name, pointer = connection.connection_id, engine.ladder
    if not pointer.version:
        raise Conflict(
            f"connection {name!r} has no ladder yet: its first snapshot comes with the first strategy tick"
            f" of its engine, which is {engine.status.value}"
        )
    ladder, _ = configured_ladder(world, connection)
    snapshot = world.objects.load_ladder(connection.tenant, name, pointer.version)
    state = None
    if snapshot is not None and snapshot.fence == pointer.fence:
        state = from_snapshot(ladder, snapshot)
    if state is None:
        raise Conflict(
            f"the ladder snapshot of connection {name!r} is lost or of an older version: its engine, which is"
            f" {engine.status.value}, works it out again and stores it when done"
        )
    return ladder, state


def _position(cursor: str, candle_time: int) -> int:
    """Return how many sets were shown before; a cursor is `candle_time:sets`: with a candle ranks change."""
    if not cursor:
        return 0
    time, mark, place = cursor.partition(":")
    if not (mark and time.isdigit() and place.isdigit() and cursor.isascii() and len(cursor) < 30):
        raise Rejected(f"cursor {cursor!r} belongs to no ladder: leave it out to start anew")
    if int(time) != candle_time:
        raise Conflict("the ladder has moved on since that page: leave the cursor out to start anew")
    return int(place)


def _changes(
    world: World, connection: Connection, shown: Sequence[SetEvidence]
) -> dict[str, Mapping[str, Any]]:
    """Return by set id the last change of the sets shown that ever changed, as far as the log was read."""
    missing = {one.set_id: one for one in shown if one.level_since}
    found: dict[str, Mapping[str, Any]] = {}
    cursor: str | None = None
    begun = world.now()
    for _ in range(_AUDIT_READS):
        if not missing or world.now() - begun > _AUDIT_SECONDS:
            break
        page = world.records.list_audit(connection.tenant, _AUDIT_PAGE, cursor)
        for entry in page.items:
            if entry.action == LEVEL_EVENT and concerns(entry.subject, connection.connection_id):
                _take(entry.details.get("changes", ()), missing, found)
        cursor = page.cursor
        # An entry is written after its candle closed: what is older says nothing of the sets still missing.
        if cursor is None or (
            missing and page.items[-1].at < min(one.level_since for one in missing.values())
        ):
            break
    return found


def _take(lines: Sequence[str], missing: dict[str, SetEvidence], found: dict[str, Mapping[str, Any]]) -> None:
    """Move those of the missing whose last change is among the lines of one entry to the found."""
    for line in reversed(lines):
        change = _CHANGE.fullmatch(line)
        if change is None:
            continue
        name = change["set_id"]
        if name in missing and change["after"] == missing[name].level:
            del missing[name]
            told = {part: change[part] for part in ("before", "after", "why")}
            found[name] = {"at": int(change["at"]), **told}


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise Rejected(f"limit must be a whole number from 1 to {MAX_LIMIT}, not {text!r}")
    return int(text)
