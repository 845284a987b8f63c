"""Orders and trades of an OrangeX account as the exchange tells them; used by `orangex`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadResponse, OrderNotFound

from chalicelib.exchanges.orangex_account import OrangexAccount
from chalicelib.exchanges.orangex_parsing import milliseconds_of, rows_of

PAGE = 100
SHORTEST_PAGE = 20
"""A page of the order history that is shorter than the exchange's own default is its last."""

MOST_PAGES = 20
SEARCHED_PAGES = 5
"""Pages of a symbol's history in which a client's id is searched."""

_NONE: frozenset[str] = frozenset()
_CLIENT_ID = frozenset({"clientOrderId"})
_UNTIL = frozenset({"until"})


class OrangexHistory(OrangexAccount):
    """Reads of orders and trades. A reply that is not understood is BadResponse, never an empty list."""

    def fetch_order(
        self,
        id: str | None,  # noqa: A002
        symbol: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fetch an order by its id, or by `params.clientOrderId` among the symbol's orders.

        BadResponse for an id that is not visible yet (some seconds after placing). A client's id is searched
        among the open orders and the newest of the history; OrderNotFound if neither has it.
        """
        self.refuse_unknown("fetchOrder", params, _CLIENT_ID)
        self._prepare()
        if id is None:
            return self._of_client(symbol, params)
        row = self.private("get_order_state", {"order_id": id})
        if not isinstance(row, Mapping) or str(row.get("order_id")) != str(id):
            raise BadResponse(f"{self.id} does not show order {id} (yet)")
        return self.parse_order(row, self.market(symbol) if symbol else None)

    def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch the open orders of a symbol, or all of `params.type` (swap or spot) in one request."""
        self.refuse_unknown("fetchOpenOrders", params, {"type"})
        self._prepare()
        if symbol is None:
            kind = self.kind_of((params or {}).get("type"))
            rows = rows_of(self.private("get_open_orders_by_currency", {"currency": kind}), "orders")
            return list(self.parse_orders(rows, None, since, limit))
        market = self.market(symbol)
        request = {"instrument_name": market["id"]}
        rows = rows_of(self.private("get_open_orders_by_instrument", request), "orders")
        return list(self.parse_orders(rows, market, since, limit))

    def fetch_closed_orders(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch a symbol's ended orders: all since `since` (ms), or the newest `limit` (100 if neither)."""
        self.refuse_unknown("fetchClosedOrders", params, _NONE)
        self._prepare()
        market = self.market(symbol)
        rows: dict[str, Any] = {}
        for page in self._history(market, MOST_PAGES, whole=True):
            rows |= {str(row.get("order_id")): row for row in page}
            newest_first = _last_change(page[0]) >= _last_change(page[-1])
            if newest_first and (
                len(rows) >= (limit or PAGE)
                if since is None
                else all(_last_change(row) < since for row in page)
            ):
                break
        newest = sorted(rows.values(), key=_last_change)
        kept = newest if since is not None else newest[-(limit or PAGE) :]
        return list(self.parse_orders(kept, market, since, limit))

    def fetch_orders(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch a symbol's open and ended orders; one that ends in between is told as ended."""
        self.refuse_unknown("fetchOrders", params, _NONE)
        found = {order["id"]: order for order in self.fetch_open_orders(symbol)}
        found |= {order["id"]: order for order in self.fetch_closed_orders(symbol, since, limit)}
        orders = self.sort_by(list(found.values()), "timestamp")
        return list(self.filter_by_since_limit(orders, since, limit, "timestamp", since is None))

    def fetch_my_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch a symbol's trades: all from `since` to `params.until` (ms), or the newest `limit`."""
        self.refuse_unknown("fetchMyTrades", params, _UNTIL)
        self._prepare()
        market = self.market(symbol)
        request = {"instrument_name": market["id"]}
        newest = limit or PAGE if since is None else None
        rows = self._trades("get_user_trades_by_instrument", request, since, newest, params)
        return list(self.parse_trades(rows, market, since, limit))

    def fetch_order_trades(
        self,
        id: str,  # noqa: A002
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Fetch all trades of one order."""
        self.refuse_unknown("fetchOrderTrades", params, _UNTIL)
        self._prepare()
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} fetchOrderTrades() needs the symbol: trades do not name it")
        rows = self._trades("get_user_trades_by_order", {"order_id": id}, since, None, params)
        return list(self.parse_trades(rows, self.market(symbol), since, limit))

    def named_client_id(self, params: Mapping[str, Any] | None) -> str:
        """Return `params.clientOrderId`; ArgumentsRequired where it is missing."""
        wanted = (params or {}).get("clientOrderId")
        if not wanted:
            raise ArgumentsRequired(f"{self.id} needs an order's id or params.clientOrderId")
        return str(wanted)

    def _prepare(self) -> None:
        with self.preparing():
            self.load_markets()

    def open_order_of_client(self, symbol: str | None, client_order_id: str) -> Any:
        """Return the symbol's open order with that client's id, None if no open one has it."""
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} needs the symbol to search for {client_order_id}")
        orders = self.fetch_open_orders(symbol)
        return next((order for order in orders if order["clientOrderId"] == client_order_id), None)

    def _of_client(self, symbol: str | None, params: Mapping[str, Any] | None) -> Any:
        wanted = self.named_client_id(params)
        found = self.open_order_of_client(symbol, wanted)
        if found is not None:
            return found
        market = self.market(symbol)
        for page in self._history(market, SEARCHED_PAGES):
            for order in self.parse_orders(page, market):
                if order["clientOrderId"] == wanted:
                    return order
        raise OrderNotFound(
            f"{self.id}: no open order and none of the newest {SEARCHED_PAGES * PAGE} ended orders of "
            f"{symbol} is {wanted}"
        )

    def _history(self, market: Any, pages: int, whole: bool = False) -> Iterator[list[Any]]:
        """Yield the pages of a symbol's ended orders; BadResponse if `whole` and there are more."""
        offset = 0
        for _ in range(pages):
            request = {"instrument_name": market["id"], "count": PAGE, "offset": offset}
            rows = rows_of(self.private("get_order_history_by_instrument", request), "orders")
            if rows:
                yield rows
            if len(rows) < SHORTEST_PAGE:
                return
            offset += len(rows)
        if whole:
            raise BadResponse(f"{self.id} has more ended orders of {market['symbol']} than are read")

    def _trades(
        self,
        method: str,
        request: Mapping[str, Any],
        since: int | None,
        newest: int | None,
        params: Mapping[str, Any] | None,
    ) -> list[Any]:
        """Read pages until there are no more, or `newest` rows; BadResponse rather than leave trades out.

        The next page starts at the last one's edge in time, in whichever direction the exchange went;
        rows that come twice by that are dropped.
        """
        until = (params or {}).get("until")
        window = {"start_timestamp": since, "end_timestamp": until}
        ascending = since is not None
        found: dict[tuple[Any, ...], Any] = {}
        for _ in range(MOST_PAGES):
            bounds = {name: time for name, time in window.items() if time is not None}
            sorting = "asc" if ascending else "desc"
            page = self.private(method, {**request, **bounds, "count": PAGE, "sorting": sorting})
            rows = rows_of(page, "trades")
            before = len(found)
            found |= {_identity(row): row for row in rows}
            if not (isinstance(page, Mapping) and page.get("has_more")):
                return list(found.values())
            if newest is not None and len(found) >= newest:
                return list(found.values())
            if len(found) == before:
                break
            window |= _next_bound([_time(row) for row in rows], ascending)
        raise BadResponse(f"{self.id} has more trades than can be read of {dict(request)}")


def _next_bound(times: list[int], ascending: bool) -> dict[str, int]:
    """Return where the next page starts; rows of a page tell their direction unless all are of one time."""
    if times[0] != times[-1]:
        ascending = times[0] < times[-1]
    edge: Callable[[list[int]], int] = max if ascending else min
    return {"start_timestamp" if ascending else "end_timestamp": edge(times)}


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Tell rows apart: one id with two prices is a contradiction to be seen, not a row that came twice."""
    return tuple(str(row.get(key)) for key in ("trade_id", "price", "amount"))


def _time(row: Mapping[str, Any]) -> int:
    time = milliseconds_of(row.get("timestamp"))
    if time is None:
        raise BadResponse("orangex told of a trade without its time")
    return time


def _last_change(row: Mapping[str, Any]) -> int:
    times = (milliseconds_of(row.get(key)) for key in ("creation_timestamp", "last_update_timestamp"))
    return max(time or 0 for time in times)
