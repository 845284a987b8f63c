"""What the exchange behind the wire checks at the door, before an order gets an id."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Listing, Refused, Ticket
from tests.fakes.matching import on_step, reducible, trigger_holds, would_take

if TYPE_CHECKING:
    from tests.fakes.core import FakeExchange


def refusal(exchange: "FakeExchange", account: Account, ticket: Ticket) -> Refused | None:
    """Return why the order may not enter, by the first check that says no."""
    listing = exchange.markets.get(ticket.symbol)
    if listing is None:
        return Refused("BAD_SYMBOL", ticket.symbol)
    for check in _CHECKS:
        if refused := check(exchange, account, ticket, listing):
            return refused
    return None


def _market_open(
    exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing
) -> Refused | None:
    return None if listing.active else Refused("MARKET_CLOSED", ticket.symbol)


def _client_id(
    exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing
) -> Refused | None:
    policy, asked = exchange.policies[listing.type], ticket.client_id
    if not asked:
        return None
    if not re.fullmatch(policy.client_id_pattern, asked):
        return Refused("BAD_CLIENT_ID", asked)
    if policy.client_ids == "none":
        return None
    for order in account.orders.values():
        if order.client_id != asked or exchange.markets[order.symbol].type != listing.type:
            continue
        lasts = policy.client_id_seconds is None or exchange.now - order.created < policy.client_id_seconds
        if order.is_open or (policy.client_ids == "ever" and lasts):
            return Refused("DUPLICATE", asked, order)
    return None


def _amount(exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing) -> Refused | None:
    if ticket.close_position or ticket.cost is not None:
        return None
    if ticket.quantity <= 0 or ticket.quantity < listing.min_amount:
        return Refused("MIN_AMOUNT", f"{ticket.quantity} < {listing.min_amount}")
    if ticket.quantity > listing.max_amount:
        return Refused("MAX_AMOUNT", f"{ticket.quantity} > {listing.max_amount}")
    if on_step(ticket.quantity, listing.amount_step) != ticket.quantity:
        return Refused("AMOUNT_STEP", f"{ticket.quantity} % {listing.amount_step}")
    return None


def _prices(exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing) -> Refused | None:
    for price in (ticket.price, ticket.trigger_price):
        if price is not None and (price <= 0 or on_step(price, listing.price_step) != price):
            return Refused("PRICE_STEP", f"{price} % {listing.price_step}")
    if listing.price_band is not None and ticket.price is not None:
        last = exchange.last(ticket.symbol)
        if abs(ticket.price - last) > last * listing.price_band:
            return Refused("PRICE_BAND", f"{ticket.price} is too far from {last}")
    return None


def _notional(exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing) -> Refused | None:
    if ticket.reduce_only or ticket.close_position:
        return None
    cost = ticket.cost if ticket.cost is not None else ticket.quantity * exchange.price_for(ticket)
    return (
        Refused("MIN_NOTIONAL", f"{cost} < {listing.min_notional}") if cost < listing.min_notional else None
    )


def _position_side(
    exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing
) -> Refused | None:
    if listing.type == "spot" or (ticket.position_side != "both") == account.hedge:
        return None
    return Refused("POSITION_SIDE", "hedge" if account.hedge else "one-way")


def _reduce_only(
    exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing
) -> Refused | None:
    """In hedge mode an order against its side's position reduces it, whatever its flag."""
    closes = account.hedge and (ticket.side == "buy") == (ticket.position_side == "short")
    if listing.type == "spot" or ticket.type in ("stop", "stop_limit") or not (ticket.reduce_only or closes):
        return None
    there = reducible(account, ticket)
    if not there or (closes and ticket.quantity > there):
        return Refused("REDUCE_ONLY", f"only {there} can be closed")
    return None


def _post_only(
    exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing
) -> Refused | None:
    refused = exchange.policies[listing.type].post_only_refused
    if ticket.post_only and refused and would_take(exchange, ticket):
        return Refused("POST_ONLY", f"{ticket.price} would take")
    return None


def _trigger(exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing) -> Refused | None:
    policy = exchange.policies[listing.type]
    if ticket.type not in ("stop", "stop_limit") or policy.stop_that_would_trigger != "refuse":
        return None
    if trigger_holds(ticket, exchange.last(ticket.symbol)):
        return Refused("TRIGGERS_NOW", f"{ticket.trigger_price} against {exchange.last(ticket.symbol)}")
    return None


def _funds(exchange: "FakeExchange", account: Account, ticket: Ticket, listing: Listing) -> Refused | None:
    price = exchange.price_for(ticket)
    cost = ticket.cost if ticket.cost is not None else ticket.quantity * price
    if listing.type == "spot":
        currency, needed = (listing.quote, cost) if ticket.side == "buy" else (listing.base, ticket.quantity)
        free = account.free(currency)
    else:
        if ticket.reduce_only or ticket.close_position or ticket.type in ("stop", "stop_limit"):
            return None
        opened = max(Decimal(0), ticket.quantity - reducible(account, ticket))
        fee = exchange.policies["swap"].taker_fee
        currency, needed = (
            listing.quote,
            opened * price * (1 / Decimal(account.leverage_of(ticket.symbol)) + fee),
        )
        free = account.available_margin(currency, exchange.last)
    return Refused("INSUFFICIENT_FUNDS", f"{needed} {currency} > {free}") if needed > free else None


_Check = Callable[["FakeExchange", Account, Ticket, Listing], Refused | None]
_CHECKS: tuple[_Check, ...] = (
    _market_open,
    _client_id,
    _amount,
    _prices,
    _notional,
    _position_side,
    _reduce_only,
    _post_only,
    _trigger,
    _funds,
)
