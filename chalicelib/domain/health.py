"""Health of an engine: a pure judgement of its ticks, made by the health tick, the API and `cts doctor`."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.cadence import TickKind, raised
from chalicelib.domain.connection import Connection, complete_intervals
from chalicelib.domain.engine import Beat, Engine

LEVELS = ("healthy", "degraded", "unhealthy")
DEGRADED_AFTER_INTERVALS = 3
UNHEALTHY_AFTER_INTERVALS = 10
UNHEALTHY_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work of one tick kind: how often it is due, and since when some is waiting for it."""

    interval: int
    since: float


def judge_engine(
    engine: Engine, connection: Connection, shortest: int, running_since: float, now: float
) -> tuple[str, tuple[str, ...]]:
    """Return the health of a running engine and one reason per tick kind that lags or fails.

    Realtime ticks are waited for since the last one. Ticks that work once per candle are waited for since
    the first candle closed that they have not worked on, so that a silent death shows within minutes of it
    whatever the timeframe. `shortest` raises intervals as it does in replays.
    """
    intervals = raised(complete_intervals(connection.intervals), shortest)
    candle = connection.timeframe_seconds
    done = {"indication": engine.last_indicated, "strategy": engine.last_candle}
    since = {kind: (at or int(running_since) // candle * candle) + candle for kind, at in done.items()}
    own: dict[TickKind, Waiting] = {
        "indication": Waiting(intervals["indication"], since["indication"]),
        "strategy": Waiting(intervals["strategy"], since["strategy"]),
        "realtime": Waiting(intervals["realtime"], engine.beats.get("realtime", Beat()).ok_at),
    }
    return judge(engine.beats, own, running_since, now)


def judge(
    beats: Mapping[str, Beat], waiting: Mapping[TickKind, Waiting], running_since: float, now: float
) -> tuple[str, tuple[str, ...]]:
    """Return `healthy`, `degraded` or `unhealthy`, and one reason per tick kind that lags or fails.

    Lag counts from where work began to wait, but never from before the run began.
    """
    worst = 0
    reasons = []
    for kind, work in waiting.items():
        beat = beats.get(kind, Beat())
        lag = now - max(work.since, running_since)
        level = 0
        if lag > UNHEALTHY_AFTER_INTERVALS * work.interval or beat.errors >= UNHEALTHY_ERRORS:
            level = 2
        elif lag > DEGRADED_AFTER_INTERVALS * work.interval or beat.errors:
            level = 1
        if level:
            text = f"{kind}: work waits for {max(lag, 0):.0f} s, {beat.errors} errors {beat.last_error}"
            reasons.append(text.rstrip())
        worst = max(worst, level)
    return LEVELS[worst], tuple(reasons)
