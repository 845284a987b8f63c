"""Rows of BingX's answers about swap orders and trades, made of what the exchange behind the wire knows."""

from decimal import Decimal
from typing import Any

from tests.fakes.bingx_words import (
    local_time,
    market_id,
    milliseconds,
    mislabelled_time,
    plain,
    status_of,
    wire_id,
)
from tests.fakes.core_values import Order, Trade

_NO_TRIGGER = {"type": "", "quantity": 0, "stopPrice": 0, "price": 0, "workingType": ""}
_UNUSED = {
    "leverage": "",
    "takeProfit": _NO_TRIGGER,
    "stopLoss": _NO_TRIGGER,
    "advanceAttr": 0,
    "positionID": 0,
    "takeProfitEntrustPrice": 0,
    "stopLossEntrustPrice": 0,
    "orderType": "",
    "workingType": "MARK_PRICE",
    "stopGuaranteed": "false",
    "triggerOrderId": 0,
}


def receipt(order: Order, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a new order: what was asked for, and of a market order how it was filled."""
    row = {
        "symbol": market_id(order.symbol),
        "orderId": wire_id(order.id),
        "orderID": str(wire_id(order.id)),
        "side": order.side.upper(),
        "positionSide": str(asked.get("positionSide", "LONG")),
        "type": str(asked["type"]),
        "clientOrderID": order.client_id,
        "clientOrderId": order.client_id,
        "workingType": str(asked.get("workingType", "MARK_PRICE")),
        "price": float(order.ticket.price or 0),
        "quantity": float(order.quantity),
        "stopPrice": float(order.ticket.trigger_price or 0),
        "reduceOnly": order.ticket.reduce_only,
        "timeInForce": str(asked.get("timeInForce", "GTC")),
        "status": status_of(order),
    }
    filled = {"avgPrice": plain(order.average), "executedQty": plain(order.filled)}
    return row | (filled if order.ticket.type == "market" else {})


def order_row(order: Order, kind: str) -> dict[str, Any]:
    """Return an order as look-ups show it; `kind` is its type in BingX's words, fees paid are negative."""
    ticket = order.ticket
    fees = sum((trade.fee for trade in order.trades), Decimal(0))
    profit = sum((trade.realised for trade in order.trades), Decimal(0))
    return {
        "symbol": market_id(order.symbol),
        "orderId": wire_id(order.id),
        "side": order.side.upper(),
        "positionSide": ticket.position_side.upper(),
        "type": kind,
        "origQty": plain(order.quantity),
        "price": plain(ticket.price or Decimal(0)),
        "executedQty": plain(order.filled),
        "avgPrice": plain(order.average),
        "cumQuote": plain(order.filled_cost),
        "stopPrice": "" if ticket.trigger_price is None else plain(ticket.trigger_price),
        "profit": plain(profit),
        "commission": plain(-fees),
        "status": status_of(order),
        "time": milliseconds(order.created),
        "updateTime": milliseconds(order.updated),
        "clientOrderId": order.client_id,
        "onlyOnePosition": ticket.position_side == "both",
        "reduceOnly": ticket.reduce_only,
        "postOnly": ticket.post_only,
        "closePosition": "true" if ticket.close_position else "",
        **_UNUSED,
    }


def complete_trade(trade: Trade) -> dict[str, Any]:
    """Return a row of the fill history: the two times of one moment disagree by eight hours."""
    return {
        "symbol": market_id(trade.symbol),
        "tradeId": str(trade.id),
        "orderId": str(wire_id(trade.order_id)),
        "side": trade.side,
        "positionSide": trade.position_side,
        "role": "maker" if trade.maker else "taker",
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "volume": plain(trade.quantity),
        "quoteQty": plain(trade.quantity * trade.price),
        "commission": plain(-trade.fee),
        "commissionAsset": trade.fee_currency,
        "filledTm": mislabelled_time(trade.time),
        "filledTime": local_time(trade.time),
    }


def bare_trade(trade: Trade, client_id: str) -> dict[str, Any]:
    """Return a row of the older list of fills: no id, no side, and the same two times."""
    return {
        "symbol": market_id(trade.symbol),
        "orderId": str(wire_id(trade.order_id)),
        "clientOrderID": client_id,
        "volume": plain(trade.quantity),
        "price": plain(trade.price),
        "amount": plain(trade.quantity * trade.price),
        "commission": plain(-trade.fee),
        "currency": trade.fee_currency,
        "liquidatedPrice": "",
        "liquidatedMarginRatio": "",
        "filledTm": mislabelled_time(trade.time),
        "filledTime": local_time(trade.time),
    }
