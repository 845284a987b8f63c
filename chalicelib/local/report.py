"""The report of a run: what was done, what it cost and earned, and whether our books equal the venue's.

Money is written as decimal strings, exactly as booked. The order of everything is fixed, so two runs over the
same candles differ in their timings only.
"""

import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.order import UNPROVEN, Fill, Order, VenueOrder
from chalicelib.domain.paper import PaperLedger, PaperOrder
from chalicelib.domain.position import Position, unrealised
from chalicelib.domain.records import Page
from chalicelib.domain.signal import Signal
from chalicelib.errors import CtsError
from chalicelib.flows.world import World
from chalicelib.local.statistics import OUTCOMES, Statistics

T = TypeVar("T")

TIMINGS = ("p50_ms", "p99_ms", "wall_seconds", "peak_rss_mb")
"""The keys in which two runs over the same candles may differ."""

LADDER_LEVELS = ("base", "main", "real")
_PAGE = 1000
"""Records per page: as many as a listing gives."""

_MOST_PAGES = 100_000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Books:
    """What one connection has stored, and what its venue has of it; `cash` is what it began with."""

    connection: Connection
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    signals: tuple[Signal, ...]
    venue_orders: tuple[PaperOrder | VenueOrder, ...]
    venue_holdings: Mapping[str, Decimal]
    ladder: Mapping[str, int]
    cash: Decimal


@dataclass(frozen=True, slots=True)
class VenueSide:
    """What a venue itself has of one account: cash at the beginning, all orders, signed quantities held."""

    cash: Decimal
    orders: tuple[PaperOrder | VenueOrder, ...]
    holdings: Mapping[str, Decimal]


def read_books(world: World, side: Callable[[Connection], VenueSide], tenant: str) -> tuple[Books, ...]:
    """Read the books of every connection of a tenant; `side` tells the venue's."""
    connections = sorted(world.connections.list(tenant), key=lambda connection: connection.connection_id)
    return tuple(_books(world, side(connection), connection) for connection in connections)


def paper_side(ledger: PaperLedger, connection: Connection) -> VenueSide:
    """Return what the paper exchange has of a connection."""
    tenant, name = connection.tenant, connection.connection_id
    account = ledger.load(tenant, name)
    holdings = {s: h.quantity for s, h in account.holdings.items()} if account else {}
    return VenueSide(connection.paper.cash, ledger.orders(tenant, name), holdings)


def _books(world: World, side: VenueSide, connection: Connection) -> Books:
    tenant, name, records = connection.tenant, connection.connection_id, world.records
    engine = world.engines.get(engine_subject(tenant, name))
    return Books(
        connection=connection,
        orders=_all(lambda cursor: records.list_orders(tenant, name, _PAGE, cursor)),
        positions=_all(lambda cursor: records.list_positions(tenant, name, _PAGE, cursor)),
        signals=_all(lambda cursor: records.list_signals(tenant, name, _PAGE, cursor)),
        venue_orders=side.orders,
        venue_holdings=side.holdings,
        ladder=dict(engine.ladder_counts) if engine else {},
        cash=side.cash,
    )


def _all(page: Callable[[str | None], Page[T]]) -> tuple[T, ...]:
    items: list[T] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        found = page(cursor)
        items.extend(found.items)
        cursor = found.cursor
        if cursor is None:
            break
    return tuple(items)


def make_report(world: World, books: Sequence[Books], statistics: Statistics) -> dict[str, Any]:
    """Return the report as JSON-ready values."""
    return {
        "ticks": _ticks(statistics),
        "signals": _signals(books),
        "orders": _counted(order.state.value for book in books for order in book.orders),
        "positions": _positions(books),
        "pnl": _profit(world, books),
        "ladder": {level: sum(book.ladder.get(level, 0) for book in books) for level in LADDER_LEVELS},
        "aws_calls": dict(sorted(statistics.aws_calls.items())),
        "pump_calls": dict(sorted(statistics.pump_calls.items())),
        "exchange_calls": dict(sorted(statistics.exchange_calls.items())),
        "audit": audit(books),
        "wall_seconds": round(statistics.wall_seconds, 3),
        "virtual_seconds": round(statistics.virtual_seconds, 3),
        "peak_rss_mb": peak_memory(),
        "fills": _fills(books),
    }


def audit(books: Sequence[Books]) -> dict[str, Any]:
    """Return what must be 0, 0 and true if nothing was lost and nothing was sent twice."""
    return {
        "duplicate_orders": sum(_duplicates(book) for book in books),
        "unresolved_orders": sum(order.state in UNPROVEN for book in books for order in book.orders),
        "books_equal_venue": all(_equal(book) for book in books),
    }


def _duplicates(book: Books) -> int:
    """Count the orders at the venue beyond one per intent: by id, and by the signal an entry stands for."""
    at_venue = Counter(order.client_order_id for order in book.venue_orders)
    entries = Counter(
        order.signal_id for order in book.orders if order.leg == "entry" and order.client_order_id in at_venue
    )
    return sum(count - 1 for counts in (at_venue, entries) for count in counts.values())


def _equal(book: Books) -> bool:
    """Tell whether both sides have the same holdings and fills, and the venue no order unknown to us."""
    # Trades have their ids on the wire only, which nobody here reads: there each counts once.
    by_id = book.connection.mode == "paper"
    ours = Counter(_identity(o.client_order_id, fill, by_id) for o in book.orders for fill in o.fills)
    theirs = Counter(_identity(o.client_order_id, fill, by_id) for o in book.venue_orders for fill in o.fills)
    known = {order.client_order_id for order in book.orders}
    return (
        not differing_symbols(book)
        and ours == theirs
        and all(order.client_order_id in known for order in book.venue_orders)
    )


def differing_symbols(book: Books) -> tuple[str, ...]:
    """Return the symbols of which we believe to hold something else than the venue says."""
    held: dict[str, Decimal] = {}
    for position in book.positions:
        # What is left below a step stays at the venue, and so does what was sold beyond a position.
        beside = position.sign * (position.dust - position.excess)
        held[position.symbol] = held.get(position.symbol, _ZERO) + position.signed_quantity + beside
    symbols = sorted(held.keys() | book.venue_holdings.keys())
    return tuple(s for s in symbols if held.get(s, _ZERO) != book.venue_holdings.get(s, _ZERO))


def _identity(client_order_id: str, fill: Fill, by_id: bool) -> tuple[object, ...]:
    trade_id = fill.trade_id if by_id else ""
    return client_order_id, trade_id, fill.side, fill.quantity, fill.price, fill.fee


def _ticks(statistics: Statistics) -> dict[str, Any]:
    return {
        kind: {
            "count": ticks.count,
            **{outcome: ticks.outcomes[outcome] for outcome in OUTCOMES},
            "p50_ms": round(ticks.percentile(0.5), 2),
            "p99_ms": round(ticks.percentile(0.99), 2),
            "aws_calls_mean": round(ticks.aws_calls_mean, 2),
            "aws_calls_max": ticks.aws_calls_max,
        }
        for kind, ticks in sorted(statistics.ticks.items())
    }


def _signals(books: Sequence[Books]) -> dict[str, Any]:
    signals = [signal for book in books for signal in book.signals]
    refused = (signal.outcome for signal in signals if signal.status == "refused")
    executed = sum(signal.status == "executed" for signal in signals)
    return {"emitted": len(signals), "executed": executed, "refused": _counted(refused)}


def _positions(books: Sequence[Books]) -> dict[str, int]:
    states = Counter(position.state for book in books for position in book.positions)
    opened = states["open"] + states["closed"]
    return {"opened": opened, "closed": states["closed"], "open": states["open"]}


def _profit(world: World, books: Sequence[Books]) -> dict[str, str]:
    positions = [position for book in books for position in book.positions]
    realised = sum((position.realised for position in positions), _ZERO)
    fees = sum((position.fees for position in positions), _ZERO)
    open_profit = sum((_open_profit(world, book) for book in books), _ZERO)
    cash = sum((book.cash for book in books), _ZERO)
    return {
        "realised": plain_decimal(realised),
        "unrealised": plain_decimal(open_profit),
        "fees": plain_decimal(fees),
        "equity": plain_decimal(cash + realised + open_profit - fees),
    }


def _open_profit(world: World, book: Books) -> Decimal:
    """Value what is open at the last price; where there is none, at its entry price."""
    held = [position for position in book.positions if position.quantity]
    if not held:
        return _ZERO
    symbols = sorted({position.symbol for position in held})
    try:
        tickers = world.feed(book.connection.feed).tickers(symbols, world.now())
    except CtsError:
        tickers = {}
    valued = (p for p in held if p.symbol in tickers)
    return sum((unrealised(position, tickers[position.symbol].last) for position in valued), _ZERO)


def _fills(books: Sequence[Books]) -> list[dict[str, Any]]:
    rows = [(fill, order) for book in books for order in book.orders for fill in order.fills]
    rows.sort(key=lambda row: (row[0].time, row[1].client_order_id, row[0].trade_id))
    return [
        {
            "order": order.client_order_id,
            "symbol": fill.symbol,
            "side": fill.side,
            "quantity": plain_decimal(fill.quantity),
            "price": plain_decimal(fill.price),
            "fee": plain_decimal(fill.fee),
            "time": fill.time,
        }
        for fill, order in rows
    ]


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def plain_decimal(value: Decimal) -> str:
    """Return every digit of a number, without an exponent."""
    return f"{value:f}"


def peak_memory() -> float:
    """Return the most memory this process ever held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write the report, all or nothing."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, path)
