"""The heartbeat sends no tick that has nothing to do, and loses none: each candle is worked on once."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.codec import to_plain
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.errors import Retryable
from chalicelib.flows.health_tick import health_tick
from chalicelib.flows.heartbeat import heartbeat
from chalicelib.flows.indication_tick import indication_tick
from chalicelib.flows.market_tick import market_tick
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.strategy_tick import strategy_tick
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from tests.flows.desk import SYMBOLS, TENANT, Desk, connection
from tests.shared import shared_path

START = 1_618_617_600 + 12 * 3600
CANDLE = 300
FLOWS: dict[str, Any] = {
    "market": market_tick,
    "indication": indication_tick,
    "strategy": strategy_tick,
    "realtime": realtime_tick,
    "health": health_tick,
}


@pytest.fixture(scope="module")
def recorded() -> Any:
    folder = shared_path("data/ohlcv/binance_spot")
    return read_candles(folder, "5m", SYMBOLS, START - 12 * 3600, START + 6 * 3600)


class Clockwork(Desk):
    """Runs whole minutes: the heartbeat, then its ticks in the order of their slots."""

    def over(self, candles: Any) -> "Clockwork":
        self.feed = RecordedFeed(candles, self.connection.paper.spread)  # type: ignore[assignment]
        self.now = float(START)
        self.planned: list[Tick] = []
        return self

    def minutes(self, count: int) -> Counter[str]:
        """Run `count` minutes; return how many ticks of each kind were sent."""
        sent: Counter[str] = Counter()
        for _ in range(count):
            world = self.world()
            heartbeat(world, int(self.now), lambda *_: None)
            begun = self.now
            self.planned = list(world.ticks.sent)  # type: ignore[attr-defined]
            for tick in self.planned:
                self.now = float(tick.slot)
                sent[tick.kind] += 1
                self.run(tick)
            self.now = begun + 60
        return sent

    def run(self, tick: Tick) -> None:
        assert FLOWS[tick.kind](self.world(), tick) is None


def test_an_hour_has_one_tick_per_candle_and_kind_where_nothing_fails(recorded: Any) -> None:
    sent = Clockwork().over(recorded).minutes(60)
    assert sent == {"market": 12, "indication": 12, "strategy": 12, "realtime": 120, "health": 120}


def test_every_candle_is_decided_on_although_most_ticks_are_left_out(recorded: Any) -> None:
    desk = Clockwork().over(recorded)
    for number in range(6):
        desk.minutes(5)
        engine = desk.engines.get(desk.subject)
        assert engine is not None
        assert engine.last_candle == engine.last_indicated == START + number * CANDLE


def test_a_market_tick_that_fails_is_sent_again_at_its_next_slot(recorded: Any) -> None:
    class Struck(Clockwork):
        failures = 2

        def run(self, tick: Tick) -> None:
            if tick.kind == "market" and self.failures:
                self.failures -= 1
                real, self.feed = self.feed, _Deaf()  # type: ignore[assignment]
                with pytest.raises(Retryable):
                    super().run(tick)
                self.feed = real
            elif tick.kind in ("market", "realtime", "health"):
                super().run(tick)

    desk = Struck().over(recorded)
    sent = desk.minutes(5)
    assert sent["market"] == 3
    assert sent["indication"] == 5, "an engine whose candle is not decided on keeps its ticks"


class _Deaf:
    def closed_candles(self, *_: Any) -> Any:
        raise Retryable("the exchange does not answer")

    def tickers(self, *_: Any) -> Any:
        return {}


def test_a_symbol_that_is_new_to_the_feed_is_fetched_before_the_next_candle(recorded: Any) -> None:
    desk = Clockwork(connection(symbols=SYMBOLS[:2])).over(recorded)
    desk.minutes(1)
    assert desk.minutes(1)["market"] == 0
    other = replace(desk.connection, connection_id="paper-2", symbols=SYMBOLS)
    subject = engine_subject(TENANT, "paper-2")
    desk.engines.create(Engine(subject, Status.RUNNING, settings=to_plain(other), session_id="session"))
    assert desk.minutes(1)["market"] == 1
    stored = desk.objects.load_candles("binance", CANDLE)
    assert stored is not None
    assert set(stored.symbols) == set(SYMBOLS)
    assert desk.minutes(1)["market"] == 0


def test_an_engine_that_lags_a_candle_behind_is_not_called_sick_and_one_that_stops_is(recorded: Any) -> None:
    desk = Clockwork().over(recorded)
    desk.minutes(30)
    coordinator = desk.engines.get(replace(desk.subject, name="coordinator"))
    assert coordinator is not None
    assert (coordinator.health, coordinator.alarms) == ("healthy", ())
    desk.run = lambda tick: health_tick(desk.world(), tick) if tick.kind == "health" else None  # type: ignore
    desk.minutes(25)
    coordinator = desk.engines.get(coordinator.subject)
    assert coordinator is not None
    assert coordinator.health == "unhealthy"
    assert any("strategy: work waits" in alarm for alarm in coordinator.alarms)
