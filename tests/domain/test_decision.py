"""The risk gate check by check, sizing under every cap, exits by every reason."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.breakers import Breakers, updated
from chalicelib.domain.connection import Connection, LadderChoice, PaperTerms, RiskLimits, validate
from chalicelib.domain.decision import Approved, Refused, decide_entry
from chalicelib.domain.exits import ExitReason, best_price, due_exit
from chalicelib.domain.ids import CLIENT_ORDER_ID_PATTERN
from chalicelib.domain.leaving import decide_exit
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.order import OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.risk import AFTER_SIZE, BEFORE_SIZE, EntryContext
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.errors import Rejected

D = Decimal
NOW = 1_618_617_900.0
MARKET = Market("BTC/USDT", "BTC", "USDT", "spot", D("0.00001"), D("0.01"), D("0.00001"), D(10))
TICKER = Ticker("BTC/USDT", D("61990"), D("62010"), D("62000"), NOW)
CONNECTION = Connection("c1", "binance", ("BTC/USDT", "ETH/USDT"))
SIGNAL = Signal(
    "s1", "c1", "BTC/USDT", "enter", "long", "vote", "combined", 0.8, D(62000), int(NOW), NOW, "k", ExitProfile()
)
HELD = Position(
    "p0", "c1", "ETH/USDT", "long", "open", ExitProfile(), "vote", "s0", NOW, NOW, "k", D(0), D(1), D(900)
)
GOOD = EntryContext(
    NOW,
    SIGNAL,
    CONNECTION,
    Status.RUNNING,
    Status.RUNNING,
    (),
    0.0,
    MARKET,
    TICKER,
    D(10000),
    D(10000),
    breakers=updated(Breakers(), D(10000), NOW, RiskLimits()),
    candle_time=int(NOW),
)


def refused(**changes: Any) -> str:
    decision = decide_entry(replace(GOOD, **changes), "session")
    assert isinstance(decision, Refused), "approved although a check must fail"
    return decision.code


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


PAPER_ONLY = replace(CONNECTION, mode="live")

REFUSALS: dict[str, dict[str, Any]] = {
    "ENGINE_NOT_RUNNING": {"coordinator": Status.PAUSED},
    "CONNECTION_DISABLED": {"connection": replace(CONNECTION, enabled=False)},
    "MODE_NOT_SUPPORTED": {"connection": PAPER_ONLY},
    "LADDER_GATE_CLOSED": {"connection": replace(CONNECTION, ladder=LadderChoice(gate_open=False))},
    "UNKNOWN_SYMBOL": {"market": None},
    "SIGNAL_TOO_OLD": {"now": NOW + 301, "ticker": replace(TICKER, time=NOW + 301)},
    "STALE_DATA": {"ticker": replace(TICKER, time=NOW - 601)},
    "SHORT_NOT_SUPPORTED": {"signal": replace(SIGNAL, direction="short")},
    "LOW_CONFIDENCE": {"signal": replace(SIGNAL, confidence=0.59)},
    "POSITION_OPEN": {"positions": (replace(HELD, symbol="BTC/USDT"),)},
    "COOLDOWN": {"last_traded": NOW - 19},
    "MAX_POSITIONS": {
        "connection": replace(CONNECTION, risk=RiskLimits(max_positions=1)),
        "positions": (HELD,),
    },
    "EQUITY_UNKNOWN": {"equity": None},
    "NO_EQUITY": {"equity": D(0)},
    "MAX_EXPOSURE": {"positions": (replace(HELD, cost=D(10000)),)},
    "BELOW_MIN_AMOUNT": {"market": replace(MARKET, min_amount=D(1))},
    "BELOW_MIN_NOTIONAL": {"market": replace(MARKET, min_notional=D(5000))},
}


@pytest.mark.parametrize("code", [code for code, _ in (*BEFORE_SIZE, *AFTER_SIZE)])
def test_every_check_refuses_with_its_own_code(code: str) -> None:
    assert refused(**REFUSALS[code]) == code


def test_a_closed_gate_lets_proved_sets_through() -> None:
    gated = replace(CONNECTION, ladder=LadderChoice(gate_open=False))
    proved = replace(SIGNAL, source="ladder")
    assert isinstance(decide_entry(replace(GOOD, connection=gated, signal=proved), "s"), Approved)


money = st.decimals("1", "1000000", places=2)


@given(equity=money, cash=money, held=money, price=st.decimals("0.01", "100000", places=2))
def test_no_size_ever_passes_a_limit(equity: D, cash: D, held: D, price: D) -> None:
    ticker = Ticker("BTC/USDT", price, price, price, NOW)
    other = replace(HELD, cost=held)
    context = replace(GOOD, equity=equity, free=cash, positions=(other,), ticker=ticker)
    decision = decide_entry(context, "s")
    if isinstance(decision, Refused):
        return
    notional = decision.order.quantity * price
    assert notional <= D("0.1") * equity
    assert notional + held <= equity
    assert notional * (1 + PaperTerms().fee_rate) <= cash
    assert decision.order.quantity % MARKET.amount_step == 0


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


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"connection_id": "A b"}, "connection_id"),
        ({"tenant": "public"}, "reserved"),
        ({"mode": "live"}, "needs an exchange connector"),
        ({"symbols": ()}, "symbols"),
        ({"symbols": ("BTCUSDT",)}, "not a spot symbol such as BTC/USDT"),
        ({"symbols": ("BTC/USDT:USDT",)}, "not a spot symbol"),
        ({"symbols": ("BTC/USDT", "ETH/EUR")}, "one quote currency"),
        ({"timeframe": "7m"}, "unknown timeframe"),
        ({"position_cost": D(0)}, "position_cost"),
        ({"exits": ExitProfile(stop_loss=D(0))}, "exits.stop_loss"),
        ({"intervals": {"realtime": 5}}, "intervals.realtime"),
    ],
)
def test_a_wrong_connection_names_its_field(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        validate(replace(CONNECTION, **changes))
