"""The ladder's part of the strategy tick: load or rebuild its state, step over new candles, snapshot it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps

from chalicelib.domain.candles import Candles
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import LadderPointer
from chalicelib.domain.ladder.kernel import advance
from chalicelib.domain.ladder.levels import LevelChange, Mirrored, level_changes, mirrored
from chalicelib.domain.ladder.rules import LEVEL_RULES, Ladder, build_ladder, terms_of
from chalicelib.domain.ladder.sets import preset_sets
from chalicelib.domain.ladder.state import (
    LadderState,
    counts_by_level,
    empty_state,
    from_snapshot,
    to_snapshot,
)
from chalicelib.domain.strategies import source_digest
from chalicelib.domain.voting import VERSION, Evaluation, evaluations
from chalicelib.flows.tick import Turn
from chalicelib.flows.world import World

SNAPSHOT_SECONDS = 1800.0


@dataclass(slots=True)
class WarmLadder:
    """A ladder and its state between invocations; a pure function of candles, so never wrong, only old."""

    ladder: Ladder
    state: LadderState


@dataclass(frozen=True, slots=True)
class LadderOutcome:
    """What the ladder says after the last candle; `loaded` if that took a read of the object store."""

    warm: WarmLadder | None = None
    loaded: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    mirrored: tuple[Mirrored, ...] = ()
    changes: Sequence[LevelChange] = ()


def step_ladder(
    world: World, turn: Turn, connection: Connection, candles: Candles, last: Evaluation
) -> LadderOutcome:
    """Step the connection's ladder over the candles that closed since its state.

    `last` is the evaluation of the last candle.
    """
    if not connection.ladder.enabled:
        return LadderOutcome()
    warm, loaded = _warm(world, connection, turn.engine.ladder, candles)
    changes: list[LevelChange] = []
    wanted: tuple[Mirrored, ...] = ()
    choices, confidence = connection.strategies, connection.risk.min_confidence
    for bars, signals in evaluations(candles, choices, confidence, warm.state.closed_until, last):
        for result in advance(warm.ladder, warm.state, bars, signals):
            changes.extend(level_changes(warm.ladder, result.changes, result.closed_at))
            if result.closed_at == candles.closed_until:
                wanted = mirrored(warm.ladder, warm.state, result.wanted)
    # A rebuild repeats old level changes; only those after the last decision are news.
    news = [change for change in changes if change.at > turn.engine.last_candle]
    return LadderOutcome(warm, loaded, counts_by_level(warm.state), wanted, news)


def store_ladder(world: World, turn: Turn, connection: Connection, outcome: LadderOutcome) -> LadderPointer:
    """Store the state at most every half hour; the pointer to it is saved with the tick, under its fence."""
    pointer, warm = turn.engine.ladder, outcome.warm
    if warm is None or turn.now - pointer.written_at < SNAPSHOT_SECONDS:
        return pointer
    version = pointer.version + 1
    snapshot = to_snapshot(warm.ladder, warm.state, version, turn.fence)
    world.objects.save_ladder(connection.tenant, connection.connection_id, snapshot)
    return LadderPointer(version, turn.fence, warm.state.closed_until, turn.now)


def _warm(
    world: World, connection: Connection, pointer: LadderPointer, candles: Candles
) -> tuple[WarmLadder, bool]:
    """Return the warm state, else the snapshot's, else an empty one; and whether a snapshot was asked for."""
    key = f"ladder/{connection.tenant}/{connection.connection_id}"
    ladder = _ladder(world, connection, key)
    known = world.warm.get(key)
    oldest = int(candles.open_time[0])
    if isinstance(known, WarmLadder) and known.ladder is ladder and _continues(known.state, candles, oldest):
        return known, False
    state = None
    if pointer.version:
        snapshot = world.objects.load_ladder(connection.tenant, connection.connection_id, pointer.version)
        if snapshot is not None and snapshot.fence == pointer.fence:
            state = from_snapshot(ladder, snapshot)
    if state is None or not _continues(state, candles, oldest):
        world.metrics.count("ladder_rebuilds")
        state = empty_state(ladder)
    fresh = WarmLadder(ladder, state)
    world.warm[key] = fresh
    return fresh, pointer.version > 0


def _continues(state: LadderState, candles: Candles, oldest: int) -> bool:
    """Tell whether the candles begin before the state ends: no bar between them is lost."""
    return oldest <= state.closed_until <= candles.closed_until


def _ladder(world: World, connection: Connection, key: str) -> Ladder:
    """Return the ladder of a connection's settings, built once per container and settings."""
    choices = dumps(to_plain(connection.strategies), sort_keys=True)
    code = source_digest(connection.strategies)
    decided_by = f"{VERSION}{code}|{choices}|{connection.risk.min_confidence}"
    version = sha256(decided_by.encode()).hexdigest()[:16]
    identity = (version, connection.symbols, connection.timeframe, connection.paper, connection.ladder)
    known = world.warm.get(f"{key}/rules")
    if isinstance(known, tuple) and known[0] == identity:
        built: Ladder = known[1]
        return built
    sets = preset_sets(connection.symbols, tuple(connection.strategies), connection.timeframe_seconds)
    ladder = build_ladder(sets, terms_of(connection.paper), LEVEL_RULES[connection.ladder.profile], version)
    world.warm[f"{key}/rules"] = (identity, ladder)
    return ladder
