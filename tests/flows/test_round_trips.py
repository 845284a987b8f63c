"""AWS round trips per tick, counted at the wire: they are the bill, and do not grow with the symbols."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from moto import mock_aws

from chalicelib import wiring
from chalicelib.domain.candles import ANCHOR_BLOCK, KEPT_BARS
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection, PaperTerms, complete_intervals, validate
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject, feed_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.indication_tick import indication_tick
from chalicelib.flows.market_tick import market_tick
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.flows.strategy_tick import strategy_tick
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.local.resources import create_resources
from chalicelib.settings import Settings
from chalicelib.stores.clients import Clients
from tests.flows.desk import CountingMetrics
from tests.shared import shared_path

START = 1_618_617_600
BUDGET = {"market": 4, "indication": 5, "strategy": 8, "realtime": 6}
SLOTS = 14
# The second realtime tick of a slot finds the exits done: it has no orders to send.
TICKS: tuple[tuple[str, int, Any], ...] = (
    ("market", 2, market_tick),
    ("realtime", 10, realtime_tick),
    ("indication", 20, indication_tick),
    ("strategy", 25, strategy_tick),
    ("realtime", 40, realtime_tick),
)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Settings(stage="test", account="123456789012")


def measure(settings: Settings, symbols: int) -> tuple[dict[str, list[int]], int]:
    """Run hourly slots over recorded candles; return the calls per tick kind and how many signals came."""
    folder = shared_path("data/ohlcv/binance_spot")
    candles = read_candles(folder, "1h", symbols, START, START + 86400)
    feed = RecordedFeed(candles, PaperTerms().spread)
    create_resources(settings, Clients(settings))
    calls: Counter[str] = Counter()
    clock = [float(START)]
    world = wiring.build(
        settings,
        wiring.Overrides(
            now=lambda: clock[0],
            owner=lambda: "owner",
            feed=lambda _: feed,
            metrics=CountingMetrics(),
            span=lambda _: nullcontext(),
            on_aws_call=lambda name: calls.update([name]),
        ),
    )
    names = candles.symbols
    connection = validate(
        Connection("paper-1", "binance", names, timeframe="1h", intervals=complete_intervals({}))
    )
    engine = engine_subject("default", "paper-1")
    world.engines.create(Engine(coordinator_subject("default"), Status.RUNNING))
    world.engines.create(Engine(engine, Status.RUNNING, settings=to_plain(connection), session_id="s"))
    counted: dict[str, list[int]] = defaultdict(list)
    signals = 0
    sent = world.signals.send
    batches: list[Any] = []
    world.signals.send = lambda batch: (batches.append(batch), sent(batch))  # type: ignore[method-assign]
    blocks = 0
    for slot in range(SLOTS):
        for kind, second, flow in TICKS:
            clock[0] = float(START + slot * 3600 + second)
            subject = feed_subject("binance", "1h") if kind == "market" else engine
            orders = world.records.list_orders("default", "paper-1", 500, None).items
            before = calls.total()
            assert flow(world, Tick(kind, subject, int(clock[0]), names if kind == "market" else ())) is None
            spent = calls.total() - before
            if kind == "market" and world.metrics["candle_blocks"] > blocks:  # type: ignore[index]
                # A block of 256 bars is archived, or one of those a new feed begins with: one call more.
                blocks += 1
                spent -= 1
            if len(world.records.list_orders("default", "paper-1", 500, None).items) == len(orders):
                counted[kind].append(spent)
        while batches:
            batch = batches.pop()
            signals += len(batch.signals)
            execute_signals(world, batch)
    assert 0 < blocks <= KEPT_BARS / ANCHOR_BLOCK
    return counted, signals


def test_calls_per_tick_are_in_budget_and_do_not_depend_on_the_number_of_symbols(settings: Settings) -> None:
    counted, signals = measure(settings, 100)
    assert signals > 20, "the run must have done something"
    assert all(len(counted[kind]) >= 3 for kind in BUDGET)
    over = {kind: max(spent) for kind, spent in counted.items() if max(spent) > BUDGET[kind]}
    assert over == {}


def test_few_symbols_cost_no_fewer_round_trips_than_their_ticks_need(settings: Settings) -> None:
    counted, _ = measure(settings, 3)
    assert {kind: max(spent) for kind, spent in counted.items() if kind != "strategy"} == {
        "market": 4,
        "indication": 5,
        "realtime": 6,
    }
