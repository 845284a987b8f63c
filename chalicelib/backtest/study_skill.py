"""Sets with planted skill: random entries, but for a share of those that lose; the ladder's study makes them.

They are its control: a gate that lets no luck pass might be closed to skill as well. Which entries lose is
known by looking ahead, so the size of the skill is known, and everything else is as with placebos.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.backtest.study_findings import Reached, reached
from chalicelib.backtest.study_outcome import ChangeColumns, Outcome, TradeColumns, compete
from chalicelib.backtest.study_placebo import Contest, Generator, Signs, placebo_contest, templates
from chalicelib.backtest.study_promotion import first_promotions
from chalicelib.domain.candles import Candles, Floats
from chalicelib.domain.ladder import LEVEL_RULES, REAL, LevelRules, Terms
from chalicelib.domain.ladder.sets import LONG, SHORT, Rows

AVOIDED = (0.0, 0.5, 0.6, 0.75, 0.9)
"""Shares of losing entries left out: each divides gross loss, so profit factors grow 1 to 10 times."""

PACES = (0, 2, 4, 8)
"""Positions a day, from each up to the next: how fast a set trades decides how fast it can recover."""

_DAY = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Sets of all sizes of skill in one ladder; `size` is the row of AVOIDED, `[sets]`."""

    contest: Contest
    size: Rows


@dataclass(frozen=True, slots=True)
class Skill:
    """One size of planted skill, as all trades of its sets show it; `sharpe` is per trade.

    `profit_factor` is None without a loss.
    """

    avoided: float
    sets: int
    trades: int
    median_closed: float
    mean_return: float
    win_rate: float
    profit_factor: float | None
    sharpe: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How many of the sets that close `least` positions a day, and fewer than the next pace, reached real.

    `judged` closed as many as real demands.
    """

    least: int
    judged: int
    reached: int


@dataclass(frozen=True, slots=True)
class Power:
    """What sets of one size of skill reached under one profile."""

    profile: str
    avoided: float
    reached: tuple[Reached, ...]
    paces: tuple[Pace, ...]


def skilled_contest(
    real: Contest,
    candles: Candles,
    number: int,
    rate: float,
    losing: float,
    terms: Terms,
    random: Generator,
) -> Planted:
    """Return `number` sets, about as many of each size, whose templates are real sets by turns.

    They first trade like placebos. A set of size `a` then loses the signals of each losing trade with the
    probability `a`, and those that came while it held a position: what is left trades exactly as before.
    With `losing`, the share of random entries that lose, it had more signals to begin with, so that about
    `rate` times those of its template are left.
    """
    size = random.permutation(np.resize(np.arange(len(AVOIDED)), number))
    chosen = templates(real, number, random)
    order = np.argsort(chosen, kind="stable")
    size, chosen = size[order], chosen[order]
    avoided = np.array(AVOIDED)[size]
    own = rate / (1 - losing * avoided)
    side = real.sets.direction[chosen][:, None] == (LONG, SHORT)
    contest = placebo_contest(real, candles, chosen, np.where(side, own[:, None], rate), random)
    trades = compete(contest, candles, terms, LEVEL_RULES["source"]).trades
    lost = trades.net_return < 0
    kept = ~lost | (random.random(len(lost)) >= avoided[trades.sets])
    signals = _signals_of(contest, candles, trades.sets[kept], trades.entered[kept])
    return Planted(Contest(contest.sets, signals), size)


def power(
    planted: Planted, outcome: Outcome, profile: str, rules: LevelRules
) -> tuple[tuple[Skill, ...], list[Power]]:
    """Return each size of skill, and how far it came under a profile; sizes without sets are left out."""
    skills, powers = [], []
    for row, part in _by_size(planted, outcome):
        skills.append(_skill(AVOIDED[row], part))
        powers.append(Power(profile, AVOIDED[row], reached(part, rules), _paces(part, rules)))
    return tuple(skills), powers


def _paces(outcome: Outcome, rules: LevelRules) -> tuple[Pace, ...]:
    place = np.digitize(outcome.closed * _DAY / outcome.recorded, PACES) - 1
    judged = outcome.closed >= rules.real.positions
    there = first_promotions(outcome, REAL).at <= outcome.ends
    return tuple(
        Pace(least, int((judged & (place == row)).sum()), int((there & (place == row)).sum()))
        for row, least in enumerate(PACES)
    )


def _signals_of(contest: Contest, candles: Candles, rows: Rows, entered: Rows) -> Signs:
    """Return signals that lead to these entries alone; those that end a position stay as they are."""
    sets, bars = contest.sets, candles.bars
    direction = np.zeros(contest.signals.shape[:2], dtype=np.int8)
    direction[sets.strategy, sets.symbol] = sets.direction
    signals: Signs = np.where(contest.signals == direction[:, :, None], np.int8(0), contest.signals)
    there = np.where(np.isnan(candles.close), -1, np.arange(bars))
    last = np.maximum.accumulate(there, axis=1)
    bar = (entered - int(candles.open_time[0])) // candles.timeframe
    # An entry is at the first open after its signal, so the signal is on the last candle before it.
    place = sets.strategy[rows], sets.symbol[rows], last[sets.symbol[rows], bar - 1]
    signals[place] = sets.direction[rows]
    return signals


def _by_size(planted: Planted, outcome: Outcome) -> Iterator[tuple[int, Outcome]]:
    for row in np.unique(planted.size).tolist():
        yield row, _of(outcome, planted.size == row)


def _of(outcome: Outcome, chosen: NDArray[np.bool_]) -> Outcome:
    """Return what the chosen sets came to; they are numbered anew."""
    number = np.cumsum(chosen) - 1
    trades, changes = outcome.trades, outcome.changes
    traded, moved = chosen[trades.sets], chosen[changes.sets]
    return Outcome(
        outcome.begins,
        outcome.ends,
        outcome.closed[chosen],
        outcome.symbol[chosen],
        outcome.listed[chosen],
        outcome.recorded[chosen],
        outcome.direction[chosen],
        outcome.level[chosen],
        TradeColumns(number[trades.sets[traded]], trades.entered[traded], trades.net_return[traded]),
        ChangeColumns(
            number[changes.sets[moved]],
            changes.at[moved],
            changes.closed[moved],
            changes.before[moved],
            changes.after[moved],
        ),
    )


def _skill(avoided: float, outcome: Outcome) -> Skill:
    returns: Floats = outcome.trades.net_return
    gains, losses = float(returns[returns > 0].sum()), float(-returns[returns < 0].sum())
    spread = float(returns.std()) if len(returns) else 0.0
    return Skill(
        avoided=avoided,
        sets=outcome.sets,
        trades=len(returns),
        median_closed=float(np.median(outcome.closed)),
        mean_return=float(returns.mean()) if len(returns) else 0.0,
        win_rate=float((returns > 0).mean()) if len(returns) else 0.0,
        profit_factor=gains / losses if losses else None,
        sharpe=float(returns.mean()) / spread if spread else 0.0,
    )
