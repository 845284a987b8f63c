"""What a bill is asked for: how many accounts, where, and with which settings; used by `cts cost`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.domain.cadence import (
    DEFAULT_INTERVALS,
    PER_CANDLE,
    SHORTEST_INTERVAL,
    TICK_KINDS,
    TickKind,
)
from chalicelib.domain.connection import MAX_SYMBOLS
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.settings import DEFAULT_REGION, EventSink

TokenAlgorithm = Literal["hs256", "rs256"]
KeyChoice = Literal["none", "kms"]
Architecture = Literal["arm64", "x86_64"]

MOST_CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """Running paper accounts at one exchange, all of one tenant, with the same symbols and intervals.

    `stopped` engines are there besides them. `memory` is megabytes per function, `*` all others; empty means
    the assumed ones.
    """

    connections: int = 1
    symbols: int = 100
    timeframe: str = "5m"
    intervals: Mapping[TickKind, int] = field(default_factory=lambda: dict(DEFAULT_INTERVALS))
    region: str = DEFAULT_REGION
    events: EventSink = "audit"
    auth: TokenAlgorithm = "hs256"
    key: KeyChoice = "none"
    stopped: int = 0
    architecture: Architecture = "arm64"
    dashboard: bool = True
    tracing: bool = True
    memory: Mapping[str, int] = field(default_factory=dict)

    def period(self, kind: TickKind) -> int:
        """Return the seconds from one tick of a kind to the next; some have work once per candle only."""
        interval = self.intervals[kind]
        return max(interval, timeframe_seconds(self.timeframe)) if kind in PER_CANDLE else interval


def validate(scenario: Scenario) -> Scenario:
    """Return the scenario; UsageError says what is wrong with it."""
    _within("--connections", scenario.connections, 0, MOST_CONNECTIONS)
    _within("--stopped", scenario.stopped, 0, MOST_CONNECTIONS)
    _within("--symbols", scenario.symbols, 1, MAX_SYMBOLS)
    timeframe_seconds(scenario.timeframe)
    for kind, interval in scenario.intervals.items():
        _within(f"--intervals {kind}", interval, SHORTEST_INTERVAL, 86400)
    return scenario


def parse_intervals(text: str) -> dict[TickKind, int]:
    """Return the intervals named in `market=60,realtime=30`, with the defaults for the others."""
    kinds = {kind: kind for kind in TICK_KINDS}
    found = dict(DEFAULT_INTERVALS)
    for part in filter(None, text.split(",")):
        name, _, seconds = part.strip().partition("=")
        if name not in kinds or not seconds.isdecimal():
            raise UsageError(f"--intervals {part!r}: use KIND=SECONDS with KIND one of {', '.join(kinds)}")
        found[kinds[name]] = int(seconds)
    return found


def _within(option: str, number: int, lowest: int, highest: int) -> None:
    if not lowest <= number <= highest:
        raise UsageError(f"{option} must be between {lowest} and {highest}, not {number}")
