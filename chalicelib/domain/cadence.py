"""When ticks are due: plain arithmetic over intervals, phases and slots, used by the heartbeat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

TickKind = Literal["market", "indication", "strategy", "realtime", "health"]
TICK_KINDS: tuple[TickKind, ...] = get_args(TickKind)

TICK_QUEUES: dict[TickKind, str] = {
    "market": "market",
    "realtime": "realtime",
    "health": "realtime",
    "indication": "decision",
    "strategy": "decision",
}
"""Which queue, and so which function, a kind of tick goes through.

One queue per kind would be simpler, but Lambda polls every queue all month, also an empty one. They are
grouped by what must not wait: exits never behind decisions, nobody behind an exchange's rate limit."""

PER_CANDLE: frozenset[TickKind] = frozenset({"market", "indication", "strategy"})
"""Ticks that have work once per closed candle, and are not sent while there is no new one."""

DEFAULT_INTERVALS: dict[TickKind, int] = {
    "market": 60,
    "indication": 60,
    "strategy": 120,
    "realtime": 30,
    "health": 30,
}

PHASES: dict[TickKind, int] = {"market": 2, "health": 5, "realtime": 10, "indication": 20, "strategy": 25}
"""Seconds after the slot's interval begins: candles first, exits before entries, votes last.

Twenty seconds are what an exchange's rate limit needs for the candles of a hundred symbols."""

SHORTEST_INTERVAL = 10
HEARTBEAT = 60


@dataclass(frozen=True, slots=True)
class Due:
    """One tick to send: `slot` is the epoch second at which it is scheduled."""

    kind: TickKind
    slot: int


def due(intervals: Mapping[TickKind, int], start: int, window: int = HEARTBEAT) -> tuple[Due, ...]:
    """Return the ticks scheduled in `[start, start + window)`, earliest first.

    A slot is `n * interval + phase`; phases longer than the interval wrap around inside it.
    """
    ticks: list[Due] = []
    for kind, interval in intervals.items():
        phase = PHASES[kind] % interval
        first = -(-(start - phase) // interval) * interval + phase
        ticks.extend(Due(kind, slot) for slot in range(first, start + window, interval))
    return tuple(sorted(ticks, key=lambda tick: (tick.slot, tick.kind)))


def raised(intervals: Mapping[TickKind, int], shortest: int) -> dict[TickKind, int]:
    """Return the intervals raised to the next multiple of `shortest` seconds (replays); 0 changes nothing.

    A replay has one heartbeat per `shortest`: only on its multiples can a slot be reached by a short delay.
    """
    if not shortest:
        return dict(intervals)
    return {kind: -(-interval // shortest) * shortest for kind, interval in intervals.items()}
