"""The exchange behind the wire: matching, stops, and what is refused at the door."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.core import FakeExchange
from tests.fakes.core_orders import SPOT, SWAP, TENTH, held, place, refused, ticket
from tests.fakes.core_values import Policy, Refused


@pytest.fixture
def exchange() -> FakeExchange:
    made = FakeExchange()
    made.now = 1_800_000_000.0
    return made


# Matching


def test_market_orders_trade_at_the_other_side(exchange: FakeExchange) -> None:
    assert place(exchange).average == Decimal("50000.01")
    sold = place(exchange, side="sell", quantity=Decimal("0.0999"))
    assert sold.average == Decimal("49999.99")
    assert not sold.trades[0].maker


def test_a_limit_order_rests_until_the_last_price_reaches_it(exchange: FakeExchange) -> None:
    order = place(exchange, kind="limit", price=Decimal(49_000))
    exchange.prices[SPOT] = Decimal(49_001)
    assert order.is_open
    exchange.prices[SPOT] = Decimal(48_500)
    assert (order.status, order.average, order.trades[0].maker) == ("filled", 49_000, True)


def test_what_the_market_holds_bounds_the_fills(exchange: FakeExchange) -> None:
    exchange.liquidity[SPOT] = Decimal("0.04")
    resting = place(exchange, kind="limit", price=Decimal(51_000))
    assert (resting.status, resting.filled, resting.remaining) == ("open", Decimal("0.04"), Decimal("0.06"))
    exchange.liquidity[SPOT] = Decimal("0.05")
    exchange.prices[SPOT] = Decimal(50_500)
    assert resting.remaining == Decimal("0.01")
    del exchange.liquidity[SPOT]
    exchange.prices[SPOT] = Decimal(50_500)
    assert resting.status == "filled"


@pytest.mark.parametrize(("in_force", "filled"), [("IOC", "0.04"), ("FOK", "0")])
def test_orders_that_must_act_at_once(exchange: FakeExchange, in_force: str, filled: str) -> None:
    exchange.liquidity[SPOT] = Decimal("0.04")
    order = place(exchange, kind="limit", price=Decimal(51_000), time_in_force=in_force)
    assert (order.status, order.filled) == ("expired", Decimal(filled))


def test_a_post_only_order_that_would_take_is_refused_or_expires(exchange: FakeExchange) -> None:
    assert refused(exchange, kind="limit", price=Decimal(51_000), post_only=True) == "POST_ONLY"
    exchange.policies["spot"] = Policy(post_only_refused=False)
    order = place(exchange, kind="limit", price=Decimal(51_000), post_only=True)
    assert (order.status, order.filled, order.reason) == ("expired", 0, "POST_ONLY")


def test_a_buy_by_cost_is_rounded_down_to_the_step(exchange: FakeExchange) -> None:
    order = place(exchange, quantity=Decimal(0), cost=Decimal(100))
    assert (order.quantity, order.status) == (Decimal("0.00199"), "filled")


# Stops


@pytest.mark.parametrize(
    ("side", "direction", "trigger", "quiet", "crossing"),
    [
        ("sell", None, 48_000, 48_001, 48_000),
        ("buy", None, 52_000, 51_999, 52_000),
        ("sell", "rising", 52_000, 51_999, 52_500),
        ("buy", "falling", 48_000, 48_001, 47_500),
    ],
)
def test_a_stop_triggers_when_the_last_price_crosses(
    exchange, side, direction, trigger, quiet, crossing
) -> None:
    order = place(exchange, SWAP, side, "stop", trigger_price=Decimal(trigger), direction=direction)
    exchange.prices[SWAP] = Decimal(quiet)
    assert order.conditional
    exchange.prices[SWAP] = Decimal(crossing)
    assert (order.status, order.triggered) == ("filled", True)


def test_a_stop_whose_condition_holds_already_is_refused_waits_or_fires(exchange: FakeExchange) -> None:
    now = {"kind": "stop", "trigger_price": Decimal(51_000)}
    assert refused(exchange, SWAP, "sell", **now) == "TRIGGERS_NOW"
    exchange.policies["swap"] = Policy(stop_that_would_trigger="fire")
    assert place(exchange, SWAP, "sell", **now).status == "filled"
    exchange.policies["swap"] = Policy(stop_that_would_trigger="wait")
    waiting = place(exchange, SWAP, "sell", **now)
    exchange.prices[SWAP] = Decimal(50_900)
    assert waiting.is_open
    exchange.prices[SWAP] = Decimal(51_500)
    exchange.prices[SWAP] = Decimal(50_900)
    assert waiting.status == "filled"


def test_a_stop_that_closes_the_position_takes_all_of_it(exchange: FakeExchange) -> None:
    place(exchange, SWAP)
    order = place(
        exchange,
        SWAP,
        "sell",
        "stop",
        quantity=Decimal(0),
        trigger_price=Decimal(48_000),
        close_position=True,
    )
    exchange.prices[SWAP] = Decimal(47_000)
    assert (order.filled, held(exchange)) == (TENTH, 0)


def test_a_triggered_stop_may_trade_under_another_id(exchange: FakeExchange) -> None:
    exchange.policies["swap"] = Policy(stop_becomes_another_order=True)
    place(exchange, SWAP)
    order = place(exchange, SWAP, "sell", "stop", trigger_price=Decimal(48_000), reduce_only=True)
    exchange.prices[SWAP] = Decimal(47_000)
    assert order.child_id not in (None, order.id)
    assert order.trades[0].order_id == order.child_id
    assert exchange.order_by_id(exchange.main, order.trades[0].order_id) is order


def test_a_stop_limit_becomes_a_limit_order(exchange: FakeExchange) -> None:
    order = place(exchange, SWAP, "sell", "stop_limit", trigger_price=Decimal(48_000), price=Decimal(47_900))
    exchange.prices[SWAP] = Decimal(47_000)
    assert (order.is_open, order.triggered, order.filled) == (True, True, 0)
    exchange.prices[SWAP] = Decimal(47_950)
    assert (order.status, order.average) == ("filled", 47_900)


def test_a_spot_stop_without_the_money_expires(exchange: FakeExchange) -> None:
    place(exchange)
    stop = place(exchange, side="sell", kind="stop", quantity=Decimal("0.09"), trigger_price=Decimal(48_000))
    exchange.main.add("spot", "BTC", Decimal("-0.05"))
    exchange.prices[SPOT] = Decimal(47_000)
    assert (stop.status, stop.reason, stop.filled) == ("expired", "INSUFFICIENT_FUNDS", 0)


# The door


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"symbol": "NO/USDT"}, "BAD_SYMBOL"),
        ({"quantity": Decimal("0.000001")}, "MIN_AMOUNT"),
        ({"quantity": Decimal("0.100001")}, "AMOUNT_STEP"),
        ({"quantity": Decimal(10_001)}, "MAX_AMOUNT"),
        ({"kind": "limit", "price": Decimal("49000.001")}, "PRICE_STEP"),
        ({"kind": "limit", "price": Decimal(0)}, "PRICE_STEP"),
        ({"quantity": Decimal("0.00009")}, "MIN_NOTIONAL"),
        ({"quantity": Decimal(1)}, "INSUFFICIENT_FUNDS"),
        ({"side": "sell"}, "INSUFFICIENT_FUNDS"),
        ({"client_id": "not allowed"}, "BAD_CLIENT_ID"),
        ({"symbol": SWAP, "quantity": Decimal(5)}, "INSUFFICIENT_FUNDS"),
        ({"symbol": SWAP, "reduce_only": True}, "REDUCE_ONLY"),
        ({"symbol": SWAP, "position_side": "long"}, "POSITION_SIDE"),
    ],
)
def test_orders_that_are_refused_leave_no_trace(exchange, fields, reason) -> None:
    before = exchange.books()
    assert refused(exchange, **fields) == reason
    assert exchange.books() == before


def test_rules_may_change_and_a_market_may_close(exchange: FakeExchange) -> None:
    exchange.markets[SPOT] = replace(exchange.markets[SPOT], min_notional=Decimal(6_000))
    assert refused(exchange) == "MIN_NOTIONAL"
    exchange.markets[SPOT] = replace(exchange.markets[SPOT], price_band=TENTH, min_notional=Decimal(5))
    assert refused(exchange, kind="limit", price=Decimal(40_000)) == "PRICE_BAND"
    exchange.markets[SPOT] = replace(exchange.markets[SPOT], active=False)
    assert refused(exchange) == "MARKET_CLOSED"


@pytest.mark.parametrize(
    ("policy", "open_again", "ended_again", "much_later"),
    [
        (Policy(client_ids="open"), "DUPLICATE", "", ""),
        (Policy(client_ids="ever"), "DUPLICATE", "DUPLICATE", "DUPLICATE"),
        (Policy(client_ids="ever", client_id_seconds=7200), "DUPLICATE", "DUPLICATE", ""),
        (Policy(client_ids="none"), "", "", ""),
    ],
)
def test_among_which_orders_a_client_id_is_unique(
    exchange, policy, open_again, ended_again, much_later
) -> None:
    exchange.policies["spot"] = policy

    def again() -> str:
        limit = ticket(kind="limit", price=Decimal(40_000), quantity=Decimal("0.01"), client_id="one")
        placed = exchange.place(exchange.main, limit)
        return placed.reason if isinstance(placed, Refused) else ""

    def end_all() -> None:
        for order in exchange.main.open_orders():
            exchange.cancel(exchange.main, order.id)

    assert again() == ""
    assert again() == open_again
    end_all()
    assert again() == ended_again
    end_all()
    exchange.now += 7201
    assert again() == much_later
