"""Lets sets compete in a ladder over recorded candles and keeps what they did; for the ladder's study."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chalicelib.backtest.study_placebo import Contest
from chalicelib.domain.candles import Candles, Floats, between
from chalicelib.domain.ladder import LevelRules, Terms, advance, build_ladder, empty_state
from chalicelib.domain.ladder.sets import Rows

CHUNK_BARS = 512
"""Candles that the kernel gets at a time: bounds its working memory, and changes nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class TradeColumns:
    """Closed paper trades, columns `[trades]`: set, entry (epoch second), return net of all costs."""

    sets: Rows
    entered: Rows
    net_return: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ChangeColumns:
    """Promotions and demotions, columns `[changes]`.

    Set, when its candle closed (epoch second), positions closed by then, level before and after.
    """

    sets: Rows
    at: Rows
    closed: Rows
    before: NDArray[np.int8]
    after: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What contests came to between two moments.

    `closed` positions, row of the symbol, when its first candle opened (`listed`), seconds of its candles
    (`recorded`), `direction` and `level` in the end are columns `[sets]`.
    """

    begins: int
    ends: int
    closed: Rows
    symbol: Rows
    listed: Rows
    recorded: Rows
    direction: NDArray[np.int8]
    level: NDArray[np.int8]
    trades: TradeColumns
    changes: ChangeColumns

    @property
    def sets(self) -> int:
        return len(self.closed)


def compete(contest: Contest, candles: Candles, terms: Terms, rules: LevelRules) -> Outcome:
    """Run one contest over all candles, from an empty ladder."""
    ladder = build_ladder(contest.sets, terms, rules)
    state = empty_state(ladder)
    trades: list[TradeColumns] = []
    changes: list[ChangeColumns] = []
    edges = [*range(0, candles.bars, CHUNK_BARS), candles.bars]
    for first, last in pairwise(edges):
        start = int(candles.open_time[first])
        chunk = between(candles, start, start + (last - first) * candles.timeframe)
        result = advance(ladder, state, chunk, contest.signals[:, :, first:last])
        closed, moved = result.trades, result.changes
        trades.append(TradeColumns(closed.sets, closed.entered, closed.net_return))
        changes.append(ChangeColumns(moved.sets, moved.at, moved.evidence.closed, moved.before, moved.after))
    there = ~np.isnan(candles.close)
    return Outcome(
        int(candles.open_time[0]),
        candles.closed_until,
        state.closed.copy(),
        contest.sets.symbol,
        candles.open_time[there.argmax(axis=1)][contest.sets.symbol],
        there.sum(axis=1)[contest.sets.symbol] * candles.timeframe,
        contest.sets.direction,
        state.level.copy(),
        _joined_trades(trades),
        _joined_changes(changes),
    )


def together(outcomes: list[Outcome]) -> Outcome:
    """Join the outcomes of contests over the same candles; their sets are numbered one after the other."""
    offsets = np.cumsum([0, *(outcome.sets for outcome in outcomes)]).tolist()
    pairs = list(zip(offsets, outcomes, strict=False))
    trades = [
        TradeColumns(o.trades.sets + offset, o.trades.entered, o.trades.net_return) for offset, o in pairs
    ]
    changes = [
        ChangeColumns(
            o.changes.sets + offset, o.changes.at, o.changes.closed, o.changes.before, o.changes.after
        )
        for offset, o in pairs
    ]
    return Outcome(
        outcomes[0].begins,
        outcomes[0].ends,
        np.concatenate([outcome.closed for outcome in outcomes]),
        np.concatenate([outcome.symbol for outcome in outcomes]),
        np.concatenate([outcome.listed for outcome in outcomes]),
        np.concatenate([outcome.recorded for outcome in outcomes]),
        np.concatenate([outcome.direction for outcome in outcomes]),
        np.concatenate([outcome.level for outcome in outcomes]),
        _joined_trades(trades),
        _joined_changes(changes),
    )


def _joined_trades(parts: list[TradeColumns]) -> TradeColumns:
    none = TradeColumns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    parts = [none, *parts]
    return TradeColumns(
        np.concatenate([part.sets for part in parts]),
        np.concatenate([part.entered for part in parts]),
        np.concatenate([part.net_return for part in parts]),
    )


def _joined_changes(parts: list[ChangeColumns]) -> ChangeColumns:
    numbers, levels = np.empty(0, np.int64), np.empty(0, np.int8)
    none = ChangeColumns(numbers, numbers, numbers, levels, levels)
    parts = [none, *parts]
    return ChangeColumns(
        np.concatenate([part.sets for part in parts]),
        np.concatenate([part.at for part in parts]),
        np.concatenate([part.closed for part in parts]),
        np.concatenate([part.before for part in parts]),
        np.concatenate([part.after for part in parts]),
    )
