"""What a fake exchange itself has of its account, in our words: the other side of the audit, for the report.

It comes from the exchange's own books beside the wire, so that no connector can make both sides agree.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from chalicelib.domain.connection import Connection
from chalicelib.domain.market import split_symbol
from chalicelib.domain.order import Fill, OrderState, VenueOrder
from chalicelib.local.report import Books, VenueSide, differing_symbols, plain_decimal

_STATES: Mapping[str, OrderState] = {
    "open": OrderState.ACCEPTED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}


def fake_side(account: Mapping[str, Any], connection: Connection) -> VenueSide:
    """Return the exchange's side of a connection from what `FakeExchange.account` told."""
    orders = tuple(_order(row) for row in account["orders"])
    return VenueSide(Decimal(account["deposit"]), orders, _holdings(account, connection))


def venue_section(account: Mapping[str, Any], books: Sequence[Books]) -> dict[str, Any]:
    """Return what the report says of the exchange: orders, fills, positions, and the requests it got."""
    orders = account["orders"]
    (book,) = (book for book in books if book.connection.mode != "paper")
    return {
        "orders": len(orders),
        "open_orders": sum(row["status"] == "open" for row in orders),
        "fills": sum(len(row["trades"]) for row in orders),
        "positions": {
            symbol: plain_decimal(quantity) for symbol, quantity in sorted(book.venue_holdings.items())
        },
        "position_differences": len(differing_symbols(book)),
        "requests": dict(sorted(account["requests"].items())),
        "requests_refused": account["refused"],
        "requests_over_the_limit": account["rate_refused"],
        "requests_unknown": account["unknown"],
        "mistakes": account["crashes"],
    }


def venue_lines(report: Mapping[str, Any]) -> str:
    """Return the same in a few words, with what the audit found."""
    venue, audit = report["venue"], report["audit"]
    requests = sum(venue["requests"].values())
    same = "the books equal the exchange's" if audit["books_equal_venue"] else "THE BOOKS DIFFER"
    return (
        f"cts: at the exchange {venue['orders']} orders, {venue['fills']} fills, "
        f"{len(venue['positions'])} positions held, {requests} requests; audit: "
        f"{audit['duplicate_orders']} duplicate orders, {audit['unresolved_orders']} unresolved, "
        f"{venue['position_differences']} position differences, {same}"
    )


def _holdings(account: Mapping[str, Any], connection: Connection) -> dict[str, Decimal]:
    if connection.market_type == "swap":
        return {symbol: Decimal(quantity) for symbol, quantity in account["positions"].items()}
    held = {symbol: account["spot"].get(split_symbol(symbol)[0], "0") for symbol in connection.symbols}
    return {symbol: Decimal(quantity) for symbol, quantity in held.items() if Decimal(quantity)}


def _order(row: Mapping[str, Any]) -> VenueOrder:
    fills = tuple(_fill(trade, row["symbol"]) for trade in row["trades"])
    return VenueOrder(
        client_order_id=row["client_id"],
        venue_order_id=row["id"],
        symbol=row["symbol"],
        side=row["side"],
        state=_STATES[row["status"]],
        quantity=Decimal(row["quantity"]),
        fills=fills,
        filled=Decimal(row["filled"]),
    )


def _fill(trade: Mapping[str, Any], symbol: str) -> Fill:
    return Fill(
        trade_id=trade["id"],
        symbol=symbol,
        side=trade["side"],
        quantity=Decimal(trade["quantity"]),
        price=Decimal(trade["price"]),
        fee=Decimal(trade["fee"]),
        fee_currency=trade["fee_currency"],
        time=trade["time"],
    )
