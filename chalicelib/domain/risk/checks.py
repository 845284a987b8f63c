"""The checks that need no quantity: who may trade now, on what data, and after what."""

from decimal import Decimal

from chalicelib.domain.breakers import limit_of, measured
from chalicelib.domain.connection import LIVE_MARKETS, TESTNET_MARKETS
from chalicelib.domain.lifecycle import entries_allowed
from chalicelib.domain.position import Position
from chalicelib.domain.risk.context import Check, EntryContext
from chalicelib.domain.sizing import exposure

ENTRY_TTL = 300.0
"""Seconds after which an entry, as a signal or as an intent, is too old to be sent."""

STALE_INTERVALS = 2
"""Candle intervals after which prices and candles are too old to enter on."""

STALE_TICKER = 60.0
"""Seconds after which a price is too old where real orders are sent."""

MAX_CLOCK_SKEW = 1.0
DUPLICATE_SECONDS = 300.0
DUPLICATE_BAND = Decimal("0.0005")
"""A wish for the same symbol and direction within these is the same wish."""

GATED_SOURCE = "ladder"
"""The one source that a closed gate lets through: sets that have proved themselves."""

UNKNOWN = "unknown"


def engine_running(c: EntryContext) -> str | None:
    return None if entries_allowed(c.coordinator, c.engine) else f"{c.coordinator.value}/{c.engine.value}"


def not_killed(c: EntryContext) -> str | None:
    return None if c.kill is None else f"since {c.kill.at:.0f}"


def connection_enabled(c: EntryContext) -> str | None:
    return None if c.connection.enabled else "disabled"


def mode_supported(c: EntryContext) -> str | None:
    mode, market = c.connection.mode, c.connection.market_type
    places = {"live": LIVE_MARKETS, "testnet": TESTNET_MARKETS}.get(mode)
    allowed = places is None or market in places.get(c.connection.exchange, ())
    return None if allowed else f"{mode} {market}"


def gate_open(c: EntryContext) -> str | None:
    """Where the gate is a setting: paper and testnet."""
    is_open = c.connection.mode == "live" or c.connection.ladder.gate_open
    return None if is_open or _may_pass_gate(c) else c.signal.source


def source_allowed(c: EntryContext) -> str | None:
    """On a live account only proved sets trade, and sources that are allowed by name."""
    return None if c.connection.mode != "live" or _may_pass_gate(c) else c.signal.source


def _may_pass_gate(c: EntryContext) -> bool:
    return c.signal.source == GATED_SOURCE or c.signal.source in c.connection.sources


def symbol_known(c: EntryContext) -> str | None:
    return None if c.signal.symbol in c.connection.symbols and c.market is not None else c.signal.symbol


def signal_young(c: EntryContext) -> str | None:
    return above(c.now - c.signal.created_at, ENTRY_TTL, "s")


def ticker_fresh(c: EntryContext) -> str | None:
    if c.ticker is None:
        return UNKNOWN
    limit: float = STALE_INTERVALS * c.connection.timeframe_seconds
    if c.connection.needs_key:
        limit = min(limit, STALE_TICKER)
    return above(c.now - c.ticker.time, limit, "s")


def candles_fresh(c: EntryContext) -> str | None:
    if not c.candle_time:
        return UNKNOWN
    return above(c.now - c.candle_time, STALE_INTERVALS * c.connection.timeframe_seconds, "s")


def clock_right(c: EntryContext) -> str | None:
    """An unknown skew is fine on paper only, where there is no other clock."""
    if c.clock_skew is None:
        return UNKNOWN if c.connection.needs_key else None
    return None if abs(c.clock_skew) < MAX_CLOCK_SKEW else f"{c.clock_skew:.6g}s>={MAX_CLOCK_SKEW:g}s"


def not_duplicate(c: EntryContext) -> str | None:
    """The same wish again: from the same batch, or for a position that it has just opened or added to."""
    signal = c.signal
    for other in c.earlier:
        if (other.symbol, other.direction) == (signal.symbol, signal.direction) and _near(
            c, other.created_at, other.price
        ):
            return other.signal_id
    held = c.held
    if held is None or held.direction != signal.direction:
        return None
    same = held.signal_id == signal.signal_id or _near(c, held.updated_at, held.entry_price)
    return held.signal_id if same else None


def _near(c: EntryContext, at: float, price: Decimal) -> bool:
    return c.now - at <= DUPLICATE_SECONDS and abs(price - c.signal.price) <= DUPLICATE_BAND * price


def cooled_down(c: EntryContext) -> str | None:
    passed, wanted = c.now - c.last_traded, c.connection.risk.cooldown
    return None if passed >= wanted else f"{passed:.6g}s<{wanted:g}s"


def confident(c: EntryContext) -> str | None:
    seen, wanted = c.signal.confidence, c.connection.risk.min_confidence
    return None if seen >= wanted else f"{seen:.4g}<{wanted:g}"


def positions_left(c: EntryContext) -> str | None:
    """Adding to an open position takes no further place."""
    most = c.connection.risk.max_positions
    if c.tier_positions is not None:
        most = min(most, c.tier_positions)
    held = len(c.positions)
    return None if held < most or c.held is not None else f"{held}>={most}"


def direction_possible(c: EntryContext) -> str | None:
    possible = c.signal.direction == "long" or c.connection.market_type == "swap"
    return None if possible else c.connection.market_type


def symbol_free(c: EntryContext) -> str | None:
    """No position of the symbol, or one that may be added to: same direction, worse price, not too often."""
    held = c.held
    return None if held is None else _scale_in_refusal(c, held)


def _scale_in_refusal(c: EntryContext, held: Position) -> str | None:
    rule = c.connection.scale_in
    if held.state != "open" or held.direction != c.signal.direction or held.exit_reason:
        return f"{held.state} {held.direction}"
    if held.entries >= rule.max_entries:
        return f"entries {held.entries}>={rule.max_entries}"
    if c.price is None:
        return UNKNOWN
    distance = held.sign * (held.entry_price - c.price)
    wanted = rule.step * held.entry_price
    return None if distance >= wanted else f"step {distance:.6g}<{wanted:.6g}"


def equity_known(c: EntryContext) -> str | None:
    return None if c.equity is not None and c.free is not None else UNKNOWN


def equity_left(c: EntryContext) -> str | None:
    if c.equity is None:
        return UNKNOWN
    return None if c.equity > 0 else f"{c.equity:.6g}"


def leverage_allowed(c: EntryContext) -> str | None:
    return above(c.connection.leverage, c.connection.risk.max_leverage)


def breaker(name: str) -> Check:
    """Return the check of one trading breaker; it holds where the breaker is off, and never without data."""

    def check(c: EntryContext) -> str | None:
        limit = limit_of(c.connection.risk, name)
        if limit is None:
            return None
        if c.breakers is None or c.equity is None:
            return UNKNOWN
        if name not in c.breakers.tripped:
            return None
        seen = measured(c.breakers, c.equity)[name]
        return f"{seen:.4g} of {limit:g} since {c.breakers.tripped[name]:.0f}"

    return check


def not_extreme(c: EntryContext) -> str | None:
    return None if c.level != "EXTREME" else c.level


def orders_left(c: EntryContext) -> str | None:
    most = c.connection.risk.orders_per_minute
    return None if c.sent_orders < most else f"{c.sent_orders}>={most}"


def price_near_last(c: EntryContext) -> str | None:
    price = c.price
    if c.ticker is None or price is None:
        return UNKNOWN
    last, band = c.ticker.last, c.connection.risk.price_band
    if last <= 0 or price <= 0:
        return f"{price:.6g} last {last:.6g}"
    return above(abs(price - last) / last, band)


def position_size(c: EntryContext) -> str | None:
    return _within_equity(c, Decimal(0), c.connection.risk.max_position)


def symbol_exposure(c: EntryContext) -> str | None:
    held = exposure(c.positions, c.signal.symbol)
    return _within_equity(c, held, c.connection.risk.max_symbol_exposure)


def total_exposure(c: EntryContext) -> str | None:
    return _within_equity(c, exposure(c.positions), c.connection.risk.max_exposure)


def _within_equity(c: EntryContext, held: Decimal, ratio: Decimal) -> str | None:
    """Some room must be left, and the entry must fit in."""
    notional = c.notional
    if notional is None or c.equity is None:
        return UNKNOWN
    limit = ratio * c.equity
    fits = held < limit and held + notional <= limit
    return None if fits else f"{held + notional:.6g} of {limit:.6g}"


def above(value: Decimal | float, limit: Decimal | float, unit: str = "") -> str | None:
    """Return what is wrong with a value above its limit; None at or below it."""
    return None if value <= limit else f"{value:.6g}{unit}>{limit:.6g}{unit}"
