"""One candle for all configuration sets at once: entries, exits, statistics, levels.

Called per closed candle by the strategy tick, and over history by warm start and backtest. Prices of short
sets are negated on the way in, so that one set of rules (those of a long position) serves both directions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles
from chalicelib.domain.exits import ExitReason
from chalicelib.domain.ladder.levels import LevelChanges, change_levels, due_for_drawdown
from chalicelib.domain.ladder.rules import Floats, Ladder, Terms
from chalicelib.domain.ladder.sets import Rows
from chalicelib.domain.ladder.state import FLAT, LEAVING, OPEN, WAITING, LadderState, empty_state
from chalicelib.domain.ladder.statistics import record
from chalicelib.errors import UsageError

Signs = NDArray[np.int8]

EXIT_REASONS = (
    ExitReason.TIME_LIMIT,
    ExitReason.SIGNAL_REVERSAL,
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
    ExitReason.TAKE_PROFIT,
)
_TIME_LIMIT, _SIGNAL_REVERSAL, _STOP_LOSS, _TRAILING_STOP, _TAKE_PROFIT = range(len(EXIT_REASONS))


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed candle of every symbol, `[symbols]`, NaN where missing; `open_time` in epoch seconds."""

    open_time: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Entries:
    """Sets that entered in one candle, and at which price."""

    sets: Rows
    price: Floats


@dataclass(frozen=True, slots=True)
class Trades:
    """Positions closed in one candle; `entered` is when the entry candle opened, `reason` in EXIT_REASONS.

    Prices are the market's; costs are in `net_return` alone.
    """

    sets: Rows
    entered: Rows
    entry: Floats
    exit: Floats
    net_return: Floats
    reason: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one candle did; `wanted` are the sets that will enter at the next open (see `levels.mirrored`)."""

    state: LadderState
    closed_at: int
    entries: Entries
    trades: Trades
    changes: LevelChanges
    wanted: Rows


@dataclass(frozen=True, slots=True)
class _Quotes:
    """A bar as every `market` row sees it: prices times direction, `[2 * symbols]`."""

    open_time: int
    present: NDArray[np.bool_]
    complete: bool
    open: Floats
    favourable: Floats
    adverse: Floats


def step(ladder: Ladder, state: LadderState, bar: Bar, signals: Signs) -> StepResult:
    """Take the ladder over one closed candle. Changes the columns of `state` in place and returns it.

    `signals` is `[strategies, symbols]`: +1 long, -1 short, 0 none, decided at this bar's close; those on a
    missing or zero-volume candle are not counted. Raises UsageError, with the state untouched, if a shape is
    wrong or the bar is not the next one of the grid.
    """
    _check(ladder, state, bar, signals)
    quotes = _quotes(bar)
    closed_at = bar.open_time + ladder.sets.timeframe
    entries = _enter(ladder, state, quotes)
    trades = _leave(ladder, state, quotes)
    record(state, trades.sets, trades.net_return, closed_at)
    due = due_for_drawdown(state)
    due[trades.sets] = True
    changes = change_levels(ladder.rules, state, np.flatnonzero(due), closed_at)
    wanted = _decide(ladder, state, bar, signals)
    state.closed_until = closed_at
    return StepResult(state, closed_at, entries, trades, changes, wanted)


def advance(ladder: Ladder, state: LadderState, candles: Candles, signals: Signs) -> Iterator[StepResult]:
    """Step over those of `candles` that close after the state, in place, yielding after each.

    `signals` is `[strategies, symbols, bars]` on the grid of `candles`, whose symbols must be the ladder's.
    """
    if candles.symbols != ladder.sets.symbols or candles.timeframe != ladder.sets.timeframe:
        raise UsageError("candles of other symbols or of another timeframe than the ladder's")
    if signals.shape != (len(ladder.sets.strategies), len(candles.symbols), candles.bars):
        raise UsageError(f"signals of shape {signals.shape} do not fit the ladder and its candles")
    first = int(np.searchsorted(candles.open_time, state.closed_until))
    for column in range(first, candles.bars):
        bar = Bar(
            int(candles.open_time[column]),
            candles.open[:, column],
            candles.high[:, column],
            candles.low[:, column],
            candles.close[:, column],
            candles.volume[:, column],
        )
        yield step(ladder, state, bar, signals[:, :, column])


def warm_start(ladder: Ladder, candles: Candles, signals: Signs) -> LadderState:
    """Return the state after all candles, from the beginning."""
    state = empty_state(ladder)
    for result in advance(ladder, state, candles, signals):
        state = result.state
    return state


def net_return(direction: Floats, entry: Floats, leave: Floats, terms: Terms) -> Floats:
    """Return the profit of positions as a ratio of their entry notional, net of slippage and fees.

    Both market prices are worsened by the slippage s (bought higher, sold lower), the fee is paid on the
    notional of each side: `d (x / e - 1) - fee (1 + x / e)`, `e = entry (1 + d s)`, `x = leave (1 - d s)`.
    """
    ratio = leave * (1.0 - direction * terms.slippage) / (entry * (1.0 + direction * terms.slippage))
    return direction * (ratio - 1.0) - terms.fee_rate * (1.0 + ratio)


def _check(ladder: Ladder, state: LadderState, bar: Bar, signals: Signs) -> None:
    symbols = len(ladder.sets.symbols)
    if signals.shape != (len(ladder.sets.strategies), symbols):
        raise UsageError(f"signals of shape {signals.shape} do not fit the ladder's strategies and symbols")
    if any(len(column) != symbols for column in (bar.open, bar.high, bar.low, bar.close, bar.volume)):
        raise UsageError(f"a bar must hold one candle for each of the {symbols} symbols of the ladder")
    if state.closed_until and bar.open_time != state.closed_until:
        raise UsageError(f"the ladder needs the bar that opens at {state.closed_until}, not {bar.open_time}")


def _quotes(bar: Bar) -> _Quotes:
    present = ~np.isnan(bar.open + bar.high + bar.low + bar.close)
    return _Quotes(
        open_time=bar.open_time,
        present=np.concatenate((present, present)),
        complete=bool(present.all()),
        open=np.concatenate((bar.open, -bar.open)),
        favourable=np.concatenate((bar.high, -bar.low)),
        adverse=np.concatenate((bar.low, -bar.high)),
    )


def _existing(ladder: Ladder, rows: Rows, quotes: _Quotes) -> Rows:
    return rows if quotes.complete else rows[quotes.present[ladder.market[rows]]]


def _enter(ladder: Ladder, state: LadderState, quotes: _Quotes) -> Entries:
    rows = _existing(ladder, np.flatnonzero(state.status == WAITING), quotes)
    price = np.abs(quotes.open[ladder.market[rows]])
    state.status[rows] = OPEN
    state.entry[rows] = price
    state.best[rows] = price
    state.entered[rows] = quotes.open_time
    return Entries(rows, price)


def _leave(ladder: Ladder, state: LadderState, quotes: _Quotes) -> Trades:
    """Close what this candle closes and carry the best price of the rest on.

    What was decided before the candle leaves at its open, and so does a position whose stop or target the
    open has passed; then the stop counts before the target, each at its level.
    """
    rows = _existing(ladder, np.flatnonzero(state.status >= OPEN), quotes)
    market, direction = ladder.market[rows], ladder.direction[rows]
    opened, adverse, favourable = quotes.open[market], quotes.adverse[market], quotes.favourable[market]
    entry, best = direction * state.entry[rows], direction * state.best[rows]
    target, stop = entry * ladder.target_factor[rows], entry * ladder.stop_factor[rows]
    trail = best - ladder.trailing_distance[rows] * np.abs(entry)
    trail[best < entry * ladder.activation_factor[rows]] = np.nan
    guard = np.fmax(stop, trail)
    limit = ladder.time_limit[rows]
    timed = (limit > 0) & (quotes.open_time - state.entered[rows] >= limit)
    leaving = state.status[rows] == LEAVING
    at_open = timed | leaving | (opened <= guard) | (opened >= target)
    stopped = adverse <= guard
    state.best[rows] = direction * np.maximum(best, favourable)

    closing = np.flatnonzero(at_open | stopped | (favourable >= target))
    opened, stopped, target, guard = opened[closing], stopped[closing], target[closing], guard[closing]
    price = np.abs(np.where(at_open[closing], opened, np.where(stopped, guard, target)))
    gained = (opened >= target) | ~stopped
    reason = np.select(
        (timed[closing], leaving[closing], gained, stop[closing] >= guard),
        (_TIME_LIMIT, _SIGNAL_REVERSAL, _TAKE_PROFIT, _STOP_LOSS),
        _TRAILING_STOP,
    )
    return _close(ladder, state, rows[closing], price, reason.astype(np.int8))


def _close(ladder: Ladder, state: LadderState, rows: Rows, price: Floats, reason: NDArray[np.int8]) -> Trades:
    entry = state.entry[rows]
    gain = net_return(ladder.direction[rows], entry, price, ladder.terms)
    state.status[rows] = FLAT
    state.entry[rows] = 0.0
    state.best[rows] = 0.0
    return Trades(rows, state.entered[rows], entry, price, gain, reason)


def _decide(ladder: Ladder, state: LadderState, bar: Bar, signals: Signs) -> Rows:
    """Let flat sets with a signal wait for the next candle, and open ones with the opposite signal leave."""
    counted = ~np.isnan(bar.open + bar.high + bar.low + bar.close) & (bar.volume > 0)
    sign = np.where(counted, signals, 0).astype(np.int8).ravel()[ladder.signal]
    wanted = np.flatnonzero((state.status == FLAT) & (sign == ladder.sets.direction))
    reversed_ = (state.status == OPEN) & (sign == -ladder.sets.direction)
    state.status[wanted] = WAITING
    state.status[reversed_] = LEAVING
    return wanted
