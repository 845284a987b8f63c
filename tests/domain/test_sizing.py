"""Sizes by every method, under every cap, rounded down; conservative where a method can't say."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connection import PaperTerms, RiskLimits, SizingChoice
from chalicelib.domain.decision import Approved, Refused, decide_entry
from chalicelib.domain.market import Ticker
from chalicelib.domain.risk import risk_level
from chalicelib.domain.sizing import NO_EVIDENCE, SizeRequest, SizingEvidence, entry_size, share_of_equity
from tests.domain.risk_examples import CONNECTION, GOOD, HELD, MARKET, NOW

D = Decimal
FREE_LIMITS = RiskLimits(max_symbol_exposure=D(1))
REQUEST = SizeRequest(
    replace(CONNECTION, risk=FREE_LIMITS), MARKET, "BTC/USDT", D(50000), D(10000), D(10000), ()
)


def by(method: str, evidence: SizingEvidence = NO_EVIDENCE, **choice: object) -> SizeRequest:
    chosen = SizingChoice(method, **choice)  # type: ignore[arg-type]
    return replace(REQUEST, connection=replace(REQUEST.connection, sizing=chosen), evidence=evidence)


def test_a_fixed_fraction_costs_the_same_share_of_equity() -> None:
    assert entry_size(REQUEST).quantity == D("0.02")
    assert entry_size(replace(REQUEST, price=D(25000))).quantity == D("0.04")
    assert entry_size(REQUEST).notes == ()


def test_tier_and_risk_factor_shrink_what_is_bought() -> None:
    assert entry_size(replace(REQUEST, factor=D("0.375"))).quantity == D("0.0075")
    assert entry_size(replace(REQUEST, factor=D(0))).quantity == 0


def test_volatility_target_loses_the_same_when_the_market_moves_by_its_range() -> None:
    calm = by("volatility_target", SizingEvidence(atr=D(1250)))
    wild = by("volatility_target", SizingEvidence(atr=D(2500)))
    # 1 % of 10,000 at two ranges of 1,250: 0.04 coins lose 100 when the price falls by 2,500.
    assert entry_size(calm).quantity == D("0.04")
    assert entry_size(wild).quantity == D("0.02")
    assert entry_size(calm).notes == ("volatility_target 0.20",)


def test_kelly_by_hand() -> None:
    # W = 0.6, R = 1.5: f = 0.6 - 0.4 / 1.5 = 1/3, half of it.
    evidence = SizingEvidence(closed=50, wins=30, gross_profit=D(450), gross_loss=D(200))
    share, _ = share_of_equity(by("kelly", evidence))
    assert abs(share - D(1) / 6) < D("1e-20")
    always = SizingEvidence(closed=30, wins=30, gross_profit=D(30))
    assert share_of_equity(by("kelly", always))[0] == D("0.5")


@pytest.mark.parametrize(
    "evidence",
    [
        SizingEvidence(closed=40, wins=0, gross_loss=D(40)),
        SizingEvidence(closed=40, wins=20, gross_profit=D(20), gross_loss=D(20)),
        SizingEvidence(closed=40, wins=10, gross_profit=D(20), gross_loss=D(60)),
    ],
)
def test_kelly_buys_nothing_without_an_edge(evidence: SizingEvidence) -> None:
    assert entry_size(by("kelly", evidence)).quantity == 0


@pytest.mark.parametrize(
    ("method", "evidence", "note"),
    [
        ("volatility_target", SizingEvidence(), "FALLBACK_USED volatility_target"),
        ("kelly", SizingEvidence(closed=29, wins=29, gross_profit=D(9)), "FALLBACK_USED kelly"),
        ("volatility_target", SizingEvidence(atr=D(1), failed=True), "ERROR_FALLBACK volatility_target"),
        ("kelly", SizingEvidence(failed=True), "ERROR_FALLBACK kelly"),
        (
            "kelly",
            SizingEvidence(closed=40, wins=10, gross_profit=D(0), gross_loss=D(1)),
            "ERROR_FALLBACK kelly",
        ),
    ],
)
def test_a_method_that_cannot_say_falls_back_to_half_the_position_cost(
    method: str, evidence: SizingEvidence, note: str
) -> None:
    size = entry_size(by(method, evidence))
    assert (size.quantity, size.notes) == (D("0.01"), (note,))


def test_leverage_lowers_the_margin_and_nothing_else() -> None:
    levered = replace(REQUEST, connection=replace(REQUEST.connection, leverage=4))
    assert entry_size(levered).quantity == entry_size(REQUEST).quantity
    poor = replace(levered, free=D(100))
    # A notional of 100 / (1/4 + costs of 0.16 %) is all that the free money carries.
    assert entry_size(poor).quantity == D("0.00794")
    assert entry_size(replace(REQUEST, free=D(100))).quantity == D("0.00199")


def test_no_order_is_larger_than_the_market_takes() -> None:
    assert entry_size(replace(REQUEST, market=replace(MARKET, max_amount=D("0.015")))).quantity == D("0.015")


@pytest.mark.parametrize(
    ("used", "volatility", "level"),
    [
        ({}, None, "LOW"),
        ({"DAILY_LOSS": "0.49", "WEEKLY_TARGET": "0.99"}, "0.019", "LOW"),
        ({"DAILY_LOSS": "0.5"}, None, "MEDIUM"),
        ({"DAILY_LOSS": "0.1", "MAX_DRAWDOWN": "0.75"}, "0.02", "HIGH"),
        ({}, "0.04", "HIGH"),
        ({"MAX_DRAWDOWN": "1"}, None, "EXTREME"),
        ({}, "0.08", "EXTREME"),
    ],
)
def test_the_level_is_the_worst_of_all_that_is_known(
    used: dict[str, str], volatility: str | None, level: str
) -> None:
    ratios = {name: D(ratio) for name, ratio in used.items()}
    assert risk_level(ratios, None if volatility is None else D(volatility)) == level


def test_a_higher_level_buys_less_and_says_so() -> None:
    assert GOOD.breakers is not None
    worse = replace(GOOD, breakers=replace(GOOD.breakers, peak=D(12500)))
    decision = decide_entry(worse, "session")
    assert isinstance(decision, Approved)
    assert decision.signal is not None
    assert decision.signal.adjustments == ("risk HIGH x0.5",)
    assert decision.order.quantity == D("0.00806")


def test_extreme_risk_holds_with_its_reason() -> None:
    decision = decide_entry(replace(GOOD, evidence=SizingEvidence(atr=D(6000))), "session")
    assert isinstance(decision, Refused)
    assert decision.code == "RISK_EXTREME"
    assert decision.adjustments == ("risk EXTREME x0",)


money = st.decimals("1", "1000000", places=2)
methods = st.sampled_from(["fixed_fraction", "volatility_target", "kelly"])
evidences = st.builds(
    SizingEvidence,
    atr=st.none() | st.decimals("0.0001", "100000", places=4),
    closed=st.just(40),
    wins=st.integers(0, 40),
    gross_profit=st.decimals("0", "1000", places=2),
    gross_loss=st.decimals("0", "1000", places=2),
    failed=st.booleans(),
)


@given(
    equity=money,
    free=money,
    held=money,
    price=st.decimals("0.01", "100000", places=2),
    method=methods,
    evidence=evidences,
)
def test_no_size_ever_passes_a_limit(
    equity: D, free: D, held: D, price: D, method: str, evidence: SizingEvidence
) -> None:
    limits = RiskLimits(max_position=D("0.15"))
    connection = replace(CONNECTION, risk=limits, sizing=SizingChoice(method))  # type: ignore[arg-type]
    context = replace(
        GOOD,
        connection=connection,
        equity=equity,
        free=free,
        positions=(replace(HELD, cost=held),),
        ticker=Ticker("BTC/USDT", price, price, price, NOW),
        evidence=evidence,
    )
    decision = decide_entry(context, "s")
    if isinstance(decision, Refused):
        return
    notional = decision.order.quantity * price
    assert notional <= D("0.15") * equity
    assert notional + held <= equity
    assert notional * (1 + PaperTerms().fee_rate) <= free
    assert decision.order.quantity % MARKET.amount_step == 0
