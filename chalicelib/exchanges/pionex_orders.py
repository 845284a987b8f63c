"""Orders and trades at Pionex in ccxt's words: place, cancel, look up, list."""

from __future__ import annotations

from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadRequest, BadResponse, ExchangeError

from chalicelib.exchanges.pionex_order_body import PionexOrderBody
from chalicelib.exchanges.pionex_tables import (
    FILLS_PAGE,
    HISTORY_PAGES,
    OPEN_ORDERS_PAGE,
    ORDERS_PAGE,
    MarketKind,
)
from chalicelib.exchanges.pionex_transport import NO_PARAMETERS, Parameters, Row, identity, refuse_parameters

Order = dict[str, Any]


class PionexOrders(PionexOrderBody):
    """The orders of the class `pionex`."""

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002
        side: str,
        amount: Any,
        price: Any = None,
        params: Parameters = NO_PARAMETERS,
    ) -> Order:
        """Place an order; what comes back holds its id and no status, for the exchange tells none yet.

        Market buys on spot spend quote currency: the param `cost`, or else amount times price.
        Raises BadResponse, which proves nothing, if the exchange names no id.
        """
        self.load_markets()
        market = self.market(symbol)
        body = self.order_body(market, type, side, amount, price, params)
        data = self.data(self.ask(_kind(market), "create_order", body))
        order_id = self.safe_string(data, "orderId", "")
        if not order_id.isdecimal() or int(order_id) == 0:
            raise BadResponse(f"{self.id} took an order without naming its id: {str(data)[:200]}")
        placed = {
            "id": order_id,
            "clientOrderId": body.get("clientOrderId"),
            "symbol": market["symbol"],
            "type": type,
            "side": side,
            "amount": body.get("size"),
            "price": body.get("price"),
            "reduceOnly": body.get("reduceOnly"),
            "info": data,
        }
        return dict(self.safe_order(placed, market))

    def create_market_buy_order_with_cost(
        self, symbol: str, cost: Any, params: Parameters = NO_PARAMETERS
    ) -> Order:
        """Buy at market on spot for an amount of quote currency."""
        return self.create_order(symbol, "market", "buy", None, None, {**params, "cost": cost})

    def cancel_order(
        self,
        id: str | None,  # noqa: A002
        symbol: str | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> Order:
        """Cancel an order by its id, or by the param `clientOrderId`: the exchange takes only its own id.

        An order that the lookup finds ended is returned as it is. Otherwise the answer has no status: the
        exchange took the request, and a fill may still have been faster.
        """
        refuse_parameters(params, "clientOrderId")
        market = self._market_of(symbol)
        if id is None:
            found = self.fetch_order(None, symbol, params)
            if found["status"] in ("closed", "canceled"):
                return found
            id = found["id"]  # noqa: A001
        body = {"symbol": market["id"], "orderId": self._number(id)}
        reply = self.ask(_kind(market), "cancel_order", body)
        cancelled = {"id": id, "clientOrderId": params.get("clientOrderId"), "symbol": symbol, "info": reply}
        return dict(self.safe_order(cancelled, market))

    def cancel_all_orders(self, symbol: str | None = None, params: Parameters = NO_PARAMETERS) -> list[Order]:
        """Cancel every open order of a symbol; the exchange does not tell which these were."""
        refuse_parameters(params)
        market = self._market_of(symbol)
        reply = self.ask(_kind(market), "cancel_all_orders", {"symbol": market["id"]})
        return [dict(self.safe_order({"info": reply}, market))]

    def fetch_order(
        self,
        id: str | None,  # noqa: A002
        symbol: str | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> Order:
        """Return an order by its id, or by the param `clientOrderId` (futures: of recent orders only)."""
        refuse_parameters(params, "clientOrderId")
        market = self._market_of(symbol)
        # Only the lookups of futures take a symbol.
        asked: Row = {"symbol": market["id"]} if market["swap"] else {}
        if id is not None:
            reply = self.ask(_kind(market), "order", {**asked, "orderId": self._number(id)})
        elif params.get("clientOrderId") is not None:
            asked["clientOrderId"] = self.client_order_id(params["clientOrderId"])
            reply = self.ask(_kind(market), "order_by_client_id", asked)
        else:
            raise ArgumentsRequired(f"{self.id} finds an order by its id or by clientOrderId")
        row = self.data(reply)
        if "orderId" not in row:
            raise BadResponse(f"{self.id} answered without an order: {str(reply)[:200]}")
        return self.parse_order(row, market)

    def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[Order]:
        """Return the open orders of a symbol, or with `type` swap and no symbol those of all swaps."""
        refuse_parameters(params, "type")
        self.load_markets()
        if symbol is None:
            if params.get("type", self.options["defaultType"]) != "swap":
                raise ArgumentsRequired(f"{self.id} lists open spot orders by symbol only")
            return self._parsed(self._open_rows("swap", {}), None, since, limit)
        market = self.market(symbol)
        rows = self._open_rows(_kind(market), {"symbol": market["id"]})
        return self._parsed(rows, market, since, limit)

    def _open_rows(self, kind: MarketKind, asked: Row) -> list[Row]:
        paged = {**asked, "limit": OPEN_ORDERS_PAGE} if kind == "swap" else asked
        rows = self.rows(self.ask(kind, "open_orders", paged), "orders")
        if kind == "swap" and len(rows) >= OPEN_ORDERS_PAGE:
            raise ExchangeError(f"{self.id} has {len(rows)} open orders or more: ask by symbol")
        return rows

    def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[Order]:
        """Return orders of a symbol, open and ended, oldest first; without `since` the latest 200."""
        refuse_parameters(params)
        market = self._market_of(symbol)
        rows: dict[Any, Row] = {}
        if market["swap"]:
            # The list of futures orders holds ended ones only. The open ones are asked for first: what ends
            # between the two questions is in both lists, and the later answer counts.
            rows = {row["orderId"]: row for row in self._open_rows("swap", {"symbol": market["id"]})}
        rows |= {row["orderId"]: row for row in self._ended_rows(market, since)}
        return self._parsed(list(rows.values()), market, since, limit)

    def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[Order]:
        """Return the orders of a symbol that have ended, filled or cancelled, oldest first."""
        refuse_parameters(params)
        market = self._market_of(symbol)
        ended = [row for row in self._ended_rows(market, since) if row.get("status") != "OPEN"]
        return self._parsed(ended, market, since, limit)

    def _ended_rows(self, market: Any, since: int | None) -> list[Row]:
        asked = {"symbol": market["id"], "limit": ORDERS_PAGE}
        return self.history(_kind(market), "orders", "orders", asked, since, ORDERS_PAGE)

    def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[dict[str, Any]]:
        """Return the fills of a symbol, oldest first; without `since` the latest 100, of swaps 200."""
        refuse_parameters(params)
        market = self._market_of(symbol)
        kind = _kind(market)
        asked = {"symbol": market["id"], **({"limit": FILLS_PAGE["swap"]} if kind == "swap" else {})}
        rows = self.history(kind, "fills", "fills", asked, since, FILLS_PAGE[kind])
        return list(self.parse_trades(rows, market, since, limit))

    def fetch_order_trades(
        self,
        id: str,  # noqa: A002
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Parameters = NO_PARAMETERS,
    ) -> list[dict[str, Any]]:
        """Return every fill of an order, oldest first; none if the exchange does not know the order."""
        refuse_parameters(params)
        market = self._market_of(symbol)
        kind = _kind(market)
        asked: Row = {"orderId": self._number(id)}
        if kind == "swap":
            asked |= {"symbol": market["id"], "limit": FILLS_PAGE["swap"]}
        return list(self.parse_trades(self._order_fills(kind, asked), market, since, limit))

    def _order_fills(self, kind: MarketKind, asked: Row) -> list[Row]:
        """Read the fills of an order, newest first, on from the oldest fill of the page before."""
        found: dict[object, Row] = {}
        for _ in range(HISTORY_PAGES):
            rows = self.rows(self.ask(kind, "order_fills", asked), "fills")
            known = len(found)
            found |= {identity(row): row for row in rows}
            if len(rows) < FILLS_PAGE[kind] or len(found) == known:
                return list(found.values())
            asked = {**asked, "fromId": min(row["id"] for row in rows)}
        raise ExchangeError(f"{self.id} has more than {len(found)} fills of order {asked['orderId']}")

    def _parsed(self, rows: list[Row], market: Any, since: int | None, limit: int | None) -> list[Order]:
        return list(self.parse_orders(rows, market, since, limit))

    def _market_of(self, symbol: str | None) -> Any:
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} needs a symbol here")
        self.load_markets()
        return self.market(symbol)

    def _number(self, order_id: str) -> int:
        """Return an order id as the number that the exchange sends and takes."""
        if not str(order_id).isdecimal():
            raise BadRequest(f"{self.id} has numbers as order ids, not {order_id!r}")
        return int(order_id)


def _kind(market: Any) -> MarketKind:
    return "swap" if market["swap"] else "spot"
