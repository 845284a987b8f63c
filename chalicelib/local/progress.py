"""Shows how a run goes on: a live table on a terminal, a plain line every few seconds elsewhere."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chalicelib.domain.engine import Engine
from chalicelib.errors import CtsError
from chalicelib.flows.lifecycle import tenant_engines
from chalicelib.flows.world import World
from chalicelib.local.recorder import Recorder
from chalicelib.local.statistics import OUTCOMES, Statistics, TickSummary
from chalicelib.settings import DEFAULT_TENANT

REFRESH_SECONDS = 1.0
LINE_SECONDS = 5.0
_ENGINES_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown at one moment; `now` is virtual in a replay, `speed` virtual seconds per real one."""

    now: float
    speed: float
    statistics: Statistics
    metrics: dict[str, int]
    engines: tuple[Engine, ...]

    @property
    def equity(self) -> Decimal:
        return sum((engine.account.equity for engine in self.engines), Decimal(0))

    @property
    def unrealised(self) -> Decimal:
        return sum((engine.account.unrealised for engine in self.engines), Decimal(0))

    @property
    def lag(self) -> float:
        """Seconds since the realtime tick last succeeded, of the engine that waits longest; 0 before any."""
        beats = [engine.beats["realtime"].ok_at for engine in self.engines if "realtime" in engine.beats]
        return max((self.now - beat for beat in beats), default=0.0)


class Progress:
    """Shows snapshots from a thread of its own until it is closed; reading the engines counts nowhere."""

    def __init__(
        self,
        console: Console,
        world: World,
        clock: Callable[[], float],
        recorder: Recorder,
        statistics: Statistics,
    ) -> None:
        self._console = console
        self._world = world
        self._clock = clock
        self._recorder = recorder
        self._statistics = statistics
        self._closed = threading.Event()
        self._engines: tuple[Engine, ...] = ()
        self._engines_at = 0.0
        self._last = (time.monotonic(), clock())
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def close(self) -> None:
        """Stop showing; the last state stays on the terminal."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _show(self) -> None:
        if not self._console.is_terminal:
            while not self._closed.wait(LINE_SECONDS):
                self._console.print(line(self._snapshot()), highlight=False, soft_wrap=True)
            return
        with Live(console=self._console, auto_refresh=False) as live:
            while not self._closed.wait(REFRESH_SECONDS):
                live.update(table(self._snapshot()), refresh=True)

    def _snapshot(self) -> Snapshot:
        real, virtual = time.monotonic(), self._clock()
        before_real, before_virtual = self._last
        self._last = (real, virtual)
        if real - self._engines_at > _ENGINES_EVERY:
            self._engines_at = real
            try:
                self._engines = tenant_engines(self._world, DEFAULT_TENANT)
            except CtsError:
                # The display shows what it had; the run itself reports the fault.
                return self._made(virtual, 0.0)
        return self._made(virtual, (virtual - before_virtual) / max(real - before_real, 1e-9))

    def _made(self, now: float, speed: float) -> Snapshot:
        return Snapshot(now, speed, self._statistics, dict(self._recorder.metrics), self._engines)


def line(snapshot: Snapshot) -> str:
    """Return one line: time, speed, ticks, signals, money."""
    ticks = "  ".join(
        f"{kind} {summary.count}" + _failures(summary)
        for kind, summary in sorted(snapshot.statistics.ticks.copy().items())
    )
    shown = snapshot.metrics
    return (
        f"{_moment(snapshot.now)}  x{snapshot.speed:.0f}  ticks {ticks or 'none yet'}  "
        f"signals {shown.get('signals', 0)}  entries {shown.get('signals_executed', 0)}  "
        f"exits {shown.get('positions_closed', 0)}  equity {snapshot.equity:.2f}  "
        f"unrealised {snapshot.unrealised:+.2f}  lag {snapshot.lag:.0f} s"
    )


def table(snapshot: Snapshot) -> Group:
    """Return the table of tick kinds with a line of signals, positions and money below it."""
    shown = Table(title=f"{_moment(snapshot.now)}   speed x{snapshot.speed:.0f}", title_justify="left")
    for column in ("tick", *OUTCOMES, "p50 ms", "p99 ms", "AWS calls"):
        shown.add_column(column, justify="left" if column == "tick" else "right")
    for kind, summary in sorted(snapshot.statistics.ticks.copy().items()):
        shown.add_row(
            kind,
            *(str(summary.outcomes[outcome]) for outcome in OUTCOMES),
            f"{summary.percentile(0.5):.1f}",
            f"{summary.percentile(0.99):.1f}",
            f"{summary.aws_calls_mean:.1f}",
        )
    numbers = snapshot.metrics
    below = (
        f"signals {numbers.get('signals', 0)}   entries {numbers.get('signals_executed', 0)}   "
        f"exits {numbers.get('positions_closed', 0)}   equity {snapshot.equity:.2f}   "
        f"unrealised {snapshot.unrealised:+.2f}   lag {snapshot.lag:.0f} s"
    )
    return Group(shown, Text(below))


def _failures(summary: TickSummary) -> str:
    failed = summary.outcomes["failed"]
    return f" ({failed} failed)" if failed else ""


def _moment(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
