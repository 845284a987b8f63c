"""Matching of the paper exchange: what fills, at which price, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.matching import Booked, cancel, match, place
from chalicelib.domain.matching_checks import MAX_OPEN_ORDERS, Refusal
from chalicelib.domain.order import Fill, OrderState
from chalicelib.domain.paper import PaperAccount, PaperHolding, PaperOrder
from tests.domain.paper_orders import (
    START,
    STEP,
    SYMBOL,
    TERMS,
    D,
    a_market,
    a_ticker,
    accepted,
    an_account,
    an_order,
    candles,
    holding,
    placed,
    refused,
)


class TestTaker:
    def test_market_buy_pays_ask_plus_slippage_rounded_against_it(self):
        account, order = accepted(an_order())
        # 100.02 * 1.0002 = 100.040004, up to the next cent; fee 0.1 % of it.
        assert order.fills[0].price == D("100.05")
        assert order.fills[0].fee == D("0.10005")
        assert order.state == OrderState.FILLED
        assert account.cash == D(10000) - D("100.05") - D("0.10005")
        assert account.holdings == {SYMBOL["spot"]: PaperHolding(D(1), D("100.05"))}
        assert account.open_orders == ()

    def test_market_sell_gets_bid_minus_slippage(self):
        _, order = accepted(an_order(side="sell"), holding("1"))
        # 99.98 * 0.9998 = 99.960004, down to the cent.
        assert order.fills[0].price == D("99.96")

    @pytest.mark.parametrize(
        ("limit", "price"), [("100.03", "100.03"), ("101", "100.05"), ("100.02", "100.02")]
    )
    def test_marketable_limit_buy_is_never_worse_than_its_limit(self, limit, price):
        _, order = accepted(an_order(price=D(limit)))
        assert order.fills[0].price == D(price)

    def test_marketable_limit_sell_is_never_worse_than_its_limit(self):
        _, order = accepted(an_order(side="sell", price=D("99.97")), holding("1"))
        assert order.fills[0].price == D("99.97")

    def test_fee_is_rounded_up_to_eight_digits(self):
        _, order = accepted(
            an_order(quantity=D("0.333")),
            market=a_market(price_step=D("0.0001")),
            ticker=a_ticker("99.9801", "100.0203"),
        )
        exact = order.fills[0].quantity * order.fills[0].price * TERMS.fee_rate
        assert order.fills[0].fee == D("0.03331346")
        assert 0 < order.fills[0].fee - exact < D("1e-8")

    def test_a_share_fills_partly_and_the_rest_stays_open(self):
        account, order = accepted(an_order(), share=D("0.4005"))
        assert order.filled == D("0.4")
        assert order.state == OrderState.PARTIALLY_FILLED
        assert account.open_orders == ("cts-1",)
        later = match(account, [order], candles((101, 102, 100, 101)), {SYMBOL["spot"]: a_market()}, TERMS)
        assert later.orders[0].state == OrderState.FILLED
        assert later.orders[0].fills[1].price == D("101.03")  # the open plus slippage, up to the cent
        assert later.account.open_orders == ()

    def test_the_rest_of_a_market_order_without_funds_expires(self):
        account, order = accepted(an_order(quantity=D(99)), share=D("0.5"))
        later = match(account, [order], candles((400, 410, 390, 400)), {SYMBOL["spot"]: a_market()}, TERMS)
        assert later.orders[0].state == OrderState.EXPIRED
        assert later.orders[0].filled == D("49.5")
        assert later.account.cash == account.cash

    def test_ids_count_up_in_the_account(self):
        account, first = accepted(an_order())
        _, second = accepted(an_order(2), account)
        assert [first.venue_order_id, second.venue_order_id] == ["c1-1", "c1-2"]
        assert [first.fills[0].trade_id, second.fills[0].trade_id] == ["c1-t1", "c1-t2"]


class TestResting:
    def rest(
        self, side: str = "buy", price: str = "95", account: PaperAccount | None = None, at: float = START
    ):
        order = an_order(side=side, price=D(price), created_at=float(at))
        account, order = accepted(order, account)
        assert order.state == OrderState.ACCEPTED
        assert account.open_orders == ("cts-1",)
        return account, order

    def run(self, account, order, block, terms=TERMS):
        return match(account, [order], block, {SYMBOL["spot"]: a_market()}, terms)

    def test_a_touch_fills_at_the_limit_when_the_candle_is_closed(self):
        booked = self.run(*self.rest(), candles((100, 101, 96, 97), (97, 98, 95, 96)))
        (order,) = booked.orders
        assert order.fills[0].price == D(95)
        assert order.fills[0].fee == D("0.095")
        assert order.fills[0].time == START + 2 * STEP
        assert booked.account.matched_until == START + 2 * STEP

    def test_a_candle_that_opens_beyond_the_limit_fills_at_its_open(self):
        booked = self.run(*self.rest(), candles((94, 96, 93, 95)))
        assert booked.orders[0].fills[0].price == D(94)
        assert booked.orders[0].fills[0].time == START

    def test_sells_fill_from_above(self):
        for bar, price in (((100, 105, 99, 101), D(105)), ((107, 108, 99, 101), D(107))):
            account, order = self.rest("sell", "105", holding("1"))
            assert self.run(account, order, candles(bar)).orders[0].fills[0].price == price

    def test_a_candle_that_opened_before_the_placement_does_not_count(self):
        booked = self.run(*self.rest(at=START + 1), candles((100, 101, 90, 97), (97, 98, 96, 97)))
        assert booked.orders == ()

    @pytest.mark.parametrize("volume", [0.0, np.nan])
    def test_a_candle_without_trades_fills_nothing(self, volume):
        assert self.run(*self.rest(), candles((94, 96, 90, 95), volume=volume)).orders == ()

    def test_matching_again_changes_nothing(self):
        account, order = self.rest()
        block = candles((100, 101, 96, 97), (97, 98, 95, 96))
        once = self.run(account, order, block)
        again = match(once.account, [], block, {SYMBOL["spot"]: a_market()}, TERMS)
        assert again.account == once.account
        assert self.run(account, order, block) == once

    def test_candles_matched_before_are_passed_over(self):
        account, order = self.rest()
        account = replace(account, matched_until=START + STEP)
        assert self.run(account, order, candles((94, 96, 90, 95))).orders == ()

    def test_orders_fill_in_the_order_of_time(self):
        account, low = accepted(an_order(1, price=D(90)))
        account, high = accepted(an_order(2, price=D(95)), account, resting=[low])
        block = candles((100, 101, 94, 95), (95, 96, 89, 90))
        booked = match(account, [low, high], block, {SYMBOL["spot"]: a_market()}, TERMS)
        assert [order.client_order_id for order in booked.orders] == ["cts-2", "cts-1"]
        assert [order.fills[0].trade_id for order in booked.orders] == ["c1-t1", "c1-t2"]

    def test_cancel_keeps_fills_and_frees_the_money(self):
        account, order = accepted(an_order(price=D(101), quantity=D(90)), share=D("0.5"))
        assert refused(an_order(2, quantity=D(20)), account, resting=[order]) == "INSUFFICIENT_FUNDS"
        ended = cancel(account, order, START + 5.0)
        assert ended.orders[0].state == OrderState.CANCELED
        assert ended.orders[0].filled == D(45)
        assert ended.account.open_orders == ()
        accepted(an_order(2, quantity=D(20)), ended.account)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"quantity": D(0)}, "BAD_AMOUNT"),
            ({"quantity": D("-1")}, "BAD_AMOUNT"),
            ({"price": D("-5"), "type": "limit"}, "BAD_PRICE"),
            ({"type": "limit"}, "BAD_PRICE"),
            ({"price": D(100), "type": "market"}, "BAD_PRICE"),
            ({"quantity": D("0.9995")}, "AMOUNT_STEP"),
            ({"price": D("99.995")}, "PRICE_STEP"),
            ({"quantity": D(1001)}, "MAX_AMOUNT"),
            ({"quantity": D("0.099")}, "MIN_NOTIONAL"),
            ({"quantity": D("0.1"), "price": D("99.99")}, "MIN_NOTIONAL"),
            ({"quantity": D(100)}, "INSUFFICIENT_FUNDS"),
            ({"side": "sell"}, "INSUFFICIENT_FUNDS"),
            ({"side": "sell", "reduce_only": True}, "REDUCE_ONLY"),
            ({"side": "buy", "reduce_only": True}, "REDUCE_ONLY"),
        ],
    )
    def test_spot(self, changes, reason):
        assert refused(an_order(**changes)) == reason

    def test_minimum_amount(self):
        assert refused(an_order(quantity=D("0.004")), market=a_market(min_amount=D("0.005"))) == "MIN_AMOUNT"

    def test_money_for_the_fee_is_needed_too(self):
        exact = D("100.05") + D("0.10005")
        accepted(an_order(), an_account(cash=exact))
        assert refused(an_order(), an_account(cash=exact - D("1e-8"))) == "INSUFFICIENT_FUNDS"

    def test_resting_sells_hold_what_they_sell(self):
        account, order = accepted(an_order(side="sell", price=D(110), quantity=D("0.7")), holding("1"))
        second = an_order(2, side="sell", quantity=D("0.4"))
        assert refused(second, account, resting=[order]) == "INSUFFICIENT_FUNDS"
        accepted(replace(second, quantity=D("0.3")), account, resting=[order])

    def test_too_many_open_orders(self):
        full = replace(an_account(), open_orders=tuple(f"x{n}" for n in range(MAX_OPEN_ORDERS)))
        assert refused(an_order(), full) == "TOO_MANY_ORDERS"


class TestReduceOnly:
    def test_it_is_cut_to_the_position(self):
        account, order = accepted(an_order(side="sell", reduce_only=True, quantity=D(3)), holding("1"))
        assert (order.quantity, order.filled, order.state) == (D(1), D(1), OrderState.FILLED)
        assert account.holdings == {}

    def test_a_swap_exit_is_exempt_from_the_minimum_notional(self):
        account = holding("0.05", market_type="swap")
        order = an_order(market_type="swap", side="sell", reduce_only=True, quantity=D("0.05"))
        account, _ = accepted(order, account)
        assert account.holdings == {}
        assert refused(replace(order, reduce_only=False), account) == "MIN_NOTIONAL"

    def test_it_never_flips_when_the_position_shrank_meanwhile(self):
        swap = {"market_type": "swap", "side": "sell"}
        account, resting = accepted(
            an_order(1, reduce_only=True, price=D(105), **swap), holding("1", market_type="swap")
        )
        account, _ = accepted(an_order(2, quantity=D("0.6"), **swap), account, resting=[resting])
        block = candles((100, 106, 99, 105), symbol=SYMBOL["swap"])
        booked = match(account, [resting], block, {SYMBOL["swap"]: a_market("swap")}, TERMS)
        assert booked.account.holdings == {}
        assert booked.orders[0].filled == D("0.4")
        assert booked.orders[0].state == OrderState.EXPIRED

    def test_on_spot_what_open_sells_hold_is_not_free_to_reduce(self):
        account, resting = accepted(an_order(side="sell", price=D(110), quantity=D("0.7")), holding("1"))
        exit_ = an_order(2, side="sell", reduce_only=True)
        account, order = accepted(exit_, account, resting=[resting])
        assert order.filled == D("0.3")
        assert refused(replace(exit_, client_order_id="cts-3"), account, resting=[resting]) == "REDUCE_ONLY"

    def test_of_two_that_one_candle_touches_only_one_finds_a_position(self):
        swap = {"market_type": "swap", "side": "sell", "reduce_only": True}
        account, first = accepted(an_order(1, price=D(105), **swap), holding("1", market_type="swap"))
        account, second = accepted(an_order(2, price=D(106), **swap), account, resting=[first])
        block = candles((100, 107, 99, 105), symbol=SYMBOL["swap"])
        booked = match(account, [first, second], block, {SYMBOL["swap"]: a_market("swap")}, TERMS)
        assert [order.state for order in booked.orders] == [OrderState.FILLED, OrderState.EXPIRED]
        assert booked.orders[1].fills == ()
        assert booked.account.holdings == {}

    def test_it_ends_with_its_position(self):
        swap = {"market_type": "swap", "side": "sell"}
        account, resting = accepted(
            an_order(1, reduce_only=True, price=D(105), **swap), holding("1", market_type="swap")
        )
        outcome = placed(an_order(2, **swap), account, resting=[resting])
        assert isinstance(outcome, Booked)
        assert [order.state for order in outcome.orders] == [OrderState.FILLED, OrderState.EXPIRED]
        assert outcome.account.open_orders == ()


class TestSwap:
    def test_a_short_realises_its_profit_and_cash_moves_by_that_and_fees_only(self):
        account, sold = accepted(an_order(market_type="swap", side="sell"), an_account("swap"))
        assert account.holdings[SYMBOL["swap"]] == PaperHolding(D(-1), D("-99.96"))
        assert account.cash == D(10000) - sold.fills[0].fee
        low = a_ticker("89.98", "90", SYMBOL["swap"])
        account, bought = accepted(an_order(2, market_type="swap"), account, ticker=low)
        assert account.realised == D("99.96") - D("90.02")
        assert account.cash == D(10000) + account.realised - sold.fills[0].fee - bought.fills[0].fee
        assert account.holdings == {}

    def test_a_trade_beyond_flat_opens_the_other_direction(self):
        account, _ = accepted(
            an_order(market_type="swap", side="sell", quantity=D(3)), holding("1", "90", market_type="swap")
        )
        assert account.holdings[SYMBOL["swap"]] == PaperHolding(D(-2), D("-199.92"))
        assert account.realised == D("9.96")

    def test_leverage_is_one(self):
        assert (
            refused(an_order(market_type="swap", quantity=D(100)), market=a_market("swap"))
            == "INSUFFICIENT_FUNDS"
        )
        account, _ = accepted(an_order(market_type="swap", quantity=D(60)), market=a_market("swap"))
        assert refused(an_order(2, market_type="swap", quantity=D(40)), account) == "INSUFFICIENT_FUNDS"
        accepted(an_order(2, market_type="swap", quantity=D(39)), account)
        # Turning 60 long into 60 short needs no more margin than there is.
        account, _ = accepted(an_order(2, market_type="swap", side="sell", quantity=D(119)), account)
        assert account.holdings[SYMBOL["swap"]].quantity == D(-59)

    def test_a_loss_elsewhere_takes_margin(self):
        other = "ETH/USDT:USDT"
        account = replace(an_account("swap"), holdings={other: PaperHolding(D(50), D(5000))})
        order = an_order(market_type="swap", quantity=D(30))
        marks = {order.symbol: a_ticker(symbol=order.symbol), other: a_ticker("59.9", "60.1", other)}
        # 10,000 - 2,000 unrealised - 3,000 in use = 5,000 free; 30 cost 3,001.50, 50 cost 5,002.50.
        market = a_market("swap")
        assert isinstance(place(account, order, market, marks, TERMS, [], float(START)), Booked)
        more = replace(order, quantity=D(50))
        outcome = place(account, more, market, marks, TERMS, [], float(START))
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "INSUFFICIENT_FUNDS"


def test_values_survive_the_codec():
    account, order = accepted(an_order(price=D(95)))
    account = replace(account, holdings={"BTC/USDT": PaperHolding(D("-0.10"), D("-9.5"))})
    assert from_plain(PaperAccount, to_plain(account)) == account
    filled = replace(order, fills=(Fill("t", order.symbol, "buy", D(1), D(95), D("0.1"), "USDT", 1.5),))
    assert from_plain(PaperOrder, to_plain(filled)) == filled
