"""Connections: every wrong setting is refused by its name, and sessions store what is not as by default."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.codec import from_plain, to_plain, to_stored
from chalicelib.domain.connection import (
    LOSING_PROFILES,
    Connection,
    LadderChoice,
    PaperTerms,
    RiskLimits,
    ScaleIn,
    SizingChoice,
    complete_intervals,
    validate,
    warnings,
    with_mode_defaults,
)
from chalicelib.domain.ladder.rules import LEVEL_RULES
from chalicelib.domain.signal import ExitProfile, PartialExit
from chalicelib.errors import Rejected
from chalicelib.stores.packed_settings import pack

D = Decimal
PAPER = Connection("c1", "binance", ("BTC/USDT", "ETH/USDT"), intervals=complete_intervals({}))
CLOSED = LadderChoice(profile="prudent", gate_open=False)
LIVE = replace(PAPER, mode="live", ladder=CLOSED)
SWAP = replace(
    LIVE, market_type="swap", symbols=("BTC/USDT:USDT",), leverage=3, position_mode="hedge", sources=("tv",)
)


@pytest.mark.parametrize("good", [PAPER, LIVE, SWAP, replace(PAPER, mode="testnet")])
def test_good_connections_are_valid(good: Connection) -> None:
    assert validate(good) == good


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"connection_id": "A b"}, "connection_id"),
        ({"tenant": "public"}, "reserved"),
        ({"symbols": ()}, "symbols"),
        ({"symbols": ("BTC/USDT", "BTC/USDT")}, "not repeat"),
        ({"symbols": ("BTCUSDT",)}, "not a spot symbol such as BTC/USDT"),
        ({"symbols": ("BTC/USDT:USDT",)}, "not a spot symbol"),
        ({"symbols": ("BTC/USDT", "ETH/EUR")}, "one quote currency"),
        ({"timeframe": "7m"}, "unknown timeframe"),
        ({"position_cost": D(0)}, "position_cost"),
        ({"strategies": {}}, "strategies"),
        ({"paper": PaperTerms(cash=D(0))}, "paper.cash"),
        ({"paper": PaperTerms(fee_rate=D("0.1"))}, "paper.fee_rate"),
        ({"exits": ExitProfile(stop_loss=D(0))}, "exits.stop_loss"),
        ({"exits": ExitProfile(partial=(PartialExit(D("0.01"), D(1)),))}, "exits.partial"),
        ({"intervals": {"realtime": 5}}, "intervals.realtime"),
        ({"sources": ("Web Hook",)}, "sources: 'Web Hook'"),
        ({"mode": "testnet", "exchange": "pionex"}, "'pionex' has no testnet for spot: use mode 'paper'"),
        ({"mode": "testnet", "exchange": "kraken"}, "needs a spot market that takes orders"),
        ({"mode": "testnet", "exchange": "bingx"}, "needs a spot market that takes orders"),
        ({"mode": "live", "exchange": "kraken", "ladder": CLOSED}, "binance .spot and swap., bybit"),
        ({"mode": "live"}, "ladder.gate_open must be false on a live connection"),
        ({"leverage": 2}, "leverage must be 1 on the paper exchange"),
        ({"mode": "live", "ladder": CLOSED, "leverage": 2}, "leverage must be 1 on a spot market"),
        ({"position_mode": "hedge"}, "position_mode must be 'one_way' on the paper exchange"),
        ({"risk": RiskLimits(max_positions=0)}, "risk.max_positions"),
        ({"risk": RiskLimits(cooldown=-1)}, "risk.cooldown"),
        ({"risk": RiskLimits(min_confidence=1.1)}, "risk.min_confidence"),
        ({"risk": RiskLimits(max_exposure=D(0))}, "risk.max_exposure"),
        ({"risk": RiskLimits(max_symbol_exposure=D(0))}, "risk.max_symbol_exposure"),
        ({"risk": RiskLimits(max_position=D(0))}, "risk.max_position"),
        ({"risk": RiskLimits(max_leverage=200)}, "risk.max_leverage"),
        ({"risk": RiskLimits(daily_loss=D(1))}, "risk.daily_loss"),
        ({"risk": RiskLimits(max_drawdown=D(0))}, "risk.max_drawdown"),
        ({"risk": RiskLimits(weekly_target=D(0))}, "risk.weekly_target"),
        ({"risk": RiskLimits(orders_per_minute=0)}, "risk.orders_per_minute"),
        ({"risk": RiskLimits(price_band=D(1))}, "risk.price_band"),
        ({"sizing": SizingChoice(risk_per_trade=D("0.2"))}, "sizing.risk_per_trade"),
        ({"sizing": SizingChoice(atr_period=1)}, "sizing.atr_period"),
        ({"sizing": SizingChoice(atr_multiple=D(0))}, "sizing.atr_multiple"),
        ({"sizing": SizingChoice(kelly_share=D("1.1"))}, "sizing.kelly_share"),
        ({"scale_in": ScaleIn(max_entries=0)}, "scale_in.max_entries"),
        ({"scale_in": ScaleIn(step=D(-1))}, "scale_in.step"),
    ],
)
def test_a_wrong_connection_names_its_field(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        validate(replace(PAPER, **changes))


def test_leverage_is_bounded_by_its_own_limit() -> None:
    with pytest.raises(Rejected, match=r"leverage must be between 1 and risk.max_leverage \(5\)"):
        validate(replace(SWAP, leverage=6))
    assert validate(replace(SWAP, leverage=6, risk=RiskLimits(max_leverage=6))).leverage == 6


def test_a_live_wish_is_prudent_unless_it_says_otherwise() -> None:
    wish = {"mode": "live", "exchange": "binance"}
    assert with_mode_defaults(wish)["ladder"] == {"profile": "prudent", "gate_open": False}
    chosen = with_mode_defaults({**wish, "ladder": {"profile": "source"}})
    assert chosen["ladder"] == {"profile": "source", "gate_open": False}
    for mode in ("paper", "testnet"):
        assert "ladder" not in with_mode_defaults({**wish, "mode": mode})
    assert with_mode_defaults({"mode": "live", "ladder": 3}) == {"mode": "live", "ladder": 3}


def test_only_live_connections_are_warned_about_what_can_lose_their_money() -> None:
    assert warnings(LIVE) == ()
    assert warnings(PAPER) == ()
    (text,) = warnings(replace(LIVE, ladder=replace(CLOSED, profile="source")))
    assert "below a profit factor of 1.0" in text
    assert warnings(replace(LIVE, ladder=replace(CLOSED, profile="source", enabled=False))) == ()
    careless = replace(
        LIVE,
        risk=RiskLimits(daily_loss=None, max_drawdown=None),
        exits=ExitProfile(stop_loss=None),
        allow_withdraw_key=True,
    )
    assert [text.partition(" ")[0] for text in warnings(careless)] == [
        "risk.daily_loss",
        "risk.max_drawdown",
        "exits.stop_loss",
        "allow_withdraw_key",
    ]


def test_losing_profiles_are_those_with_a_bar_below_one() -> None:
    losing = {
        name
        for name, rules in LEVEL_RULES.items()
        if any(bar.profit_factor < 1 for bar in (rules.main, rules.real, rules.mirror))
    }
    assert losing == LOSING_PROFILES


@pytest.mark.parametrize("connection", [PAPER, LIVE, SWAP, replace(SWAP, risk=RiskLimits(max_position=D(1)))])
def test_a_session_stores_what_differs_and_reads_back_the_same(connection: Connection) -> None:
    stored = to_stored(connection)
    assert from_plain(Connection, stored) == connection
    assert stored.items() <= to_plain(connection).items() or connection.risk == RiskLimits()


def test_settings_as_by_default_cost_no_bytes() -> None:
    stored = to_stored(PAPER)
    assert "sizing" not in stored
    assert set(stored["risk"]) == {
        "max_positions",
        "max_exposure",
        "max_symbol_exposure",
        "min_confidence",
        "cooldown",
    }
    assert len(pack(stored)) < 130
    assert to_stored(SWAP)["leverage"] == 3
