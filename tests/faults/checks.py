"""The four checks that every fault scenario ends with."""

from collections import Counter
from decimal import Decimal
from typing import Any

from chalicelib.domain.order import TERMINAL, OrderState
from tests.faults.floor import Floor

_STATES = {
    "open": {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL},
    "filled": {OrderState.FILLED},
    # An exchange that ended what was left may call it canceled, expired or rejected.
    "canceled": {OrderState.CANCELED, OrderState.EXPIRED},
    "expired": {OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED},
    "rejected": {OrderState.REJECTED, OrderState.CANCELED, OrderState.EXPIRED},
}


def four_checks(floor: Floor, again: Any = None) -> None:
    """Assert all four; `again` runs the scenario's inputs once more."""
    one_order_per_intent(floor)
    books_are_equal(floor)
    before = state(floor)
    if again is not None:
        again()
    for _ in range(2):
        floor.realtime()
    assert state(floor) == before, "the same inputs again changed something"
    one_order_per_intent(floor)
    nothing_is_lost(floor)


def one_order_per_intent(floor: Floor) -> None:
    """(1) No client id has more than one order at the exchange, and no signal or exit two ids."""
    ids = Counter(order.client_id for order in floor.theirs() if not order.external)
    assert "" not in ids, "an order of ours went out without an id"
    assert all(count == 1 for count in ids.values()), f"more than one order for an intent: {ids}"
    entries = Counter(order.signal_id for order in floor.orders() if order.leg == "entry")
    assert all(count == 1 for count in entries.values()), f"more than one entry for a signal: {entries}"


def books_are_equal(floor: Floor) -> None:
    """(2) Orders, fills and positions are what the exchange has."""
    theirs = {order.client_id.lower(): order for order in floor.theirs() if not order.external}
    for order in floor.orders():
        seen = theirs.get(order.client_order_id)
        if order.leg == "external":
            continue
        if seen is None:
            unsent = order.state in TERMINAL | {OrderState.INTENT} or order.reason.startswith("dead letter")
            assert unsent, f"{order.client_order_id} is {order.state}, and the exchange has no such order"
            assert not order.fills
            continue
        assert order.filled == seen.filled, f"{order.client_order_id}: {order.filled} is not {seen.filled}"
        assert order.state in _STATES[seen.status], f"{order.client_order_id}: {order.state}, {seen.status}"
    assert theirs.keys() <= {order.client_order_id for order in floor.orders()}
    for symbol in floor.connection.symbols:
        assert ours(floor, symbol) == held(floor, symbol), f"{symbol}: {ours(floor, symbol)} in the books"


def nothing_is_lost(floor: Floor) -> None:
    """(4) Every order that the exchange acknowledged, and every trade, is in the books."""
    stored = {order.client_order_id: order for order in floor.orders()}
    for order in floor.theirs():
        if order.external:
            continue
        assert order.client_id.lower() in stored, f"{order.client_id} is not in the books"
        trades = sum((trade.quantity for trade in order.trades if not trade.echo), Decimal(0))
        assert stored[order.client_id.lower()].filled == trades


def ours(floor: Floor, symbol: str) -> Decimal:
    """Return the signed quantity of a symbol in the books, with what is left of closed positions."""
    return sum(
        (p.sign * (p.quantity + p.dust - p.excess) for p in floor.positions() if p.symbol == symbol),
        Decimal(0),
    )


def held(floor: Floor, symbol: str) -> Decimal:
    """Return the signed quantity that the account holds of a symbol."""
    owner = floor.fake.exchange.accounts[getattr(floor, "account", "main")]
    if floor.connection.market_type == "spot":
        return owner.total("spot", symbol.partition("/")[0])
    positions = owner.open_positions()
    return sum((one.quantity for one in positions if one.symbol == symbol), Decimal(0))


def state(floor: Floor) -> tuple[Any, ...]:
    """Return everything that must not change when nothing new happens."""
    orders = sorted((order.client_order_id, order.state, order.filled) for order in floor.orders())
    positions = sorted((p.position_id, p.state, p.quantity, p.realised, p.fees) for p in floor.positions())
    return orders, positions, len(floor.theirs())
