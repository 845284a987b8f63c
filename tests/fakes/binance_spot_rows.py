"""The rows in which Binance's spot API tells orders, trades and balances."""

from decimal import Decimal
from typing import Any

from tests.fakes.binance_words import fixed, market_id, milliseconds, status_of
from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Order, Trade


def type_of(order: Order) -> str:
    ticket = order.ticket
    if ticket.type in ("stop", "stop_limit"):
        loss = (ticket.side == "sell") == (ticket.triggers_on == "falling")
        return ("STOP_LOSS" if loss else "TAKE_PROFIT") + ("_LIMIT" if ticket.type == "stop_limit" else "")
    return "LIMIT_MAKER" if ticket.post_only else ticket.type.upper()


def names(order: Order) -> dict[str, Any]:
    return {
        "symbol": market_id(order.symbol),
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
    }


def body(order: Order) -> dict[str, Any]:
    ticket = order.ticket
    stop = {"stopPrice": fixed(ticket.trigger_price)} if ticket.trigger_price is not None else {}
    return {
        "price": fixed(ticket.price or Decimal(0)),
        "origQty": fixed(order.quantity),
        "executedQty": fixed(order.filled),
        "origQuoteOrderQty": fixed(ticket.cost or Decimal(0)),
        "cummulativeQuoteQty": fixed(order.filled_cost),
        "status": status_of(order),
        "timeInForce": ticket.time_in_force,
        "type": type_of(order),
        "side": order.side.upper(),
        **stop,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def read(order: Order) -> dict[str, Any]:
    return {
        **names(order),
        **body(order),
        "stopPrice": fixed(order.ticket.trigger_price or Decimal(0)),
        "icebergQty": "0.00000000",
        "time": milliseconds(order.created),
        "updateTime": milliseconds(order.updated),
        "isWorking": not order.conditional,
        "workingTime": milliseconds(order.created),
    }


def fill(trade: Trade) -> dict[str, Any]:
    return {
        "price": fixed(trade.price),
        "qty": fixed(trade.quantity),
        "commission": fixed(trade.fee),
        "commissionAsset": trade.fee_currency,
        "tradeId": trade.id,
    }


def trade_row(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": market_id(trade.symbol),
        "id": trade.id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": fixed(trade.price),
        "qty": fixed(trade.quantity),
        "quoteQty": fixed(trade.quantity * trade.price),
        "commission": fixed(trade.fee),
        "commissionAsset": trade.fee_currency,
        "time": milliseconds(trade.time),
        "isBuyer": trade.side == "buy",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def balance(account: Account, currency: str) -> dict[str, str]:
    return {
        "asset": currency,
        "free": fixed(account.free(currency)),
        "locked": fixed(account.locked(currency)),
    }
