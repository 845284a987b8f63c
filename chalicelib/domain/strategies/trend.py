"""Trend: follows the side of the fast average over the slow one while the market trends (EMA, ADX)."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Votes, Window, beyond, check_order, check_range, votes_where


@dataclass(frozen=True, slots=True)
class TrendParameters:
    """Periods in bars; `adx_threshold` is the ADX (0 to 100) from which a trend is seen."""

    fast: int = 12
    slow: int = 26
    adx_period: int = 14
    atr_period: int = 14
    adx_threshold: float = 25.0

    def __post_init__(self) -> None:
        check_range("fast", self.fast, 2, 100)
        check_range("slow", self.slow, 3, 200)
        check_order("fast", self.fast, "slow", self.slow)
        check_range("adx_period", self.adx_period, 2, 50)
        check_range("atr_period", self.atr_period, 2, 50)
        check_range("adx_threshold", self.adx_threshold, 5, 60)

    @property
    def warm_up(self) -> int:
        """Bars until the first vote."""
        return max(self.slow, 2 * self.adx_period, self.atr_period + 1)


def vote(window: Window, parameters: TrendParameters) -> Votes:
    """Vote with the distance of both averages in ATR; abstain below the ADX threshold.

    Confidence: 0.5 at the threshold, 1 at an ADX of twice the threshold.
    """
    distance = window.ema(parameters.fast) - window.ema(parameters.slow)
    score = ratio(distance, window.atr(parameters.atr_period))
    adx = window.adx(parameters.adx_period)
    speaks = (adx >= parameters.adx_threshold) & (score != 0.0) & ~np.isnan(score)
    return votes_where(speaks, score, beyond(adx, parameters.adx_threshold))
