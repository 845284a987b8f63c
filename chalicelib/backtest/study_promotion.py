"""How sets did after their promotion, against those not promoted at that time; for the ladder's study."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.backtest.study_outcome import Outcome
from chalicelib.backtest.study_statistics import Estimate, Floats, block_weights, bootstrapped

_DAY = 86_400
_COUNT, _RETURN, _WINS, _PROFIT, _LOSS = range(5)
_NEVER = np.iinfo(np.int64).max
_NONE = "none promoted"
_NO_PAIR = "no day has trades of both"


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean net return per trade, win rate and profit factor of a group of trades, with intervals."""

    trades: int
    mean_return: Estimate
    win_rate: Estimate
    profit_factor: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """Trades entered after promotion beside those entered on the same days by sets not promoted by then.

    `others` counts each day with as many trades as `promoted` has on it, so that both saw the same market.
    `left_out` are promoted trades of days on which no other set traded. `difference` is that of the mean
    returns.
    """

    sets: int
    days: int
    left_out: int
    promoted: Figures
    others: Figures
    difference: Estimate
    win_rate_difference: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class FirstPromotions:
    """When each set first stood on a level or above, and after how many positions; columns `[sets]`.

    `at` is the largest integer for sets that never did, `closed` is 0 then.
    """

    at: NDArray[np.int64]
    closed: NDArray[np.int64]


def after_promotion(
    outcome: Outcome, level: int, while_on_level: bool, same_direction: bool, random: np.random.Generator
) -> Comparison:
    """Compare trades after the first promotion to `level` with those of sets that had not been there.

    `while_on_level` leaves out what a set trades after it fell again. `same_direction` compares long trades
    with long ones and short with short.
    """
    first = first_promotions(outcome, level)
    trades = outcome.trades
    before = trades.entered < first.at[trades.sets]
    after = ~before
    if while_on_level:
        after &= _levels_at_entry(outcome) >= level
    start = outcome.begins // _DAY
    days = int(max(outcome.ends - 1, outcome.begins) // _DAY - start) + 1
    day = trades.entered // _DAY - start
    stratum = day * 2 + (outcome.direction[trades.sets] > 0 if same_direction else 0)
    chosen, others = (_sums(stratum[mask], trades.net_return[mask], 2 * days) for mask in (after, before))
    paired = (chosen[:, _COUNT] > 0) & (others[:, _COUNT] > 0)
    weight = np.divide(chosen[:, _COUNT], others[:, _COUNT], out=np.zeros(2 * days), where=paired)
    used = np.where(paired[:, None], chosen, 0.0)
    sums = np.hstack((_daily(used), _daily(others * weight[:, None])))
    return _comparison(
        sums,
        sets=len(np.unique(trades.sets[after])),
        other_trades=int(others[paired, _COUNT].sum()),
        left_out=int(chosen[~paired, _COUNT].sum()),
        weights=block_weights(days, random),
    )


def first_promotions(outcome: Outcome, level: int) -> FirstPromotions:
    """Return when each set first stood on `level` or above."""
    changes = outcome.changes
    rows = np.flatnonzero(changes.after >= level)
    rows = rows[np.lexsort((changes.at[rows], changes.sets[rows]))]
    sets, first = np.unique(changes.sets[rows], return_index=True)
    found = FirstPromotions(np.full(outcome.sets, _NEVER), np.zeros(outcome.sets, dtype=np.int64))
    found.at[sets], found.closed[sets] = changes.at[rows[first]], changes.closed[rows[first]]
    return found


def _levels_at_entry(outcome: Outcome) -> NDArray[np.int8]:
    """Return on which level the set of each trade stood when it entered: a change at that moment counts."""
    changes, trades = outcome.changes, outcome.trades
    span = outcome.ends + 1
    order = np.lexsort((changes.at, changes.sets))
    keys = changes.sets[order] * span + changes.at[order]
    place = np.searchsorted(keys, trades.sets * span + trades.entered, side="right") - 1
    known = place >= 0
    level = np.zeros(len(trades.sets), dtype=np.int8)
    row = order[place[known]]
    same = changes.sets[row] == trades.sets[known]
    level[known] = np.where(same, changes.after[row], 0)
    return level


def _sums(stratum: NDArray[np.int64], returns: Floats, strata: int) -> Floats:
    """Return count, return, wins, gross profit and gross loss per stratum, `[strata, 5]`."""
    columns = (None, returns, returns > 0, np.maximum(returns, 0.0), np.maximum(-returns, 0.0))
    return np.column_stack([np.bincount(stratum, column, strata) for column in columns])


def _daily(strata: Floats) -> Floats:
    daily: Floats = strata.reshape(-1, 2, strata.shape[1]).sum(axis=1)
    return daily


def _comparison(sums: Floats, sets: int, other_trades: int, left_out: int, weights: Floats) -> Comparison:
    reason = _NO_PAIR if left_out else _NONE

    def ratio(numerator: int, denominator: int) -> Estimate:
        return bootstrapped(
            lambda totals: _divided(totals[:, numerator], totals[:, denominator]), sums, weights, reason
        )

    def difference(column: int) -> Estimate:
        return bootstrapped(
            lambda totals: _divided(totals[:, column] - totals[:, 5 + column], totals[:, _COUNT]),
            sums,
            weights,
            reason,
        )

    def figures(start: int, trades: int) -> Figures:
        return Figures(
            trades,
            ratio(start + _RETURN, start + _COUNT),
            ratio(start + _WINS, start + _COUNT),
            ratio(start + _PROFIT, start + _LOSS),
        )

    return Comparison(
        sets=sets,
        days=int(np.count_nonzero(sums[:, _COUNT])),
        left_out=left_out,
        promoted=figures(0, int(sums[:, _COUNT].sum())),
        others=figures(5, other_trades),
        difference=difference(_RETURN),
        win_rate_difference=difference(_WINS),
    )


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    undefined = np.full(len(numerator), np.nan)
    ratios: Floats = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return ratios
