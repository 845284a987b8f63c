"""The risk gate: pure checks with stable reason codes, in order; no entry goes out without passing all."""

from chalicelib.domain.risk import checks, sized_checks
from chalicelib.domain.risk.checks import ENTRY_TTL, GATED_SOURCE
from chalicelib.domain.risk.context import Check, EntryContext, Finding
from chalicelib.domain.risk.level import FACTORS, RiskLevel, risk_level

__all__ = [
    "BEFORE_SIZE",
    "CHECKS",
    "ENTRY_TTL",
    "FACTORS",
    "GATED_SOURCE",
    "VERSION",
    "Check",
    "EntryContext",
    "Finding",
    "RiskLevel",
    "findings",
    "record",
    "refusal",
    "risk_level",
]

VERSION = 1
"""Grows with every change of the table: a signal's record says which checks it passed."""

BEFORE_SIZE: tuple[tuple[str, Check], ...] = (
    ("ENGINE_NOT_RUNNING", checks.engine_running),
    ("KILL_SWITCH", checks.not_killed),
    ("CONNECTION_DISABLED", checks.connection_enabled),
    ("MODE_NOT_SUPPORTED", checks.mode_supported),
    ("LADDER_GATE_CLOSED", checks.gate_open),
    ("SOURCE_NOT_ALLOWED", checks.source_allowed),
    ("UNKNOWN_SYMBOL", checks.symbol_known),
    ("SIGNAL_TOO_OLD", checks.signal_young),
    ("STALE_DATA", checks.ticker_fresh),
    ("STALE_CANDLES", checks.candles_fresh),
    ("CLOCK_SKEW", checks.clock_right),
    ("DUPLICATE_SIGNAL", checks.not_duplicate),
    ("COOLDOWN", checks.cooled_down),
    ("LOW_CONFIDENCE", checks.confident),
    ("SHORT_NOT_SUPPORTED", checks.direction_possible),
    ("POSITION_OPEN", checks.symbol_free),
    ("MAX_POSITIONS", checks.positions_left),
    ("EQUITY_UNKNOWN", checks.equity_known),
    ("NO_EQUITY", checks.equity_left),
    ("MAX_LEVERAGE", checks.leverage_allowed),
    ("DAILY_LOSS", checks.breaker("DAILY_LOSS")),
    ("WEEKLY_TARGET", checks.breaker("WEEKLY_TARGET")),
    ("MAX_DRAWDOWN", checks.breaker("MAX_DRAWDOWN")),
    ("RISK_EXTREME", checks.not_extreme),
    ("ORDERS_PER_MINUTE", checks.orders_left),
    ("PRICE_BAND", checks.price_near_last),
)
"""Checks that need no quantity."""

AFTER_SIZE: tuple[tuple[str, Check], ...] = (
    ("MAX_POSITION_SIZE", checks.position_size),
    ("MAX_SYMBOL_EXPOSURE", checks.symbol_exposure),
    ("MAX_EXPOSURE", checks.total_exposure),
    ("INSUFFICIENT_MARGIN", sized_checks.affordable),
    ("NO_SIZE", sized_checks.above_zero),
    ("PRECISION", sized_checks.precise),
    ("ABOVE_MAX_AMOUNT", sized_checks.not_too_large),
    ("BELOW_MIN_AMOUNT", sized_checks.amount_enough),
    ("BELOW_MIN_NOTIONAL", sized_checks.notional_enough),
)
"""Checks of the sized order."""

CHECKS = BEFORE_SIZE + AFTER_SIZE
"""The whole gate, in order: each holds, or its code is a reason to refuse."""


def findings(context: EntryContext) -> tuple[Finding, ...]:
    """Make every check and return those that do not hold, in order."""
    return tuple(Finding(code, detail) for code, check in CHECKS if (detail := check(context)) is not None)


def refusal(context: EntryContext, table: tuple[tuple[str, Check], ...] | None = None) -> str | None:
    """Return the code of the first check that does not hold, or None; later ones are not made."""
    for code, check in CHECKS if table is None else table:
        if check(context) is not None:
            return code
    return None


def record(found: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return what a signal keeps of its checks: version and number of the table, then what did not hold.

    All other checks of that version were made and held.
    """
    return (f"v{VERSION}/{len(CHECKS)}", *(finding.text for finding in found))
