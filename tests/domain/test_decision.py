"""Entries become intents with stable ids; exits by every reason."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.connection import ScaleIn
from chalicelib.domain.decision import Approved, decide_entry
from chalicelib.domain.exits import ExitReason, best_price, due_exit
from chalicelib.domain.ids import CLIENT_ORDER_ID_PATTERN
from chalicelib.domain.leaving import decide_exit
from chalicelib.domain.order import OrderState
from chalicelib.domain.signal import ExitProfile
from tests.domain.risk_examples import CONNECTION, GOOD, HELD, NOW, TICKER

D = Decimal


def test_a_good_signal_becomes_an_intent_with_ids_that_depend_on_nothing_else() -> None:
    first = decide_entry(GOOD, "session")
    again = decide_entry(replace(GOOD, now=NOW + 1), "session")
    assert isinstance(first, Approved)
    assert isinstance(again, Approved)
    assert first.order.state == OrderState.INTENT
    assert first.order.client_order_id == again.order.client_order_id
    assert first.position.position_id == again.position.position_id
    # 10 % of 10,000 at the ask, rounded down to the step
    assert first.order.quantity == D("0.01612")
    assert first.signal is not None
    assert first.signal.client_order_id == first.order.client_order_id


def test_adding_to_a_position_keeps_it_and_reserves_both_entries() -> None:
    held = replace(HELD, symbol="BTC/USDT", entry_price=D(64000), cost=D(640), quantity=D("0.01"))
    scaling = replace(CONNECTION, scale_in=ScaleIn(3, D("0.01")))
    decision = decide_entry(replace(GOOD, connection=scaling, positions=(held,)), "another session")
    assert isinstance(decision, Approved)
    assert (decision.position.position_id, decision.position.entries) == ("p0", 2)
    assert decision.position.session_id == held.session_id
    assert decision.position.reserved == 640 + decision.order.quantity * TICKER.ask
    assert decision.order.position_id == "p0"
    assert decision.order.client_order_id == decide_client_order_id()


def decide_client_order_id() -> str:
    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Approved)
    return decision.order.client_order_id


LONG = replace(HELD, entry_price=D(100), quantity=D(1), cost=D(100), opened_at=NOW)
TRAILING = ExitProfile(D("0.10"), D("0.05"), D("0.02"), D("0.03"), 3600)


@pytest.mark.parametrize(
    ("price", "best", "later", "expected"),
    [
        ("95", "100", 0, ExitReason.STOP_LOSS),
        ("95.01", "100", 0, None),
        ("110", "110", 0, ExitReason.TAKE_PROFIT),
        ("101", "103", 0, ExitReason.TRAILING_STOP),
        ("101.01", "103", 0, None),
        ("100.5", "102.99", 0, None),
        ("100", "100", 3600, ExitReason.TIME_LIMIT),
    ],
)
def test_exits_by_hand(price: str, best: str, later: int, expected: ExitReason | None) -> None:
    position = replace(LONG, exits=TRAILING)
    assert due_exit(position, D(best), D(price), NOW + later) == expected
    mirrored = replace(position, direction="short")
    assert due_exit(mirrored, 200 - D(best), 200 - D(price), NOW + later) == expected


def test_best_price_only_improves() -> None:
    assert best_price(LONG, None, D(99)) == D(100)
    assert best_price(LONG, D(105), D(107)) == D(107)
    assert best_price(replace(LONG, direction="short"), D(95), D(96)) == D(95)


def test_an_exit_closes_everything_and_each_attempt_has_its_own_id() -> None:
    first = decide_exit(LONG, ExitReason.STOP_LOSS, NOW, "k")
    second = decide_exit(first.position, ExitReason.STOP_LOSS, NOW, "k")
    assert (first.order.side, first.order.quantity, first.order.reduce_only) == ("sell", D(1), True)
    assert first.order.client_order_id != second.order.client_order_id
    assert first.order == decide_exit(LONG, ExitReason.STOP_LOSS, NOW, "k").order


def test_client_order_ids_fit_every_exchange() -> None:
    import re

    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Approved)
    assert re.fullmatch(CLIENT_ORDER_ID_PATTERN, decision.order.client_order_id)
