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
from chalicelib.domain.voting import Evaluation, evaluations
from chalicelib.flows.tick import Turn
from chalicelib.flows.world import World

SNAPSHOT_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class LadderOutcome:
    """What the ladder says after the last candle."""

    pointer: LadderPointer
    counts: dict[str, int] = field(default_factory=dict)
    mirrored: tuple[Mirrored, ...] = ()
    changes: Sequence[LevelChange] = ()


@dataclass(slots=True)
class _Warm:
    """A ladder and its state between invocations; a pure function of candles, so never wrong, only old."""

    ladder: Ladder
    state: LadderState


def step_ladder(
    world: World, turn: Turn, connection: Connection, candles: Candles, last: Evaluation
) -> LadderOutcome:
    """Step the connection's ladder over the candles that closed since its state, and snapshot it in time.

    `last` is the evaluation of the last candle.
    """
    pointer = turn.engine.ladder
    if not connection.ladder.enabled:
        return LadderOutcome(pointer)
    warm, cold = _warm(world, connection, pointer, candles)
    changes: list[LevelChange] = []
    wanted: tuple[Mirrored, ...] = ()
    choices, confidence = connection.strategies, connection.risk.min_confidence
    for bars, signals in evaluations(candles, choices, confidence, warm.state.closed_until, last):
        for result in advance(warm.ladder, warm.state, bars, signals):
            changes.extend(level_changes(warm.ladder, result.changes, result.closed_at))
            if result.closed_at == candles.closed_until:
                wanted = mirrored(warm.ladder, warm.state, result.wanted)
    # A cold tick has loaded already: storing in the next one keeps its round trips within the budget.
    after = pointer if cold else _snapshot(world, turn, connection, warm)
    # A rebuild repeats old level changes; only those after the last decision are news.
    news = [change for change in changes if change.at > turn.engine.last_candle]
    return LadderOutcome(after, counts_by_level(warm.state), wanted, news)


def _warm(
    world: World, connection: Connection, pointer: LadderPointer, candles: Candles
) -> tuple[_Warm, bool]:
    """Return the warm state, else the snapshot's, else an empty one; and whether it was not warm."""
    key = f"ladder/{connection.tenant}/{connection.connection_id}"
    ladder = _ladder(world, connection, key)
    known = world.warm.get(key)
    oldest = int(candles.open_time[0])
    if isinstance(known, _Warm) and known.ladder is ladder and _continues(known.state, candles, oldest):
        return known, False
    state = None
    if pointer.version:
        snapshot = world.objects.load_ladder(connection.tenant, connection.connection_id, pointer.version)
        if snapshot is not None and snapshot.fence == pointer.fence:
            state = from_snapshot(ladder, snapshot)
    if state is None or not _continues(state, candles, oldest):
        world.metrics.count("ladder_rebuilds")
        state = empty_state(ladder)
    fresh = _Warm(ladder, state)
    world.warm[key] = fresh
    return fresh, True


def _continues(state: LadderState, candles: Candles, oldest: int) -> bool:
    """Tell whether the candles begin before the state ends: no bar between them is lost."""
    return oldest <= state.closed_until <= candles.closed_until


def _ladder(world: World, connection: Connection, key: str) -> Ladder:
    """Return the ladder of a connection's settings, built once per container and settings."""
    choices = dumps(to_plain(connection.strategies), sort_keys=True)
    version = sha256(f"{choices}|{connection.risk.min_confidence}".encode()).hexdigest()[:16]
    identity = (version, connection.symbols, connection.timeframe, connection.paper, connection.ladder)
    known = world.warm.get(f"{key}/rules")
    if isinstance(known, tuple) and known[0] == identity:
        built: Ladder = known[1]
        return built
    sets = preset_sets(connection.symbols, tuple(connection.strategies), connection.timeframe_seconds)
    ladder = build_ladder(sets, terms_of(connection.paper), LEVEL_RULES[connection.ladder.profile], version)
    world.warm[f"{key}/rules"] = (identity, ladder)
    return ladder


def _snapshot(world: World, turn: Turn, connection: Connection, warm: _Warm) -> LadderPointer:
    """Store the state at most every half hour; the pointer to it is saved with the tick, under its fence."""
    pointer = turn.engine.ladder
    if turn.now - pointer.written_at < SNAPSHOT_SECONDS:
        return pointer
    version = pointer.version + 1
    snapshot = to_snapshot(warm.ladder, warm.state, version, turn.fence)
    world.objects.save_ladder(connection.tenant, connection.connection_id, snapshot)
    return LadderPointer(version, turn.fence, warm.state.closed_until, turn.now)
