"""Health tick: judge every engine of a tenant from its beats and store the verdict with the coordinator."""

from dataclasses import replace

from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection, beat_intervals
from chalicelib.domain.health import LEVELS, judge
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import World

_OWN_TICKS = ("indication", "strategy", "realtime")


def health_tick(world: World, tick: Tick) -> Skip | None:
    """Run one health tick; a tenant is as healthy as its worst running engine."""
    return run_tick(world, tick, _work, global_state=False)


def _work(world: World, turn: Turn, tick: Tick) -> Saved | Skip:
    worst = LEVELS[0]
    unhealthy = 0
    alarms: list[str] = []
    for engine in world.engines.all():
        if engine.subject.tenant != tick.subject.tenant or engine.status != Status.RUNNING:
            continue
        if not engine.connection_id:
            continue
        connection = from_plain(Connection, engine.settings, known_only=False)
        intervals = beat_intervals(connection, world.shortest_interval)
        own = {kind: interval for kind, interval in intervals.items() if kind in _OWN_TICKS}
        level, reasons = judge(engine.beats, own, engine.changed_at, turn.now)
        worst = max(worst, level, key=LEVELS.index)
        unhealthy += level == LEVELS[-1]
        alarms.extend(f"{engine.connection_id} {reason}" for reason in reasons)
    world.metrics.count("engines_unhealthy", unhealthy)
    for level in LEVELS:
        world.metrics.count("health", float(level == worst), level=level)
    return Saved(replace(turn.engine, health=worst, alarms=tuple(alarms)), ("health", "alarms"))
