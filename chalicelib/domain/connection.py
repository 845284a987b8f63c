"""A connection: one account at one exchange, with everything its engine needs to know."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.domain.cadence import DEFAULT_INTERVALS, SHORTEST_INTERVAL, TickKind
from chalicelib.domain.engine import PUBLIC_TENANT
from chalicelib.domain.market import MarketType, split_symbol
from chalicelib.domain.signal import ExitProfile
from chalicelib.domain.stored import Stored, sparse
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.domain.trading_settings import (
    DEFAULT_STRATEGIES,
    ExternalOrders,
    ExternalPositions,
    LadderChoice,
    LadderProfile,
    Mode,
    PaperTerms,
    RiskLimits,
    ScaleIn,
    SizingChoice,
    StrategyChoice,
)
from chalicelib.domain.venue import MarginMode, PositionMode
from chalicelib.errors import Rejected

__all__ = [
    "DEFAULT_STRATEGIES",
    "Connection",
    "LadderChoice",
    "LadderProfile",
    "Mode",
    "PaperTerms",
    "RiskLimits",
    "ScaleIn",
    "SizingChoice",
    "StrategyChoice",
    "complete_intervals",
    "validate",
    "warnings",
    "with_mode_defaults",
]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{2,10}(:[A-Z0-9]{2,10})?")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
TESTNET = "-testnet"
"""What the name of a testnet's market data ends with."""

MAX_SYMBOLS = 200
LARGEST_LEVERAGE = 125

_BOTH: frozenset[MarketType] = frozenset({"spot", "swap"})
_SWAP: frozenset[MarketType] = frozenset({"swap"})
LIVE_MARKETS: Mapping[str, frozenset[MarketType]] = {
    "binance": _BOTH,
    "bybit": _BOTH,
    "bingx": _SWAP,
    "pionex": _BOTH,
    "orangex": _SWAP,
}
"""Which markets of which exchanges orders can be sent to."""

TESTNET_MARKETS: Mapping[str, frozenset[MarketType]] = {"binance": _BOTH, "bybit": _BOTH, "bingx": _SWAP}
"""Which of them the exchange also offers with play money; the others have no testnet."""

LOSING_PROFILES: frozenset[LadderProfile] = frozenset({"source"})
"""Ladder profiles with a bar below profit factor 1.0: sets on it lose money."""


@dataclass(frozen=True, slots=True)
class Connection(Stored):
    """One account at one exchange. `position_cost` is the share of equity that one entry costs (notional).

    `sources` names sources of signals, beside the ladder's proved sets, that may trade where the gate is
    closed. `native_stops`: protective stops rest at the venue where it has them. `allow_withdraw_key` takes
    an API key that may withdraw.
    """

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
    leverage: int = sparse(1)
    margin_mode: MarginMode = sparse("isolated")
    position_mode: PositionMode = sparse("one_way")
    native_stops: bool = sparse(True)
    external_orders: ExternalOrders = sparse("show")
    external_positions: ExternalPositions = sparse("show")
    scale_in: ScaleIn = sparse(factory=ScaleIn)
    sizing: SizingChoice = sparse(factory=SizingChoice)
    sources: tuple[str, ...] = sparse(())
    allow_withdraw_key: bool = sparse(False)
    revision: int = 0

    @property
    def feed(self) -> str:
        """The name of the market data that belongs to the account: a testnet has prices of its own."""
        return f"{self.exchange}{TESTNET}" if self.mode == "testnet" else self.exchange

    @property
    def timeframe_seconds(self) -> int:
        return timeframe_seconds(self.timeframe)

    @property
    def needs_key(self) -> bool:
        """Tell whether its venue is an exchange that asks for an API key."""
        return self.mode != "paper"


def with_mode_defaults(wish: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a wish with what a live connection has by default: the prudent ladder and a closed gate."""
    ladder = wish.get("ladder", {})
    if wish.get("mode") != "live" or not isinstance(ladder, Mapping):
        return wish
    return {**wish, "ladder": {"profile": "prudent", "gate_open": False, **ladder}}


def validate(connection: Connection) -> Connection:
    """Return the connection with its intervals complete; Rejected names what is wrong and what is allowed."""
    for holds, text in (*_general_rules(connection), *_venue_rules(connection), *_risk_rules(connection)):
        if not holds:
            raise Rejected(text)
    for symbol in connection.symbols:
        settled = ":" in symbol
        if not _SYMBOL.fullmatch(symbol) or settled != (connection.market_type == "swap"):
            form = "BTC/USDT:USDT" if connection.market_type == "swap" else "BTC/USDT"
            raise Rejected(f"symbol {symbol!r} is not a {connection.market_type} symbol such as {form}")
    _ = connection.timeframe_seconds
    return connection


def warnings(connection: Connection) -> tuple[str, ...]:
    """Return what the owner of a live connection should know about its settings; none for play money."""
    if connection.mode != "live":
        return ()
    limits, ladder = connection.risk, connection.ladder
    table: tuple[tuple[bool, str], ...] = (
        (
            ladder.enabled and ladder.profile in LOSING_PROFILES,
            f"ladder profile {ladder.profile!r} has bars below a profit factor of 1.0: sets on them lose"
            " money; use 'prudent'",
        ),
        (limits.daily_loss is None, "risk.daily_loss is off: nothing stops entries after a bad day"),
        (limits.max_drawdown is None, "risk.max_drawdown is off: nothing stops entries after a long loss"),
        (connection.exits.stop_loss is None, "exits.stop_loss is off: positions have no stop by default"),
        (connection.allow_withdraw_key, "allow_withdraw_key is on: whoever gets this key can take the money"),
    )
    return tuple(text for applies, text in table if applies)


def complete_intervals(intervals: Mapping[TickKind, int]) -> dict[TickKind, int]:
    """Return the intervals with defaults for those that are not named."""
    return {**DEFAULT_INTERVALS, **intervals}


_Rules = Iterator[tuple[bool, str]]


def _general_rules(connection: Connection) -> _Rules:
    yield bool(_ID.fullmatch(connection.connection_id)), "connection_id must be 1 to 40 of a-z, 0-9 and -"
    yield bool(_ID.fullmatch(connection.tenant)), "tenant must be 1 to 40 of a-z, 0-9 and -"
    yield connection.tenant != PUBLIC_TENANT, f"tenant {PUBLIC_TENANT!r} is reserved for market data"
    yield 0 < len(connection.symbols) <= MAX_SYMBOLS, f"symbols must name 1 to {MAX_SYMBOLS} markets"
    yield len(set(connection.symbols)) == len(connection.symbols), "symbols must not repeat"
    quotes = sorted({split_symbol(symbol)[1] for symbol in connection.symbols})
    yield len(quotes) <= 1, f"symbols must share one quote currency, not {quotes}"
    yield bool(connection.strategies), "strategies must name at least one strategy"
    for name, choice in connection.strategies.items():
        yield choice.weight > 0, f"strategies.{name}.weight must be above 0"
    for kind, seconds in connection.intervals.items():
        yield seconds >= SHORTEST_INTERVAL, f"intervals.{kind} must be at least {SHORTEST_INTERVAL} s"
    yield 0 < connection.position_cost <= 1, "position_cost must be above 0 and at most 1"
    yield connection.paper.cash > 0, "paper.cash must be above 0"
    for name in ("fee_rate", "spread", "slippage"):
        rate = getattr(connection.paper, name)
        yield 0 <= rate < Decimal("0.1"), f"paper.{name} must be at least 0 and below 0.1"
    for name in ("take_profit", "stop_loss", "trailing_distance", "trailing_activation", "time_limit"):
        ratio = getattr(connection.exits, name)
        yield ratio is None or ratio > 0, f"exits.{name} must be above 0 or null"
    for step in connection.exits.partial:
        yield step.gain > 0 and 0 < step.share < 1, "exits.partial needs gain above 0, share between 0 and 1"
    for source in connection.sources:
        yield bool(_SOURCE.fullmatch(source)), f"sources: {source!r} must be 1 to 40 of a-z, 0-9, _ and -"


def _venue_rules(connection: Connection) -> _Rules:
    exchange, market, mode = connection.exchange, connection.market_type, connection.mode
    if mode != "paper":
        yield (
            market in LIVE_MARKETS.get(exchange, ()),
            f"mode {mode!r} needs a {market} market that takes orders, not that of {exchange!r}: there are"
            f" {_listed(LIVE_MARKETS)}",
        )
    if mode == "testnet":
        yield (
            market in TESTNET_MARKETS.get(exchange, ()),
            f"{exchange!r} has no testnet for {market}: use mode 'paper', or a testnet of"
            f" {_listed(TESTNET_MARKETS)}",
        )
    yield (
        mode != "live" or not connection.ladder.gate_open,
        "ladder.gate_open must be false on a live connection: name the sources that may trade in sources",
    )
    most = connection.risk.max_leverage
    yield 1 <= most <= LARGEST_LEVERAGE, f"risk.max_leverage must be between 1 and {LARGEST_LEVERAGE}"
    yield 1 <= connection.leverage <= most, f"leverage must be between 1 and risk.max_leverage ({most})"
    plain = mode == "paper" or market == "spot"
    where = "the paper exchange" if mode == "paper" else "a spot market"
    yield not plain or connection.leverage == 1, f"leverage must be 1 on {where}"
    yield not plain or connection.position_mode == "one_way", f"position_mode must be 'one_way' on {where}"


def _risk_rules(connection: Connection) -> _Rules:
    risk, sizing, scale_in = connection.risk, connection.sizing, connection.scale_in
    yield risk.max_positions > 0, "risk.max_positions must be above 0"
    yield risk.cooldown >= 0, "risk.cooldown must not be negative"
    yield 0 <= risk.min_confidence <= 1, "risk.min_confidence must be between 0 and 1"
    for name in ("max_exposure", "max_symbol_exposure", "max_position"):
        yield getattr(risk, name) > 0, f"risk.{name} must be above 0"
    for name in ("daily_loss", "max_drawdown"):
        limit = getattr(risk, name)
        yield limit is None or 0 < limit < 1, f"risk.{name} must be between 0 and 1, or null"
    yield risk.weekly_target is None or risk.weekly_target > 0, "risk.weekly_target must be above 0 or null"
    yield risk.orders_per_minute > 0, "risk.orders_per_minute must be above 0"
    yield 0 < risk.price_band < 1, "risk.price_band must be between 0 and 1"
    yield 0 < sizing.risk_per_trade <= Decimal("0.1"), "sizing.risk_per_trade must be above 0, at most 0.1"
    yield 2 <= sizing.atr_period <= 200, "sizing.atr_period must be between 2 and 200"
    yield sizing.atr_multiple > 0, "sizing.atr_multiple must be above 0"
    yield 0 < sizing.kelly_share <= 1, "sizing.kelly_share must be above 0 and at most 1"
    yield 1 <= scale_in.max_entries <= 10, "scale_in.max_entries must be between 1 and 10"
    yield 0 <= scale_in.step < 1, "scale_in.step must be at least 0 and below 1"


def _listed(markets: Mapping[str, frozenset[MarketType]]) -> str:
    return ", ".join(f"{exchange} ({' and '.join(sorted(types))})" for exchange, types in markets.items())
