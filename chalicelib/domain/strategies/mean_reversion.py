"""Mean reversion: bets on the way back where RSI and Bollinger bands both call the price stretched."""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Votes, Window, beyond, check_range, votes_where


@dataclass(frozen=True, slots=True)
class MeanReversionParameters:
    """Periods in bars; the market is oversold at `50 - rsi_distance`, overbought at `50 + rsi_distance`."""

    rsi_period: int = 14
    rsi_distance: float = 20.0
    bollinger_period: int = 20
    deviations: float = 2.0

    def __post_init__(self) -> None:
        check_range("rsi_period", self.rsi_period, 2, 100)
        check_range("rsi_distance", self.rsi_distance, 5, 45)
        check_range("bollinger_period", self.bollinger_period, 5, 200)
        check_range("deviations", self.deviations, 0.5, 5)

    @property
    def warm_up(self) -> int:
        """Bars until the first vote."""
        return max(self.rsi_period + 1, self.bollinger_period)


def vote(window: Window, parameters: MeanReversionParameters) -> Votes:
    """Vote against a close outside its band whose RSI is beyond its distance from 50; abstain elsewhere.

    Score and confidence: mean of how far RSI and band are passed, 0.5 where both are just reached.
    """
    bands = window.bollinger(parameters.bollinger_period, parameters.deviations)
    stretch = ratio(window.close - bands.middle, bands.upper - bands.middle)
    tilt = window.rsi(parameters.rsi_period) - 50.0
    speaks = (np.abs(tilt) >= parameters.rsi_distance) & (np.abs(stretch) >= 1.0) & (stretch * tilt > 0.0)
    depth = 0.5 * (beyond(np.abs(tilt), parameters.rsi_distance) + beyond(np.abs(stretch), 1.0))
    return votes_where(speaks, -np.sign(stretch) * depth, depth)
