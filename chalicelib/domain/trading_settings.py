"""What an owner chooses about risk, size, strategies and ladder: parts of a Connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from chalicelib.domain.stored import sparse

Mode = Literal["paper", "testnet", "live"]
LadderProfile = Literal["source", "prudent"]
SizingMethod = Literal["fixed_fraction", "volatility_target", "kelly"]
ExternalOrders = Literal["show", "cancel"]
ExternalPositions = Literal["show", "adopt"]


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Caps that no entry may pass; None switches a breaker off.

    Ratios of equity: `max_exposure`, `max_symbol_exposure`, `max_position` (notional of one entry), and the
    breakers: `daily_loss` since the first look of the UTC day, `weekly_target` (a gain since that of the
    week, after which nothing more is risked), `max_drawdown` from the highest equity. `cooldown` is in
    seconds per symbol; `price_band` how far an order's price may be from the last one, as a ratio of it.
    """

    max_positions: int = 10
    max_exposure: Decimal = Decimal("1.0")
    max_symbol_exposure: Decimal = Decimal("0.2")
    min_confidence: float = 0.6
    cooldown: float = 20.0
    max_position: Decimal = sparse(Decimal("1.0"))
    max_leverage: int = sparse(5)
    daily_loss: Decimal | None = sparse(Decimal("0.1"))
    weekly_target: Decimal | None = sparse(None)
    max_drawdown: Decimal | None = sparse(Decimal("0.25"))
    orders_per_minute: int = sparse(60)
    price_band: Decimal = sparse(Decimal("0.05"))


@dataclass(frozen=True, slots=True)
class SizingChoice:
    """How much one entry costs, before every limit.

    `fixed_fraction`: the connection's `position_cost`. `volatility_target`: so much that a move of
    `atr_multiple` average true ranges (of `atr_period` candles) costs `risk_per_trade` of equity. `kelly`:
    `kelly_share` of what Kelly's formula says of the last closed positions.
    """

    method: SizingMethod = "fixed_fraction"
    risk_per_trade: Decimal = Decimal("0.01")
    atr_period: int = 14
    atr_multiple: Decimal = Decimal(2)
    kelly_share: Decimal = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class ScaleIn:
    """Adding to an open position: how many entries it may have in all, and how much worse the price must be.

    `step` is the least distance from the average entry price, as a ratio of it, against the position.
    """

    max_entries: int = 1
    step: Decimal = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """One strategy of the selection: its weight in the vote and the parameters that differ from defaults."""

    weight: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LadderChoice:
    """Whether the ladder runs, by which bars, and whether signals of other sources may trade (the gate).

    `preset` says which configuration sets compete, in the plain form of `ladder.preset`; None: the default
    ones.
    """

    enabled: bool = True
    profile: LadderProfile = "source"
    gate_open: bool = True
    preset: Mapping[str, Any] | None = sparse(None)


@dataclass(frozen=True, slots=True)
class PaperTerms:
    """What the paper venue assumes: starting cash in quote currency, rates per trade as ratios of price."""

    cash: Decimal = Decimal(10000)
    fee_rate: Decimal = Decimal("0.001")
    spread: Decimal = Decimal("0.0004")
    slippage: Decimal = Decimal("0.0002")

    @property
    def costs(self) -> Decimal:
        """What a trade costs beside its notional, as a ratio of it."""
        return self.fee_rate + self.slippage + self.spread


DEFAULT_STRATEGIES: dict[str, StrategyChoice] = {
    name: StrategyChoice() for name in ("trend", "mean_reversion", "momentum", "breakout", "step")
}
