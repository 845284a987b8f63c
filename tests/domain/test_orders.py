"""Order states over all pairs, and the folding of fills into orders and positions."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.order import (
    TERMINAL,
    TRANSITIONS,
    Fill,
    Order,
    OrderState,
    VenueOrder,
    adopt,
    may_become,
    moved,
    unseen_fills,
)
from chalicelib.domain.position import Position, apply_fill, unrealised
from chalicelib.domain.signal import ExitProfile

D = Decimal


def an_order(**changes: object) -> Order:
    values: dict[str, object] = {
        "client_order_id": "cts-1",
        "connection_id": "c1",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": D(10),
        "price": None,
        "reduce_only": False,
        "leg": "entry",
        "position_id": "p1",
        "signal_id": "s1",
        "state": OrderState.INTENT,
        "created_at": 1.0,
        "updated_at": 1.0,
        "correlation_id": "k",
    }
    return Order(**{**values, **changes})  # type: ignore[arg-type]


def a_fill(trade_id: str, quantity: str, price: str = "100", side: str = "buy", fee: str = "0.1") -> Fill:
    return Fill(trade_id, "BTC/USDT", side, D(quantity), D(price), D(fee), "USDT", 5.0)  # type: ignore[arg-type]


def seen(state: OrderState, *fills: Fill) -> VenueOrder:
    return VenueOrder("cts-1", "v1", "BTC/USDT", "buy", state, D(10), fills)


def a_position(direction: str = "long") -> Position:
    return Position(
        "p1",
        "c1",
        "BTC/USDT",
        direction,
        "opening",
        ExitProfile(),
        "vote",
        "s1",
        1.0,
        1.0,
        "k",  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("current", "target"), list(product(OrderState, OrderState)))
def test_every_pair_of_states_is_decided_by_the_table(current: OrderState, target: OrderState) -> None:
    order = an_order(state=current)
    if current == target or target in TRANSITIONS[current]:
        assert moved(order, target, 2.0).state == target
    else:
        with pytest.raises(ValueError, match="may not become"):
            moved(order, target, 2.0)


def test_terminal_states_only_admit_late_fills() -> None:
    for state in TERMINAL:
        assert TRANSITIONS[state] <= {OrderState.FILLED}


def test_only_what_the_venue_provably_did_not_get_returns_to_intent() -> None:
    returning = {state for state, targets in TRANSITIONS.items() if OrderState.INTENT in targets}
    assert returning == {OrderState.SUBMITTED}


def test_a_timeout_after_acceptance_is_adopted() -> None:
    unknown = an_order(state=OrderState.UNKNOWN, unproven_lookups=1)
    order = adopt(unknown, seen(OrderState.FILLED, a_fill("t1", "10")), 9.0)
    assert (order.state, order.filled, order.venue_order_id) == (OrderState.FILLED, D(10), "v1")
    assert order.unproven_lookups == 0


def test_a_fill_delivered_twice_counts_once_even_at_another_price() -> None:
    order = adopt(an_order(), seen(OrderState.ACCEPTED, a_fill("t1", "4")), 2.0)
    again = adopt(order, seen(OrderState.ACCEPTED, a_fill("t1", "4", price="999")), 3.0)
    assert again.state == OrderState.PARTIALLY_FILLED
    assert again.fills == order.fills
    assert unseen_fills(order, (a_fill("t2", "1"), a_fill("t2", "1"))) == (a_fill("t2", "1"),)


def test_late_fills_after_cancel_are_kept() -> None:
    order = adopt(an_order(state=OrderState.ACCEPTED), seen(OrderState.CANCELED, a_fill("t1", "4")), 2.0)
    late = adopt(order, seen(OrderState.CANCELED, a_fill("t1", "4"), a_fill("t2", "2")), 3.0)
    assert (late.state, late.filled) == (OrderState.CANCELED, D(6))
    full = adopt(late, seen(OrderState.CANCELED, *late.fills, a_fill("t3", "4")), 4.0)
    assert full.state == OrderState.FILLED


def test_an_old_report_never_moves_an_order_back() -> None:
    filled = adopt(an_order(), seen(OrderState.FILLED, a_fill("t1", "10")), 2.0)
    assert adopt(filled, seen(OrderState.ACCEPTED), 3.0).state == OrderState.FILLED


def test_coarse_words_cover_every_state() -> None:
    words = {an_order(state=state).coarse_state for state in OrderState}
    assert words == {"pending", "filled", "failed", "cancelled"}
    assert may_become(OrderState.CANCELED, OrderState.FILLED)


@st.composite
def round_trips(draw: st.DrawFn) -> tuple[str, list[Fill], list[Fill]]:
    """Entry fills, then exit fills that add up to exactly the same quantity."""
    direction = draw(st.sampled_from(["long", "short"]))
    amount = st.decimals("0.001", "50", places=3)
    price = st.decimals("0.0001", "90000", places=4)
    entry_side, exit_side = ("buy", "sell") if direction == "long" else ("sell", "buy")
    entries = [
        a_fill(f"e{n}", str(quantity), str(draw(price)), entry_side, "0.01")
        for n, quantity in enumerate(draw(st.lists(amount, min_size=1, max_size=5)))
    ]
    left = sum((fill.quantity for fill in entries), D(0))
    exits: list[Fill] = []
    while left > 0:
        quantity = min(left, draw(amount)) if len(exits) < 4 else left
        exits.append(a_fill(f"x{len(exits)}", str(quantity), str(draw(price)), exit_side, "0.02"))
        left -= quantity
    return direction, entries, exits


@given(round_trips())
def test_at_flat_realised_is_sales_minus_purchases_to_the_last_digit(
    case: tuple[str, list[Fill], list[Fill]],
) -> None:
    direction, entries, exits = case
    position = a_position(direction)
    for fill in (*entries, *exits):
        position = apply_fill(position, fill)
    sales = sum((f.quantity * f.price for f in (*entries, *exits) if f.side == "sell"), D(0))
    purchases = sum((f.quantity * f.price for f in (*entries, *exits) if f.side == "buy"), D(0))
    assert position.state == "closed"
    assert position.realised == sales - purchases
    assert position.fees == sum((f.fee for f in (*entries, *exits)), D(0))
    assert (position.quantity, position.cost) == (0, 0)
    assert from_plain(Position, to_plain(position)) == position


def test_unrealised_follows_the_price_in_the_direction_held() -> None:
    short = apply_fill(a_position("short"), a_fill("t", "2", "100", side="sell"))
    assert unrealised(short, D(90)) == D(20)
    assert unrealised(replace(short, direction="long"), D(90)) == D(-20)
