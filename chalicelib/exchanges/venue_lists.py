"""The lists that a venue reads: open and closed orders, trades, funding, positions; also for look-ups.

Half a list is never returned: what does not end after `MOST_PAGES` pages raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.domain.market import split_symbol
from chalicelib.domain.venue import VenueTrade
from chalicelib.exchanges.venue_values import (
    Raw,
    decimal_of,
    fills_of,
    holding_of,
    position_of,
    side_of,
)

if TYPE_CHECKING:
    from chalicelib.domain.market import MarketType
    from chalicelib.domain.order import Order
    from chalicelib.domain.venue import VenuePosition
    from chalicelib.exchanges.quirk_types import Quirks

MOST_PAGES = 20
_HISTORY_DAYS = 7
_DAY = 86_400

Page = Callable[[int | None, int | None, Mapping[str, Any]], Sequence[Raw]]
"""Asks for rows from a time (ms) on, at most so many, with further parameters."""


def open_orders(ccxt: Any, quirks: Quirks, symbol: str | None, market_type: MarketType = "spot") -> list[Raw]:
    """Return the open orders of a symbol, or of a whole market type, stops too, each once."""
    scope = {} if symbol else dict(quirks.scopes[market_type])
    swap = market_type == "swap" if symbol is None else ":" in symbol
    found: dict[str, Raw] = {}
    for extra in ({}, *(quirks.stop_lists if swap else ())):
        page = _open_page(ccxt, symbol, {**scope, **extra})
        rows = _pages(page, quirks, None) if quirks.paging == "cursor" else page(None, None, {})
        found.update((_identity(raw), raw) for raw in rows)
    return list(found.values())


def closed_orders(
    ccxt: Any, quirks: Quirks, symbol: str, since: float, flags: Mapping[str, Any]
) -> list[Raw]:
    """Return the orders of a symbol that have ended (and with some exchanges all) since an epoch second."""
    ask = getattr(ccxt, quirks.closed_method)

    def page(start: int | None, limit: int | None, more: Mapping[str, Any]) -> Sequence[Raw]:
        named = {quirks.closed_since: start, "limit": limit} if quirks.closed_since and start else {}
        rows: Sequence[Raw] = ask(symbol, start, limit, {**flags, **named, **more})
        return rows

    return _pages(page, quirks, since)


def trades_since(ccxt: Any, quirks: Quirks, symbol: str, since: float) -> list[Raw]:
    """Return the trades of the account in a symbol since an epoch second."""
    if quirks.trades == "fill_history":
        return _bingx_fills(ccxt, symbol, since, None)

    def page(start: int | None, limit: int | None, more: Mapping[str, Any]) -> Sequence[Raw]:
        rows: Sequence[Raw] = ccxt.fetch_my_trades(symbol, start, limit, dict(more))
        return rows

    return _pages(page, quirks, since)


def account_trades(ccxt: Any, quirks: Quirks, symbol: str, since: float) -> list[VenueTrade]:
    """Return the same as values, each trade once; ValueError for a row that cannot be read."""
    rows = trades_since(ccxt, quirks, symbol, since)
    found = {str(raw.get("id")): raw for raw in reversed(rows)}
    return [
        VenueTrade(str(raw.get("order") or ""), fill)
        for raw in found.values()
        for fill in fills_of((raw,), symbol, side_of(raw), since)
        if fill.time >= since
    ]


def trades_of_order(ccxt: Any, quirks: Quirks, order: Order, venue_order_id: str) -> list[Raw]:
    """Return the trades of one order."""
    if quirks.trades == "order_trades":
        return list(ccxt.fetch_order_trades(venue_order_id, order.symbol))
    if quirks.trades == "fill_history":
        return _bingx_fills(ccxt, order.symbol, order.created_at, venue_order_id)
    if quirks.paging == "cursor":

        def page(start: int | None, limit: int | None, more: Mapping[str, Any]) -> Sequence[Raw]:
            rows: Sequence[Raw] = ccxt.fetch_my_trades(
                order.symbol, start, limit, {"orderId": venue_order_id, **more}
            )
            return rows

        return _pages(page, quirks, None)
    return list(ccxt.fetch_my_trades(order.symbol, None, 1000, {"orderId": venue_order_id}))


def funding_payments(
    ccxt: Any, quirks: Quirks, symbol: str | None, since: float, market_type: MarketType
) -> list[Raw]:
    """Return the funding payments of a symbol, or of all, since an epoch second."""
    scope = {} if symbol or quirks.paging == "whole" else dict(quirks.scopes[market_type])

    def page(start: int | None, limit: int | None, more: Mapping[str, Any]) -> Sequence[Raw]:
        rows: Sequence[Raw] = ccxt.fetch_funding_history(symbol, start, limit, {**scope, **more})
        return rows

    return _pages(page, quirks, since)


def positions(ccxt: Any, quirks: Quirks, symbols: Sequence[str]) -> tuple[VenuePosition, ...]:
    """Return the open swap positions in these symbols."""
    wanted = frozenset(symbols)
    named = list(symbols) if len(wanted) == 1 or not quirks.positions_of_all else None
    params = dict(quirks.scopes["swap"]) if quirks.position_scope else {}
    found = (position_of(raw) for raw in ccxt.fetch_positions(named, params) if raw["symbol"] in wanted)
    return tuple(position for position in found if position)


def holdings(ccxt: Any, symbols: Sequence[str]) -> tuple[VenuePosition, ...]:
    """Return what a spot account holds of each symbol's base currency."""
    balance = ccxt.fetch_balance({"type": "spot"})
    held = (holding_of(balance, symbol, split_symbol(symbol)[0]) for symbol in symbols)
    return tuple(position for position in held if position)


def _open_page(ccxt: Any, symbol: str | None, params: Mapping[str, Any]) -> Page:
    def page(since: int | None, limit: int | None, more: Mapping[str, Any]) -> Sequence[Raw]:
        rows: Sequence[Raw] = ccxt.fetch_open_orders(symbol, since, limit, {**params, **more})
        return rows

    return page


def _pages(page: Page, quirks: Quirks, since: float | None) -> list[Raw]:
    """Read page after page, from the last time on or by cursor, until one is not full."""
    start = None if since is None else int(max(since, 0) * 1000)
    if quirks.paging == "whole":
        return list(page(start, None, {}))
    found: dict[str, Raw] = {}
    more: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        rows = page(start, quirks.page, more)
        fresh = {_identity(raw): raw for raw in rows if _identity(raw) not in found}
        found.update(fresh)
        if len(rows) < quirks.page:
            return list(found.values())
        if quirks.paging == "cursor":
            cursor = next((raw["info"]["nextPageCursor"] for raw in rows if _has_cursor(raw)), None)
            if cursor is None:
                return list(found.values())
            more = {"cursor": cursor}
        elif not fresh:
            raise ValueError(f"more than {quirks.page} rows of one moment")
        else:
            start = max(int(raw["timestamp"]) for raw in rows)
    raise ValueError(f"more than {MOST_PAGES} pages of {quirks.page} rows")


def _identity(raw: Raw) -> str:
    """Return what makes a row itself; a trade that is told twice with another price is two rows."""
    return str([raw.get(name) for name in ("id", "symbol", "timestamp", "amount", "price")])


def _has_cursor(raw: Raw) -> bool:
    info = raw.get("info")
    return isinstance(info, Mapping) and bool(info.get("nextPageCursor"))


def _bingx_fills(ccxt: Any, symbol: str, since: float, venue_order_id: str | None) -> list[Raw]:
    """Read BingX's history of fills: what ccxt's `fetch_my_trades` reads has neither trade ids nor sides.

    The history reaches back a week. A fee that was paid is negative there, a rebate positive.
    """
    market = ccxt.market(symbol)
    now = ccxt.nonce()
    start = max(int(since * 1000), now - (_HISTORY_DAYS * _DAY - 60) * 1000)
    request = {"symbol": market["id"], "startTs": start, "endTs": now, "pageSize": 1000}
    if venue_order_id:
        request["orderId"] = venue_order_id
    found: list[Raw] = []
    for number in range(1, MOST_PAGES + 1):
        reply = ccxt.swapV2PrivateGetTradeFillHistory({**request, "pageIndex": number})
        rows = reply["data"]["fill_history_orders"] or []
        found += [_bingx_fill(ccxt, row, symbol) for row in rows]
        if len(rows) < request["pageSize"]:
            return [raw for raw in found if venue_order_id in (None, raw["order"])]
    raise ValueError(f"more than {MOST_PAGES} pages of fills")


def _bingx_fill(ccxt: Any, row: Raw, symbol: str) -> Raw:
    commission = decimal_of(row.get("commission"))
    return {
        "id": row.get("tradeId") or row.get("fillId"),
        "order": str(row.get("orderId") or ""),
        "symbol": symbol,
        "side": str(row.get("side") or "").lower(),
        "amount": row.get("qty") or row.get("volume"),
        "price": row.get("price"),
        "timestamp": ccxt.parse8601(row.get("filledTime") or row.get("filledTm")),
        "fee": {
            "cost": None if commission is None else -commission,
            "currency": row.get("currency") or row.get("commissionAsset"),
        },
        "info": row,
    }
