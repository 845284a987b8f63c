"""Combines the votes of strategies, lets validators veto, and finds the bars where a signal begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Mask, Votes, Window, check_order, check_range
from chalicelib.errors import Rejected


class Veto(IntFlag):
    """Why a validator vetoed a bar; several may hold at once."""

    NONE = 0
    VOLATILITY = 1
    VOLUME = 2


@dataclass(frozen=True, slots=True)
class ValidatorParameters:
    """Windows in bars; both limits are ratios of the short window to the long one."""

    short: int = 5
    long: int = 60
    max_volatility: float = 4.0
    min_volume: float = 0.25

    def __post_init__(self) -> None:
        check_range("short", self.short, 1, 100)
        check_range("long", self.long, 10, 200)
        check_order("short", self.short, "long", self.long)
        check_range("max_volatility", self.max_volatility, 1, 100)
        check_range("min_volume", self.min_volume, 0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """Votes after the validators, and the vetoes (bits of Veto, `[symbols, bars]`) that silenced them."""

    votes: Votes
    vetoes: NDArray[np.uint8]


def combine(votes: Mapping[str, Votes], weights: Mapping[str, float]) -> Votes:
    """Return one vote per bar: the mean of the scores by weight × confidence, over those that do not abstain.

    Confidence: the mean confidence by weight, times the agreement |Σ w·c·s| / Σ w·c·|s|. Where all abstain
    the score is NaN and the confidence 0. Raises Rejected for a missing or negative weight, or no votes.
    """
    if not votes:
        raise Rejected("no votes to combine: select at least one strategy")
    shape = next(iter(votes.values())).score.shape
    pull, strength, weighted, present = (np.zeros(shape) for _ in range(4))
    for name, vote in votes.items():
        speaks = ~np.isnan(vote.score)
        weight = np.where(speaks, _weight(weights, name), 0.0)
        force = vote.confidence * weight
        moved = np.where(speaks, force * vote.score, 0.0)
        present += weight
        weighted += force
        pull += moved
        strength += np.abs(moved)
    score = np.where(present > 0.0, ratio(pull, weighted), np.nan)
    agreement = ratio(np.abs(pull), strength)
    return Votes(np.clip(score, -1.0, 1.0), np.minimum(ratio(weighted, present) * agreement, 1.0))


def validate(votes: Votes, window: Window, parameters: ValidatorParameters) -> Validated:
    """Set the score to 0 where volatility is extreme or volume has dried up, and say why.

    A validator that is not warm yet does not veto.
    """
    short, long = parameters.short, parameters.long
    wild = window.volatility_ratio(short, long) > parameters.max_volatility
    dry = window.volume_ratio(short, long) < parameters.min_volume
    vetoes = wild * np.uint8(Veto.VOLATILITY) | dry * np.uint8(Veto.VOLUME)
    vetoed = (vetoes != 0) & ~np.isnan(votes.score)
    return Validated(Votes(np.where(vetoed, 0.0, votes.score), votes.confidence), vetoes)


def crossings(votes: Votes, min_confidence: float, traded: Mask) -> NDArray[np.int8]:
    """Return +1 or -1 at the bars where a signal begins, 0 elsewhere, `[symbols, bars]`.

    A bar points up or down by the sign of its score if its confidence is at least `min_confidence`. A signal
    begins at a traded bar that points where the traded bar before it did not. Bars without a candle or
    without volume never begin one, and neither end nor repeat the one before them.
    """
    sure = votes.confidence >= min_confidence
    # Comparisons leave out what abstains: NaN is on neither side of 0.
    points = ((votes.score > 0.0) & sure).view(np.int8) - ((votes.score < 0.0) & sure).view(np.int8)
    before = np.zeros_like(points)
    before[:, 1:] = points[:, :-1]
    halted = np.flatnonzero(~traded.all(axis=1))
    if halted.size:
        before[halted, 1:] = _last_traded(points[halted], traded[halted])[:, :-1]
    begins: NDArray[np.int8] = points * ((points != before) & traded)
    return begins


def _last_traded(points: NDArray[np.int8], traded: Mask) -> NDArray[np.int8]:
    """Carry the direction of the last traded bar over the bars that were not; 0 before the first."""
    last = np.maximum.accumulate(np.where(traded, np.arange(points.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(points * traded, last, axis=1), dtype=np.int8)


def _weight(weights: Mapping[str, float], name: str) -> float:
    weight = weights.get(name)
    if weight is None or not weight >= 0.0:
        raise Rejected(f"weight of strategy {name} must be 0 or more, got {weight}")
    return weight
