"""Closed positions as trades, one row each: `trades.csv` of runs and of backtests, and what reports count."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from chalicelib.domain.order import Fill, Order
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal
from chalicelib.local.report import Books, plain_decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """One closed position. Money in quote currency; `profit` is net of fees and funding.

    Prices are averages over the fills. `net_return` is profit / entry notional, to twelve decimals.
    `strategy` is `combined` for the joint vote, else the id of the configuration set.
    """

    connection_id: str
    position_id: str
    symbol: str
    direction: str
    source: str
    strategy: str
    opened_at: float
    closed_at: float
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal
    profit: Decimal
    net_return: Decimal
    exit_reason: str


def closed_trades(books: Sequence[Books]) -> tuple[Trade, ...]:
    """Return the closed positions of all books in the order in which they closed."""
    found = [trade for book in books for trade in _of_book(book)]
    return tuple(sorted(found, key=lambda trade: (trade.closed_at, trade.opened_at, trade.position_id)))


def _of_book(book: Books) -> Iterator[Trade]:
    orders: dict[str, list[Order]] = {}
    for order in book.orders:
        orders.setdefault(order.position_id, []).append(order)
    signals = {signal.signal_id: signal for signal in book.signals}
    for position in book.positions:
        if position.state == "closed":
            yield _trade(position, orders.get(position.position_id, []), signals.get(position.signal_id))


def _trade(position: Position, orders: Iterable[Order], signal: Signal | None) -> Trade:
    entries: list[Fill] = []
    exits: list[Fill] = []
    for order in orders:
        (entries if order.side == position.entry_side else exits).extend(order.fills)
    quantity, paid = _sums(entries)
    sold, received = _sums(exits)
    profit = position.realised - position.fees + position.funding
    return Trade(
        connection_id=position.connection_id,
        position_id=position.position_id,
        symbol=position.symbol,
        direction=position.direction,
        source=position.source,
        strategy=signal.strategy if signal else "",
        opened_at=position.opened_at,
        closed_at=position.closed_at or position.updated_at,
        quantity=quantity,
        entry_price=_average(paid, quantity),
        exit_price=_average(received, sold),
        realised=position.realised,
        fees=position.fees,
        funding=position.funding,
        profit=profit,
        net_return=_average(profit, paid),
        exit_reason=position.exit_reason,
    )


def _sums(fills: Iterable[Fill]) -> tuple[Decimal, Decimal]:
    listed = list(fills)
    quantity = sum((fill.quantity for fill in listed), ZERO)
    return quantity, sum((fill.quantity * fill.price for fill in listed), ZERO)


def _average(total: Decimal, quantity: Decimal) -> Decimal:
    return (total / quantity).quantize(Decimal("1e-12")) if quantity else ZERO


def write_trades(trades: Sequence[Trade], path: Path) -> None:
    """Write the trades as CSV, all or nothing."""
    names = [field.name for field in fields(Trade)]
    write_rows(path, names, (map(_text, astuple(trade)) for trade in trades))


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file, all or nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text.getvalue(), encoding="utf-8")
    os.replace(fresh, path)


def iso(moment: float) -> str:
    """Return an epoch second as UTC text."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: object) -> object:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    return iso(value) if isinstance(value, float) else value
