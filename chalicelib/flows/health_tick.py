"""Health tick: judge every engine of a tenant from its beats; a new verdict goes to the coordinator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Beat, Engine
from chalicelib.domain.health import LEVELS, judge_engine
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import World

STANDS_FOR = 600.0
"""Seconds after which an unchanged verdict is stored again: till then a quiet tick is one read."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How the engines of a tenant are: the worst of them, how many are unhealthy, and why."""

    worst: str
    unhealthy: int
    alarms: tuple[str, ...]


def health_tick(world: World, tick: Tick) -> Skip | None:
    """Run one health tick; a tenant is as healthy as its worst running engine.

    Judging needs no lease: it reads, and the same beats give the same verdict. Only storing takes one.
    """
    items, now = world.engines.all(), world.now()
    verdict = _judged(world, [item for item in items if item.subject.tenant == tick.subject.tenant], now)
    world.metrics.count("engines_unhealthy", verdict.unhealthy)
    for level in LEVELS:
        world.metrics.count("health", float(level == verdict.worst), level=level)
    if any(item.subject == tick.subject and _stands(item, verdict, now) for item in items):
        world.metrics.count("ticks", kind=tick.kind)
        return None

    def stored(_: World, turn: Turn, __: Tick) -> Saved:
        engine = replace(turn.engine, health=verdict.worst, alarms=verdict.alarms)
        return Saved(engine, ("health", "alarms"))

    return run_tick(world, tick, stored, global_state=False)


def _stands(coordinator: Engine, verdict: _Verdict, now: float) -> bool:
    """Tell whether the coordinator carries this verdict, and not for too long."""
    told = coordinator.beats.get("health", Beat()).ok_at
    same = (coordinator.health, coordinator.alarms) == (verdict.worst, verdict.alarms)
    return same and now - told < STANDS_FOR


def _judged(world: World, items: Sequence[Engine], now: float) -> _Verdict:
    levels = [LEVELS[0]]
    alarms: list[str] = []
    for engine in items:
        if engine.status != Status.RUNNING or not engine.connection_id:
            continue
        connection = from_plain(Connection, engine.settings, known_only=False)
        level, reasons = judge_engine(engine, connection, world.shortest_interval, engine.changed_at, now)
        levels.append(level)
        alarms.extend(f"{engine.connection_id} {reason}" for reason in reasons)
    return _Verdict(max(levels, key=LEVELS.index), levels.count(LEVELS[-1]), tuple(alarms))
