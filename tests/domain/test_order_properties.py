"""Any sequence of reports about orders, in any order and any number of times, leaves the books right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.signal import ExitProfile

D = Decimal
SYMBOL, SWAP = "BTC/USDT", "BTC/USDT:USDT"
STATES = [OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.CANCELED, OrderState.EXPIRED]


@dataclass(frozen=True)
class Report:
    """One answer of the venue about one leg: its state and how many of its trades it tells."""

    leg: int
    state: OrderState
    trades: int


@dataclass
class Books:
    """Orders and position as the flows keep them: fills counted with the order, then folded in."""

    orders: list[Order]
    position: Position

    def hear(self, leg: int, seen: VenueOrder, now: float) -> None:
        order = self.orders[leg]
        fresh = unseen_fills(order, seen.fills)
        after = adopt(order, seen, now)
        assert after.state == order.state or after.state in TRANSITIONS[order.state]
        self.orders[leg] = after
        for fill in fresh:
            self.position = apply_fill(self.position, fill)


def an_order(leg: int, side: str, quantity: Decimal, symbol: str) -> Order:
    return Order(
        client_order_id=f"cts-{leg}",
        connection_id="c",
        symbol=symbol,
        side=side,  # type: ignore[arg-type]
        type="market",
        quantity=quantity,
        price=None,
        reduce_only=leg > 0,
        leg="exit" if leg else "entry",
        position_id="p",
        signal_id="s",
        state=OrderState.UNKNOWN,
        created_at=0.0,
        updated_at=0.0,
        correlation_id="k",
    )


def a_position(direction: str, symbol: str, step: Decimal) -> Position:
    return Position(
        "p",
        "c",
        symbol,
        direction,
        "opening",
        ExitProfile(),
        "vote",
        "s",
        0.0,
        0.0,
        "k",
        step=step,  # type: ignore[arg-type]
    )


amounts = st.integers(1, 400).map(lambda n: D(n) / 100)
prices = st.integers(5_000, 15_000).map(lambda n: D(n) / 100)
fees = st.sampled_from([D(0), D("0.001"), D("0.0004"), D("-0.0002")])


@st.composite
def lives(draw: st.DrawFn) -> tuple[str, str, list[list[Fill]], list[Report], Decimal]:
    """Draw a position's trades by leg (an entry, then exits) and reports that tell of them in any order."""
    symbol = draw(st.sampled_from([SYMBOL, SWAP]))
    direction = "long" if symbol == SYMBOL else draw(st.sampled_from(["long", "short"]))
    step = draw(st.sampled_from([D("0.01"), D("0.5"), D(0)]))
    legs: list[list[Fill]] = []
    for leg in range(draw(st.integers(1, 3))):
        side = "buy" if (direction == "long") == (leg == 0) else "sell"
        trades = draw(st.lists(st.tuples(amounts, prices, fees, st.booleans()), min_size=1, max_size=4))
        legs.append(
            [
                Fill(
                    f"t{leg}-{number}",
                    symbol,
                    side,  # type: ignore[arg-type]
                    quantity,
                    price,
                    abs(quantity) * rate * (D(1) if base and symbol == SYMBOL else price),
                    "BTC" if base and symbol == SYMBOL else "USDT",
                    float(number),
                )
                for number, (quantity, price, rate, base) in enumerate(trades)
            ]
        )
    count = len(legs)
    reports = draw(
        st.lists(
            st.builds(Report, st.integers(0, count - 1), st.sampled_from(STATES), st.integers(0, 4)),
            min_size=1,
            max_size=20,
        )
    )
    return symbol, direction, legs, reports, step


def told(books: Books, legs: Sequence[Sequence[Fill]], reports: Sequence[Report]) -> None:
    for now, report in enumerate(reports):
        fills = tuple(legs[report.leg][: report.trades])
        order = books.orders[report.leg]
        seen = VenueOrder(
            order.client_order_id,
            "v",
            order.symbol,
            order.side,
            report.state,
            order.quantity,
            fills=fills,
            filled=sum((fill.quantity for fill in fills), D(0)),
        )
        books.hear(report.leg, seen, float(now))


def books_of(symbol: str, direction: str, legs: Sequence[Sequence[Fill]], step: Decimal) -> Books:
    orders = [
        an_order(leg, fills[0].side, sum((fill.quantity for fill in fills), D(0)), symbol)
        for leg, fills in enumerate(legs)
    ]
    return Books(orders, a_position(direction, symbol, step))


@settings(max_examples=400, deadline=None)
@given(lives())
def test_position_is_the_sum_of_its_fills_and_money_is_conserved(
    life: tuple[str, str, list[list[Fill]], list[Report], Decimal],
) -> None:
    symbol, direction, legs, reports, step = life
    books = books_of(symbol, direction, legs, step)
    told(books, legs, reports)
    counted = [fill for order in books.orders for fill in order.fills]
    assert len({fill.trade_id for fill in counted}) == len(counted)
    base = sum((fill.quantity if fill.side == "buy" else -fill.quantity for fill in counted), D(0))
    cash = sum((fill.quantity * fill.price * (-1 if fill.side == "buy" else 1) for fill in counted), D(0))
    base -= sum((fill.fee for fill in counted if fill.fee_currency == "BTC"), D(0))
    cash -= sum((fill.fee for fill in counted if fill.fee_currency == "USDT"), D(0))
    position = books.position
    held = position.sign * (position.quantity + position.dust - position.excess)
    assert held == base
    if not position.excess:
        price = D(100)
        profit = (
            position.realised + position.sign * (position.quantity * price - position.cost) - position.fees
        )
        worth = profit + position.sign * position.dust * price
        assert abs(worth - (cash + base * price)) < D("1e-9")


@settings(max_examples=200, deadline=None)
@given(lives())
def test_the_same_reports_again_change_nothing(
    life: tuple[str, str, list[list[Fill]], list[Report], Decimal],
) -> None:
    symbol, direction, legs, reports, step = life
    books = books_of(symbol, direction, legs, step)
    told(books, legs, reports)
    before = (books.position, [(order.state in TERMINAL, order.filled) for order in books.orders])
    told(books, legs, reports)
    after = (books.position, [(order.state in TERMINAL, order.filled) for order in books.orders])
    assert after == before


@given(st.data())
def test_every_order_comes_to_the_same_fills_whatever_the_order_of_the_news(data: st.DataObject) -> None:
    symbol, direction, legs, reports, step = data.draw(lives())
    whole = [Report(leg, OrderState.CANCELED, len(fills)) for leg, fills in enumerate(legs)]
    books = [books_of(symbol, direction, legs, step) for _ in range(2)]
    for one, order in zip(books, (reports, data.draw(st.permutations(reports))), strict=True):
        told(one, legs, [*order, *whole])
    assert [order.filled for order in books[0].orders] == [order.filled for order in books[1].orders]
    assert all(order.state is OrderState.FILLED for one in books for order in one.orders)


@given(st.sampled_from(OrderState), st.sampled_from(OrderState))
def test_no_step_beside_the_table(current: OrderState, target: OrderState) -> None:
    order = replace(an_order(0, "buy", D(1), SYMBOL), state=current)
    if may_become(current, target):
        assert moved(order, target, 1.0).state == target
        return
    with pytest.raises(ValueError, match=target.value):
        moved(order, target, 1.0)


def test_an_order_whose_trades_are_not_all_known_does_not_end() -> None:
    order = an_order(0, "buy", D(1), SYMBOL)
    seen = VenueOrder("cts-0", "v", SYMBOL, "buy", OrderState.CANCELED, D(1), filled=D("0.4"))
    after = adopt(order, seen, 1.0)
    assert (after.state, after.is_open) == (OrderState.PARTIALLY_FILLED, True)
    fill = Fill("t", SYMBOL, "buy", D("0.4"), D(100), D(0), "USDT", 1.0)
    ended = adopt(after, replace(seen, fills=(fill,)), 2.0)
    assert (ended.state, ended.filled, ended.is_open) == (OrderState.CANCELED, D("0.4"), True)
    assert not adopt(ended, replace(seen, fills=(fill,)), 100.0).is_open, "the watch for late fills is over"
