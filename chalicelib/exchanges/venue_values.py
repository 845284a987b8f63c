"""What a private ccxt-style client returns, as values of ours: orders, fills, positions, money.

For the venue. A number that is none (NaN, a word) raises ValueError, of which the venue makes "unknown".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from chalicelib.domain.order import (
    UNPROVEN,
    Fill,
    Order,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    VenueOrder,
)
from chalicelib.domain.venue import Balance, Funding, VenuePosition

if TYPE_CHECKING:
    from chalicelib.domain.signal import Direction
    from chalicelib.exchanges.quirk_types import BalanceFields

Raw = Mapping[str, Any]

_log = logging.getLogger("cts.exchanges")
_ZERO = Decimal(0)

_ENDS: Mapping[str, OrderState] = {
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "canceling": OrderState.PENDING_CANCEL,
}


def venue_order(raw: Raw, order: Order | None, fills: tuple[Fill, ...], cost_buy: bool = False) -> VenueOrder:
    """Return what the venue says about an order; what it leaves out is taken from ours, if it is ours.

    ValueError if it has no id: then nothing proves that it is there. `cost_buy`: its quantity is ours only.
    """
    venue_order_id = str(raw.get("id") or "")
    if not venue_order_id:
        raise ValueError(f"an order without id: {str(dict(raw))[:120]}")
    filled = decimal_of(raw.get("filled")) or _ZERO
    amount = None if cost_buy else decimal_of(raw.get("amount"))
    quantity = amount or (order.quantity if order else filled)
    trigger = decimal_of(raw.get("triggerPrice")) or decimal_of(raw.get("stopLossPrice"))
    return VenueOrder(
        client_order_id=order.client_order_id if order else str(raw.get("clientOrderId") or ""),
        venue_order_id=venue_order_id,
        symbol=order.symbol if order else str(raw["symbol"]),
        side=order.side if order else side_of(raw),
        state=state_of(raw.get("status"), filled, None if cost_buy else quantity, order),
        quantity=quantity,
        fills=fills,
        filled=max(filled, sum((fill.quantity for fill in fills), _ZERO)),
        type=order.type if order else _type_of(raw, trigger),
        price=decimal_of(raw.get("price")) or (order.price if order else None),
        trigger_price=trigger or (order.trigger_price if order else None),
        reduce_only=order.reduce_only if order else raw.get("reduceOnly") is True,
        position_side=order.position_side if order else _position_side(raw),
    )


def ending_order(order: Order, seen: VenueOrder | None = None) -> VenueOrder:
    """Return an order whose end has been asked for and is not there yet."""
    if seen:
        return replace(seen, state=OrderState.PENDING_CANCEL)
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        symbol=order.symbol,
        side=order.side,
        state=OrderState.PENDING_CANCEL,
        quantity=order.quantity,
        fills=order.fills,
        filled=order.filled,
        type=order.type,
        price=order.price,
        trigger_price=order.trigger_price,
        reduce_only=order.reduce_only,
        position_side=order.position_side,
    )


def state_of(status: Any, filled: Decimal, quantity: Decimal | None, order: Order | None) -> OrderState:
    """Return the state that ccxt's word and the filled quantity make; a bare receipt counts as accepted.

    `quantity` None: what was ordered was an amount of money, so that "closed" alone says it is filled.
    """
    if status in (None, "open"):
        return OrderState.PARTIALLY_FILLED if filled > 0 else OrderState.ACCEPTED
    if status == "closed":
        whole = quantity is None or filled >= quantity
        return OrderState.FILLED if whole else OrderState.CANCELED
    if status == "rejected":
        # What had been accepted before cannot be rejected any more: it ended without more fills.
        unproven = order is None or order.state in UNPROVEN
        return OrderState.REJECTED if unproven and not filled else OrderState.CANCELED
    if status in _ENDS:
        return _ENDS[status]
    raise ValueError(f"an order in a state that is not known: {status!r}")


def fills_of(trades: Iterable[Raw], symbol: str, side: Side, told: float) -> tuple[Fill, ...]:
    """Return trades as fills, each id once; `side` and `told` are for rows without side or time."""
    found: dict[str, Fill] = {}
    for raw in trades:
        fill = _fill(raw, symbol, side, told)
        known = found.setdefault(fill.trade_id, fill)
        if (known.price, known.quantity) != (fill.price, fill.quantity):
            _log.warning("trade %s of %s came twice with different figures", fill.trade_id, symbol)
    return tuple(found.values())


def position_of(raw: Raw) -> VenuePosition | None:
    """Return an open position; None if it is flat."""
    contracts = decimal_of(raw.get("contracts")) or _ZERO
    quantity = abs(contracts) * (decimal_of(raw.get("contractSize")) or 1)
    if not quantity:
        return None
    direction: Direction = "short" if raw.get("side") == "short" or contracts < 0 else "long"
    return VenuePosition(
        symbol=str(raw["symbol"]),
        direction=direction,
        quantity=quantity,
        entry_price=decimal_of(raw.get("entryPrice")),
        unrealised=decimal_of(raw.get("unrealizedPnl")),
        leverage=decimal_of(raw.get("leverage")),
        liquidation_price=decimal_of(raw.get("liquidationPrice")) or None,
    )


def holding_of(raw: Raw, symbol: str, base: str) -> VenuePosition | None:
    """Return what a spot account holds of a base currency; None if it is nothing."""
    total = decimal_of(_account(raw, base).get("total")) or _ZERO
    return VenuePosition(symbol, "long", total) if total > 0 else None


def balance_of(raw: Raw, currency: str, fields: BalanceFields | None) -> Balance:
    """Return settled cash and free money in a currency; a currency that is not listed is not held."""
    if fields is None or not fields.path:
        account = _account(raw, currency)
        return Balance(decimal_of(account.get("total")) or _ZERO, decimal_of(account.get("free")) or _ZERO)
    rows = _at(raw.get("info"), fields.path)
    row: Raw = next((each for each in rows if each.get(fields.key) == currency), {})
    cash = decimal_of(row.get(fields.cash)) or _ZERO
    if fields.free:
        return Balance(cash, decimal_of(row.get(fields.free)) or _ZERO)
    used = sum((decimal_of(row.get(name)) or _ZERO for name in fields.used), _ZERO)
    return Balance(cash, max(cash - used, _ZERO))


def funding_of(raw: Raw, sign: int) -> Funding:
    """Return a funding payment; `sign` is -1 where the exchange counts what was paid."""
    amount, time = decimal_of(raw.get("amount")), raw.get("timestamp")
    if amount is None or not time:
        raise ValueError(f"a funding payment without amount or time: {str(dict(raw))[:120]}")
    payment = str(raw.get("id") or f"{raw['symbol']}@{time}")
    return Funding(payment, str(raw["symbol"]), amount * sign, time / 1000)


def side_of(raw: Raw) -> Side:
    """Return the side of an order or trade; ValueError if it has none."""
    side = str(raw.get("side") or "").lower()
    if side not in ("buy", "sell"):
        raise ValueError(f"neither buy nor sell: {side!r}")
    return "buy" if side == "buy" else "sell"


def decimal_of(value: Any) -> Decimal | None:
    """Return a number as the decimal it was written as; None if there is none. ValueError for NaN."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"no number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"no number: {value!r}")
    return number


def _fill(raw: Raw, symbol: str, side: Side, told: float) -> Fill:
    quantity, price, trade_id = decimal_of(raw.get("amount")), decimal_of(raw.get("price")), raw.get("id")
    if not quantity or not price or not trade_id:
        raise ValueError(f"a trade without id, price or quantity: {str(dict(raw))[:120]}")
    fee = raw.get("fee") or {}
    return Fill(
        trade_id=str(trade_id),
        symbol=symbol,
        side=side_of(raw) if raw.get("side") else side,
        quantity=quantity,
        price=price,
        fee=decimal_of(fee.get("cost")) or _ZERO,
        fee_currency=str(fee.get("currency") or ""),
        time=raw["timestamp"] / 1000 if raw.get("timestamp") else told,
    )


def _type_of(raw: Raw, trigger: Decimal | None) -> OrderType:
    if trigger is not None:
        return "stop"
    return "limit" if raw.get("type") == "limit" else "market"


def _position_side(raw: Raw) -> PositionSide:
    info = raw.get("info") or {}
    told = str(raw.get("positionSide") or info.get("positionSide") or info.get("positionIdx") or "").lower()
    if told in ("long", "1"):
        return "long"
    return "short" if told in ("short", "2") else "both"


def _account(raw: Raw, currency: str) -> Raw:
    account = raw.get(currency) or {}
    if not isinstance(account, Mapping):
        raise ValueError(f"no balance of {currency}: {account!r}")
    return account


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value
