"""What a backtest leaves out changes nothing: quiet ticks, and signals that are refused for certain.

Every run is made twice on recorded candles: as it is, and with all of that done in full.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from math import inf
from typing import Any

import pytest

from chalicelib.backtest import engine, settled
from chalicelib.backtest.engine import Moment, trade
from chalicelib.backtest.options import CONNECTION
from chalicelib.backtest.settled import SettledEngine, Watch, watch
from chalicelib.backtest.votes import Signs
from chalicelib.backtest.world import BacktestWorld, backtest_world
from chalicelib.domain.connection import Connection, ScaleIn, validate
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.signal import ExitProfile, PartialExit
from chalicelib.domain.trading_settings import LadderChoice, RiskLimits
from chalicelib.flows.execute_signals import execute_signals, executed
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from tests.shared import shared_path

D = Decimal
DAY = 86400
SPOT = "data/ohlcv/binance_spot"
SWAPS = "data/ohlcv/binance_usdm"
MARCH_1 = 1_614_556_800
"""2021: the market halts on the 6th."""

JULY_10 = 1_688_947_200
"""2023."""

TRAILED = ExitProfile(
    take_profit=D("0.06"),
    stop_loss=D("0.03"),
    trailing_distance=D("0.015"),
    trailing_activation=D("0.01"),
    time_limit=8 * 3600,
    partial=(PartialExit(D("0.02"), D("0.5")),),
)
NARROW = ExitProfile(take_profit=D("0.006"), stop_loss=D("0.004"), trailing_distance=D("0.003"))
WIDE = ExitProfile(take_profit=D("0.04"), stop_loss=D("0.10"))
TIGHT = RiskLimits(
    daily_loss=D("0.02"), weekly_target=D("0.03"), max_symbol_exposure=D("0.3"), max_positions=3
)


@dataclass(frozen=True)
class Period:
    """Which candles are traded, and how."""

    data: str
    timeframe: str
    symbols: int
    start: int
    days: int
    changes: dict[str, Any]

    @property
    def market(self) -> str:
        return "swap" if self.data == SWAPS else "spot"


PERIODS = {
    "stops and targets": Period(SPOT, "1h", 12, MARCH_1, 14, {}),
    "breakers": Period(SPOT, "1h", 30, MARCH_1, 21, {"risk": TIGHT, "position_cost": D("0.2")}),
    "trailing stops, partial exits, time limits": Period(SPOT, "1h", 12, MARCH_1, 14, {"exits": TRAILED}),
    "scale in": Period(SPOT, "1h", 12, MARCH_1, 14, {"exits": TRAILED, "scale_in": ScaleIn(3, D("0.005"))}),
    "few places": Period(SPOT, "1h", 30, MARCH_1, 21, {"risk": RiskLimits(max_positions=3), "exits": WIDE}),
    "swaps": Period(SWAPS, "5m", 8, JULY_10, 2, {"exits": NARROW}),
}


@dataclass(frozen=True)
class Outcome:
    """All that a run leaves behind."""

    moments: list[Moment]
    records: dict[Any, Any]
    venue: tuple[Any, Any]
    engine: Engine
    counts: Counter[tuple[str, ...]]


@cache
def feed(period: str) -> RecordedFeed:
    of = PERIODS[period]
    market = "swap" if of.data == SWAPS else "spot"
    candles = read_candles(shared_path(of.data), of.timeframe, of.symbols, market_type=market)  # type: ignore[arg-type]
    return RecordedFeed(candles, D("0.0004"))


def connection_of(period: str) -> Connection:
    of, recorded = PERIODS[period], feed(period)
    plain = Connection(
        connection_id=CONNECTION,
        exchange="binance",
        symbols=recorded.candles.symbols,
        market_type=of.market,  # type: ignore[arg-type]
        timeframe=of.timeframe,
        ladder=LadderChoice(enabled=False),
    )
    return validate(replace(plain, **of.changes))


def run(period: str) -> Outcome:
    of, recorded = PERIODS[period], feed(period)
    world = backtest_world(recorded, D("0.0004"), of.start)
    end = of.start + of.days * DAY
    moments = list(trade(world, connection_of(period), recorded.candles, of.start, end))
    return outcome_of(world, moments)


def outcome_of(world: BacktestWorld, moments: list[Moment]) -> Outcome:
    tables = world.tables
    (connection,) = tables.connections.values()
    stored = tables.engines[engine_subject(connection.tenant, connection.connection_id)]
    counts = Counter({key: count for key, count in world.counts.totals.items() if key[0] != "ticks"})
    # How often the item was written, and by which tick, is what may differ.
    engine = replace(stored, leases={}, beats={}, revision=0)
    return Outcome(moments, tables.records, (tables.paper_accounts, tables.paper_orders), engine, counts)


def in_full(period: str, patch: pytest.MonkeyPatch) -> Outcome:
    """Run with every realtime tick whole, and with every signal asked for by the whole signal consumer."""

    def whole_tick(one: SettledEngine, now: float) -> bool:
        return False

    def every_signal(_: Any, signs: Signs) -> tuple[Signs, Signs]:
        return signs, signs

    def whole_consumer(one: SettledEngine, batch: SignalBatch, _: Any) -> None:
        one.save()
        execute_signals(one._world, batch)
        one.forget()

    with patch.context() as patched:
        patched.setattr(SettledEngine, "execute", whole_consumer)
        patched.setattr(SettledEngine, "look", whole_tick)
        patched.setattr(SettledEngine, "leave", whole_tick)
        patched.setattr(engine._Votes, "_with_effect", every_signal)
        return run(period)


@pytest.mark.parametrize("period", PERIODS)
def test_what_is_left_out_changes_nothing(period: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, full = run(period), in_full(period, monkeypatch)
    assert sum(count for key, count in full.counts.items() if key[0] == "positions_closed") > 10
    assert short.moments == full.moments
    assert short.engine == full.engine
    assert short.counts == full.counts
    assert short.records == full.records
    assert short.venue == full.venue


def test_the_periods_have_what_they_are_there_for() -> None:
    breakers = run("breakers").counts
    assert breakers["signals_refused", "DAILY_LOSS"] > 0
    assert breakers["signals_refused", "WEEKLY_TARGET"] > 0
    closed = run("trailing stops, partial exits, time limits").counts
    for reason in ("trailing_stop", "time_limit", "stop_loss"):
        assert closed["positions_closed", reason] > 0
    assert run("few places").counts["signals_refused", "MAX_POSITIONS"] > 20
    scaled = run("scale in").records.items()
    added = [p for (kind, _), found in scaled if kind.__name__ == "Position" for p in found.values()]
    assert max(position.entries for position in added) > 1


@pytest.mark.parametrize(("period", "again"), [("few places", False), ("breakers", True)])
def test_where_places_stay_free_all_signals_are_asked_for(
    period: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[bool] = []
    wholes: list[SignalBatch] = []

    def counted(
        world: BacktestWorld, read: Any, batch: SignalBatch, whole: Callable[[], SignalBatch] | None
    ) -> Any:
        def made() -> SignalBatch:
            assert whole is not None
            wholes.append(whole())
            assert len(wholes[-1].signals) > len(batch.signals)
            return wholes[-1]

        parts.append(whole is not None)
        return executed(world, read, batch, made if whole else None)

    monkeypatch.setattr(settled, "executed", counted)
    run(period)
    assert 0 < parts.count(True) < len(parts)
    assert bool(wholes) is again


def test_most_ticks_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Counter[bool] = Counter()
    look = SettledEngine.look

    def counted(one: SettledEngine, now: float) -> bool:
        quiet = look(one, now)
        looks[quiet] += 1
        return quiet

    monkeypatch.setattr(SettledEngine, "look", counted)
    run("few places")
    assert looks[True] > looks[False] > 0


@pytest.mark.parametrize(
    "period", ["stops and targets", "trailing stops, partial exits, time limits", "swaps"]
)
def test_a_skip_that_is_too_bold_is_found_out(period: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full = in_full(period, monkeypatch)
    monkeypatch.setattr(Watch, "may_leave", lambda *_: False)
    assert run(period).moments != full.moments


@pytest.mark.parametrize(
    ("level", "never"),
    [("low", -inf), ("high", inf), ("armed", inf), ("until", inf)],
    ids=lambda one: str(one),
)
def test_every_level_counts(level: str, never: float, monkeypatch: pytest.MonkeyPatch) -> None:
    period = "trailing stops, partial exits, time limits"
    full = in_full(period, monkeypatch)

    def without(*given: Any) -> Watch:
        watched = watch(*given)
        setattr(watched, level, never)
        return watched

    monkeypatch.setattr(settled, "watch", without)
    assert run(period).moments != full.moments
