"""A lost ladder is rebuilt from archived candles to the last bit, in slices, and tells nothing twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles, between
from chalicelib.domain.engine import Engine, feed_subject
from chalicelib.domain.ladder import LEVEL_RULES, to_arrays
from chalicelib.domain.ladder.preset import plain_preset
from chalicelib.domain.messages import Tick
from chalicelib.domain.trading_settings import LadderChoice
from chalicelib.errors import Retryable
from chalicelib.flows import ladder_history, ladder_step
from chalicelib.flows.ladder_step import WarmLadder
from chalicelib.flows.market_tick import market_tick
from chalicelib.flows.strategy_tick import strategy_tick
from chalicelib.local.candle_files import read_candles
from chalicelib.local.preset_files import read_preset
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.stores.memory_objects import MemoryBucket, MemoryObjectStore
from tests.domain.preset_examples import TREND_GRID
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT, Desk, connection
from tests.shared import shared_path

HOUR = 3600
BLOCK = ANCHOR_BLOCK * HOUR
START = 1_606_780_800 + 1000 * HOUR
SLOTS = 300
LOST_AT = 280
FEED = feed_subject("binance", "1h")
BUSY_GRID = """
[[grid]]
indication = "move"
parameters = { k = [3, 5, 8] }
take_profit = [0.01, 0.02]
stop_loss = 0.01
time_limit_bars = [4, 8]
"""
SETS = 3 * 48 + 3 + 3 * 24


class Engineer(Desk):
    """A desk over hourly recorded candles that runs market and strategy ticks."""

    def use(self, candles: Candles) -> "Engineer":
        self.feed = RecordedFeed(candles, self.connection.paper.spread)  # type: ignore[assignment]
        self.now = float(START)
        self.bucket = MemoryBucket()
        self.objects = MemoryObjectStore(self.bucket)
        return self

    def market(self) -> None:
        self.now += HOUR
        assert market_tick(self.world(), Tick("market", FEED, int(self.now), SYMBOLS)) is None

    def strategy(self) -> None:
        assert strategy_tick(self.world(), Tick("strategy", self.subject, int(self.now))) is None

    def run(self, slots: int) -> "Engineer":
        for _ in range(slots):
            self.market()
            self.strategy()
        return self

    def lose(self) -> None:
        """Lose what the process remembers and what it stored of the ladder."""
        self.warm.clear()
        self.objects.delete_all(TENANT, CONNECTION_ID)

    @property
    def ladder(self) -> WarmLadder:
        warm = self.warm[f"ladder/{TENANT}/{CONNECTION_ID}"]
        assert isinstance(warm, WarmLadder)
        return warm

    @property
    def engine(self) -> Engine:
        engine = self.engines.get(self.subject)
        assert engine is not None
        return engine

    def told(self) -> list[str]:
        """Return the level changes that were told, in order."""
        events = [event for event in self.stream.sent if event.kind == "ladderLevels"]
        return [line for event in events for line in event.data["changes"]]

    def signals(self) -> list[str]:
        return [signal.signal_id for batch in self.queue.sent for signal in batch.signals]


def same(one: Engineer, other: Engineer) -> bool:
    """Tell whether two ladders are the same in every byte."""
    left, right = (to_arrays(desk.ladder.state) for desk in (one, other))
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


@pytest.fixture(scope="module")
def recorded() -> Candles:
    return read_candles(shared_path("data/ohlcv/binance_spot"), "1h", SYMBOLS)


@pytest.fixture(scope="module")
def reachable() -> Iterator[None]:
    """Let sets reach real within weeks of hourly candles: drawdowns of hours are for faster ones."""
    source = LEVEL_RULES["source"]
    real, mirror = (replace(bar, drawdown_hours=None) for bar in (source.real, source.mirror))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder_step, "level_rules", lambda *_: replace(source, real=real, mirror=mirror))
        yield


@pytest.fixture(scope="module")
def engineer(
    recorded: Candles, reachable: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Engineer]:
    file = tmp_path_factory.mktemp("presets") / "preset.toml"
    file.write_text(TREND_GRID + BUSY_GRID)
    choice = LadderChoice(preset=plain_preset(read_preset(file)))

    def make() -> Engineer:
        return Engineer(connection=connection(timeframe="1h", ladder=choice)).use(recorded)

    return make


@pytest.fixture(scope="module")
def steady(engineer: Callable[[], Engineer]) -> Engineer:
    return engineer().run(SLOTS)


def test_the_run_has_something_to_lose(steady: Engineer) -> None:
    sets = steady.ladder.ladder.sets
    assert len(sets) == SETS
    assert sum(steady.engine.ladder_counts.values()) == len(sets)
    assert sum(line.endswith(f" at={int(steady.now)}") for line in steady.told()) < len(steady.told())
    assert sum("-ladder-" in name for name in steady.signals()[-20:]) > 1
    stored = steady.objects.load_candles("binance", HOUR)
    assert stored is not None
    assert steady.engine.ladder.begin < int(stored.open_time[0]) - 250 * HOUR, "the begin must be archived"


def test_a_lost_ladder_is_rebuilt_to_the_last_bit(engineer: Callable[[], Engineer], steady: Engineer) -> None:
    desk = engineer().run(LOST_AT)
    desk.lose()
    desk.run(SLOTS - LOST_AT)
    assert desk.metrics["ladder_rebuilds"] == 2
    assert (desk.metrics["ladder_rebuilding"], desk.metrics["ladder_history_lost"]) == (0, 0)
    assert same(desk, steady)
    assert desk.told() == steady.told()
    assert desk.signals() == steady.signals()


def test_a_rebuild_beyond_one_tick_goes_on_at_the_next_ones_and_tells_when_it_is_done(
    engineer: Callable[[], Engineer], steady: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = engineer().run(LOST_AT)
    desk.lose()
    monkeypatch.setattr(ladder_step, "WORK", 130 * SETS)
    signals, counts = len(desk.queue.sent), desk.engine.ladder_counts
    for number in range(8):
        if number == 3:
            desk.warm.clear()
        desk.run(1)
        assert desk.metrics["ladder_rebuilding"] == number + 1
        assert desk.engine.ladder_counts == counts
    mirrored = [one for batch in desk.queue.sent[signals:] for one in batch.signals if one.source == "ladder"]
    assert mirrored == []
    desk.run(SLOTS - LOST_AT - 8)
    assert desk.metrics["ladder_rebuilding"] < 12
    assert same(desk, steady)
    assert sorted(desk.told()) == sorted(steady.told())
    assert desk.engine.ladder.told == 0
    assert desk.engine.ladder_counts == steady.engine.ladder_counts


def test_a_rebuilt_ladder_is_stored_without_waiting_for_its_half_hour(
    engineer: Callable[[], Engineer], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = engineer().run(3)
    monkeypatch.setattr(ladder_step, "SNAPSHOT_SECONDS", 1e9)
    version = desk.engine.ladder.version
    assert desk.run(1).engine.ladder.version == version
    desk.lose()
    monkeypatch.setattr(ladder_step, "WORK", 100 * SETS)
    versions = [desk.run(1).engine.ladder.version for _ in range(12)]
    assert desk.metrics["ladder_rebuilding"] > 2
    behind = int(desk.metrics["ladder_rebuilding"])
    assert versions == [version] * behind + [version + 1] * (12 - behind)
    desk.warm.clear()
    rebuilds = desk.metrics["ladder_rebuilds"]
    desk.run(1)
    assert desk.metrics["ladder_rebuilds"] == rebuilds


def test_a_first_start_in_slices_comes_to_the_same_ladder(
    engineer: Callable[[], Engineer], steady: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder_step, "WORK", 100 * SETS)
    monkeypatch.setattr(ladder_history, "MOST_BLOCKS", 2)
    desk = engineer().run(SLOTS)
    assert 7 <= desk.metrics["ladder_rebuilding"] <= 10
    assert same(desk, steady)
    assert sorted(desk.told()) == sorted(steady.told())


def test_candles_that_the_feed_lost_are_taken_from_the_archive(
    engineer: Callable[[], Engineer], steady: Engineer
) -> None:
    early = 5 + (START // BLOCK * BLOCK + BLOCK - START) // HOUR
    desk = engineer().run(early)
    stored = desk.objects.load_candles("binance", HOUR)
    assert stored is not None
    # Too few candles for any indicator to be warm.
    desk.objects.save_candles("binance", between(stored, int(desk.now) - 15 * HOUR, stored.closed_until))
    desk.run(SLOTS - early)
    assert desk.metrics["ladder_history_lost"] == 0
    assert same(desk, steady)


def test_without_its_archive_a_ladder_begins_anew_and_says_so(engineer: Callable[[], Engineer]) -> None:
    desk = engineer().run(LOST_AT)
    begin = desk.engine.ladder.begin
    desk.lose()
    for key in [key for key in desk.bucket.values if key.startswith("candles/binance/3600/")]:
        del desk.bucket.values[key]
    desk.run(2)
    assert desk.metrics["ladder_history_lost"] == 1
    assert desk.engine.ladder.begin > begin
    assert desk.engine.ladder.begin % BLOCK == 0
    assert desk.ladder.state.closed_until == desk.now


def test_a_tick_that_fails_after_its_step_tells_the_same_at_its_next_delivery(
    engineer: Callable[[], Engineer], steady: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = engineer()
    put = desk.stream.put
    failures: list[float] = []

    def fail_once(events: Any) -> None:
        if desk.now not in failures:
            failures.append(desk.now)
            raise Retryable("throttled")
        put(events)

    monkeypatch.setattr(desk.stream, "put", fail_once)
    for _ in range(SLOTS):
        desk.market()
        try:
            desk.strategy()
        except Retryable:
            desk.strategy()
    assert len(failures) > 50
    assert desk.told() == steady.told()
    assert desk.signals() == steady.signals()
    assert same(desk, steady)


def test_the_archive_holds_every_block_once_its_time_is_over(steady: Engineer, recorded: Candles) -> None:
    begin, engine = steady.engine.ladder.begin, steady.engines.get(FEED)
    assert engine is not None
    assert engine.archived == int(steady.now) // BLOCK * BLOCK
    for start in range(begin // BLOCK * BLOCK, engine.archived, BLOCK):
        block = steady.objects.load_block("binance", HOUR, start)
        assert block is not None
        assert (int(block.open_time[0]), block.closed_until) == (max(start, begin), start + BLOCK)
        first = int(np.searchsorted(recorded.open_time, block.open_time[0]))
        np.testing.assert_array_equal(block.close, recorded.close[:, first : first + block.bars])
    written = {key: n for key, n in steady.bucket.writes.items() if key.startswith("candles/binance/3600/")}
    assert set(written.values()) == {1}
    assert len(written) == (engine.archived - begin // BLOCK * BLOCK) // BLOCK


def test_a_late_candle_and_a_new_symbol_reach_the_archive(
    engineer: Callable[[], Engineer], recorded: Candles
) -> None:
    desk = engineer()
    end = START // BLOCK * BLOCK
    late = replace(recorded, close=recorded.close.copy())
    late.close[1, int(np.searchsorted(recorded.open_time, end - 2 * HOUR)) :] = np.nan
    desk.now = end - 5 * HOUR

    def ticks(feed: Candles, symbols: tuple[str, ...], number: int) -> Candles:
        """Run ticks and return the block that ends in the first of them."""
        desk.feed = RecordedFeed(feed, desk.connection.paper.spread)  # type: ignore[assignment]
        for _ in range(number):
            desk.now += HOUR
            assert market_tick(desk.world(), Tick("market", FEED, int(desk.now), symbols)) is None
        block = desk.objects.load_block("binance", HOUR, end - BLOCK)
        assert block is not None
        return block

    assert np.isnan(ticks(late, SYMBOLS[:2], 9).close[1]).sum() == 2
    whole = ticks(recorded, SYMBOLS[1:], 5)
    first = int(np.searchsorted(recorded.open_time, end - BLOCK))
    assert whole.symbols == SYMBOLS
    np.testing.assert_array_equal(whole.close, recorded.close[:, first : first + ANCHOR_BLOCK])
