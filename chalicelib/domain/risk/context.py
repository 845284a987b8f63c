"""What an entry is judged by, and what a check found."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.breakers import Breakers, usage
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Kill
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.position import Position
from chalicelib.domain.risk.level import RiskLevel, risk_level
from chalicelib.domain.signal import Signal
from chalicelib.domain.sizing import NO_EVIDENCE, SizingEvidence


@dataclass(frozen=True, slots=True)
class EntryContext:
    """Everything an entry is judged by. None for money, prices or times means that they could not be had.

    `positions` are those open or opening, with what earlier signals reserved; `earlier` these signals.
    `last_traded` is the epoch second at which the symbol was last traded, `candle_time` the close of the last
    known candle (0: none). `equity` and `free` are money in quote currency; `breakers` are as of this moment.
    `clock_skew` is in seconds; `sent_orders` counts those of the last minute. `tier_positions` and
    `tier_factor` are what the tenant's tier allows. `quantity` is the size to be judged.
    """

    now: float
    signal: Signal
    connection: Connection
    coordinator: Status
    engine: Status
    positions: tuple[Position, ...]
    last_traded: float
    market: Market | None = None
    ticker: Ticker | None = None
    equity: Decimal | None = None
    free: Decimal | None = None
    quantity: Decimal = Decimal(0)
    kill: Kill | None = None
    breakers: Breakers | None = None
    candle_time: int = 0
    clock_skew: float | None = None
    sent_orders: int = 0
    earlier: tuple[Signal, ...] = ()
    evidence: SizingEvidence = NO_EVIDENCE
    tier_positions: int | None = None
    tier_factor: Decimal = Decimal(1)

    @property
    def price(self) -> Decimal | None:
        """Price at which a market order would fill: the ask for a buyer, the bid for a seller."""
        if self.ticker is None:
            return None
        return self.ticker.ask if self.signal.direction == "long" else self.ticker.bid

    @property
    def notional(self) -> Decimal | None:
        price = self.price
        return None if price is None else self.quantity * price

    @property
    def held(self) -> Position | None:
        """The position that an entry would add to: of its symbol, in hedge mode also of its direction."""
        signal = self.signal
        hedge = self.connection.position_mode == "hedge"
        for position in self.positions:
            if position.symbol == signal.symbol and (not hedge or position.direction == signal.direction):
                return position
        return None

    @property
    def level(self) -> RiskLevel:
        """How risky an entry is now, from what is known."""
        used = {}
        if self.breakers is not None and self.equity is not None:
            used = usage(self.breakers, self.equity, self.connection.risk)
        atr, price = self.evidence.atr, self.price
        return risk_level(used, atr / price if atr is not None and price else None)


Check = Callable[[EntryContext], str | None]
"""Returns None if it holds, else what it saw and its limit, in a few characters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that does not hold: its stable code, and what it saw."""

    code: str
    detail: str

    @property
    def text(self) -> str:
        return f"{self.code} {self.detail}".rstrip()
