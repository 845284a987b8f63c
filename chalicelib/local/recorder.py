"""Watches every invocation of a handler: its time, its AWS and exchange calls, the ticks it worked on.

It is the metrics sink of the local World and the hook that counts calls; its findings go to the statistics.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

from chalicelib.local.statistics import Outcome, StatisticsFile

_TICK_COUNTS: dict[str, Outcome] = {"ticks": "ok", "ticks_skipped": "skipped", "ticks_failed": "failed"}
"""The metrics that say how a tick ended."""

_TICK_SUFFIX = "_tick"


@dataclass(slots=True)
class Invocation:
    """One invocation while it runs. Times of ticks count from the end of the tick before."""

    function: str
    records: int
    started: float
    failed_records: int = 0
    raised: bool = False
    aws_calls: Counter[str] = field(default_factory=Counter)
    exchange_calls: Counter[str] = field(default_factory=Counter)
    ticks: list[tuple[str, Outcome, float, int]] = field(default_factory=list)
    marked_at: float = 0.0
    marked_calls: int = 0

    def end_tick(self, kind: str, outcome: Outcome, now: float) -> None:
        """Count a tick that ended just now."""
        calls = self.aws_calls.total()
        milliseconds = round((now - self.marked_at) * 1000, 3)
        self.ticks.append((kind, outcome, milliseconds, calls - self.marked_calls))
        self.marked_at, self.marked_calls = now, calls


_current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


class Recorder:
    """Counts what handlers do; calls outside an invocation (set-up, API) are not counted.

    `metrics` holds the sums of all metrics since this process started, for the progress display.
    """

    def __init__(self, statistics: StatisticsFile) -> None:
        self._statistics = statistics
        self.metrics: Counter[str] = Counter()

    @contextmanager
    def invocation(self, function: str, records: int) -> Iterator[Invocation]:
        """Watch one invocation; the caller sets `failed_records` before it ends."""
        now = perf_counter()
        running = Invocation(function, records, now, marked_at=now)
        token = _current.set(running)
        try:
            yield running
        finally:
            _current.reset(token)
            self._finish(running)

    def aws_call(self, operation: str) -> None:
        """Count a call of a handler to AWS."""
        running = _current.get()
        if running:
            running.aws_calls[operation] += 1

    def exchange_call(self, method: str) -> None:
        """Count a call of a handler to an exchange."""
        running = _current.get()
        if running:
            running.exchange_calls[method] += 1

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Take a metric; those that say how a tick ended are counted with their tick."""
        self.metrics[name] += int(value)
        running = _current.get()
        if running and name in _TICK_COUNTS:
            running.end_tick(dimensions["kind"], _TICK_COUNTS[name], perf_counter())

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None:
        """Take a duration; times are measured here already."""

    def line(self, message: str, **values: str | float) -> None:
        """Take a line; the report reads the stores instead."""

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def _finish(self, running: Invocation) -> None:
        now = perf_counter()
        if running.function.endswith(_TICK_SUFFIX):
            # Ticks that failed before they had their lease were counted by nobody yet.
            for _ in range(running.failed_records - sum(tick[1] == "failed" for tick in running.ticks)):
                running.end_tick(running.function.removesuffix(_TICK_SUFFIX), "failed", now)
        line: dict[str, object] = {"invocations": {running.function: 1}, "ticks": running.ticks}
        if running.failed_records or running.raised:
            line["failed_invocations"] = {running.function: 1}
        line |= {"aws_calls": running.aws_calls, "exchange_calls": running.exchange_calls}
        self._statistics.add(line)
