"""Orders at OrangeX as requests: what `create_order` sends; used by `orangex`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadRequest, InvalidOrder, NotSupported

from chalicelib.exchanges.orangex_history import OrangexHistory
from chalicelib.exchanges.orangex_parsing import TIMES_IN_FORCE

CREATE_PARAMS = frozenset(
    {
        "clientOrderId",
        "reduceOnly",
        "postOnly",
        "timeInForce",
        "triggerPrice",
        "stopLossPrice",
        "positionSide",
        "hedged",
    }
)
_CLIENT_ORDER_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_SIDES = ("both", "long", "short")
_LAST_PRICE = 2
"""Stops watch the last price, as the engine does; 1 would be the mark price."""


class OrangexRequests(OrangexHistory):
    """Builds requests for orders; what would be ignored or guessed at by the exchange is refused here."""

    def create_order_request(
        self, symbol: str, order_type: str, side: str, amount: Any, price: Any, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the params of `/private/buy` or `/private/sell`.

        Raises NotSupported for unknown params and for those that only perpetuals have, InvalidOrder or
        BadRequest for values that contradict each other.
        """
        self.refuse_unknown("createOrder", params, CREATE_PARAMS)
        market = self.market(symbol)
        if order_type not in ("market", "limit") or side not in ("buy", "sell"):
            raise InvalidOrder(f"{self.id} knows no order {order_type} {side}")
        request = {
            "instrument_name": market["id"],
            "amount": self.amount_to_precision(symbol, amount),
            "type": order_type,
            **self._position_side(market, side, params),
            **self._execution(order_type, params),
            **self._condition(market, params),
            **self._client_order_id(params),
        }
        if order_type == "limit":
            if price is None:
                raise ArgumentsRequired(f"{self.id} needs the price of a limit order")
            request["price"] = self.price_to_precision(symbol, price)
        elif market["swap"]:
            request["market_amount_order"] = False
        elif side == "buy":
            request |= self._spot_market_buy(symbol, price, request)
        return request

    def _spot_market_buy(self, symbol: str, price: Any, request: Mapping[str, Any]) -> dict[str, Any]:
        """Buy up to a price above the market's instead of at any price.

        In which coin the exchange counts the amount of a market order to buy on spot is documented nowhere:
        if in USDT, an order of 1,000 coins at 0.10 would spend ten times as much as meant. The amount of a
        limit order is in coins for certain. `options.spotMarketBuy` = "market" sends the order as it is.
        """
        if self.options["spotMarketBuy"] == "market":
            return {}
        if "time_in_force" in request:
            raise InvalidOrder(f"{self.id} takes no timeInForce on a market order to buy on spot")
        reference = price if price is not None else self.fetch_ticker(symbol)["ask"]
        if reference is None:
            raise InvalidOrder(f"{self.id}: nobody offers {symbol} now")
        slack = 1 + Decimal(str(self.options["spotMarketBuySlack"]))
        highest = self.price_to_precision(symbol, str(Decimal(str(reference)) * slack))
        return {"type": "limit", "price": highest, "time_in_force": TIMES_IN_FORCE["IOC"]}

    def _position_side(self, market: Any, side: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return BOTH, LONG or SHORT, for every order of a perpetual; spot has no such field.

        An account in hedge mode cancels orders without it (error code 5998). With `hedged` alone a buy
        opens the long and, reduce-only, closes the short side.
        """
        hedged, named = params.get("hedged"), params.get("positionSide")
        opens_long = (side == "buy") != bool(params.get("reduceOnly") or params.get("stopLossPrice"))
        if named is None:
            named = ("long" if opens_long else "short") if hedged else "both"
        position_side = str(named).lower()
        if position_side not in _SIDES:
            raise BadRequest(f"{self.id} knows no positionSide {named}")
        if hedged is not None and bool(hedged) != (position_side != "both"):
            raise BadRequest(f"{self.id}: hedged={hedged} contradicts positionSide={named}")
        if position_side != "both" and not market["swap"]:
            raise NotSupported(f"{self.id} has position sides on perpetuals only")
        return {"position_side": position_side.upper()} if market["swap"] else {}

    def _execution(self, order_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return post-only and time in force; both at once only where they agree."""
        wish = params.get("timeInForce")
        post_only = bool(params.get("postOnly")) or wish == "PO"
        if wish is not None and wish != "PO" and wish not in TIMES_IN_FORCE:
            raise InvalidOrder(f"{self.id} knows no timeInForce {wish}")
        if post_only and (order_type == "market" or wish in ("IOC", "FOK")):
            raise InvalidOrder(f"{self.id}: an order that may not take cannot be {order_type} {wish or ''}")
        request: dict[str, Any] = {"post_only": True} if post_only else {}
        if wish is not None and wish != "PO":
            request["time_in_force"] = TIMES_IN_FORCE[wish]
        return request

    def _condition(self, market: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return reduce-only and the trigger; a stop loss is reduce-only without being told."""
        trigger, stop_loss = params.get("triggerPrice"), params.get("stopLossPrice")
        reduce_only = params.get("reduceOnly")
        if trigger is not None and stop_loss is not None:
            raise BadRequest(f"{self.id} takes triggerPrice or stopLossPrice, not both")
        if stop_loss is not None and reduce_only is False:
            raise BadRequest(f"{self.id}: a stopLossPrice is always reduce-only")
        price = trigger if trigger is not None else stop_loss
        if not market["swap"] and (price is not None or reduce_only):
            raise NotSupported(f"{self.id} has stops and reduce-only orders on perpetuals only")
        request: dict[str, Any] = {"reduce_only": True} if reduce_only or stop_loss is not None else {}
        if price is not None:
            request |= {
                "condition_type": "STOP",
                "trigger_price": self.price_to_precision(market["symbol"], price),
                "trigger_price_type": _LAST_PRICE,
            }
        return request

    def _client_order_id(self, params: Mapping[str, Any]) -> dict[str, Any]:
        wish = params.get("clientOrderId")
        if wish is None:
            return {}
        if not isinstance(wish, str) or not _CLIENT_ORDER_ID.fullmatch(wish):
            raise InvalidOrder(f"{self.id} takes no clientOrderId {wish!r}: 1 to 36 of A-Z a-z 0-9 . : / _ -")
        return {"custom_order_id": wish}
