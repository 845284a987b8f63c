"""Strategy tick: votes become signals, the ladder takes its step, both go to the stream and the queue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from chalicelib.domain.candles import Candles, anchored
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.ladder.levels import LevelChange
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.domain.signal import Direction, ExitProfile, Signal, signal_id
from chalicelib.domain.snapshots import IndicationSnapshot
from chalicelib.domain.voting import LAST, Crossing, Evaluation, crossings_at, evaluate, reasons
from chalicelib.flows.decision_candles import decision_candles
from chalicelib.flows.ladder_step import LadderOutcome, step_ladder, store_ladder
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import World

SOURCE_VOTE = "vote"
SOURCE_LADDER = "ladder"
CHANGES_PER_EVENT = 100
"""Level changes in one event: some 12 KB, so that a hundred events still fit one DynamoDB transaction."""
_PROVED = 1.0
"""Confidence of a set on real: the ladder's bars are its proof."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a signal is made of: where, who wishes it, how surely, with which exits and why."""

    at: Crossing
    source: str
    strategy: str
    confidence: float
    exits: ExitProfile
    reasons: tuple[str, ...]


def strategy_tick(world: World, tick: Tick) -> Skip | None:
    """Run one strategy tick: at most 8 AWS round trips, whatever the number of symbols or sets."""
    return run_tick(world, tick, _work)


def _work(world: World, turn: Turn, tick: Tick) -> Saved | Skip:
    given = decision_candles(world, turn)
    if isinstance(given, Skip):
        return given
    connection, candles = given
    if turn.engine.last_candle >= candles.closed_until:
        return Saved(turn.engine)
    window = anchored(candles, int(candles.open_time[-1]))
    evaluation = evaluate(window, connection.strategies, connection.risk.min_confidence, window.bars - 1)
    ladder = step_ladder(world, turn, connection, candles, evaluation)
    indicated = None
    if ladder.mirrored or evaluation.signals[:, -1].any():
        indicated = world.objects.load_indications(connection.tenant, connection.connection_id)
    signals = _signals(turn, tick, connection, evaluation, ladder, indicated)
    _publish(world, turn, tick, connection, signals, ladder.changes)
    # A cold tick with signals has used up its round trips: the next one stores the ladder.
    pointer = store_ladder(world, turn, connection, ladder, snapshot=not (ladder.loaded and signals))
    engine = replace(
        turn.engine, last_candle=candles.closed_until, ladder_counts=ladder.counts, ladder=pointer
    )
    return Saved(engine, ("last_candle", "ladder_counts", "ladder"))


def _signals(
    turn: Turn,
    tick: Tick,
    connection: Connection,
    evaluation: Evaluation,
    ladder: LadderOutcome,
    indicated: IndicationSnapshot | None,
) -> tuple[Signal, ...]:
    """Make the signals of the last candle, proved sets first; ids depend on candle, symbol and source."""
    found: list[Signal] = []
    for mirrored in ladder.mirrored:
        at = Crossing(mirrored.symbol_row, LAST, 1 if mirrored.direction == "long" else -1)
        proof = (f"profit factor {mirrored.profit_factor:.2f} of its last positions",)
        wish = _Wish(at, SOURCE_LADDER, mirrored.set_id, _PROVED, mirrored.exits, proof)
        found.append(_signal(connection, evaluation, wish, turn.now, tick.tick_id))
    crossings = crossings_at(evaluation, LAST)
    return (*found, *voted(connection, evaluation, crossings, turn.now, tick.tick_id, indicated))


def voted(
    connection: Connection,
    evaluation: Evaluation,
    crossings: Sequence[Crossing],
    now: float,
    tick_id: str,
    indicated: IndicationSnapshot | None = None,
) -> tuple[Signal, ...]:
    """Return the signals of some crossings of the joint vote."""
    found: list[Signal] = []
    for at in crossings:
        evidence = (*reasons(evaluation, at), *_indications(indicated, evaluation.candles, at))
        confidence = evaluation.combined.confidence.item(at.row, at.bar)
        wish = _Wish(at, SOURCE_VOTE, "combined", confidence, connection.exits, evidence)
        found.append(_signal(connection, evaluation, wish, now, tick_id))
    return tuple(found)


def _signal(connection: Connection, evaluation: Evaluation, wish: _Wish, now: float, tick_id: str) -> Signal:
    candles, at = evaluation.candles, wish.at
    symbol = connection.symbols[at.row]
    direction: Direction = "long" if at.sign > 0 else "short"
    candle_time = candles.open_time.item(at.bar) + candles.timeframe
    return Signal(
        signal_id=signal_id(symbol, wish.source, wish.strategy, "enter", direction, candle_time),
        connection_id=connection.connection_id,
        symbol=symbol,
        action="enter",
        direction=direction,
        source=wish.source,
        strategy=wish.strategy,
        confidence=wish.confidence,
        price=Decimal(str(candles.close.item(at.row, at.bar))),
        candle_time=candle_time,
        created_at=now,
        correlation_id=f"{tick_id}/{symbol}",
        exits=wish.exits,
        reasons=wish.reasons,
    )


def _indications(snapshot: IndicationSnapshot | None, candles: Candles, at: Crossing) -> tuple[str, ...]:
    """Return the indications that point the same way; none if the snapshot is of another candle."""
    if snapshot is None or snapshot.candle_time != candles.closed_until:
        return ()
    if snapshot.symbols != candles.symbols:
        return ()
    pointing = np.flatnonzero(snapshot.direction[:, at.row, -1] == at.sign)
    return tuple(f"{snapshot.names[n]} {snapshot.strength[n, at.row, -1]:.2f}" for n in pointing)


def _publish(
    world: World,
    turn: Turn,
    tick: Tick,
    connection: Connection,
    signals: tuple[Signal, ...],
    changes: Sequence[LevelChange],
) -> None:
    """Append to the stream first (the durable copy), then queue for execution; both repeat harmlessly."""
    tenant, connection_id = connection.tenant, connection.connection_id
    events = [
        Event(
            event_id=f"signal-{connection_id}-{signal.signal_id}",
            kind="signal",
            tenant=tenant,
            connection_id=connection_id,
            at=turn.now,
            correlation_id=signal.correlation_id,
            data=to_plain(signal),
        )
        for signal in signals
    ]
    for start in range(0, len(changes), CHANGES_PER_EVENT):
        described = [_described(change) for change in changes[start : start + CHANGES_PER_EVENT]]
        events.append(
            Event(
                event_id=f"ladder-{tick.tick_id}-{start}",
                kind="ladderLevels",
                tenant=tenant,
                connection_id=connection_id,
                at=turn.now,
                correlation_id=tick.tick_id,
                data={"changes": described},
            )
        )
    if events:
        world.events.put(events)
    if signals:
        world.signals.send(SignalBatch(tenant, connection_id, tick.tick_id, signals))
        world.metrics.count("signals", len(signals))


def _described(change: LevelChange) -> str:
    """Return one line of evidence: short, because thousands of sets may move in one candle."""
    return (
        f"{change.set_id} {change.before}>{change.after} {change.cause} n={change.closed}"
        f" pf={change.profit_factor:.3f} wr={change.win_rate:.3f} ex={change.expectancy:.5f}"
        f" dd={change.drawdown_hours:.1f}h edge={change.edge:.3f} at={change.at}"
    )
