"""The rows in which Binance's futures API tells orders, conditional ones, trades, payments and positions."""

from decimal import Decimal
from typing import Any

from tests.fakes.binance_words import by_step, fixed, market_id, milliseconds, status_of
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import MAINTENANCE, Account, Position
from tests.fakes.core_values import Order, Payment, Trade

_KINDS = {"funding": "FUNDING_FEE", "realised": "REALIZED_PNL", "fee": "COMMISSION"}


def regular_id(order: Order) -> int | None:
    """Return the order's `orderId`: a conditional one has none until it has triggered."""
    return order.child_id if order.ticket.type in ("stop", "stop_limit") else order.id


def order_row(order: Order, acknowledged: bool = False) -> dict[str, Any]:
    """Tell an order; `acknowledged` only: as it was taken, before anything was matched."""
    ticket, filled = order.ticket, Decimal(0) if acknowledged else order.filled
    triggered = ticket.type in ("stop", "stop_limit")
    limit = ticket.type in ("limit", "stop_limit")
    return {
        "orderId": regular_id(order),
        "symbol": market_id(order.symbol),
        "status": "NEW" if acknowledged else status_of(order),
        # Nothing says that the order of a triggered stop keeps the client id: only actualOrderId leads to it.
        "clientOrderId": f"triggered{order.child_id}" if triggered else order.client_id,
        "price": fixed(ticket.price or Decimal(0), 2),
        "avgPrice": fixed(Decimal(0) if acknowledged else order.average, 5),
        "origQty": str(order.quantity),
        "executedQty": str(filled),
        "cumQty": str(filled),
        "cumQuote": fixed(Decimal(0) if acknowledged else order.filled_cost, 5),
        "timeInForce": "GTX" if ticket.post_only else ticket.time_in_force,
        "type": "LIMIT" if limit else "MARKET",
        "reduceOnly": ticket.reduce_only,
        "closePosition": ticket.close_position,
        "side": order.side.upper(),
        "positionSide": ticket.position_side.upper(),
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT" if limit else "MARKET",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": milliseconds(order.created),
        "updateTime": milliseconds(order.updated),
    }


def algo_row(order: Order, exchange: FakeExchange) -> dict[str, Any]:
    """Tell a conditional order; once triggered, `actualOrderId` names the order that trades."""
    ticket = order.ticket
    loss = (ticket.side == "sell") == (ticket.triggers_on == "falling")
    step = exchange.markets[order.symbol].price_step
    return {
        "algoId": order.id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": ("STOP" if loss else "TAKE_PROFIT") + ("_MARKET" if ticket.type == "stop" else ""),
        "symbol": market_id(order.symbol),
        "side": ticket.side.upper(),
        "positionSide": ticket.position_side.upper(),
        "timeInForce": ticket.time_in_force,
        "quantity": str(order.quantity),
        "algoStatus": _algo_status(order),
        "actualOrderId": str(order.child_id or ""),
        "actualPrice": fixed(order.average, 5),
        "triggerPrice": by_step(ticket.trigger_price or Decimal(0), step),
        "price": by_step(ticket.price or Decimal(0), step),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": ticket.close_position,
        "priceProtect": False,
        "reduceOnly": ticket.reduce_only,
        "createTime": milliseconds(order.created),
        "updateTime": milliseconds(order.updated),
        "triggerTime": milliseconds(order.updated) if order.triggered else 0,
        "goodTillDate": 0,
    }


def trade_row(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": market_id(trade.symbol),
        "id": trade.id,
        "orderId": trade.order_id,
        "side": trade.side.upper(),
        "price": str(trade.price),
        "qty": str(trade.quantity),
        "realizedPnl": fixed(trade.realised),
        "marginAsset": trade.fee_currency,
        "quoteQty": str(trade.quantity * trade.price),
        "commission": fixed(trade.fee),
        "commissionAsset": trade.fee_currency,
        "time": milliseconds(trade.time),
        "positionSide": trade.position_side.upper(),
        "buyer": trade.side == "buy",
        "maker": trade.maker,
    }


def payment_row(payment: Payment) -> dict[str, Any]:
    return {
        "symbol": market_id(payment.symbol),
        "incomeType": _KINDS[payment.kind],
        "income": fixed(payment.amount),
        "asset": payment.currency,
        "time": milliseconds(payment.time),
        "info": _KINDS[payment.kind],
        "tranId": payment.id,
        "tradeId": "" if payment.trade_id is None else str(payment.trade_id),
    }


def position_row(
    exchange: FakeExchange, account: Account, position: Position, version: int
) -> dict[str, Any]:
    """Tell a position; leverage and margin type are in version 2 only."""
    symbol, mark = position.symbol, exchange.last(position.symbol)
    margin = account.position_margin(position, mark)
    isolated = account.margin_mode_of(symbol) == "isolated"
    row = {
        "symbol": market_id(symbol),
        "positionSide": position.side.upper(),
        "positionAmt": str(position.quantity),
        "entryPrice": str(position.entry_price),
        "breakEvenPrice": str(position.entry_price),
        "markPrice": fixed(mark),
        "unRealizedProfit": fixed(position.unrealised(mark)),
        "liquidationPrice": fixed(account.liquidation_price(position)),
        "isolatedMargin": fixed(margin if isolated else Decimal(0)),
        "notional": fixed(position.quantity * mark),
        "isolatedWallet": fixed(margin if isolated else Decimal(0)),
        "updateTime": milliseconds(position.updated),
    }
    if version == 2:
        mode = {"marginType": "isolated" if isolated else "cross", "isolated": isolated}
        return {**row, **mode, "leverage": str(account.leverage_of(symbol)), "maxNotionalValue": "10000000"}
    return {
        **row,
        "marginAsset": exchange.markets[symbol].quote,
        "initialMargin": fixed(margin),
        "maintMargin": fixed(abs(position.quantity) * mark * MAINTENANCE),
        "positionInitialMargin": fixed(margin),
        "openOrderInitialMargin": "0",
        "adl": "2",
        "bidNotional": "0",
        "askNotional": "0",
    }


def _algo_status(order: Order) -> str:
    if order.triggered:
        denied = order.status == "expired" and not order.trades
        return "TRIGGERED" if order.is_open else "REJECTED" if denied else "FINISHED"
    return "NEW" if order.is_open else order.status.upper()
