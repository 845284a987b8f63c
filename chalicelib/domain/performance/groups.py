"""Trades broken down by symbol, strategy and exit reason; used by the backtest's report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.performance.inputs import ClosedTrades, Flags
from chalicelib.domain.performance.measure import Measure
from chalicelib.domain.performance.trade_statistics import NO_TRADES, average, profit_factor, win_rate


@dataclass(frozen=True, slots=True)
class Group:
    """Statistics of the trades of one symbol, strategy or exit reason; `profit` in quote currency."""

    name: str
    trades: int
    profit: float
    win_rate: Measure
    profit_factor: Measure
    average_return: Measure
    average_seconds: Measure


def grouped(trades: ClosedTrades, labels: Sequence[str]) -> tuple[Group, ...]:
    """Return a group per label (`labels` has one per trade), most profitable first, equal ones by name."""
    column = np.array(labels, dtype=object)
    groups = [_group(trades, name, column == name) for name in set(labels)]
    return tuple(sorted(groups, key=lambda group: (-group.profit, group.name)))


def breakdowns(trades: ClosedTrades) -> dict[str, tuple[Group, ...]]:
    """Return the groups of the trades by `symbol`, `strategy` and `exit_reason`."""
    return {
        "symbol": grouped(trades, trades.symbol),
        "strategy": grouped(trades, trades.strategy),
        "exit_reason": grouped(trades, trades.exit_reason),
    }


def _group(trades: ClosedTrades, name: str, chosen: Flags) -> Group:
    profit = trades.profit[chosen]
    return Group(
        name=name,
        trades=len(profit),
        profit=float(np.sum(profit)),
        win_rate=win_rate(profit),
        profit_factor=profit_factor(profit),
        average_return=average(trades.net_return[chosen], NO_TRADES),
        average_seconds=average((trades.closed_at - trades.opened_at)[chosen], NO_TRADES),
    )
