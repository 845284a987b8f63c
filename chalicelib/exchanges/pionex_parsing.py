"""What Pionex says of an account in ccxt's words: orders, trades, balances and positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccxt.base.errors import BadResponse
from ccxt.base.precise import Precise

from chalicelib.exchanges.pionex_transport import PionexTransport, Row

ORDER_TYPES: Mapping[str, tuple[str, str]] = {
    "LIMIT": ("limit", "GTC"),
    "MARKET": ("market", "IOC"),
    "MARKET_QTY": ("market", "IOC"),
    "IOC": ("limit", "IOC"),
    "FOK": ("limit", "FOK"),
    "POSTONLY": ("limit", "PO"),
}
"""By Pionex's order type, ccxt's type and time in force."""


class PionexParsing(PionexTransport):
    """Turns one row of a reply into one of ccxt's structures; numbers stay strings until the last step."""

    def parse_order_status(self, order: Row) -> str | None:
        """Return open, closed or canceled; None if the row does not say.

        CLOSED tells no reason: what was not filled was cancelled or refused. A market buy has no size to
        compare with: it is closed once anything of its amount was filled.
        """
        status = self.safe_string(order, "status")
        if status != "CLOSED":
            return "open" if status == "OPEN" else None
        by_amount = order.get("type") == "MARKET" and order.get("side") == "BUY"
        filled = self.safe_string(order, "filledAmount" if by_amount else "filledSize")
        if filled is None:
            return None
        asked = "0" if by_amount else self.safe_string(order, "size", "0")
        done = Precise.string_gt(filled, "0") and Precise.string_ge(filled, asked)
        return "closed" if done else "canceled"

    def parse_order(self, order: Row, market: Any = None) -> dict[str, Any]:
        """Return an order of spot or futures; `amount` is what the exchange kept of a reduce-only order."""
        found = self.safe_market(self.safe_string(order, "symbol"), market)
        created = self.safe_integer(order, "createTime")
        kind, in_force = ORDER_TYPES.get(self.safe_string(order, "type", ""), (None, None))
        if kind == "limit" and order.get("IOC") is True:
            in_force = "IOC"
        return dict(
            self.safe_order(
                {
                    "id": self.safe_string(order, "orderId"),
                    "clientOrderId": self.safe_string(order, "clientOrderId"),
                    "symbol": found["symbol"],
                    "timestamp": created,
                    "datetime": self.iso8601(created),
                    "lastUpdateTimestamp": self.safe_integer(order, "updateTime"),
                    "type": kind,
                    "timeInForce": in_force,
                    "postOnly": in_force == "PO",
                    "reduceOnly": self.safe_bool(order, "reduceOnly"),
                    "side": self.safe_string_lower(order, "side"),
                    "price": self.safe_string(order, "price"),
                    "amount": self.safe_string_2(order, "size", "origSize"),
                    "filled": self.safe_string(order, "filledSize"),
                    "cost": self.safe_string(order, "filledAmount"),
                    "status": self.parse_order_status(order),
                    "fee": self._fee(order),
                    "info": order,
                },
                found,
            )
        )

    def parse_trade(self, trade: Row, market: Any = None) -> dict[str, Any]:
        """Return one fill of an order of ours; a negative fee is a rebate."""
        found = self.safe_market(self.safe_string(trade, "symbol"), market)
        stamp = self.safe_integer(trade, "timestamp")
        return dict(
            self.safe_trade(
                {
                    "id": self.safe_string(trade, "id"),
                    "order": self.safe_string(trade, "orderId"),
                    "symbol": found["symbol"],
                    "timestamp": stamp,
                    "datetime": self.iso8601(stamp),
                    "type": None,
                    "side": self.safe_string_lower(trade, "side"),
                    "takerOrMaker": self.safe_string_lower(trade, "role"),
                    "price": self.safe_string(trade, "price"),
                    "amount": self.safe_string(trade, "size"),
                    "fee": self._fee(trade),
                    "info": trade,
                },
                found,
            )
        )

    def _fee(self, row: Row) -> dict[str, Any] | None:
        """Return a fee as a number: ccxt's `safe_order` would leave it a string."""
        cost, coin = self.safe_number(row, "fee"), self.safe_string(row, "feeCoin")
        return None if cost is None or not coin else {"cost": cost, "currency": self.safe_currency_code(coin)}

    def parse_position(self, position: Row, market: Any = None) -> dict[str, Any]:
        """Return a position; only an isolated one has a collateral, a cross one is backed by the account."""
        found = self.safe_market(self.safe_string(position, "symbol"), market)
        size = self.safe_string(position, "netSize")
        if size is None:
            raise BadResponse(f"{self.id} names no net size: {str(position)[:200]}")
        contracts, profit = Precise.string_abs(size), self.safe_string(position, "unrealizedPnL")
        mark, margin = self.safe_string(position, "markPrice"), self.safe_string(position, "initialMargin")
        stamp = self.safe_integer_2(position, "updateTime", "createTime")
        isolated = self.safe_string(position, "isolatedMode", "CROSS") != "CROSS"
        notional = Precise.string_mul(contracts, mark) if mark else None
        return dict(
            self.safe_position(
                {
                    "id": self.safe_string(position, "positionId"),
                    "symbol": found["symbol"],
                    "timestamp": stamp,
                    "datetime": self.iso8601(stamp),
                    "marginMode": "isolated" if isolated else "cross",
                    "side": _direction(position, size),
                    "contracts": self.parse_number(contracts),
                    "contractSize": 1.0,
                    "entryPrice": self.parse_number(self.omit_zero(self.safe_string(position, "avgPrice"))),
                    "markPrice": self.parse_number(mark),
                    "notional": self.parse_number(notional),
                    "leverage": self.safe_number_omit_zero(position, "leverage"),
                    "unrealizedPnl": self.parse_number(profit),
                    "initialMargin": self.parse_number(self.omit_zero(margin)),
                    "maintenanceMargin": self.safe_number_omit_zero(position, "maintMargin"),
                    "collateral": self.parse_number(_sum(margin, profit)) if isolated else None,
                    "liquidationPrice": self.safe_number_omit_zero(position, "liquidationPrice"),
                    "marginRatio": None,
                    "percentage": None,
                    "info": position,
                }
            )
        )

    def parse_spot_balance(self, rows: list[Row]) -> dict[str, Any]:
        """Return what the trading account holds; bot and earn accounts are not part of it."""
        accounts = {
            self.safe_currency_code(self.safe_string(row, "coin")): {
                "free": self.safe_string(row, "free"),
                "used": self.safe_string(row, "frozen"),
            }
            for row in rows
        }
        return dict(self.safe_balance({"info": rows, **accounts}))

    def parse_swap_balance(self, detail: Row, rows: list[Row]) -> dict[str, Any]:
        """Return the futures account: total is settled money, free the margin that a new order may use.

        Money set aside for isolated positions counts into the total. Unrealised profit may make the available
        margin larger than the total: free never is.
        """
        totals: dict[str, str] = {}
        free: dict[str, str] = {}
        for row in rows:
            coin = row["coin"]
            totals[coin] = self.safe_string(row, "assets") or self._held(row)
            free[coin] = self.safe_string_2(row, "available", "free", "0")
        for position in detail.get("positions") or []:
            for row in position.get("balances") or []:
                totals[row["coin"]] = _sum(totals.get(row["coin"]), self._held(row))
        accounts = {
            self.safe_currency_code(coin): {
                "total": total,
                "free": Precise.string_max("0", Precise.string_min(free.get(coin, "0"), total)),
            }
            for coin, total in totals.items()
        }
        return dict(self.safe_balance({"info": detail, **accounts}))

    def _held(self, row: Row) -> str:
        free, frozen = self.safe_string(row, "free"), self.safe_string(row, "frozen")
        if free is None or frozen is None:
            raise BadResponse(f"{self.id} names no free or frozen amount: {str(row)[:200]}")
        return _sum(free, frozen)


def _sum(one: str | None, other: str | None) -> str:
    return str(Precise.string_add(one or "0", other or "0"))


def _direction(position: Row, size: str) -> str:
    """Return long or short by the sign of the net size; a side that contradicts it is nobody's to guess."""
    side = position.get("positionSide")
    if Precise.string_lt(size, "0"):
        if side == "LONG":
            raise BadResponse(f"pionex calls a net size of {size} of {position.get('symbol')} long")
        return "short"
    return "short" if side == "SHORT" else "long"
