"""Every check of the risk gate: it alone refuses what it is for, with its code and what it saw."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain import risk
from chalicelib.domain.breakers import Breakers
from chalicelib.domain.connection import Connection, LadderChoice, RiskLimits, ScaleIn
from chalicelib.domain.decision import Approved, Refused, decide_entry
from chalicelib.domain.engine import Kill
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.risk import CHECKS, EntryContext
from chalicelib.domain.sizing import SizingEvidence
from tests.domain.risk_examples import CONNECTION, GOOD, HELD, MARKET, NOW, SIGNAL, TICKER, D

SIZED = replace(GOOD, quantity=D("0.01612"))
SWAP = Connection("c1", "binance", ("BTC/USDT:USDT",), mode="live", market_type="swap")
LADDER = replace(SIGNAL, symbol="BTC/USDT:USDT", source="ladder")
LIVE = replace(SIZED, connection=SWAP, signal=LADDER, clock_skew=0.2)
OWN = replace(HELD, symbol="BTC/USDT", signal_id="s0", updated_at=NOW - 301, entry_price=D(62000))


def limits(**changes: Any) -> Connection:
    return replace(CONNECTION, risk=RiskLimits(**changes))


def tripped(name: str) -> Breakers:
    assert GOOD.breakers is not None
    return replace(GOOD.breakers, tripped={name: NOW - 60})


WRONG: dict[str, EntryContext] = {
    "ENGINE_NOT_RUNNING": replace(SIZED, coordinator=Status.PAUSED),
    "KILL_SWITCH": replace(SIZED, kill=Kill(NOW - 5, "ann")),
    "CONNECTION_DISABLED": replace(SIZED, connection=replace(CONNECTION, enabled=False)),
    "MODE_NOT_SUPPORTED": replace(LIVE, connection=replace(SWAP, exchange="kraken")),
    "LADDER_GATE_CLOSED": replace(
        SIZED, connection=replace(CONNECTION, ladder=LadderChoice(gate_open=False))
    ),
    "SOURCE_NOT_ALLOWED": replace(LIVE, signal=replace(LADDER, source="vote")),
    "UNKNOWN_SYMBOL": replace(SIZED, signal=replace(SIGNAL, symbol="XRP/USDT")),
    "SIGNAL_TOO_OLD": replace(SIZED, signal=replace(SIGNAL, created_at=NOW - 301)),
    "STALE_DATA": replace(SIZED, ticker=replace(TICKER, time=NOW - 601)),
    "STALE_CANDLES": replace(SIZED, candle_time=int(NOW) - 601),
    "CLOCK_SKEW": replace(SIZED, clock_skew=-1.0),
    "DUPLICATE_SIGNAL": replace(SIZED, earlier=(replace(SIGNAL, signal_id="s9", price=D("62030")),)),
    "COOLDOWN": replace(SIZED, last_traded=NOW - 19),
    "LOW_CONFIDENCE": replace(SIZED, signal=replace(SIGNAL, confidence=0.59)),
    "SHORT_NOT_SUPPORTED": replace(SIZED, signal=replace(SIGNAL, direction="short")),
    "POSITION_OPEN": replace(SIZED, positions=(OWN,)),
    "MAX_POSITIONS": replace(SIZED, connection=limits(max_positions=1), positions=(HELD,)),
    "MAX_LEVERAGE": replace(SIZED, connection=replace(CONNECTION, leverage=6)),
    "DAILY_LOSS": replace(SIZED, breakers=tripped("DAILY_LOSS")),
    "WEEKLY_TARGET": replace(
        SIZED, connection=limits(weekly_target=D("0.1")), breakers=tripped("WEEKLY_TARGET")
    ),
    "MAX_DRAWDOWN": replace(SIZED, breakers=tripped("MAX_DRAWDOWN")),
    "RISK_EXTREME": replace(SIZED, evidence=SizingEvidence(atr=D(62010) * D("0.08"))),
    "ORDERS_PER_MINUTE": replace(SIZED, sent_orders=60),
    "PRICE_BAND": replace(SIZED, ticker=replace(TICKER, last=D("58900"))),
    "MAX_POSITION_SIZE": replace(SIZED, connection=limits(max_position=D("0.09"))),
    "MAX_SYMBOL_EXPOSURE": replace(SIZED, connection=limits(max_symbol_exposure=D("0.09"))),
    "MAX_EXPOSURE": replace(SIZED, positions=(replace(HELD, cost=D(9500)),)),
    "INSUFFICIENT_MARGIN": replace(SIZED, free=D(1000)),
    "NO_SIZE": replace(SIZED, quantity=D(0), market=replace(MARKET, min_amount=D(0), min_notional=D(0))),
    "PRECISION": replace(SIZED, quantity=D("0.016121")),
    "ABOVE_MAX_AMOUNT": replace(SIZED, market=replace(MARKET, max_amount=D("0.01"))),
    "BELOW_MIN_AMOUNT": replace(SIZED, market=replace(MARKET, min_amount=D(1))),
    "BELOW_MIN_NOTIONAL": replace(SIZED, market=replace(MARKET, min_notional=D(5000))),
}

MISSING: dict[str, EntryContext] = {
    "UNKNOWN_SYMBOL": replace(SIZED, market=None),
    "STALE_DATA": replace(SIZED, ticker=None),
    "STALE_CANDLES": replace(SIZED, candle_time=0),
    "CLOCK_SKEW": replace(LIVE, clock_skew=None),
    "EQUITY_UNKNOWN": replace(SIZED, equity=None),
    "DAILY_LOSS": replace(SIZED, breakers=None),
}
"""Data that cannot be had: what needs it refuses as well."""

ONLY_WITH_OTHERS = {"EQUITY_UNKNOWN", "NO_EQUITY"}
"""Without equity nothing else that is measured in it can hold."""


def codes(context: EntryContext) -> list[str]:
    return [finding.code for finding in risk.findings(context)]


def test_the_examples_hold_every_check() -> None:
    assert codes(SIZED) == []
    assert codes(replace(LIVE, quantity=D("0.016"))) == []


@pytest.mark.parametrize("code", [code for code, _ in CHECKS if code not in ONLY_WITH_OTHERS])
def test_each_check_alone_refuses(code: str) -> None:
    assert codes(WRONG[code]) == [code]


@pytest.mark.parametrize("code", MISSING)
def test_what_cannot_be_known_is_refused_first_by_its_own_check(code: str) -> None:
    found = risk.findings(MISSING[code])
    assert found[0].code == code
    assert all(finding.detail == "unknown" for finding in found[1:])


@pytest.mark.parametrize(
    "context", [GOOD, *WRONG.values(), *MISSING.values()], ids=["GOOD", *WRONG, *MISSING]
)
def test_a_brief_decision_is_the_whole_one(context: EntryContext) -> None:
    """But for what a refusal tells beside its code."""
    whole, brief = decide_entry(context, "session"), decide_entry(context, "session", brief=True)
    if isinstance(whole, Refused):
        assert isinstance(brief, Refused)
        assert brief.code == whole.code
    else:
        assert isinstance(brief, Approved)
        assert (brief.order, brief.position, brief.signal) == (whole.order, whole.position, whole.signal)


@pytest.mark.parametrize("code", ["BELOW_MIN_AMOUNT", "BELOW_MIN_NOTIONAL"])
def test_brief_decisions_are_refused_for_their_size_too(code: str) -> None:
    decision = decide_entry(WRONG[code], "session", brief=True)
    assert isinstance(decision, Refused)
    assert decision.code == code


def test_an_account_without_money_enters_nothing() -> None:
    assert codes(replace(SIZED, equity=D(0)))[0] == "NO_EQUITY"


def test_codes_are_unique() -> None:
    names = [code for code, _ in CHECKS]
    assert len(set(names)) == len(names)


def test_all_that_failed_is_recorded_with_what_it_saw() -> None:
    context = replace(GOOD, coordinator=Status.PAUSED, last_traded=NOW - 12, sent_orders=75)
    decision = decide_entry(context, "session")
    assert isinstance(decision, Refused)
    assert decision.code == "ENGINE_NOT_RUNNING"
    assert decision.checks == (
        f"v1/{len(CHECKS)}",
        "ENGINE_NOT_RUNNING paused/running",
        "COOLDOWN 12s<20s",
        "ORDERS_PER_MINUTE 75>=60",
    )


def test_an_approval_is_recorded_in_a_few_bytes() -> None:
    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Approved)
    assert decision.signal is not None
    assert decision.signal.checks == (f"v1/{len(CHECKS)}",)
    assert decision.signal.adjustments == ()


@pytest.mark.parametrize("code", [code for code, _ in CHECKS])
def test_a_check_that_fails_refuses_whatever_the_others_say(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tuple((name, (lambda _: "broken") if name == code else check) for name, check in CHECKS)
    monkeypatch.setattr(risk, "CHECKS", table)
    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Refused)
    assert decision.code == code


def test_sources_allowed_by_name_pass_a_closed_gate() -> None:
    live = replace(LIVE, signal=replace(LADDER, source="webhook"))
    assert codes(live) == ["SOURCE_NOT_ALLOWED"]
    assert codes(replace(live, connection=replace(SWAP, sources=("webhook",)))) == []
    gated = replace(CONNECTION, ladder=LadderChoice(gate_open=False))
    assert codes(replace(SIZED, connection=gated, signal=replace(SIGNAL, source="ladder"))) == []
    assert codes(replace(SIZED, connection=replace(gated, sources=("vote",)))) == []


def test_real_orders_need_a_price_of_the_last_minute() -> None:
    old = replace(TICKER, time=NOW - 61)
    assert codes(replace(SIZED, ticker=old)) == []
    assert codes(replace(LIVE, ticker=old)) == ["STALE_DATA"]


def test_what_was_seen_of_the_clock_counts_on_paper_too() -> None:
    assert codes(replace(SIZED, clock_skew=None)) == []
    assert codes(replace(LIVE, clock_skew=0.999)) == []
    assert codes(replace(LIVE, clock_skew=1.0)) == ["CLOCK_SKEW"]


SCALING = replace(CONNECTION, scale_in=ScaleIn(2, D("0.01")))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"entry_price": D("62700")}, []),
        ({"entry_price": D("62600")}, ["POSITION_OPEN"]),
        ({"entry_price": D("62700"), "entries": 2}, ["POSITION_OPEN"]),
        ({"entry_price": D("62700"), "state": "opening"}, ["POSITION_OPEN"]),
        ({"entry_price": D("62700"), "direction": "short"}, ["POSITION_OPEN"]),
        ({"entry_price": D("62700"), "exit_reason": "stop_loss"}, ["POSITION_OPEN"]),
        ({"entry_price": D("62700"), "signal_id": "s1"}, ["DUPLICATE_SIGNAL"]),
    ],
)
def test_a_position_is_added_to_only_at_a_worse_price_and_not_too_often(
    held: dict[str, Any], expected: list[str]
) -> None:
    context = replace(SIZED, connection=SCALING, positions=(replace(OWN, **held),))
    assert codes(context) == expected


def test_adding_to_a_position_takes_no_further_place() -> None:
    full = replace(SCALING, risk=RiskLimits(max_positions=1))
    held = replace(OWN, entry_price=D(64000))
    assert codes(replace(SIZED, connection=full, positions=(held,))) == []


def test_in_hedge_mode_the_other_direction_is_another_position() -> None:
    hedge = replace(SWAP, position_mode="hedge")
    other = replace(OWN, symbol="BTC/USDT:USDT", direction="short")
    assert codes(replace(LIVE, connection=hedge, positions=(other,))) == []
    assert codes(replace(LIVE, positions=(other,))) == ["POSITION_OPEN"]


def test_a_tier_lowers_the_number_of_positions_and_never_raises_it() -> None:
    assert codes(replace(SIZED, positions=(HELD,), tier_positions=1)) == ["MAX_POSITIONS"]
    assert codes(replace(SIZED, connection=limits(max_positions=1), positions=(HELD,), tier_positions=9)) == [
        "MAX_POSITIONS"
    ]


def test_a_breaker_that_is_switched_off_needs_no_data() -> None:
    off = limits(daily_loss=None, max_drawdown=None)
    assert codes(replace(SIZED, connection=off, breakers=None)) == []
