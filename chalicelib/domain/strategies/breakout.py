"""Breakout: goes along with a close outside the channel of the bars before, if volume confirms it."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Votes, Window, beyond, check_range, votes_where


@dataclass(frozen=True, slots=True)
class BreakoutParameters:
    """Periods in bars; the volume must be `volume_threshold` times its mean of the bars before."""

    channel_period: int = 20
    volume_period: int = 20
    volume_threshold: float = 1.5
    atr_period: int = 14
    excess_threshold: float = 0.25

    def __post_init__(self) -> None:
        check_range("channel_period", self.channel_period, 2, 200)
        check_range("volume_period", self.volume_period, 2, 200)
        check_range("volume_threshold", self.volume_threshold, 0.5, 20)
        check_range("atr_period", self.atr_period, 2, 50)
        check_range("excess_threshold", self.excess_threshold, 0.01, 5)

    @property
    def warm_up(self) -> int:
        """Bars until the first vote."""
        return max(self.channel_period + 1, self.volume_period + 1, self.atr_period + 1)


def vote(window: Window, parameters: BreakoutParameters) -> Votes:
    """Vote with the side the close left the channel on, where volume is over its threshold.

    Score and confidence: mean of how far the volume and the excess over the channel (in ATR) are beyond their
    thresholds.
    """
    before = window.donchian_before(parameters.channel_period)
    above = np.maximum(window.close - before.upper, 0.0)
    excess = above - np.maximum(before.lower - window.close, 0.0)
    relative_volume = window.relative_volume(parameters.volume_period)
    speaks = (excess != 0.0) & ~np.isnan(excess) & (relative_volume >= parameters.volume_threshold)
    reach = np.abs(ratio(excess, window.atr(parameters.atr_period)))
    depth = 0.5 * (
        beyond(relative_volume, parameters.volume_threshold) + beyond(reach, parameters.excess_threshold)
    )
    return votes_where(speaks, np.sign(excess) * depth, depth)
