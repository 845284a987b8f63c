"""Trades recorded candles with the flows of the live engine, candle by candle in virtual time.

The order of a candle is that of the heartbeat: candles, exits, votes, execution. What a live engine does
without effect is left out, so that the trades are those of a replay of the whole system.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chalicelib.backtest.votes import signalled
from chalicelib.backtest.world import BacktestWorld
from chalicelib.domain.cadence import PHASES
from chalicelib.domain.candles import Candles
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Account, Engine, Subject, engine_subject, feed_subject
from chalicelib.domain.ladder.sources import Signs
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.voting import Evaluation
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.lifecycle import command
from chalicelib.flows.market_tick import market_tick
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.strategy_tick import strategy_tick, voted

ACTOR = "cts backtest"
DAY = 86400


@dataclass(frozen=True, slots=True)
class Moment:
    """An engine at the open of one candle, after its exits; `notional` is the cost of what is open."""

    time: int
    account: Account
    notional: float
    ladder: tuple[int, int, int]


def trade(
    world: BacktestWorld, connection: Connection, candles: Candles, start: int, end: int
) -> Iterator[Moment]:
    """Trade the candles that close from `start` on and before `end` (epoch seconds), yielding after each.

    `candles` may begin earlier: that is the warm-up. The engine is started at `start`, as in a replay.
    """
    subject = _begin(world, connection)
    decide: Callable[[int], None]
    if connection.ladder.enabled:
        decide = partial(_whole_ticks, world, connection, subject)
    else:
        decide = _Votes(world, connection, subject, signalled(candles, connection, start, end)).decide
    valued = -1
    for opened in range(start, end, connection.timeframe_seconds):
        world.clock.move(opened + PHASES["realtime"])
        positions = world.records.open_positions(connection.tenant, connection.connection_id)
        if positions or opened // DAY != valued:
            # The first look of a day is what the daily loss is measured from.
            realtime_tick(world, Tick("realtime", subject, opened + PHASES["realtime"]))
            valued = opened // DAY
        yield _moment(world, subject, opened, sum(float(position.cost) for position in positions))
        decide(opened)


def _begin(world: BacktestWorld, connection: Connection) -> Subject:
    """Store the connection and start its tenant, and with it the engine."""
    world.connections.create(connection)
    command(world, connection.tenant, None, "start", ACTOR, f"backtest-{int(world.now())}")
    return engine_subject(connection.tenant, connection.connection_id)


def _moment(world: BacktestWorld, subject: Subject, opened: int, notional: float) -> Moment:
    engine = _present(world, subject)
    counts = engine.ladder_counts
    ladder = (counts.get("base", 0), counts.get("main", 0), counts.get("real", 0))
    return Moment(opened, engine.account, notional, ladder)


def _present(world: BacktestWorld, subject: Subject) -> Engine:
    engine = world.engines.get(subject)
    assert engine is not None
    return engine


def _whole_ticks(world: BacktestWorld, connection: Connection, subject: Subject, opened: int) -> None:
    """Run the market tick, the strategy tick with its ladder, and the signal consumer."""
    feed = feed_subject(connection.feed, connection.timeframe)
    market_tick(world, Tick("market", feed, opened + PHASES["market"], connection.symbols))
    slot = opened + PHASES["strategy"]
    world.clock.move(slot)
    strategy_tick(world, Tick("strategy", subject, slot))
    for batch in world.queue.taken():
        execute_signals(world, batch)


class _Votes:
    """Without the ladder a candle's votes are all there is to decide on: they are computed in advance."""

    def __init__(
        self,
        world: BacktestWorld,
        connection: Connection,
        subject: Subject,
        evaluations: Iterator[Evaluation],
    ) -> None:
        self._world = world
        self._connection = connection
        self._subject = subject
        self._evaluations = evaluations
        self._next = next(evaluations, None)

    def decide(self, opened: int) -> None:
        """Execute the signals of the candle that closed at `opened`."""
        due = self._next
        if due is None or due.candles.closed_until > opened:
            return
        self._next = next(self._evaluations, None)
        slot = opened + PHASES["strategy"]
        self._world.clock.move(slot)
        signs = self._with_effect(due.signals[:, -1])
        if not signs.any():
            return
        tick = Tick("strategy", self._subject, slot)
        connection = self._connection
        signals = voted(connection, replace(due, signals=signs[:, None]), self._world.now(), tick.tick_id)
        batch = SignalBatch(connection.tenant, connection.connection_id, tick.tick_id, signals)
        execute_signals(self._world, batch)

    def _with_effect(self, signs: Signs) -> Signs:
        """Leave out the signals that are refused for certain and count them: most are, and asking costs.

        Short entries of a spot account, and entries while all places are taken. A signal on a symbol that is
        held may close a position and make room: then every entry of the batch is asked for.
        """
        world, connection = self._world, self._connection
        positions = world.records.open_positions(connection.tenant, connection.connection_id)
        held = {position.symbol for position in positions}
        free = np.array([symbol not in held for symbol in connection.symbols])
        kept = signs.copy()
        if connection.market_type == "spot":
            impossible = free & (signs < 0)
            kept[impossible] = 0
            self._refused("SHORT_NOT_SUPPORTED", impossible)
        if len(positions) >= connection.risk.max_positions and not kept[~free].any():
            self._refused("MAX_POSITIONS", kept != 0)
            kept[:] = 0
        return kept

    def _refused(self, reason: str, which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        self._world.metrics.count("signals_refused", int(np.count_nonzero(which)), reason=reason)
