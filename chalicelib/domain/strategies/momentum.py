"""Momentum: goes along where MACD and rate of change push the same way, beyond the market's own noise."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Votes, Window, beyond, check_order, check_range, votes_where


@dataclass(frozen=True, slots=True)
class MomentumParameters:
    """Periods in bars; thresholds: MACD histogram in ATR, rate of change in standard moves of its period."""

    fast: int = 12
    slow: int = 26
    signal: int = 9
    roc_period: int = 10
    noise_period: int = 60
    atr_period: int = 14
    histogram_threshold: float = 0.2
    roc_threshold: float = 1.5

    def __post_init__(self) -> None:
        check_range("fast", self.fast, 2, 100)
        check_range("slow", self.slow, 3, 200)
        check_order("fast", self.fast, "slow", self.slow)
        check_range("signal", self.signal, 2, 50)
        check_range("roc_period", self.roc_period, 1, 100)
        check_range("noise_period", self.noise_period, 10, 200)
        check_range("atr_period", self.atr_period, 2, 50)
        check_range("histogram_threshold", self.histogram_threshold, 0.01, 5)
        check_range("roc_threshold", self.roc_threshold, 0.1, 10)

    @property
    def warm_up(self) -> int:
        """Bars until the first vote."""
        macd = self.slow + self.signal - 1
        return max(macd, self.roc_period + 1, self.noise_period + 1, self.atr_period + 1)


def vote(window: Window, parameters: MomentumParameters) -> Votes:
    """Vote where the MACD histogram and the rate of change agree and both pass half their threshold.

    Score and confidence: mean of how far both are beyond their thresholds, 0.5 where both are reached. The
    standard move of the rate of change is the realised volatility times the root of its period.
    """
    histogram = window.macd(parameters.fast, parameters.slow, parameters.signal).histogram
    push = ratio(histogram, window.atr(parameters.atr_period))
    noise = window.realised_volatility(parameters.noise_period) * (100.0 * parameters.roc_period**0.5)
    pace = ratio(window.roc(parameters.roc_period), noise)
    push_depth = beyond(np.abs(push), parameters.histogram_threshold)
    pace_depth = beyond(np.abs(pace), parameters.roc_threshold)
    speaks = (push * pace > 0.0) & (np.minimum(push_depth, pace_depth) >= 0.25)
    depth = 0.5 * (push_depth + pace_depth)
    return votes_where(speaks, np.sign(push) * depth, depth)
