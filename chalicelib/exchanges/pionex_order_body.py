"""Writes the body of a new order for Pionex, or refuses what cannot be sent; used by `pionex_orders`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ccxt.base.errors import BadRequest, InvalidOrder, NotSupported

from chalicelib.exchanges.pionex_parsing import PionexParsing
from chalicelib.exchanges.pionex_transport import Parameters, Row, refuse_parameters

CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")
SWAP_TYPES: Mapping[str, str] = {"GTC": "LIMIT", "IOC": "IOC", "FOK": "FOK", "PO": "POSTONLY"}
POSITION_SIDES = ("BOTH", "LONG", "SHORT")


class PionexOrderBody(PionexParsing):
    """What is sent for an order of ccxt's words; everything is checked before anything is sent."""

    def order_body(
        self, market: Any, order_type: str, side: str, amount: Any, price: Any, params: Parameters
    ) -> Row:
        """Return the body of the order; numbers are strings in the market's steps."""
        refuse_parameters(
            params, "clientOrderId", "cost", "hedged", "positionSide", "postOnly", "reduceOnly", "timeInForce"
        )
        if order_type not in ("market", "limit"):
            raise NotSupported(f"{self.id} has market and limit orders, not {order_type}")
        if side not in ("buy", "sell"):
            raise InvalidOrder(f"{self.id} knows the sides buy and sell, not {side}")
        body: Row = {"symbol": market["id"], "side": side.upper()}
        if params.get("clientOrderId") is not None:
            body["clientOrderId"] = self.client_order_id(params["clientOrderId"])
        write = self._swap_body if market["swap"] else self._spot_body
        return {**body, **write(market, order_type, side, amount, price, params)}

    def client_order_id(self, given: Any) -> str:
        """Return a client order id; InvalidOrder if the exchange would not take it."""
        if not isinstance(given, str) or not CLIENT_ORDER_ID.fullmatch(given):
            raise InvalidOrder(f"{self.id} takes 1 to 64 letters, digits and hyphens as an id, not {given!r}")
        return given

    def _spot_body(
        self, market: Any, order_type: str, side: str, amount: Any, price: Any, params: Parameters
    ) -> Row:
        if params.get("reduceOnly") or params.get("hedged"):
            raise NotSupported(f"{self.id} has reduceOnly and hedged on swaps only")
        if params.get("positionSide", "both").upper() != "BOTH":
            raise NotSupported(f"{self.id} has positionSide on swaps only")
        in_force = _time_in_force(order_type, params)
        if in_force not in ("GTC", "IOC"):
            raise NotSupported(f"{self.id} has no {in_force} orders on spot")
        if order_type == "market" and side == "buy":
            return {"type": "MARKET", "amount": self._quote_amount(market, amount, price, params)}
        if params.get("cost") is not None:
            raise InvalidOrder(f"{self.id} takes cost with a market buy only")
        size = self._size(market, amount)
        if order_type == "market":
            return {"type": "MARKET", "size": size}
        limit: Row = {"type": "LIMIT", "size": size, "price": self._price(market, price)}
        return {**limit, "IOC": True} if in_force == "IOC" else limit

    def _swap_body(
        self, market: Any, order_type: str, side: str, amount: Any, price: Any, params: Parameters
    ) -> Row:
        if params.get("cost") is not None:
            raise NotSupported(f"{self.id} takes cost on spot only")
        in_force = _time_in_force(order_type, params)
        sized: Row = {"size": self._size(market, amount), **_position(side, params)}
        if order_type == "market":
            return {"type": "MARKET_QTY", **sized}
        return {"type": SWAP_TYPES[in_force], "price": self._price(market, price), **sized}

    def _quote_amount(self, market: Any, amount: Any, price: Any, params: Parameters) -> str:
        """Return what a market buy spends: the param `cost`, or amount times price."""
        cost = params.get("cost")
        if cost is None:
            if amount is None or price is None:
                raise InvalidOrder(f"{self.id} buys at market for an amount of quote: give cost or a price")
            cost = _positive("amount", amount) * _positive("price", price)
        text = str(self.cost_to_precision(market["symbol"], format(_positive("cost", cost), "f")))
        return format(_positive("cost", text), "f")

    def _size(self, market: Any, amount: Any) -> str:
        return str(self.amount_to_precision(market["symbol"], format(_positive("amount", amount), "f")))

    def _price(self, market: Any, price: Any) -> str:
        return str(self.price_to_precision(market["symbol"], format(_positive("price", price), "f")))


def _positive(name: str, given: Any) -> Decimal:
    """Return a number that may be sent: the exchange would silently ignore a zero."""
    try:
        number = Decimal(str(given))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise InvalidOrder(f"pionex needs a positive {name}, not {given!r}")
    return number


def _time_in_force(order_type: str, params: Parameters) -> str:
    """Return GTC, IOC, FOK or PO; InvalidOrder where `postOnly` and `timeInForce` contradict each other."""
    given = str(params.get("timeInForce") or "").upper()
    if given not in ("", *SWAP_TYPES):
        raise NotSupported(f"pionex has the times in force {', '.join(SWAP_TYPES)}, not {given}")
    post_only = bool(params.get("postOnly"))
    if post_only and given not in ("", "GTC", "PO"):
        raise InvalidOrder(f"an order can't be postOnly and {given}")
    if order_type == "market":
        if post_only or given not in ("", "IOC"):
            raise InvalidOrder("a market order fills at once: neither postOnly nor another time in force")
        return "IOC"
    return "PO" if post_only else given or "GTC"


def _position(side: str, params: Parameters) -> Row:
    """Return `positionSide` and `reduceOnly` as they are sent.

    In hedge mode the exchange wants the position side and forbids `reduceOnly`: there the side says it, and
    a reduce-only order that would open is refused here.
    """
    reduce_only = bool(params.get("reduceOnly"))
    position_side = _position_side(side, reduce_only, params)
    if position_side == "BOTH":
        return {"reduceOnly": True} if reduce_only else {}
    reduces = (position_side == "LONG") == (side == "sell")
    if reduce_only and not reduces:
        raise InvalidOrder(f"a {side} of a {position_side} position opens it: it can't be reduceOnly")
    return {"positionSide": position_side}


def _position_side(side: str, reduce_only: bool, params: Parameters) -> str:
    """Return BOTH (one-way), LONG or SHORT, from `positionSide` or from `hedged` and what the order does."""
    given = str(params.get("positionSide") or "").upper()
    hedged = params.get("hedged")
    if given not in ("", *POSITION_SIDES):
        raise BadRequest(f"pionex knows the position sides {', '.join(POSITION_SIDES)}, not {given}")
    if given and hedged is not None and bool(hedged) == (given == "BOTH"):
        raise BadRequest(f"positionSide {given} and hedged {hedged} contradict each other")
    if given or not hedged:
        return given or "BOTH"
    return "LONG" if (side == "buy") != reduce_only else "SHORT"
