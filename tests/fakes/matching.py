"""What the exchange behind the wire does with an accepted order: matching, stops, and the books."""

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Order, Payment, PaymentKind, Status, Ticket, Trade

if TYPE_CHECKING:
    from tests.fakes.core import FakeExchange

_DUST = Decimal("0.00000001")


def enter(exchange: "FakeExchange", account: Account, order: Order) -> None:
    """Let an accepted order act: take what it can at once, then rest, or end."""
    ticket = order.ticket
    if order.conditional:
        _arm(exchange, account, order)
        return
    if ticket.post_only and would_take(exchange, ticket):
        _end(exchange, order, "expired", "POST_ONLY")
        return
    if ticket.type == "market" or would_take(exchange, ticket):
        _take(exchange, account, order)
    if order.is_open and (ticket.type == "market" or ticket.time_in_force != "GTC"):
        _end(exchange, order, "expired", order.reason)


def price_moved(exchange: "FakeExchange", symbol: str, price: Decimal) -> None:
    """Match the symbol's open orders, oldest first, against its new last price."""
    for account in exchange.accounts.values():
        for order in account.open_orders():
            if order.symbol != symbol or not order.is_open:
                continue
            if order.conditional:
                _trigger_on(exchange, account, order, price)
            elif _reached(order, price):
                _rest_filled(exchange, account, order)


def fill(
    exchange: "FakeExchange", account: Account, order: Order, quantity: Decimal, price: Decimal, maker: bool
) -> Trade:
    """Book one trade of an order, whatever its state: wallets, position, fee, history."""
    listing = exchange.markets[order.symbol]
    policy = exchange.policies[listing.type]
    rate = policy.maker_fee if maker else policy.taker_fee
    book = _book_spot if listing.type == "spot" else _book_swap
    fee, currency, realised = book(exchange, account, order, quantity, price, rate)
    trade = Trade(
        id=exchange.next_id(),
        order_id=order.child_id or order.id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.ticket.position_side,
        quantity=quantity,
        price=price,
        fee=fee,
        fee_currency=currency,
        maker=maker,
        realised=realised,
        time=exchange.now,
    )
    order.trades.append(trade)
    account.trades.append(trade)
    order.updated = exchange.now
    if listing.type == "swap":
        _note_payments(exchange, account, trade)
    if order.is_open and order.filled >= order.quantity:
        order.status = "filled"
    return trade


def expire_idle_reduce_only(exchange: "FakeExchange", account: Account, symbol: str) -> None:
    """End resting reduce-only orders that have nothing left to reduce."""
    for order in account.open_orders("swap"):
        ticket = order.ticket
        idle = order.symbol == symbol and ticket.reduce_only and not reducible(account, ticket)
        if idle and not order.conditional:
            _end(exchange, order, "expired", "REDUCE_ONLY")


def reducible(account: Account, ticket: Ticket) -> Decimal:
    """Return how much of the position an order of this side could close."""
    held = account.position(ticket.symbol, ticket.position_side).quantity
    closes = held < 0 if ticket.side == "buy" else held > 0
    return abs(held) if closes else Decimal(0)


def on_step(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of the step."""
    return (value / step).to_integral_value(ROUND_DOWN) * step


def _arm(exchange: "FakeExchange", account: Account, order: Order) -> None:
    holds = trigger_holds(order.ticket, exchange.last(order.symbol))
    policy = exchange.policy(order.symbol)
    if holds and policy.stop_that_would_trigger == "fire":
        _trigger(exchange, account, order)
    order.armed = not holds


def _trigger_on(exchange: "FakeExchange", account: Account, order: Order, price: Decimal) -> None:
    holds = trigger_holds(order.ticket, price)
    if holds and order.armed:
        _trigger(exchange, account, order)
    order.armed = order.armed or not holds


def _trigger(exchange: "FakeExchange", account: Account, order: Order) -> None:
    """Turn a stop into the market or limit order that it stands for."""
    ticket = order.ticket
    order.triggered, order.updated = True, exchange.now
    if ticket.close_position:
        order.quantity = reducible(account, ticket)
    if (ticket.reduce_only or ticket.close_position) and not reducible(account, ticket):
        _end(exchange, order, "expired", "REDUCE_ONLY")
        return
    if exchange.policy(order.symbol).stop_becomes_another_order:
        order.child_id = exchange.next_id()
    if ticket.type == "stop":
        _take(exchange, account, order)
        if order.is_open:
            _end(exchange, order, "expired", order.reason)
    elif would_take(exchange, ticket):
        _take(exchange, account, order)


def trigger_holds(ticket: Ticket, price: Decimal) -> bool:
    if ticket.trigger_price is None:
        return False
    return price <= ticket.trigger_price if ticket.triggers_on == "falling" else price >= ticket.trigger_price


def _reached(order: Order, price: Decimal) -> bool:
    limit = order.ticket.price
    return limit is not None and (price <= limit if order.side == "buy" else price >= limit)


def would_take(exchange: "FakeExchange", ticket: Ticket) -> bool:
    if ticket.price is None:
        return False
    if ticket.side == "buy":
        return ticket.price >= exchange.ask(ticket.symbol)
    return ticket.price <= exchange.bid(ticket.symbol)


def _take(exchange: "FakeExchange", account: Account, order: Order) -> None:
    """Trade at the other side's price as much as there is."""
    price = exchange.ask(order.symbol) if order.side == "buy" else exchange.bid(order.symbol)
    quantity = _fillable(exchange, account, order)
    if order.ticket.time_in_force == "FOK" and quantity < order.remaining:
        return
    if _short_of_funds(exchange, account, order.ticket, quantity, price):
        order.reason = "INSUFFICIENT_FUNDS"
        return
    if quantity:
        fill(exchange, account, order, quantity, price, maker=False)
        expire_idle_reduce_only(exchange, account, order.symbol)


def _rest_filled(exchange: "FakeExchange", account: Account, order: Order) -> None:
    quantity = _fillable(exchange, account, order)
    if quantity and order.ticket.price is not None:
        fill(exchange, account, order, quantity, order.ticket.price, maker=True)
        expire_idle_reduce_only(exchange, account, order.symbol)


def _fillable(exchange: "FakeExchange", account: Account, order: Order) -> Decimal:
    """Return how much trades now: bounded by the order, what it may reduce, and what the market holds."""
    quantity = order.remaining
    if order.ticket.reduce_only or order.ticket.close_position:
        quantity = min(quantity, reducible(account, order.ticket))
    there = exchange.liquidity.get(order.symbol)
    if there is not None:
        quantity = min(quantity, there)
        exchange.liquidity[order.symbol] = there - quantity
    return quantity


def _short_of_funds(
    exchange: "FakeExchange", account: Account, ticket: Ticket, quantity: Decimal, price: Decimal
) -> bool:
    """Tell whether a triggered stop can no longer be paid: other orders were checked at the door."""
    if ticket.type not in ("stop", "stop_limit") or ":" in ticket.symbol:
        return False
    base, quote = ticket.symbol.split("/")
    if ticket.side == "sell":
        return account.total("spot", base) < quantity
    return account.total("spot", quote) < quantity * price


def _end(exchange: "FakeExchange", order: Order, status: Status, reason: str) -> None:
    order.status = status
    order.reason, order.updated = reason, exchange.now


_Booked = tuple[Decimal, str, Decimal]


def _book_spot(
    exchange: "FakeExchange", account: Account, order: Order, quantity: Decimal, price: Decimal, rate: Decimal
) -> _Booked:
    base, quote = order.symbol.split("/")
    sign = 1 if order.side == "buy" else -1
    account.add("spot", base, sign * quantity)
    account.add("spot", quote, -sign * quantity * price)
    received, amount = (base, quantity) if order.side == "buy" else (quote, quantity * price)
    fee, currency = _fee(
        exchange, account, received, amount * rate, price if received == base else Decimal(1)
    )
    account.add("spot", currency, -fee)
    return fee, currency, Decimal(0)


def _fee(
    exchange: "FakeExchange", account: Account, received: str, fee: Decimal, value: Decimal
) -> tuple[Decimal, str]:
    """Return the fee and its currency: the account's own fee currency where it has enough of it."""
    other = account.fee_currency
    if other and other != received:
        worth = (fee * value / exchange.last(f"{other}/USDT")).quantize(_DUST)
        if account.total("spot", other) >= worth:
            return worth, other
    return fee.quantize(_DUST), received


def _book_swap(
    exchange: "FakeExchange", account: Account, order: Order, quantity: Decimal, price: Decimal, rate: Decimal
) -> _Booked:
    quote = exchange.markets[order.symbol].quote
    sign = 1 if order.side == "buy" else -1
    position = account.position(order.symbol, order.ticket.position_side)
    realised = position.apply(sign * quantity, price, exchange.now)
    fee = (quantity * price * rate).quantize(_DUST)
    account.add("swap", quote, realised - fee)
    return fee, quote, realised


def _note_payments(exchange: "FakeExchange", account: Account, trade: Trade) -> None:
    amounts: dict[PaymentKind, Decimal] = {"fee": -trade.fee, "realised": trade.realised}
    for kind, amount in amounts.items():
        if amount:
            account.payments.append(
                Payment(
                    id=exchange.next_id(),
                    kind=kind,
                    symbol=trade.symbol,
                    amount=amount,
                    currency=trade.fee_currency,
                    time=exchange.now,
                    trade_id=trade.id,
                )
            )
