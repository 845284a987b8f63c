"""How risky an entry is now: from the breakers' use and the market's volatility to a factor of its size."""

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, get_args

RiskLevel = Literal["LOW", "MEDIUM", "HIGH", "EXTREME"]
LEVELS: tuple[RiskLevel, ...] = get_args(RiskLevel)

FACTORS: Mapping[RiskLevel, Decimal] = {
    "LOW": Decimal(1),
    "MEDIUM": Decimal("0.75"),
    "HIGH": Decimal("0.5"),
    "EXTREME": Decimal(0),
}
"""What is left of an entry's size; at EXTREME nothing is entered."""

USE_STEPS = (Decimal("0.5"), Decimal("0.75"), Decimal(1))
"""From which use of a loss breaker on the level is MEDIUM, HIGH and EXTREME."""

VOLATILITY_STEPS = (Decimal("0.02"), Decimal("0.04"), Decimal("0.08"))
"""The same for the average true range of a candle, as a ratio of the price."""

LOSSES = ("DAILY_LOSS", "MAX_DRAWDOWN")


def risk_level(used: Mapping[str, Decimal], volatility: Decimal | None) -> RiskLevel:
    """Return the worst level of all that is known.

    `used` is the used part of each breaker's limit (`breakers.usage`), `volatility` the average true range as
    a ratio of the price.
    """
    places = [_place(used[name], USE_STEPS) for name in LOSSES if name in used]
    if volatility is not None:
        places.append(_place(volatility, VOLATILITY_STEPS))
    return LEVELS[max(places, default=0)]


def _place(value: Decimal, steps: tuple[Decimal, ...]) -> int:
    return bisect_right(steps, value)
