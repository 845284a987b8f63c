"""Rows of Bybit's answers (orders, executions, positions) made of what the exchange behind the wire knows."""

from decimal import Decimal
from typing import Any

from tests.fakes.bybit_words import category_of, market_id, milliseconds, number_to_id, order_id, plain
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Position
from tests.fakes.core_values import Order, Payment, PositionSide, Trade

POSITION_INDEX: dict[PositionSide, int] = {"both": 0, "long": 1, "short": 2}

_MARKET_SLIPPAGE = Decimal("0.05")
"""Linear market orders become limit orders this far from the last price, and say so in `price`."""

_REJECT_REASONS = {
    "": "EC_NoError",
    "POST_ONLY": "EC_PostOnlyWillTakeLiquidity",
    "INSUFFICIENT_FUNDS": "EC_NoEnoughQtyToFill",
}
_NOT_AT_ONCE = "EC_NoImmediateQtyToFill"

_UNUSED = {
    "blockTradeId": "",
    "takeProfit": "",
    "stopLoss": "",
    "tpTriggerBy": "",
    "slTriggerBy": "",
    "tpLimitPrice": "",
    "slLimitPrice": "",
    "orderIv": "",
    "placeType": "",
    "smpType": "None",
    "smpGroup": 0,
    "smpOrderId": "",
}
_NO_OPTION = dict.fromkeys(
    ("tradeIv", "markIv", "markPrice", "indexPrice", "underlyingPrice", "blockTradeId"), ""
)


def order_status(order: Order) -> str:
    """Return the status as Bybit calls it; what ended before it triggered has a word of its own."""
    filled = order.filled
    if order.status == "open":
        if order.conditional:
            return "Untriggered"
        return "PartiallyFilled" if filled else "New"
    if order.status == "filled":
        return "Filled"
    if order.status == "canceled" and order.conditional:
        return "Deactivated"
    if order.triggered and not filled and order.reason:
        return "Rejected"
    return "PartiallyFilledCanceled" if filled and category_of(order.symbol) == "spot" else "Cancelled"


def order_row(exchange: FakeExchange, order: Order, stop_kind: str = "") -> dict[str, Any]:
    """Return an order as look-ups show it; `stop_kind` is set for stops that belong to a position."""
    ticket, linear = order.ticket, category_of(order.symbol) == "linear"
    canceled = order.status == "canceled"
    row = {
        **_UNUSED,
        "symbol": market_id(order.symbol),
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "side": ticket.side.capitalize(),
        "orderType": "Market" if ticket.price is None else "Limit",
        "price": _price(exchange, order, linear),
        "qty": plain(order.quantity if ticket.cost is None else ticket.cost),
        "orderStatus": order_status(order),
        "cancelType": "CancelByUser" if canceled else "UNKNOWN",
        "rejectReason": "EC_PerCancelRequest"
        if canceled
        else _REJECT_REASONS.get(order.reason, _NOT_AT_ONCE),
        "timeInForce": _time_in_force(order),
        "positionIdx": POSITION_INDEX[ticket.position_side],
        "reduceOnly": ticket.reduce_only or ticket.close_position,
        "closeOnTrigger": ticket.close_position,
        "isLeverage": "" if linear else "0",
        "createdTime": milliseconds(order.created),
        "updatedTime": milliseconds(order.updated),
        **_executed(exchange, order),
        **_trigger(order, linear, stop_kind),
    }
    if linear:
        return row | {"tpslMode": "Full" if stop_kind else "", "createType": f"CreateBy{stop_kind or 'User'}"}
    unit = "" if ticket.price is not None else "baseCoin" if ticket.cost is None else "quoteCoin"
    return row | {"marketUnit": unit, "basePrice": plain(exchange.last(order.symbol))}


def execution_row(exchange: FakeExchange, order: Order, trade: Trade) -> dict[str, Any]:
    """Return a trade as the execution list shows it; `execFee` is positive where it was paid."""
    policy = exchange.policy(trade.symbol)
    before = sum((row.quantity for row in order.trades if not row.echo and row.id <= trade.id), Decimal(0))
    row = {
        "symbol": market_id(trade.symbol),
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "side": trade.side.capitalize(),
        "orderPrice": plain(order.ticket.price or Decimal(0)),
        "orderQty": plain(order.quantity),
        "leavesQty": plain(max(Decimal(0), order.quantity - before)),
        "orderType": "Market" if order.ticket.price is None else "Limit",
        "stopOrderType": "Stop" if order.ticket.trigger_price is not None else "",
        "execFee": plain(trade.fee),
        "feeCurrency": trade.fee_currency,
        "feeRate": plain(policy.maker_fee if trade.maker else policy.taker_fee),
        "execId": number_to_id(trade.symbol, trade.id),
        "execPrice": plain(trade.price),
        "execQty": plain(trade.quantity),
        "execType": "Trade",
        "execValue": plain(trade.quantity * trade.price),
        "execTime": milliseconds(trade.time),
        "isMaker": trade.maker,
        "closedSize": "",
        "seq": trade.id,
        **_NO_OPTION,
    }
    return row | ({"createType": "CreateByUser"} if category_of(trade.symbol) == "linear" else {})


def funding_row(payment: Payment) -> dict[str, Any]:
    """Return a funding payment as the execution list shows it: paid is positive, received negative."""
    return {
        "symbol": market_id(payment.symbol),
        "orderId": number_to_id(payment.symbol, payment.id),
        "orderLinkId": "",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": plain(-payment.amount),
        "feeCurrency": "",
        "execId": number_to_id(payment.symbol, payment.id),
        "execType": "Funding",
        "execTime": milliseconds(payment.time),
        "isMaker": False,
        "createType": "",
        "seq": payment.id,
    }


def position_row(exchange: FakeExchange, account: Account, position: Position) -> dict[str, Any]:
    """Return a position; a flat one has size 0 and no side."""
    mark, size = exchange.last(position.symbol), abs(position.quantity)
    margin = account.position_margin(position, mark)
    side = "" if not size else "Buy" if position.quantity > 0 else "Sell"
    return {
        "positionIdx": POSITION_INDEX[position.side],
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": market_id(position.symbol),
        "side": side,
        "size": plain(size),
        "avgPrice": plain(position.entry_price),
        "positionValue": plain(size * position.entry_price) if size else "",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 2 if size else 0,
        "leverage": str(account.leverage_of(position.symbol)),
        "positionBalance": "",
        "markPrice": plain(mark),
        "liqPrice": _liquidation(exchange, account, position),
        "bustPrice": "",
        "positionMM": plain(margin / 10) if size else "",
        "positionIM": plain(margin) if size else "",
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": plain(position.unrealised(mark)) if size else "",
        "curRealisedPnl": "0",
        "cumRealisedPnl": "0",
        "seq": 0 if not size else round(position.updated),
        "isReduceOnly": False,
        "createdTime": milliseconds(position.opened),
        "updatedTime": milliseconds(position.updated),
    }


def _executed(exchange: FakeExchange, order: Order) -> dict[str, Any]:
    """Return how much of an order traded; nothing is left of one that has ended."""
    left = order.remaining if order.is_open else Decimal(0)
    fees = _fees(order)
    return {
        "avgPrice": plain(order.average) if order.filled else "",
        "leavesQty": plain(left),
        "leavesValue": plain(left * (order.ticket.price or exchange.last(order.symbol))),
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.filled_cost),
        "cumExecFee": plain(sum(fees.values(), Decimal(0))),
        "cumFeeDetail": {currency: plain(fee) for currency, fee in fees.items()},
    }


def _trigger(order: Order, linear: bool, stop_kind: str) -> dict[str, Any]:
    price = order.ticket.trigger_price
    if price is None:
        return {"stopOrderType": "", "triggerPrice": "", "triggerDirection": 0, "triggerBy": ""}
    rising = order.ticket.triggers_on == "rising"
    return {
        "stopOrderType": stop_kind or "Stop",
        "triggerPrice": plain(price),
        "triggerDirection": (1 if rising else 2) if linear else 0,
        "triggerBy": "LastPrice",
    }


def _fees(order: Order) -> dict[str, Decimal]:
    fees: dict[str, Decimal] = {}
    for trade in order.trades:
        fees[trade.fee_currency] = fees.get(trade.fee_currency, Decimal(0)) + trade.fee
    return fees


def _price(exchange: FakeExchange, order: Order, linear: bool) -> str:
    if order.ticket.price is not None:
        return plain(order.ticket.price)
    if not linear or order.conditional:
        return "0"
    away = _MARKET_SLIPPAGE if order.side == "buy" else -_MARKET_SLIPPAGE
    step = exchange.markets[order.symbol].price_step
    worst = (order.average or exchange.last(order.symbol)) * (1 + away)
    return plain(worst.quantize(step))


def _time_in_force(order: Order) -> str:
    if order.ticket.post_only:
        return "PostOnly"
    return "IOC" if order.ticket.price is None else order.ticket.time_in_force


def _liquidation(exchange: FakeExchange, account: Account, position: Position) -> str:
    price = account.liquidation_price(position)
    return plain(price.quantize(exchange.markets[position.symbol].price_step)) if price > 0 else ""
