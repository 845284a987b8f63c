"""Statistics of closed trades: how often, how much, how regularly they win; used by summary and groups.

A trade wins with a profit above 0 and loses with one below; one of exactly 0 is a draw and neither.
"""

import math

import numpy as np

from chalicelib.domain.performance.inputs import ClosedTrades, Flags, Floats, Integers
from chalicelib.domain.performance.measure import Measure, divided, measured, undefined
from chalicelib.domain.performance.returns import deviation

NO_TRADES = "no closed trades"
NO_WINS = "no winning trade"
NO_LOSSES = "no losing trade"
_ROUNDING = 1e-12  # of the largest profit: what differs by less is rounding


def win_rate(profit: Floats) -> Measure:
    """Return winning trades / all trades, draws among them (as in freqtrade, LEAN, backtesting.py)."""
    return divided(float(np.count_nonzero(profit > 0)), float(len(profit)), NO_TRADES)


def profit_factor(profit: Floats) -> Measure:
    """Return the sum of the winning trades / the sum of the losing ones (freqtrade, LEAN)."""
    if not len(profit):
        return undefined(NO_TRADES)
    return divided(float(profit[profit > 0].sum()), -float(profit[profit < 0].sum()), NO_LOSSES)


def payoff_ratio(profit: Floats) -> Measure:
    """Return the average winning / the average losing trade (LEAN `ProfitLossRatio`)."""
    if not len(profit):
        return undefined(NO_TRADES)
    won, lost = average(profit[profit > 0], NO_WINS), average(profit[profit < 0], NO_LOSSES)
    if won.value is None or lost.value is None:
        return won if won.value is None else lost
    return measured(won.value / -lost.value)


def expectancy(profit: Floats) -> Measure:
    """Return the average profit of a trade in quote currency.

    The same as win rate x average win - loss rate x average loss (freqtrade; LEAN `AverageProfitLoss`).
    """
    return average(profit, NO_TRADES)


def expectancy_ratio(profit: Floats) -> Measure:
    """Return the expectancy / the average losing trade: what a trade earns per unit risked.

    Tharp, Trade Your Way to Financial Freedom; freqtrade, where no trade is a draw.
    """
    if not len(profit):
        return undefined(NO_TRADES)
    lost = average(profit[profit < 0], NO_LOSSES)
    return lost if lost.value is None else measured(float(np.mean(profit)) / -lost.value)


def system_quality(profit: Floats, ddof: int = 1) -> Measure:
    """Return sqrt(trades) x mean / standard deviation of the profits, the system quality number (SQN).

    Tharp, Definitive Guide to Position Sizing, whose units of risk are profits here; as in backtesting.py.
    """
    if len(profit) <= ddof:
        return undefined("fewer than 2 closed trades")
    spread = deviation(profit, ddof, _ROUNDING * float(np.max(np.abs(profit))))
    if spread == 0:
        return undefined("the profits don't vary")
    return measured(math.sqrt(len(profit)) * float(np.mean(profit)) / spread)


def kelly(profit: Floats) -> Measure:
    """Return win rate - (1 - win rate) / payoff ratio, the share of the capital to risk (Kelly, 1956).

    As in backtesting.py. Below 0 means: don't take this bet.
    """
    rate, payoff = win_rate(profit), payoff_ratio(profit)
    if rate.value is None or payoff.value is None:
        return rate if rate.value is None else payoff
    return measured(rate.value - (1.0 - rate.value) / payoff.value)


def longest_streak(hits: Flags) -> int:
    """Return the length of the longest run of True in `hits` `[trades]`."""
    padded = np.concatenate(([False], hits, [False]))
    starts = np.flatnonzero(padded[1:] & ~padded[:-1])
    ends = np.flatnonzero(padded[:-1] & ~padded[1:])
    return int(np.max(ends - starts, initial=0))


def average(values: Floats | Integers, reason: str) -> Measure:
    """Return the mean, undefined for `reason` where there are no values."""
    return measured(float(np.mean(values))) if len(values) else undefined(reason)


def traded_notional(trades: ClosedTrades) -> float:
    """Return the sum of quantity x price over all entries and exits, in quote currency."""
    return float(np.sum(trades.quantity * (trades.entry_price + trades.exit_price)))


def trade_measures(trades: ClosedTrades) -> dict[str, Measure]:
    """Return all statistics that need the trades alone; durations in seconds, profits in quote currency."""
    profit = trades.profit
    seconds = trades.closed_at - trades.opened_at
    won, lost = profit > 0, profit < 0
    counts = {"trades": len(profit), "wins": int(won.sum()), "losses": int(lost.sum())}
    counts["draws"] = counts["trades"] - counts["wins"] - counts["losses"]
    streaks = {"longest_winning_streak": longest_streak(won), "longest_losing_streak": longest_streak(lost)}
    return {
        **{name: Measure(float(count)) for name, count in (counts | streaks).items()},
        "win_rate": win_rate(profit),
        "profit_factor": profit_factor(profit),
        "payoff_ratio": payoff_ratio(profit),
        "expectancy": expectancy(profit),
        "expectancy_ratio": expectancy_ratio(profit),
        "system_quality_number": system_quality(profit),
        "kelly": kelly(profit),
        "average_win": average(profit[won], NO_WINS),
        "average_loss": average(profit[lost], NO_LOSSES),
        "best_trade": measured(float(np.max(profit))) if len(profit) else undefined(NO_TRADES),
        "worst_trade": measured(float(np.min(profit))) if len(profit) else undefined(NO_TRADES),
        "average_trade_return": average(trades.net_return, NO_TRADES),
        "average_trade_seconds": average(seconds, NO_TRADES),
        "average_winning_trade_seconds": average(seconds[won], NO_WINS),
        "average_losing_trade_seconds": average(seconds[lost], NO_LOSSES),
        "fees": measured(float(np.sum(trades.fees))),
    }
