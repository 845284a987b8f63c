"""A connection: one account at one exchange, with everything its engine needs to know."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from chalicelib.domain.cadence import DEFAULT_INTERVALS, PER_CANDLE, SHORTEST_INTERVAL, TickKind, raised
from chalicelib.domain.engine import PUBLIC_TENANT
from chalicelib.domain.market import MarketType, split_symbol
from chalicelib.domain.signal import ExitProfile
from chalicelib.domain.stored import Stored
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import Rejected

Mode = Literal["paper", "testnet", "live"]
LadderProfile = Literal["source", "prudent"]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{2,10}(:[A-Z0-9]{2,10})?")
MAX_SYMBOLS = 200


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Caps that no signal may pass; exposures as ratios of equity, `cooldown` in seconds per symbol."""

    max_positions: int = 10
    max_exposure: Decimal = Decimal("1.0")
    max_symbol_exposure: Decimal = Decimal("0.2")
    min_confidence: float = 0.6
    cooldown: float = 20.0


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """One strategy of the selection: its weight in the vote and the parameters that differ from defaults."""

    weight: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LadderChoice:
    """Whether the ladder runs, by which bars, and whether signals of other sources may trade (the gate)."""

    enabled: bool = True
    profile: LadderProfile = "source"
    gate_open: bool = True


@dataclass(frozen=True, slots=True)
class PaperTerms:
    """What the paper venue assumes: starting cash in quote currency, rates per trade as ratios of price."""

    cash: Decimal = Decimal(10000)
    fee_rate: Decimal = Decimal("0.001")
    spread: Decimal = Decimal("0.0004")
    slippage: Decimal = Decimal("0.0002")


DEFAULT_STRATEGIES: dict[str, StrategyChoice] = {
    name: StrategyChoice() for name in ("trend", "mean_reversion", "momentum", "breakout", "step")
}


@dataclass(frozen=True, slots=True)
class Connection(Stored):
    """One account at one exchange. `position_cost` is the share of equity that one entry costs."""

    connection_id: str
    exchange: str
    symbols: tuple[str, ...]
    tenant: str = "default"
    name: str = ""
    mode: Mode = "paper"
    market_type: MarketType = "spot"
    timeframe: str = "5m"
    intervals: Mapping[TickKind, int] = field(default_factory=lambda: dict(DEFAULT_INTERVALS))
    strategies: Mapping[str, StrategyChoice] = field(default_factory=lambda: dict(DEFAULT_STRATEGIES))
    risk: RiskLimits = field(default_factory=RiskLimits)
    exits: ExitProfile = field(default_factory=ExitProfile)
    ladder: LadderChoice = field(default_factory=LadderChoice)
    paper: PaperTerms = field(default_factory=PaperTerms)
    position_cost: Decimal = Decimal("0.1")
    freeze_exits: bool = False
    cancel_orders_on_stop: bool = True
    enabled: bool = True
    created_at: float = 0.0
    revision: int = 0

    @property
    def timeframe_seconds(self) -> int:
        return timeframe_seconds(self.timeframe)


def validate(connection: Connection) -> Connection:
    """Return the connection with its intervals complete; Rejected names what is wrong and what is allowed."""
    checks: tuple[tuple[bool, str], ...] = (
        (bool(_ID.fullmatch(connection.connection_id)), "connection_id must be 1 to 40 of a-z, 0-9 and -"),
        (bool(_ID.fullmatch(connection.tenant)), "tenant must be 1 to 40 of a-z, 0-9 and -"),
        (connection.tenant != PUBLIC_TENANT, f"tenant {PUBLIC_TENANT!r} is reserved for market data"),
        (connection.mode == "paper", f"mode {connection.mode!r} needs an exchange connector; use 'paper'"),
        (0 < len(connection.symbols) <= MAX_SYMBOLS, f"symbols must name 1 to {MAX_SYMBOLS} markets"),
        (len(set(connection.symbols)) == len(connection.symbols), "symbols must not repeat"),
        (len(_quotes(connection)) <= 1, f"symbols must share one quote currency, not {_quotes(connection)}"),
        (bool(connection.strategies), "strategies must name at least one strategy"),
        (connection.risk.max_positions > 0, "risk.max_positions must be above 0"),
        (connection.risk.cooldown >= 0, "risk.cooldown must not be negative"),
        (0 <= connection.risk.min_confidence <= 1, "risk.min_confidence must be between 0 and 1"),
        (connection.risk.max_exposure > 0, "risk.max_exposure must be above 0"),
        (connection.risk.max_symbol_exposure > 0, "risk.max_symbol_exposure must be above 0"),
        (0 < connection.position_cost <= 1, "position_cost must be above 0 and at most 1"),
        (connection.paper.cash > 0, "paper.cash must be above 0"),
        *(
            (0 <= rate < Decimal("0.1"), f"paper.{name} must be at least 0 and below 0.1")
            for name, rate in _rates(connection)
        ),
        *((ratio > 0, f"exits.{name} must be above 0 or null") for name, ratio in _ratios(connection.exits)),
        *(
            (choice.weight > 0, f"strategies.{name}.weight must be above 0")
            for name, choice in connection.strategies.items()
        ),
        *(
            (step >= SHORTEST_INTERVAL, f"intervals.{kind} must be at least {SHORTEST_INTERVAL} s")
            for kind, step in connection.intervals.items()
        ),
    )
    for holds, text in checks:
        if not holds:
            raise Rejected(text)
    for symbol in connection.symbols:
        settled = ":" in symbol
        if not _SYMBOL.fullmatch(symbol) or settled != (connection.market_type == "swap"):
            form = "BTC/USDT:USDT" if connection.market_type == "swap" else "BTC/USDT"
            raise Rejected(f"symbol {symbol!r} is not a {connection.market_type} symbol such as {form}")
    _ = connection.timeframe_seconds
    return connection


def complete_intervals(intervals: Mapping[TickKind, int]) -> dict[TickKind, int]:
    """Return the intervals with defaults for those that are not named."""
    return {**DEFAULT_INTERVALS, **intervals}


def beat_intervals(connection: Connection, shortest: int) -> dict[TickKind, int]:
    """Return how far apart the successes of each tick kind may be: not less than a candle for some."""
    intervals = raised(complete_intervals(connection.intervals), shortest)
    candle = connection.timeframe_seconds
    return {kind: max(step, candle) if kind in PER_CANDLE else step for kind, step in intervals.items()}


def _quotes(connection: Connection) -> list[str]:
    return sorted({split_symbol(symbol)[1] for symbol in connection.symbols})


def _rates(connection: Connection) -> tuple[tuple[str, Decimal], ...]:
    paper = connection.paper
    return ("fee_rate", paper.fee_rate), ("spread", paper.spread), ("slippage", paper.slippage)


def _ratios(exits: ExitProfile) -> tuple[tuple[str, Decimal | int], ...]:
    named = {
        "take_profit": exits.take_profit,
        "stop_loss": exits.stop_loss,
        "trailing_distance": exits.trailing_distance,
        "trailing_activation": exits.trailing_activation,
        "time_limit": exits.time_limit,
    }
    return tuple((name, ratio) for name, ratio in named.items() if ratio is not None)
