"""The ladder of look-ups of one order: by id, in open orders, closed orders, trades; for the venue.

An order is absent only if every step answered and none knew it. A step that fails leaves the question open.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.errors import OrderNotFound, VenueError, VenueNotSent, VenueUnauthorized, VenueUnknown
from chalicelib.exchanges.venue_lists import closed_orders, open_orders, trades_of_order, trades_since
from chalicelib.exchanges.venue_values import decimal_of, side_of

if TYPE_CHECKING:
    from chalicelib.domain.order import Order
    from chalicelib.exchanges.client import PrivateClient
    from chalicelib.exchanges.quirk_types import Quirks
    from chalicelib.exchanges.venue_values import Raw

EARLIER = 60.0
"""Seconds before an order was made from which it is searched: clocks differ."""

MOST_STRANGERS = 5
"""Orders that trades tell of and no list shows: so many are asked for one by one."""


class Lookup:
    """One look-up of one order of ours. Used once."""

    def __init__(self, client: PrivateClient, quirks: Quirks, order: Order) -> None:
        self._client = client
        self._quirks = quirks
        self._order = order
        self._flags = dict(quirks.trigger_flag) if order.type == "stop" else {}
        self._listed: set[str] = set()

    def find(self) -> Raw:
        """Return the order as ccxt's structure.

        Raises OrderNotFound if all steps answered, or the first failure if none found it and one failed.
        """
        failed: VenueError | None = None
        for step in (self._by_id, self._among_open, self._among_closed, self._by_trades):
            try:
                found = self._client.ask("fetch", step)
            except OrderNotFound:
                continue
            except (VenueNotSent, VenueUnauthorized):
                # Whatever keeps one request back keeps the others back too.
                raise
            except VenueError as error:
                failed = failed or error
                continue
            if found is not None:
                return found
        if failed is not None:
            raise VenueUnknown(f"not every look-up answered: {failed}") from failed
        raise OrderNotFound(f"{self._quirks.exchange} has no order {self._order.client_order_id}")

    def _by_id(self, ccxt: Any) -> Raw | None:
        order, find = self._order, self._quirks.find
        if order.leg == "external" or find == "venue_id":
            if not order.venue_order_id:
                return None
            found = self._by_venue_id(ccxt, order.venue_order_id, self._flags)
            return self._asked(found) if found else None
        if find == "realtime":
            return self._in_lists(ccxt, {"orderLinkId": order.client_order_id})
        if find == "raw":
            return self._asked(bingx_order(ccxt, order.symbol, order.client_order_id))
        ids = {"clientOrderId": order.client_order_id, **self._flags}
        return self._asked(ccxt.fetch_order(None, order.symbol, ids))

    def _by_venue_id(self, ccxt: Any, venue_order_id: str, flags: Mapping[str, Any]) -> Raw | None:
        if self._quirks.find == "realtime":
            return self._in_lists(ccxt, {"orderId": venue_order_id})
        return dict(ccxt.fetch_order(venue_order_id, self._order.symbol, dict(flags)))

    def _in_lists(self, ccxt: Any, ids: Mapping[str, str]) -> Raw | None:
        """Search where an exchange answers for one id with a list: what lives, and what has ended."""
        closed = getattr(ccxt, self._quirks.closed_method)
        for listing in (ccxt.fetch_open_orders, closed):
            for raw in listing(self._order.symbol, None, None, dict(ids)):
                if self._own(raw) or str(raw.get("id")) == ids.get("orderId"):
                    return dict(raw)
        return None

    def _among_open(self, ccxt: Any) -> Raw | None:
        return self._search(open_orders(ccxt, self._quirks, self._order.symbol))

    def _among_closed(self, ccxt: Any) -> Raw | None:
        return self._search(closed_orders(ccxt, self._quirks, self._order.symbol, self._since, self._flags))

    def _by_trades(self, ccxt: Any) -> Raw | None:
        """Find the order through its trades: some exchanges show those before, or longer than, the order."""
        order = self._order
        trades = trades_since(ccxt, self._quirks, order.symbol, self._since)
        ours = [
            trade for trade in trades if order.venue_order_id and trade.get("order") == order.venue_order_id
        ]
        if ours:
            return _from_trades(order, ours)
        strangers = {
            str(trade["order"]) for trade in trades if trade.get("order") and side_of(trade) == order.side
        } - self._listed
        if len(strangers) > MOST_STRANGERS:
            raise VenueUnknown(f"{len(strangers)} orders of {order.symbol} have trades and are in no list")
        found = (self._by_venue_id(ccxt, stranger, {}) for stranger in sorted(strangers))
        return next((raw for raw in found if raw and self._own(raw)), None)

    def _search(self, rows: list[Raw]) -> Raw | None:
        self._listed.update(str(raw.get("id")) for raw in rows)
        return next((raw for raw in rows if self._own(raw)), None)

    def _own(self, raw: Raw) -> bool:
        """Tell whether a row of a list is this order: by our id, or the exchange's where it names none."""
        order = self._order
        named = str(raw.get("clientOrderId") or "")
        if order.leg != "external" and named:
            return named == order.client_order_id
        return bool(order.venue_order_id) and str(raw.get("id")) == order.venue_order_id

    def _asked(self, raw: Raw) -> Raw | None:
        """Return the answer to a question for this order alone, unless it names another one."""
        named = str(raw.get("clientOrderId") or "")
        return raw if not named or self._own(raw) else None

    @property
    def _since(self) -> float:
        return self._order.created_at - EARLIER


def complete(client: PrivateClient, quirks: Quirks, order: Order, raw: Raw) -> Raw:
    """Return an order with its trades, if it has any and they can be read.

    A stop of Binance that triggered names the order that it became: that one has the state and the trades.
    """
    order_id = str(raw.get("id"))
    became = _became(raw)
    if became:
        placed = client.ask("fetch", lambda ccxt: dict(ccxt.fetch_order(became, order.symbol)))
        raw, order_id = {**placed, "id": order_id, "triggerPrice": raw.get("triggerPrice")}, became
    if raw.get("trades") or not decimal_of(raw.get("filled")):
        return raw
    try:
        trades = client.ask("fetch", lambda ccxt: trades_of_order(ccxt, quirks, order, order_id))
    except VenueError:
        # The cumulative figure is ahead of the trades then, and the order is asked for again.
        return raw
    return {**raw, "trades": trades}


def _became(raw: Raw) -> str:
    """Return the id of the order that a triggered stop became; VenueUnknown if it is not named yet."""
    info = raw.get("info") or {}
    became = str(info.get("actualOrderId") or "").strip("0 ") and str(info["actualOrderId"])
    if not became and info.get("algoStatus") in ("TRIGGERED", "FINISHED"):
        raise VenueUnknown(f"stop {raw.get('id')} has triggered, its order is not shown yet")
    return became


def bingx_order(ccxt: Any, symbol: str, client_order_id: str) -> Raw:
    """Ask BingX for an order by our id: ccxt's `fetch_order` sends `orderId=None` and a wrong-cased key."""
    market = ccxt.market(symbol)
    reply = ccxt.swapV2PrivateGetTradeOrder({"symbol": market["id"], "clientOrderID": client_order_id})
    data = reply["data"]
    return dict(ccxt.parse_order(data.get("order", data), market))


def _from_trades(order: Order, trades: list[Raw]) -> Raw:
    """Return what trades alone prove of an order."""
    filled = sum((decimal_of(trade.get("amount")) or 0 for trade in trades), start=Decimal(0))
    status = "closed" if filled >= order.quantity else "open"
    return {"id": order.venue_order_id, "status": status, "filled": str(filled), "trades": trades}
