"""What an exchange says about a symbol: its trading rules and its latest prices."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Literal

MarketType = Literal["spot", "swap"]


@dataclass(frozen=True, slots=True)
class Market:
    """Trading rules of one symbol; steps and limits in base (amount) and quote (price, cost) units."""

    symbol: str
    base: str
    quote: str
    type: MarketType
    amount_step: Decimal
    price_step: Decimal
    min_amount: Decimal
    min_notional: Decimal
    max_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Ticker:
    """Best bid and ask and last trade of one symbol, with the epoch second they were seen at."""

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    time: float

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step` (quantities: never more than was approved)."""
    return (value / step).to_integral_value(ROUND_DOWN) * step


def round_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Round to the nearest multiple of `step` (prices)."""
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step


def split_symbol(symbol: str) -> tuple[str, str, MarketType]:
    """Return base, quote and market type of a unified symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a swap."""
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return base, quote, "swap" if settle else "spot"
