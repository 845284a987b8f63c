"""What positions cost besides their trades: funding of swaps, and fees paid in a third currency."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from chalicelib.domain.market import Ticker, split_symbol
from chalicelib.domain.position import Position, apply_funding
from chalicelib.domain.venue import Funding
from chalicelib.errors import VenueError
from chalicelib.flows.tick import Turn
from chalicelib.flows.world import Venue, World

FUNDING_EVERY = 3600.0
"""Exchanges settle funding on full hours, most of them every eight."""

SETTLED_AFTER = 120.0
"""Seconds after the full hour at which the payments are asked for: exchanges list them with a delay."""


def fee_symbols(positions: Iterable[Position]) -> set[str]:
    """Return the markets that price the currencies in which fees of these positions were paid."""
    return {_fee_symbol(position, currency) for position in positions for currency in position.other_fees}


def charged(
    world: World, venue: Venue, turn: Turn, positions: Sequence[Position], prices: Mapping[str, Ticker]
) -> tuple[Position, ...]:
    """Book funding and fees that came since; return the positions with them, stored where they changed."""
    paid = _funding(world, venue, turn, positions)
    after = [apply_funding(_priced(position, prices), paid) for position in positions]
    changed = [new for old, new in zip(positions, after, strict=True) if new != old]
    if not changed:
        return tuple(positions)
    stored = world.records.commit(turn.engine.subject.tenant, changed)
    by_id = {one.position_id: one for one in stored if isinstance(one, Position)}
    return tuple(by_id.get(position.position_id, position) for position in positions)


def _funding(world: World, venue: Venue, turn: Turn, positions: Sequence[Position]) -> tuple[Funding, ...]:
    """Ask for the payments of the last two hours once an hour: a payment is counted once, by its time."""
    swaps = sorted({p.symbol for p in positions if split_symbol(p.symbol)[2] == "swap" and p.quantity})
    since_hour = turn.now % FUNDING_EVERY
    interval = turn.connection.intervals["realtime"]
    if not swaps or not SETTLED_AFTER <= since_hour < SETTLED_AFTER + interval:
        return ()
    opened = min(position.opened_at for position in positions)
    try:
        return venue.fetch_funding(swaps, max(opened, turn.now - 2 * FUNDING_EVERY), turn.now)
    except VenueError as error:
        world.metrics.count("lookups_failed", code=error.code)
        return ()


def _priced(position: Position, prices: Mapping[str, Ticker]) -> Position:
    """Turn fees in other currencies into quote currency where there is a price for them now."""
    known = {c: prices[s].last for c in position.other_fees if (s := _fee_symbol(position, c)) in prices}
    if not known:
        return position
    fees = sum((position.other_fees[currency] * price for currency, price in known.items()), Decimal(0))
    left = {currency: fee for currency, fee in position.other_fees.items() if currency not in known}
    return replace(position, fees=position.fees + fees, other_fees=left)


def _fee_symbol(position: Position, currency: str) -> str:
    _, quote, market_type = split_symbol(position.symbol)
    return f"{currency}/{quote}:{quote}" if market_type == "swap" else f"{currency}/{quote}"
