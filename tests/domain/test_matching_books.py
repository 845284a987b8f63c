"""Books of the paper exchange over random histories: conserved, never negative, the same when repeated."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.market import MarketType, Ticker
from chalicelib.domain.matching import Booked, cancel, match, place
from chalicelib.domain.order import TERMINAL, Fill
from chalicelib.domain.paper import FLAT, PaperOrder, apply_fill
from tests.domain.paper_orders import START, STEP, TERMS, D, a_market, an_account, an_order, candles

Action = tuple[str, str, int, int, bool, int]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["market", "limit", "cancel", "candle"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 60_000),  # quantity in steps
        st.integers(-1500, 1500),  # distance of the limit, or move of the candle, in price steps
        st.booleans(),  # reduce-only
        st.integers(1, 10),  # tenths that fill at once
    ),
    max_size=30,
)


class History:
    """An account driven by random actions, with everything that ever filled."""

    def __init__(self, market_type: MarketType) -> None:
        self.account = an_account(market_type)
        self.market = a_market(market_type)
        self.orders: dict[str, PaperOrder] = {}
        self.bar = 0
        self.price = D(100)

    @property
    def resting(self) -> list[PaperOrder]:
        return [self.orders[one] for one in self.account.open_orders]

    def act(self, number: int, action: Action) -> None:
        kind, side, quantity, distance, reduce_only, tenths = action
        if kind == "cancel":
            self._cancel(quantity)
        elif kind == "candle":
            self._candle(distance)
        else:
            limit = self.price + distance * self.market.price_step if kind == "limit" else None
            self._order(number, side, quantity, limit, reduce_only, tenths)

    def _cancel(self, pick: int) -> None:
        if self.resting:
            self._take(
                cancel(self.account, self.resting[pick % len(self.resting)], self.bar * STEP + START + 1.0)
            )

    def _candle(self, distance: int) -> None:
        close = max(self.price + distance * self.market.price_step, D(1))
        opened, closed = float(self.price), float(close)
        block = candles(
            (opened, max(opened, closed) + 0.5, min(opened, closed) - 0.5, closed), symbol=self.market.symbol
        )
        block = replace(block, open_time=block.open_time + self.bar * STEP)
        markets = {self.market.symbol: self.market}
        booked = match(self.account, self.resting, block, markets, TERMS)
        self._take(booked)
        again = match(self.account, self.resting, block, markets, TERMS)
        assert (again.account, again.orders) == (self.account, ())
        self.bar += 1
        self.price = close

    def _order(self, number, side, quantity, limit, reduce_only, tenths) -> None:
        now = float(START + self.bar * STEP)
        order = an_order(
            number,
            self.market.type,
            side=side,
            quantity=quantity * self.market.amount_step,
            price=limit,
            reduce_only=reduce_only,
            created_at=now,
        )
        ticker = Ticker(order.symbol, self.price - D("0.01"), self.price + D("0.01"), self.price, now)
        before = self.account.holdings.get(order.symbol, FLAT).quantity
        share = D(tenths) / 10
        outcome = place(
            self.account, order, self.market, {order.symbol: ticker}, TERMS, self.resting, now, share
        )
        if isinstance(outcome, Booked):
            self._take(outcome)
            after = self.account.holdings.get(order.symbol, FLAT).quantity
            if reduce_only:
                assert abs(after) <= abs(before)
                assert after * before >= 0

    def _take(self, booked: Booked) -> None:
        self.account = booked.account
        self.orders.update({order.client_order_id: order for order in booked.orders})

    def check(self) -> None:
        account, symbol = self.account, self.market.symbol
        fills = [fill for order in self.orders.values() for fill in order.fills]
        signed = sum((fill.quantity if fill.side == "buy" else -fill.quantity for fill in fills), D(0))
        held = account.holdings.get(symbol, FLAT)
        assert held.quantity == signed
        assert account.fees == sum((fill.fee for fill in fills), D(0))
        cost = held.cost if account.market_type == "spot" else D(0)
        assert account.cash + cost == account.start_cash + account.realised - account.fees
        spent = sum(
            (fill.price * (fill.quantity if fill.side == "buy" else -fill.quantity) for fill in fills), D(0)
        )
        # Money that left for fills, seen without any bookkeeping of cost: profit when everything is flat.
        assert account.realised == held.cost - spent
        if account.market_type == "spot":
            assert held.quantity >= 0
            assert account.cash >= 0
        assert len({fill.trade_id for fill in fills}) == len(fills) == account.next_trade - 1
        for order in self.orders.values():
            assert order.filled <= order.quantity
            assert (order.client_order_id in account.open_orders) == (order.state not in TERMINAL)
            for fill in order.fills:
                assert fill.quantity % self.market.amount_step == 0
                assert fill.price % self.market.price_step == 0
                if order.price is not None:
                    better = fill.price <= order.price if order.side == "buy" else fill.price >= order.price
                    assert better


@settings(max_examples=120, deadline=None)
@given(market_type=st.sampled_from(["spot", "swap"]), actions=ACTIONS)
def test_books_are_conserved_over_any_history(market_type, actions):
    history, twin = History(market_type), History(market_type)
    for number, action in enumerate(actions):
        history.act(number, action)
        history.check()
        twin.act(number, action)
    assert (twin.account, twin.orders) == (history.account, history.orders)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 999), st.integers(1, 9999)), max_size=20
    )
)
def test_fills_fold_into_the_same_holding_however_they_are_cut(trades):
    whole = cut = an_account("swap")
    for number, (side, quantity, price) in enumerate(trades):
        fill = Fill(f"t{number}", "X/Y:Y", side, D(quantity), D(price), D(0), "Y", 0.0)
        whole = apply_fill(whole, fill)
        parts = [D(quantity // 3), D(quantity) - D(quantity // 3)]
        for part in parts:
            if part:
                cut = apply_fill(cut, replace(fill, quantity=part))
    assert {s: h.quantity for s, h in whole.holdings.items()} == {
        s: h.quantity for s, h in cut.holdings.items()
    }
    assert abs(whole.realised - cut.realised) < D("1e-9")
