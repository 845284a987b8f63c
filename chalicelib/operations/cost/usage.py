"""The measured usage profile: what each kind of work cost in metered local runs (tests/bench/bench_usage.py).

Every job (a kind of tick, or a function that is called by events) has amounts for three causes: the `work` of
its invocations, a `signal` (what is stored or streamed about signals and events), an `order` (what is stored
about orders, positions and the paper account).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError
from chalicelib.operations.cost.data import read_json
from chalicelib.settings import EventSink

CAUSES = ("work", "signal", "order")
INVOCATIONS = "invocations"
RECORDS = "records"
MEASURED_TIMEFRAME = 300
"""Seconds of a candle in the measured runs; their intervals are the default ones."""

Quantities = Mapping[tuple[str, str], float]
"""Amounts by (cause, name)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One metered run: totals per job, and the bytes of stored objects of the feed and of all connections."""

    connections: int
    symbols: int
    candles: int
    signals: float
    orders: float
    jobs: Mapping[str, Quantities]
    feed_bytes: float
    connection_bytes: float

    @property
    def seconds(self) -> float:
        return self.candles * MEASURED_TIMEFRAME

    def per_second(self, job: str, cause: str, name: str) -> float:
        return self.jobs.get(job, {}).get((cause, name), 0.0) / self.seconds


@dataclass(frozen=True, slots=True)
class Activity:
    """How much a connection trades: signals and orders per candle of its timeframe."""

    signals: float
    orders: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Runs that differ in one thing each, so that a difference is the price of that thing.

    `many` and `few` differ in the symbols, per way that events go; `one` and `several` in the connections.
    `exchange_seconds` is processor time per request of the exchange library, by kind of request.
    """

    measured: str
    many: Mapping[EventSink, Run]
    few: Mapping[EventSink, Run]
    one: Run
    several: Run
    exchange_seconds: Mapping[str, float]

    @property
    def activity(self) -> Activity:
        """Return the activity of the measured runs with many symbols."""
        run = self.many["audit"]
        return Activity(run.signals / run.candles, run.orders / run.candles)

    def names(self, events: EventSink) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return (cause, name) of every amount of each job."""
        return {job: tuple(amounts) for job, amounts in self.many[events].jobs.items()}

    def of_symbols(self, symbols: int, events: EventSink, job: str, cause: str, name: str) -> float:
        """Return an amount per second of one connection: a straight line through the two measured points."""
        many, few = self.many[events], self.few[events]
        high, low = (run.per_second(job, cause, name) for run in (many, few))
        return _line(few.symbols, low, many.symbols, high, symbols)

    def of_engine(self, job: str, cause: str, name: str) -> float:
        """Return what one engine more adds per second to a job that all engines share."""
        one, several = (run.per_second(job, cause, name) for run in (self.one, self.several))
        return max(0.0, several - one) / (self.several.connections - self.one.connections)

    def stored_bytes(self, symbols: int, connections: int) -> float:
        """Return the bytes of all objects: candles once, snapshots for each connection."""
        many, few = self.many["audit"], self.few["audit"]
        feed = _line(few.symbols, few.feed_bytes, many.symbols, many.feed_bytes, symbols)
        each = _line(few.symbols, few.connection_bytes, many.symbols, many.connection_bytes, symbols)
        return (feed if connections else 0.0) + connections * each


def _line(x0: float, y0: float, x1: float, y1: float, x: float) -> float:
    return max(0.0, y1 + (x - x1) * (y1 - y0) / (x1 - x0))


def load_usage(path: Path) -> Profile:
    """Read a profile; UsageError if the file is none."""
    held = read_json(path)
    try:
        runs = {name: _run(found) for name, found in held["runs"].items()}
        return Profile(
            measured=held["measured"],
            many={"audit": runs["many"], "kinesis": runs["kinesis_many"]},
            few={"audit": runs["few"], "kinesis": runs["kinesis_few"]},
            one=runs["one"],
            several=runs["several"],
            exchange_seconds=held["exchange_seconds"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no usage profile: {type(error).__name__} {error}") from error


def _run(held: Mapping[str, Any]) -> Run:
    return Run(
        connections=held["connections"],
        symbols=held["symbols"],
        candles=held["candles"],
        signals=held["signals"],
        orders=held["orders"],
        jobs={job: _quantities(found) for job, found in held["jobs"].items()},
        feed_bytes=held["object_bytes"]["feed"],
        connection_bytes=held["object_bytes"]["connections"] / held["connections"],
    )


def _quantities(held: Mapping[str, Any]) -> Quantities:
    amounts: dict[tuple[str, str], float] = {
        (cause, name): amount for cause in CAUSES for name, amount in held.get(cause, {}).items()
    }
    amounts["work", INVOCATIONS] = held[INVOCATIONS]
    amounts["work", RECORDS] = held[RECORDS]
    return amounts


def activity_of_report(path: Path, timeframe: int, connections: int) -> Activity:
    """Return the activity in a report of `cts run`, per candle and connection.

    The run must have had `connections` accounts and candles of `timeframe` seconds.
    """
    held = read_json(path)
    try:
        candles = held["virtual_seconds"] / timeframe
        signals, orders = held["signals"]["emitted"], sum(held["orders"].values())
        if candles < 1 or connections < 1:
            raise UsageError(f"{path} tells of less than a candle: run longer")
        return Activity(signals / candles / connections, orders / candles / connections)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no report of cts run: {type(error).__name__} {error}") from error
