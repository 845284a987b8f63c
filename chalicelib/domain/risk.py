"""The risk gate: pure checks with stable reason codes, in order; nothing reaches a venue without passing."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.lifecycle import Status, entries_allowed
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal

STALE_TICKER_INTERVALS = 2
ENTRY_TTL = 300.0
"""Seconds after which an entry, as a signal or as an intent, is too old to be sent."""

GATED_SOURCE = "ladder"
"""The one source that a closed gate lets through: sets that have proved themselves."""


@dataclass(frozen=True, slots=True)
class EntryContext:
    """Everything an entry is judged by. None for money or prices means that they could not be had."""

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
    cash: Decimal | None = None
    quantity: Decimal = Decimal(0)


Check = Callable[[EntryContext], bool]


def _fresh(context: EntryContext) -> bool:
    if context.ticker is None:
        return False
    limit = STALE_TICKER_INTERVALS * context.connection.timeframe_seconds
    return context.now - context.ticker.time <= limit


def _symbol_is_free(context: EntryContext) -> bool:
    return all(position.symbol != context.signal.symbol for position in context.positions)


def _gate(context: EntryContext) -> bool:
    return context.connection.ladder.gate_open or context.signal.source == GATED_SOURCE


def _notional(context: EntryContext) -> Decimal:
    return context.quantity * context.ticker.last if context.ticker else Decimal(0)


BEFORE_SIZE: tuple[tuple[str, Check], ...] = (
    ("ENGINE_NOT_RUNNING", lambda c: entries_allowed(c.coordinator, c.engine)),
    ("CONNECTION_DISABLED", lambda c: c.connection.enabled),
    ("MODE_NOT_SUPPORTED", lambda c: c.connection.mode == "paper"),
    ("LADDER_GATE_CLOSED", _gate),
    ("UNKNOWN_SYMBOL", lambda c: c.signal.symbol in c.connection.symbols and c.market is not None),
    ("SIGNAL_TOO_OLD", lambda c: c.now - c.signal.created_at <= ENTRY_TTL),
    ("STALE_DATA", _fresh),
    ("SHORT_NOT_SUPPORTED", lambda c: c.signal.direction == "long" or c.connection.market_type == "swap"),
    ("LOW_CONFIDENCE", lambda c: c.signal.confidence >= c.connection.risk.min_confidence),
    ("POSITION_OPEN", _symbol_is_free),
    ("COOLDOWN", lambda c: c.now - c.last_traded >= c.connection.risk.cooldown),
    ("MAX_POSITIONS", lambda c: len(c.positions) < c.connection.risk.max_positions),
    ("EQUITY_UNKNOWN", lambda c: c.equity is not None and c.cash is not None),
    ("NO_EQUITY", lambda c: c.equity is not None and c.equity > 0),
)
"""Checks that need no quantity; each holds or its code is the reason of the refusal."""

AFTER_SIZE: tuple[tuple[str, Check], ...] = (
    ("MAX_EXPOSURE", lambda c: c.quantity > 0),
    ("BELOW_MIN_AMOUNT", lambda c: c.market is not None and c.quantity >= c.market.min_amount),
    ("BELOW_MIN_NOTIONAL", lambda c: c.market is not None and _notional(c) >= c.market.min_notional),
)


def refusal(context: EntryContext, checks: tuple[tuple[str, Check], ...]) -> str | None:
    """Return the code of the first check that does not hold, or None."""
    return next((code for code, holds in checks if not holds(context)), None)
