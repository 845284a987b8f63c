"""Trades recorded candles with the flows of the live engine, candle by candle in virtual time.

The order of a candle is that of the heartbeat: candles, exits, votes, execution. What a live engine does
without effect is left out, so that the trades are those of a replay of the whole system.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from chalicelib.backtest.settled import SettledEngine
from chalicelib.backtest.votes import Signalled, Signs, signalled
from chalicelib.backtest.world import BacktestWorld
from chalicelib.domain.cadence import PHASES
from chalicelib.domain.candles import Candles
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Account, Subject, engine_subject, feed_subject
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.position import Position
from chalicelib.domain.risk.checks import DUPLICATE_SECONDS
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.lifecycle import command
from chalicelib.flows.market_tick import market_tick
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.strategy_tick import strategy_tick, voted

ACTOR = "cts backtest"
DAY = 86400
_NO_SETS = (0, 0, 0)


class Moment(NamedTuple):
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
    settled = SettledEngine(world, connection, subject, world.prices)
    decide: Callable[[int], None]
    if connection.ladder.enabled:
        decide = partial(_whole_ticks, world, connection, settled)
    else:
        decide = _Votes(world, connection, settled, signalled(candles, connection, start, end)).decide
    valued = -1
    for opened in range(start, end, connection.timeframe_seconds):
        slot = opened + PHASES["realtime"]
        world.clock.move(slot)
        notional = settled.notional
        if settled.positions or opened // DAY != valued:
            # The first look of a day is what the daily loss is measured from.
            if not settled.look(world.now()) and not settled.leave(world.now()):
                settled.save()
                realtime_tick(world, Tick("realtime", subject, slot))
                settled.forget()
            valued = opened // DAY
        yield _moment(settled, opened, notional)
        decide(opened)
    settled.save()


def _begin(world: BacktestWorld, connection: Connection) -> Subject:
    """Store the connection and start its tenant, and with it the engine."""
    world.connections.create(connection)
    command(world, connection.tenant, None, "start", ACTOR, f"backtest-{int(world.now())}")
    return engine_subject(connection.tenant, connection.connection_id)


def _moment(settled: SettledEngine, opened: int, notional: float) -> Moment:
    counts = settled.engine.ladder_counts
    ladder = (counts.get("base", 0), counts.get("main", 0), counts.get("real", 0)) if counts else _NO_SETS
    return Moment(opened, settled.account, notional, ladder)


def _whole_ticks(world: BacktestWorld, connection: Connection, settled: SettledEngine, opened: int) -> None:
    """Run the market tick, the strategy tick with its ladder, and the signal consumer."""
    settled.save()
    feed = feed_subject(connection.feed, connection.timeframe)
    market_tick(world, Tick("market", feed, opened + PHASES["market"], connection.symbols))
    slot = opened + PHASES["strategy"]
    world.clock.move(slot)
    strategy_tick(world, Tick("strategy", settled.engine.subject, slot))
    for batch in world.queue.taken():
        execute_signals(world, batch)
    settled.forget()


class _Votes:
    """Without the ladder a candle's votes are all there is to decide on: they are computed in advance."""

    def __init__(
        self, world: BacktestWorld, connection: Connection, settled: SettledEngine, votes: Iterator[Signalled]
    ) -> None:
        self._world = world
        self._connection = connection
        self._settled = settled
        self._votes = votes
        self._next = next(votes, None)
        self._rows = {symbol: row for row, symbol in enumerate(connection.symbols)}
        # A batch comes once per candle: no cooldown of an earlier one may hold when places are counted.
        self._cooled = connection.risk.cooldown <= connection.timeframe_seconds

    def decide(self, opened: int) -> None:
        """Execute the signals of the candle that closed at `opened`."""
        due = self._next
        if due is None or due.closed > opened:
            return
        self._next = next(self._votes, None)
        slot = opened + PHASES["strategy"]
        self._world.clock.move(slot)
        possible, first = self._with_effect(due.signs)
        if not first:
            self._refused("MAX_POSITIONS", len(possible))
            return
        left = len(possible) - len(first)

        def whole() -> SignalBatch:
            nonlocal left
            left = 0
            return self._batch(due, possible, slot)

        self._settled.execute(self._batch(due, first, slot), whole if left else None)
        self._refused("MAX_POSITIONS", left)

    def _with_effect(self, signs: Signs) -> tuple[Signs, Signs]:
        """Return the signals that are not refused for certain, and those of them that come first.

        Most are refused, and asking costs. Short entries of a spot account, and entries into a position that
        has all of its entries, are counted here. Entries beyond the places that are free need not be made as
        long as those before them take these places: what a batch closes makes room for the next one only.
        """
        connection, positions = self._connection, self._settled.positions
        held = {self._rows[position.symbol]: position for position in positions}
        places = connection.risk.max_positions - len(positions) if self._cooled else len(signs)
        spot = connection.market_type == "spot"
        possible: list[tuple[int, int]] = []
        first: list[tuple[int, int]] = []
        short = complete = 0
        if spot:
            # Most signals are short entries, so they are left out before anything else is asked.
            entered = [signal for signal in signs if signal[1] > 0 or signal[0] in held]
            short = len(signs) - len(entered)
            signs = entered
        for signal in signs:
            row, sign = signal
            position = held.get(row)
            if position is not None and sign == position.sign and self._is_complete(position):
                complete += 1
                continue
            possible.append(signal)
            if position is not None or places > 0:
                first.append(signal)
                places -= position is None
        self._refused("SHORT_NOT_SUPPORTED", short)
        self._refused("POSITION_OPEN", complete)
        return possible, first

    def _is_complete(self, position: Position) -> bool:
        """Tell whether one more entry is refused for nothing but the number of entries so far."""
        long_ago = self._world.now() - position.updated_at > DUPLICATE_SECONDS
        return self._cooled and long_ago and position.entries >= self._connection.scale_in.max_entries

    def _batch(self, due: Signalled, signs: Signs, slot: int) -> SignalBatch:
        connection = self._connection
        tick = Tick("strategy", self._settled.engine.subject, slot)
        made = voted(connection, due.evaluation, due.crossings(signs), self._world.now(), tick.tick_id)
        return SignalBatch(connection.tenant, connection.connection_id, tick.tick_id, made)

    def _refused(self, reason: str, count: int) -> None:
        if count:
            self._world.metrics.count("signals_refused", count, reason=reason)
