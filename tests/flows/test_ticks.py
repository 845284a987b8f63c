"""Ticks end to end on recorded candles: data to signals, leases and slots, pause and resume, catching up."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.candles import between, empty_candles
from chalicelib.domain.engine import coordinator_subject, feed_subject
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.errors import Retryable
from chalicelib.flows.health_tick import health_tick
from chalicelib.flows.heartbeat import heartbeat
from chalicelib.flows.indication_tick import indication_tick
from chalicelib.flows.market_tick import SLOW, market_tick
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.strategy_tick import strategy_tick
from chalicelib.flows.tick import LEASE_SECONDS
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT, Desk, connection
from tests.shared import shared_path

START = 1_618_617_600 + 12 * 3600
FEED = feed_subject("binance", "5m")


@pytest.fixture(scope="module")
def recorded() -> Any:
    folder = shared_path("data/ohlcv/binance_spot")
    return read_candles(folder, "5m", SYMBOLS, START - 12 * 3600, START + 6 * 3600)


class Replay(Desk):
    """A desk over recorded candles that runs whole slots."""

    def use(self, candles: Any) -> "Replay":
        self.feed = RecordedFeed(candles, self.connection.paper.spread)  # type: ignore[assignment]
        self.now = float(START)
        return self

    def slot(self, kinds: str = "market indication strategy") -> dict[str, Skip | None]:
        """Run one slot of five minutes and return how its ticks ended."""
        self.now += 300
        flows = {"market": market_tick, "indication": indication_tick, "strategy": strategy_tick}
        ended = {}
        for kind in kinds.split():
            subject = FEED if kind == "market" else self.subject
            tick = Tick(kind, subject, int(self.now), SYMBOLS if kind == "market" else ())  # type: ignore[arg-type]
            ended[kind] = flows[kind](self.world(), tick)
        return ended


def test_recorded_candles_become_signals_and_each_is_sent_and_streamed(recorded: Any) -> None:
    desk = Replay().use(recorded)
    for _ in range(60):
        assert set(desk.slot().values()) == {None}
    sent = [signal for batch in desk.queue.sent for signal in batch.signals]
    assert len(sent) > 5
    streamed = [event.data["signal_id"] for event in desk.stream.sent if event.kind == "signal"]
    assert streamed == [signal.signal_id for signal in sent]
    assert all(signal.correlation_id.startswith("strategy#default/engine#paper-1#") for signal in sent)
    assert all(signal.reasons for signal in sent)
    engine = desk.engines.get(desk.subject)
    assert engine is not None
    assert engine.last_candle == START + 60 * 300
    assert sum(engine.ladder_counts.values()) == 3 * 100


def test_a_signal_never_comes_from_an_unclosed_or_missing_candle(recorded: Any) -> None:
    holed = replace(recorded, **{f: getattr(recorded, f).copy() for f in ("open", "high", "low", "close")})
    last = int(np.searchsorted(recorded.open_time, START + 40 * 300))
    for name in ("open", "high", "low", "close"):
        getattr(holed, name)[:, last - 20 : last : 2] = np.nan
    desk = Replay().use(holed)
    for _ in range(45):
        desk.slot()
    for batch in desk.queue.sent:
        for signal in batch.signals:
            row = SYMBOLS.index(signal.symbol)
            column = int(np.searchsorted(holed.open_time, signal.candle_time - 300))
            assert signal.candle_time <= signal.created_at
            assert not np.isnan(holed.close[row, column])


def test_dying_and_catching_up_gives_the_same_ladder_as_never_missing_a_candle(recorded: Any) -> None:
    steady, lazy = Replay().use(recorded), Replay().use(recorded)
    for number in range(40):
        steady.slot()
        lazy.slot("market indication strategy" if number % 7 == 0 or number == 39 else "market")
        if number % 7 == 0:
            lazy.warm.clear()
    ladders = [desk.warm[f"ladder/{TENANT}/{CONNECTION_ID}"].state for desk in (steady, lazy)]  # type: ignore[attr-defined]
    assert ladders[0].closed_until == ladders[1].closed_until
    for name in ("entry", "best", "returns", "level", "gross_profit", "status"):
        np.testing.assert_array_equal(getattr(ladders[0], name), getattr(ladders[1], name))


def test_a_rebuilt_ladder_does_not_tell_old_level_changes_again(recorded: Any) -> None:
    steady, rebuilt = Replay().use(recorded), Replay().use(recorded)
    for number in range(30):
        for desk in (steady, rebuilt):
            desk.slot()
        if number == 28:
            rebuilt.warm.clear()
            rebuilt.objects.delete_all(TENANT, CONNECTION_ID)
    told = [[e.event_id for e in desk.stream.sent if e.kind == "ladderLevels"] for desk in (steady, rebuilt)]
    assert told[0], "the run must have seen level changes"
    assert told[1] == told[0]
    assert rebuilt.metrics["ladder_rebuilds"] == 2


def test_a_strategy_tick_without_a_new_candle_says_nothing_again(recorded: Any) -> None:
    desk = Replay().use(recorded)
    while not any(event.kind == "signal" for event in desk.stream.sent):
        desk.slot()
    told = len(desk.stream.sent)
    desk.now += 60
    assert strategy_tick(desk.world(), Tick("strategy", desk.subject, int(desk.now))) is None
    assert len(desk.stream.sent) == told


def test_candles_of_symbols_nobody_trades_any_more_are_left_behind(recorded: Any) -> None:
    desk = Replay().use(recorded)
    for symbols in (SYMBOLS, SYMBOLS[:2]):
        desk.now += 300
        market_tick(desk.world(), Tick("market", FEED, int(desk.now), symbols))
    stored = desk.objects.load_candles("binance", 300)
    assert stored is not None
    assert stored.symbols == SYMBOLS[:2]


def test_the_same_tick_twice_works_once_and_the_second_is_a_counted_skip(recorded: Any) -> None:
    desk = Replay().use(recorded)
    tick = Tick("market", FEED, START, SYMBOLS)
    assert market_tick(desk.world(), tick) is None
    assert market_tick(desk.world(), tick) is Skip.SLOT_DONE
    assert (desk.metrics["ticks"], desk.metrics["ticks_skipped"]) == (1, 1)


def test_two_copies_at_the_same_time_one_works_and_the_loser_does_no_exchange_call(recorded: Any) -> None:
    desk = Replay().use(recorded)
    inside, go_on = threading.Event(), threading.Event()
    real, calls = desk.feed.closed_candles, []

    def slow(*arguments: Any) -> Any:
        calls.append(1)
        inside.set()
        assert go_on.wait(10)
        return real(*arguments)

    desk.feed.closed_candles = slow  # type: ignore[method-assign]
    tick = Tick("market", FEED, START, SYMBOLS)
    first: list[Skip | None] = []
    thread = threading.Thread(target=lambda: first.append(market_tick(desk.world(), tick)))
    thread.start()
    assert inside.wait(10)
    second = market_tick(desk.world(), tick)
    go_on.set()
    thread.join(10)
    assert (first, second, len(calls)) == ([None], Skip.LEASE_HELD, 1)


def test_a_tick_that_fails_releases_its_lease_and_is_done_when_delivered_again(recorded: Any) -> None:
    desk = Replay().use(recorded)
    real = desk.feed.closed_candles

    def failing(*arguments: Any) -> Any:
        raise Retryable("the exchange is away")

    desk.feed.closed_candles = failing  # type: ignore[method-assign]
    tick = Tick("market", FEED, START, SYMBOLS)
    with pytest.raises(Retryable):
        market_tick(desk.world(), tick)
    engine = desk.engines.get(FEED)
    assert engine is not None
    assert (engine.beats["market"].errors, engine.lease("market").until) == (1, 0.0)
    desk.feed.closed_candles = real  # type: ignore[method-assign]
    assert market_tick(desk.world(), tick) is None


def test_an_old_holder_cannot_save_over_its_successor(recorded: Any) -> None:
    desk = Replay().use(recorded)
    desk.slot("market")
    stale = desk.engines.acquire(desk.subject, "indication", "old", desk.now, LEASE_SECONDS, 1)
    assert not isinstance(stale, Skip)
    desk.now += LEASE_SECONDS + 1
    tick = Tick("indication", desk.subject, int(desk.now))
    assert indication_tick(desk.world(), tick) is None
    with pytest.raises(Retryable, match=r"newer holder|moved on"):
        desk.engines.save(stale, "indication", stale.lease("indication").fence, 1, ("health",))


def test_a_paused_engine_keeps_its_state_and_goes_on_from_there(recorded: Any) -> None:
    desk = Replay().use(recorded)
    for _ in range(10):
        desk.slot()
    before = desk.engines.get(desk.subject)
    assert before is not None
    desk.tables.engines[desk.subject] = replace(before, status=Status.PAUSED)
    for _ in range(5):
        ended = desk.slot()
        assert ended["strategy"] is Skip.NOT_RUNNING
    paused = desk.engines.get(desk.subject)
    assert paused is not None
    kept = ("last_candle", "ladder", "ladder_counts", "account", "marks", "session_id", "settings")
    assert all(getattr(paused, name) == getattr(before, name) for name in kept)
    desk.tables.engines[desk.subject] = replace(paused, status=Status.RUNNING)
    assert desk.slot()["strategy"] is None


def test_the_global_pause_stops_everything_but_exits(recorded: Any) -> None:
    desk = Replay().use(recorded)
    desk.slot()
    subject = coordinator_subject(TENANT)
    desk.tables.engines[subject] = replace(desk.tables.engines[subject], status=Status.PAUSED)
    ended = desk.slot()
    assert (ended["indication"], ended["strategy"]) == (Skip.NOT_RUNNING, Skip.NOT_RUNNING)
    assert realtime_tick(desk.world(), Tick("realtime", desk.subject, int(desk.now))) is None


def test_an_engine_that_does_not_exist_or_run_is_skipped(recorded: Any) -> None:
    desk = Replay().use(recorded)
    other = replace(desk.subject, name="engine#nobody")
    assert realtime_tick(desk.world(), Tick("realtime", other, START)) is Skip.NOT_RUNNING
    desk.tables.engines[desk.subject] = replace(desk.tables.engines[desk.subject], status=Status.STOPPED)
    assert realtime_tick(desk.world(), Tick("realtime", desk.subject, START)) is Skip.NOT_RUNNING


def test_the_market_tick_backfills_a_new_symbol_and_asks_only_for_what_is_missing(recorded: Any) -> None:
    desk = Replay().use(recorded)
    real, asked = desk.feed.closed_candles, []

    def listening(symbols: Any, timeframe: int, since: int, now: float) -> Any:
        asked.append((tuple(symbols), since))
        return real(symbols, timeframe, since, now)

    desk.feed.closed_candles = listening  # type: ignore[method-assign]
    market_tick(desk.world(), Tick("market", FEED, START, SYMBOLS[:2]))
    desk.now += 300
    market_tick(desk.world(), Tick("market", FEED, START + 300, SYMBOLS))
    assert asked[0][0] == SYMBOLS[:2]
    assert asked[1] == (SYMBOLS[2:], asked[1][1])
    assert asked[2] == (SYMBOLS[:2], START)
    stored = desk.objects.load_candles("binance", 300)
    whole = between(recorded, int(stored.open_time[0]), START + 300)
    np.testing.assert_array_equal(stored.close, whole.close)
    desk.now += 10
    market_tick(desk.world(), Tick("market", FEED, START + 310, SYMBOLS))
    assert len(asked) == 3, "no candle has closed since: the exchange is left alone"


def test_a_fetch_that_was_cut_short_keeps_the_ticks_coming(recorded: Any) -> None:
    desk = Replay().use(recorded)
    real = desk.feed.closed_candles

    def slow(symbols: Any, timeframe: int, since: int, now: float) -> Any:
        desk.now += SLOW + 5
        return real(symbols[:1], timeframe, since, now)

    desk.feed.closed_candles = slow  # type: ignore[method-assign]
    market_tick(desk.world(), Tick("market", FEED, START, SYMBOLS))
    engine = desk.engines.get(FEED)
    assert engine is not None
    assert engine.last_candle < START
    desk.feed.closed_candles = real  # type: ignore[method-assign]
    desk.now += 30
    market_tick(desk.world(), Tick("market", FEED, START + 60, SYMBOLS))
    engine = desk.engines.get(FEED)
    assert engine is not None
    assert engine.last_candle == START
    stored = desk.objects.load_candles("binance", 300)
    assert stored is not None
    assert set(stored.symbols) == set(SYMBOLS)


def test_the_heartbeat_plans_each_tick_once_and_settles_the_stuck(recorded: Any) -> None:
    desk = Replay().use(recorded)
    settled: list[str] = []

    def settle(world: Any, engine: Any, now: float) -> None:
        settled.append(engine.subject.name)

    world = desk.world()
    assert heartbeat(world, START, settle) == 7
    kinds = [tick.kind for tick in world.ticks.sent]  # type: ignore[attr-defined]
    assert kinds.count("realtime") == 2
    assert world.ticks.sent[0].symbols == SYMBOLS  # type: ignore[attr-defined]
    stuck = replace(desk.tables.engines[desk.subject], status=Status.STARTING, changed_at=desk.now - 61)
    desk.tables.engines[desk.subject] = stuck
    heartbeat(desk.world(), START + 60, settle)
    assert settled == ["engine#paper-1"]


def test_health_names_the_tick_that_lags(recorded: Any) -> None:
    desk = Replay().use(recorded)
    desk.now += 3000
    tick = Tick("health", coordinator_subject(TENANT), int(desk.now))
    assert health_tick(desk.world(), tick) is None
    coordinator = desk.engines.get(coordinator_subject(TENANT))
    assert coordinator is not None
    assert coordinator.health == "unhealthy"
    assert any("realtime" in alarm for alarm in coordinator.alarms)


def test_no_candles_is_a_skip_not_an_error() -> None:
    desk = Replay(connection=connection())
    desk.feed.candles = empty_candles(SYMBOLS, 300)
    ended = desk.slot("indication strategy")
    assert ended == {"indication": Skip.NO_CANDLES, "strategy": Skip.NO_CANDLES}
