"""Runs the engine on the local AWS at its deployed intervals and meters it; prints one JSON object.

`python -m tests.bench.measured_run --symbols 100 --candles 24`: `bench_usage` calls it, a process per run.
Time is virtual and starts at a fixed moment of the built-in market, so counts and sizes are the same every
time; only processor seconds differ.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import MarketFeed
from chalicelib.local.aws_clients import own_clients
from chalicelib.local.candle_files import read_candles
from chalicelib.local.clock import VirtualClock
from chalicelib.local.emulator import Emulator
from chalicelib.local.environment import use_local_aws
from chalicelib.local.event_shapes import ACCOUNT
from chalicelib.local.pump import Pump, functions
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.local.recorder import Recorder
from chalicelib.local.replay import Plan, Replay
from chalicelib.local.resources import create_resources
from chalicelib.local.simulator import MarketSimulator, simulated_symbols
from chalicelib.local.statistics import StatisticsFile
from chalicelib.settings import DEFAULT_TENANT, Settings
from chalicelib.stores.tables import MODELS, table_definition
from tests.bench.metering import Meter
from tests.bench.table_meter import CAUSES, TableMeter

START = 1_618_617_600
TIMEFRAME = "5m"
HEARTBEAT = 60
_SPREAD = Decimal("0.0004")
_TICK_METRICS = ("ticks", "ticks_skipped", "ticks_failed")


class MeteredFeed:
    """A market feed that is asked as an exchange is: one request per symbol's candles, one for tickers."""

    def __init__(self, feed: MarketFeed, meter: Meter) -> None:
        self._feed = feed
        self._meter = meter

    def markets(self, symbols: Sequence[str]) -> Any:
        with self._meter.exchange("markets", 0):
            return self._feed.markets(symbols)

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Any:
        with self._meter.exchange("candles", len(symbols)):
            return self._feed.closed_candles(symbols, timeframe, since, now)

    def tickers(self, symbols: Sequence[str], now: float) -> Any:
        with self._meter.exchange("tickers", 1):
            return self._feed.tickers(symbols, now)


class MeteredRecorder(Recorder):
    """Tells the meter when an invocation begins and ends."""

    def __init__(self, statistics: StatisticsFile, meter: Meter) -> None:
        super().__init__(statistics)
        self._meter = meter

    @contextmanager
    def invocation(self, function: str, records: int) -> Iterator[Any]:
        with super().invocation(function, records) as running, self._meter.invocation(function, records):
            yield running
        if running.failed_records or running.raised:
            raise RuntimeError(
                f"{function} failed: what is measured would be repairs\n{self._meter.log.last}"
            )


class KindMetrics:
    """The metrics of a deployed function; the kinds of its ticks are told to the meter."""

    def __init__(self, deployed: Any, meter: Meter) -> None:
        self._deployed = deployed
        self._meter = meter

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        if name in _TICK_METRICS:
            self._meter.tick(dimensions["kind"])
        self._deployed.count(name, value, **dimensions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployed, name)


def market(data: Path | None, symbols: int) -> tuple[MarketFeed, tuple[str, ...]]:
    """Return the feed and its symbols: recorded candles from START on, or the built-in market."""
    if data is None:
        return MarketSimulator(1, _SPREAD), simulated_symbols(symbols)
    candles = read_candles(data, TIMEFRAME, symbols, START - 3 * 86400, START + 2 * 86400)
    return RecordedFeed(candles, _SPREAD), candles.symbols


def measure(given: argparse.Namespace, state: Path) -> dict[str, Any]:
    """Run `warm_up` candles unmetered and `candles` metered; return what they cost, by kind of work."""
    emulator = Emulator.start(state / "aws", virtual=True, region=Settings().region)
    try:
        return _run(given, state, emulator)
    finally:
        emulator.stop()


def _run(given: argparse.Namespace, state: Path, emulator: Emulator) -> dict[str, Any]:
    settings = Settings(endpoint_url=emulator.endpoint_url, account=ACCOUNT, events=given.events)
    use_local_aws(settings)
    clients = own_clients(emulator.endpoint_url, settings.region)
    create_resources(settings, clients)
    indexes = {name: _index_keys(settings, name) for name in MODELS}
    meter = Meter(TableMeter(settings.stage, indexes))
    # Not before: what they import reads the environment.
    from chalicelib.messaging import telemetry

    for handler in telemetry.logger.handlers:
        handler.setStream(meter.log)  # type: ignore[attr-defined]
    feed, symbols = market(given.data, given.symbols)
    clock = VirtualClock(START)
    emulator.set_time(START)
    statistics = StatisticsFile(state / "statistics.jsonl")
    recorder = MeteredRecorder(statistics, meter)
    owners = count()
    wiring.configure(
        wiring.Overrides(
            now=clock.now,
            owner=lambda: f"{next(owners):032x}",
            feed=lambda _: MeteredFeed(feed, meter),
            metrics=KindMetrics(telemetry.EmbeddedMetrics(settings.stage), meter),
        )
    )
    pump = Pump(functions(settings), emulator, clock, recorder, statistics, settings, clients, state)
    step = timeframe_seconds(TIMEFRAME)
    begin = START + given.warm_up * step
    with meter.attached(), redirect_stdout(meter.log):
        _start_engines(given, symbols)
        for first, last in ((START, begin), (begin, begin + given.candles * step)):
            meter.reset()
            plan = Plan(first, last, HEARTBEAT)
            replay = Replay(plan, pump, emulator, clock, threading.Event(), lambda _: None, lambda *_: None)
            replay.run(None)
    return report(given, meter)


def _index_keys(settings: Settings, table: str) -> tuple[str, ...]:
    indexes = table_definition(settings, table).get("LocalSecondaryIndexes", ())
    return tuple(index["KeySchema"][1]["AttributeName"] for index in indexes)


def _start_engines(given: argparse.Namespace, symbols: tuple[str, ...]) -> None:
    world = wiring.world()
    command(world, DEFAULT_TENANT, None, "start", "bench", "bench")
    base = Connection("base", "binance", symbols, timeframe=TIMEFRAME, intervals=complete_intervals({}))
    for number in range(1, given.connections + 1):
        wanted = validate(replace(base, connection_id=f"paper-{number}", created_at=world.now()))
        world.connections.create(wanted)
        command(world, DEFAULT_TENANT, wanted.connection_id, "start", "bench", "bench")


def report(given: argparse.Namespace, meter: Meter) -> dict[str, Any]:
    """Return the totals as JSON-ready values."""
    return {
        "connections": given.connections,
        "symbols": given.symbols,
        "events": given.events,
        "candles": given.candles,
        "signals": meter.tables.made["signals"],
        "orders": meter.tables.made["orders"],
        "jobs": {name: _job(job) for name, job in sorted(meter.jobs.items())},
        "object_bytes": {
            "feed": sum(size for key, size in meter.objects.items() if key.startswith("candles/")),
            "connections": sum(size for key, size in meter.objects.items() if not key.startswith("candles/")),
        },
        "engine_item_bytes": max(
            size for sort, size in meter.tables.item_sizes("engines").items() if sort.startswith("engine#")
        ),
    }


def _job(job: Any) -> Mapping[str, Any]:
    amounts = {cause: _rounded(job.amounts[cause]) for cause in CAUSES if job.amounts[cause]}
    return {"invocations": job.invocations, "records": job.records, **amounts}


def _rounded(amounts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(amount, 6) for name, amount in sorted(amounts.items()) if amount}


def main() -> None:
    """Print what one run has cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--events", choices=("audit", "kinesis"), default="audit")
    parser.add_argument("--warm-up", type=int, default=2, help="candles before the metered ones")
    parser.add_argument("--candles", type=int, default=24)
    parser.add_argument("--data", type=Path, help="recorded candles; default: the built-in market")
    given = parser.parse_args()
    output = sys.stdout
    with tempfile.TemporaryDirectory() as directory:
        found = measure(given, Path(directory))
    json.dump(found, output, indent=2)
    output.write("\n")


if __name__ == "__main__":
    main()
