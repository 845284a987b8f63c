"""An entry that fails any check of the risk gate never reaches a venue, whichever check it is."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from chalicelib.domain import risk
from chalicelib.domain.breakers import Breakers
from chalicelib.domain.candles import Candles
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection, LadderChoice, RiskLimits, SizingChoice
from chalicelib.domain.engine import Kill, coordinator_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import Ticker
from chalicelib.domain.risk import CHECKS
from chalicelib.domain.signal import Signal
from chalicelib.errors import Retryable, VenueUnknown
from tests.flows.desk import CONNECTION_ID, SYMBOLS, T0, TENANT, Desk, connection
from tests.flows.hand_venue import HandVenue

D = Decimal
CODES = [code for code, _ in CHECKS]
LIVE = connection(mode="live", ladder=LadderChoice(profile="prudent", gate_open=False), sources=("vote",))
CAPPED_BY_SIZING = {"MAX_POSITION_SIZE", "INSUFFICIENT_MARGIN", "PRECISION", "ABOVE_MAX_AMOUNT"}
"""What sizing keeps within bounds by itself: no state of the world makes these fail."""


class Venue(HandVenue):
    """A live account that notes what reaches it; its clock may be wrong."""

    skew: float | None = 0.0

    def clock_skew(self, now: float) -> float | None:
        return self.skew


def live(settings: Connection = LIVE, **changes: Any) -> tuple[Desk, Venue]:
    desk = Desk(connection=replace(settings, **changes))
    venue = Venue(desk.feed)
    desk.venue = lambda _: venue  # type: ignore[method-assign,assignment,return-value]
    return desk, venue


def change(desk: Desk, **fields: Any) -> None:
    desk.tables.engines[desk.subject] = replace(desk.tables.engines[desk.subject], **fields)


def tripped(name: str) -> Breakers:
    return Breakers(T0 // 86400, D(10000), (T0 // 86400 + 3) // 7, D(10000), D(10000), {name: float(T0)})


Prepare = Callable[[Desk, Venue, Signal], Signal]


def paused(desk: Desk, _: Venue, signal: Signal) -> Signal:
    subject = coordinator_subject(TENANT)
    desk.tables.engines[subject] = replace(desk.tables.engines[subject], status=Status.PAUSED)
    return signal


def killed(desk: Desk, _: Venue, signal: Signal) -> Signal:
    subject = coordinator_subject(TENANT)
    kills = {CONNECTION_ID: Kill(float(T0), "ann")}
    desk.tables.engines[subject] = replace(desk.tables.engines[subject], kills=kills)
    return signal


def settings(**changes: Any) -> Prepare:
    """Change the connection's settings as they were stored, valid or not."""

    def prepare(desk: Desk, _: Venue, signal: Signal) -> Signal:
        change(desk, settings=to_plain(replace(LIVE, **changes)))
        return signal

    return prepare


def wish(**changes: Any) -> Prepare:
    return lambda _, __, signal: replace(signal, **changes)


def item(**fields: Any) -> Prepare:
    def prepare(desk: Desk, _: Venue, signal: Signal) -> Signal:
        change(desk, **fields)
        return signal

    return prepare


def skewed(_: Desk, venue: Venue, signal: Signal) -> Signal:
    venue.skew = 3.0
    return signal


def poor(cash: str) -> Prepare:
    def prepare(_: Desk, venue: Venue, signal: Signal) -> Signal:
        venue.cash = D(cash)
        return signal

    return prepare


def no_price(desk: Desk, _: Venue, signal: Signal) -> Signal:
    del desk.feed.prices[signal.symbol]
    return signal


def far_off(desk: Desk, _: Venue, signal: Signal) -> Signal:
    price = desk.feed.prices[signal.symbol]
    ticker = Ticker(signal.symbol, price, price * D("1.051"), price, desk.now)
    desk.feed.tickers = lambda *_: {signal.symbol: ticker}  # type: ignore[method-assign]
    return signal


def no_balance(_: Desk, venue: Venue, signal: Signal) -> Signal:
    venue.failing["fetch_balance"] = VenueUnknown("no answer")
    return signal


def after_another(**changes: Any) -> Prepare:
    """Enter another symbol first, under these risk limits."""

    def prepare(desk: Desk, venue: Venue, signal: Signal) -> Signal:
        change(desk, settings=to_plain(replace(LIVE, risk=RiskLimits(**changes))))
        assert set(desk.execute(desk.signal("ETH/USDT")).values()) == {"APPROVED"}
        venue.cash -= 1000
        venue.calls.clear()
        return signal

    return prepare


def held(number: str, moved: str) -> Prepare:
    """Enter the same symbol first, then let the price move."""

    def prepare(desk: Desk, venue: Venue, signal: Signal) -> Signal:
        assert set(desk.execute(desk.signal()).values()) == {"APPROVED"}
        venue.calls.clear()
        desk.now += 30
        desk.feed.prices["BTC/USDT"] *= D(moved)
        return replace(signal, signal_id=number, price=desk.feed.prices["BTC/USDT"])

    return prepare


def wild(desk: Desk, _: Venue, signal: Signal) -> Signal:
    """Store candles whose ranges are a tenth of the price."""
    bars = 40
    shape = np.full((len(SYMBOLS), bars), 60000.0)
    grid = T0 - 300 * np.arange(bars, 0, -1, dtype=np.int64)
    candles = Candles(SYMBOLS, 300, grid, shape, shape * 1.05, shape * 0.95, shape, shape)
    desk.objects.save_candles("binance", candles)
    change(desk, settings=to_plain(replace(LIVE, sizing=SizingChoice("volatility_target"))))
    return signal


SITUATIONS: dict[str, Prepare] = {
    "ENGINE_NOT_RUNNING": paused,
    "KILL_SWITCH": killed,
    "CONNECTION_DISABLED": settings(enabled=False),
    "MODE_NOT_SUPPORTED": settings(exchange="kraken"),
    "LADDER_GATE_CLOSED": settings(mode="testnet", sources=()),
    "SOURCE_NOT_ALLOWED": settings(sources=()),
    "UNKNOWN_SYMBOL": settings(symbols=("ETH/USDT",)),
    "SIGNAL_TOO_OLD": wish(created_at=T0 - 301.0),
    "STALE_DATA": no_price,
    "STALE_CANDLES": wish(candle_time=T0 - 601),
    "CLOCK_SKEW": skewed,
    "DUPLICATE_SIGNAL": held("again", "1.0004"),
    "COOLDOWN": item(cooldowns={"BTC/USDT": T0 - 19.0}),
    "LOW_CONFIDENCE": wish(confidence=0.59),
    "SHORT_NOT_SUPPORTED": wish(direction="short"),
    "POSITION_OPEN": held("another", "1.01"),
    "MAX_POSITIONS": after_another(max_positions=1),
    "EQUITY_UNKNOWN": no_balance,
    "NO_EQUITY": poor("0"),
    "MAX_LEVERAGE": settings(leverage=9),
    "DAILY_LOSS": item(breakers=tripped("DAILY_LOSS")),
    "WEEKLY_TARGET": lambda desk, venue, signal: item(breakers=tripped("WEEKLY_TARGET"))(
        desk, venue, settings(risk=RiskLimits(weekly_target=D("0.1")))(desk, venue, signal)
    ),
    "MAX_DRAWDOWN": item(breakers=tripped("MAX_DRAWDOWN")),
    "RISK_EXTREME": wild,
    "ORDERS_PER_MINUTE": after_another(orders_per_minute=1),
    "PRICE_BAND": far_off,
    "MAX_SYMBOL_EXPOSURE": settings(risk=RiskLimits(max_symbol_exposure=D(0))),
    "MAX_EXPOSURE": after_another(max_exposure=D("0.1")),
    "NO_SIZE": poor("50"),
    "BELOW_MIN_AMOUNT": poor("50"),
    "BELOW_MIN_NOTIONAL": poor("90"),
}


@pytest.mark.parametrize("code", [code for code in CODES if code not in CAPPED_BY_SIZING])
def test_in_the_situation_a_check_is_for_nothing_reaches_the_venue(code: str) -> None:
    desk, venue = live()
    signal = SITUATIONS[code](desk, venue, desk.signal())
    (outcome,) = desk.execute(signal).values()
    assert "create_order" not in venue.calls
    stored = desk.records.signals(TENANT, CONNECTION_ID, [signal.signal_id])[signal.signal_id]
    assert (stored.status, stored.outcome) == ("refused", outcome)
    assert any(text.split()[0] == code for text in stored.checks[1:])
    assert outcome == stored.checks[1].split()[0]


@pytest.mark.parametrize("code", CODES)
def test_a_check_that_fails_keeps_the_order_from_the_venue(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tuple((name, (lambda _: "broken") if name == code else check) for name, check in CHECKS)
    monkeypatch.setattr(risk, "CHECKS", table)
    desk, venue = live()
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": code}
    assert "create_order" not in venue.calls
    assert not desk.orders()
    assert not desk.positions()


def test_without_a_failing_check_it_does_reach_the_venue() -> None:
    desk, venue = live()
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}
    assert venue.calls.count("create_order") == 1
    (signal,) = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    assert signal.checks == (f"v{risk.VERSION}/{len(CHECKS)}",)


def test_sizes_come_from_stored_candles_or_fall_back_without_them() -> None:
    desk, _ = live(sizing=SizingChoice("volatility_target"))
    desk.execute(desk.signal())
    (signal,) = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    assert signal.adjustments == ("FALLBACK_USED volatility_target",)


def test_statistics_of_closed_positions_size_by_kelly() -> None:
    desk, venue = live(sizing=SizingChoice("kelly"), risk=RiskLimits(cooldown=0))
    for number in range(31):
        desk.execute(replace(desk.signal(number=number), created_at=desk.now, candle_time=int(desk.now)))
        desk.feed.prices["BTC/USDT"] *= D("1.03") if number % 3 else D("0.98")
        desk.realtime()
        desk.realtime()
    assert {p.state for p in desk.positions()} == {"closed"}
    signal = replace(desk.signal(number=99), candle_time=int(desk.now))
    assert set(desk.execute(signal).values()) == {"APPROVED"}
    stored = desk.records.signals(TENANT, CONNECTION_ID, [signal.signal_id])[signal.signal_id]
    assert stored.adjustments[0].startswith("kelly 0.")
    assert venue.calls.count("create_order") == 63


def test_evidence_that_cannot_be_read_makes_a_small_size_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise Retryable("throttled")

    desk, _ = live(sizing=SizingChoice("volatility_target"))
    monkeypatch.setattr(desk.objects, "load_candles", broken)
    assert desk.execute(desk.signal()) == {"0-BTC/USDT-long": "APPROVED"}
    (signal,) = desk.records.list_signals(TENANT, CONNECTION_ID, 10, None).items
    assert signal.adjustments == ("ERROR_FALLBACK volatility_target",)
    assert desk.orders()[0].quantity == D("0.0083")
