"""The ladder's part of the strategy tick: load or rebuild its state, step over new candles, snapshot it.

The state is a function of the candles from the pointer's `begin` on. What a tick can't step over within its
bound of work (a rebuild, a long warm start) the next ones go on with; until then nothing is mirrored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from json import dumps

from chalicelib.domain.candle_blocks import block_end
from chalicelib.domain.candles import Candles, between
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, LadderPointer
from chalicelib.domain.ladder.kernel import advance
from chalicelib.domain.ladder.levels import LevelChange, Mirrored, level_changes, mirrored
from chalicelib.domain.ladder.preset import ladder_configuration
from chalicelib.domain.ladder.rules import Ladder, build_ladder, level_rules, terms_of
from chalicelib.domain.ladder.snapshot import from_snapshot, to_snapshot
from chalicelib.domain.ladder.sources import Source
from chalicelib.domain.ladder.state import LadderState, counts_by_level, empty_state
from chalicelib.domain.strategies import source_digest
from chalicelib.domain.voting import VERSION, Evaluation, evaluations
from chalicelib.flows.ladder_history import first_judged, history
from chalicelib.flows.tick import Turn
from chalicelib.flows.world import World

SNAPSHOT_SECONDS = 1800.0
WORK = 20_000_000
"""Candles times sets that one tick steps over at most: a few seconds."""
PIECE = 32
"""Candles of one step: bounds the trades in memory, of which a hundred thousand sets make millions."""


@dataclass(slots=True)
class WarmLadder:
    """A ladder and its state between invocations; a pure function of candles, so never wrong, only old.

    `begin` is the open time of the first candle it counts; `stored` whether a snapshot has some of it.
    """

    ladder: Ladder
    sources: tuple[Source, ...]
    state: LadderState
    begin: int
    stored: bool = False


@dataclass(frozen=True, slots=True)
class LadderOutcome:
    """What the ladder says after the last candle; `loaded` if that took a read of the object store.

    `told` is up to which candle level changes are told now, 0: up to the last one (see `LadderPointer`).
    """

    warm: WarmLadder | None = None
    loaded: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    mirrored: tuple[Mirrored, ...] = ()
    changes: Sequence[LevelChange] = ()
    told: int = 0


def step_ladder(
    world: World, turn: Turn, connection: Connection, candles: Candles, last: Evaluation
) -> LadderOutcome:
    """Step the connection's ladder over the candles that closed since its state, as far as one tick may.

    `last` is the evaluation of the last candle. While the ladder is behind, its counts stay those of before.
    """
    if not connection.ladder.enabled:
        return LadderOutcome()
    told = _told(turn.engine)
    warm, loaded = _warm(world, turn, connection, candles)
    known = history(world, connection.feed, candles, warm.begin, _since(warm))
    if known is None:
        world.metrics.count("ladder_history_lost")
        begin = _begin_anew(candles)
        anew = replace(warm, state=empty_state(warm.ladder), begin=begin, stored=False)
        warm = _keep(world, connection, anew)
        known = between(candles, begin, candles.closed_until)
    loaded = loaded or bool(known.open_time[0] < candles.open_time[0])
    changes, wanted = _advance(warm, connection, known, last)
    # A rebuild repeats old level changes; only those after the last one told are news.
    news = [change for change in changes if change.at > told]
    if warm.state.closed_until < candles.closed_until:
        world.metrics.count("ladder_rebuilding")
        told = max(told, warm.state.closed_until)
        return LadderOutcome(warm, loaded, turn.engine.ladder_counts, (), news, told)
    return LadderOutcome(warm, loaded, counts_by_level(warm.state), wanted, news)


def store_ladder(
    world: World, turn: Turn, connection: Connection, outcome: LadderOutcome, snapshot: bool
) -> LadderPointer:
    """Return the pointer that is saved with the tick, under its fence.

    `snapshot` says whether the tick may store the state; it does every half hour, and once a rebuild is done.
    """
    warm = outcome.warm
    if warm is None:
        return turn.engine.ladder
    pointer = replace(turn.engine.ladder, begin=warm.begin, told=outcome.told)
    rebuilt = not warm.stored and not outcome.told
    if not snapshot or not (rebuilt or turn.now - pointer.written_at >= SNAPSHOT_SECONDS):
        return pointer
    version = pointer.version + 1
    state = to_snapshot(warm.ladder, warm.state, version, turn.fence)
    world.objects.save_ladder(connection.tenant, connection.connection_id, state)
    warm.stored = True
    return replace(
        pointer,
        version=version,
        fence=turn.fence,
        candle_time=warm.state.closed_until,
        written_at=turn.now,
    )


def configured_ladder(world: World, connection: Connection) -> tuple[Ladder, tuple[Source, ...]]:
    """Return the ladder of a connection's settings and its sources, built once per container and settings."""
    choice = connection.ladder
    key = f"{_key(connection)}/rules"
    decided_by = dumps(to_plain((connection.strategies, choice.preset)), sort_keys=True)
    confidence = connection.risk.min_confidence
    identity = (decided_by, confidence, connection.symbols, connection.timeframe, connection.paper, choice)
    known = world.warm.get(key)
    if isinstance(known, tuple) and known[0] == identity:
        built: tuple[Ladder, tuple[Source, ...]] = known[1]
        return built
    sets, sources = ladder_configuration(
        choice, connection.strategies, connection.symbols, connection.timeframe_seconds
    )
    code = source_digest(source.strategy for source in sources)
    decided_by = f"{VERSION}|{code}|{decided_by}|{confidence}"
    version = sha256(decided_by.encode()).hexdigest()[:16]
    rules = level_rules(choice.profile, connection.timeframe_seconds)
    ladder = build_ladder(sets, terms_of(connection.paper), rules, version)
    world.warm[key] = (identity, (ladder, sources))
    return ladder, sources


def _advance(
    warm: WarmLadder, connection: Connection, known: Candles, last: Evaluation
) -> tuple[list[LevelChange], tuple[Mirrored, ...]]:
    """Step over as many of the candles as one tick may; return what changed, and what the last one wants."""
    since, step = _since(warm), known.timeframe
    until = min(known.closed_until, since + step * max(1, WORK // max(1, len(warm.ladder.sets))))
    bars = between(known, int(known.open_time[0]), until)
    judged = int(last.candles.open_time[0])
    same = judged == first_judged(int(last.candles.open_time[-1]), step, warm.begin)
    changes: list[LevelChange] = []
    wanted: tuple[Mirrored, ...] = ()
    confidence = connection.risk.min_confidence
    for block, signals in evaluations(bars, warm.sources, confidence, since, last if same else None):
        for begin in range(0, block.bars, PIECE):
            opened = int(block.open_time[begin])
            piece = between(block, opened, opened + PIECE * step)
            advanced = advance(warm.ladder, warm.state, piece, signals[:, :, begin : begin + PIECE])
            changes.extend(level_changes(warm.ladder, advanced.changes))
            wanted = mirrored(warm.ladder, warm.state, advanced.wanted)
    return changes, wanted


def _warm(world: World, turn: Turn, connection: Connection, candles: Candles) -> tuple[WarmLadder, bool]:
    """Return the warm state, else the snapshot's, else an empty one; and whether a snapshot was asked for.

    A warm state beyond what was told is of a tick that failed: its news would be lost with it.
    """
    pointer = turn.engine.ladder
    ladder, sources = configured_ladder(world, connection)
    known = world.warm.get(_key(connection))
    latest = min(_told(turn.engine), candles.closed_until)
    if (
        isinstance(known, WarmLadder)
        and known.ladder is ladder
        and known.begin == pointer.begin
        and known.state.closed_until <= latest
    ):
        return known, False
    state = None
    if pointer.version and pointer.begin:
        snapshot = world.objects.load_ladder(connection.tenant, connection.connection_id, pointer.version)
        if snapshot is not None and snapshot.fence == pointer.fence:
            state = from_snapshot(ladder, snapshot)
    stored = state is not None and state.closed_until <= candles.closed_until
    if state is None or not stored:
        world.metrics.count("ladder_rebuilds")
        state = empty_state(ladder)
    begin = pointer.begin or int(candles.open_time[0])
    return _keep(world, connection, WarmLadder(ladder, sources, state, begin, stored)), pointer.version > 0


def _keep(world: World, connection: Connection, warm: WarmLadder) -> WarmLadder:
    world.warm[_key(connection)] = warm
    return warm


def _key(connection: Connection) -> str:
    return f"ladder/{connection.tenant}/{connection.connection_id}"


def _since(warm: WarmLadder) -> int:
    """Return when the next candle of a ladder opens."""
    return max(warm.state.closed_until, warm.begin)


def _told(engine: Engine) -> int:
    """Return the close of the last candle whose level changes are told."""
    return engine.ladder.told or engine.last_candle


def _begin_anew(candles: Candles) -> int:
    """Return where to begin without an archive: at a block, so that the next ticks find it whole."""
    oldest = int(candles.open_time[0])
    aligned = block_end(oldest - 1, candles.timeframe)
    return aligned if aligned < candles.closed_until else oldest
