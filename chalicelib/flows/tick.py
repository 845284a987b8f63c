"""The story all ticks share: take the lease, let the tick work, save with its fence, or skip and say why."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Beat, Engine, Kill, coordinator_subject
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.domain.replacing import replace
from chalicelib.errors import Rejected
from chalicelib.flows.world import World

LEASE_SECONDS = 55.0
"""Shorter than the queues' visibility timeout: a redelivered tick finds the lease of the dead free."""


_read: tuple[object, Connection | None] = (None, None)
"""The settings that were read last and what they say: one assignment, so threads can't see half of it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One granted execution: the item as leased, its fence, and the moment all decisions are made for.

    `kill` is the kill switch that holds for the engine.
    """

    engine: Engine
    kind: str
    fence: int
    slot: int
    now: float
    coordinator: Status = Status.RUNNING
    kill: Kill | None = None

    @property
    def flattening(self) -> bool:
        """Tell whether a kill switch wants every position closed: a command that goes before all settings."""
        return self.kill is not None and self.kill.flatten

    @property
    def connection(self) -> Connection:
        """The settings of the session, read once for as long as they stay the same object."""
        global _read
        settings, connection = _read
        if settings is not self.engine.settings or connection is None:
            connection = from_plain(Connection, self.engine.settings, known_only=False)
            _read = self.engine.settings, connection
        return connection


@dataclass(frozen=True, slots=True)
class Saved:
    """What a tick changed: the item and the names of the attributes to store."""

    engine: Engine
    changed: tuple[str, ...] = ()


Work = Callable[[World, Turn, Tick], Saved | Skip]


def run_tick(world: World, tick: Tick, work: Work, global_state: bool = True) -> Skip | None:
    """Run one tick; return why it was skipped, or None. Errors release the lease and count in the beat.

    `global_state` False leaves the coordinator out (feeds belong to no tenant).
    """
    now = world.now()
    coordinator, kill = Status.RUNNING, None
    if global_state:
        item = world.engines.get(coordinator_subject(tick.subject.tenant))
        coordinator = item.status if item else Status.STOPPED
        kill = item.kill(tick.subject.connection_id) if item else None
    owner = world.owner()
    leased = world.engines.acquire(tick.subject, tick.kind, owner, now, LEASE_SECONDS, tick.slot)
    if isinstance(leased, Skip):
        return _skipped(world, tick, leased)
    turn = Turn(leased, tick.kind, leased.lease(tick.kind).fence, tick.slot, now, coordinator, kill)
    try:
        outcome = work(world, turn, tick)
    except Exception as error:
        _release(world, turn, error)
        raise
    if isinstance(outcome, Skip):
        world.engines.save(turn.engine, tick.kind, turn.fence, tick.slot, ())
        return _skipped(world, tick, outcome)
    beats = {**outcome.engine.beats, tick.kind: Beat(ok_at=now)}
    engine = replace(outcome.engine, beats=beats)
    world.engines.save(engine, tick.kind, turn.fence, tick.slot, (*outcome.changed, f"beats.{tick.kind}"))
    world.metrics.count("ticks", kind=tick.kind)
    return None


def _skipped(world: World, tick: Tick, reason: Skip) -> Skip:
    world.metrics.count("ticks_skipped", kind=tick.kind, reason=reason.value)
    return reason


def _release(world: World, turn: Turn, error: Exception) -> None:
    """Give the lease back without marking the slot done, so that the redelivered tick may work at once."""
    streak = turn.engine.beats.get(turn.kind, Beat())
    beat = replace(streak, errors=streak.errors + 1, last_error=f"{type(error).__name__}: {error}"[:200])
    engine = replace(turn.engine, beats={**turn.engine.beats, turn.kind: beat})
    world.metrics.count("ticks_failed", kind=turn.kind)
    try:
        world.engines.save(engine, turn.kind, turn.fence, None, (f"beats.{turn.kind}",))
    except Exception as second:
        # The lease runs out by itself; the first error is the one to report.
        error.add_note(f"the lease could not be released: {second}")


def require_engine(turn: Turn) -> Connection:
    """Return the connection a turn works for; Rejected if the engine was never started."""
    if not turn.engine.settings:
        raise Rejected(f"engine {turn.engine.subject.text} has no session: start it first")
    return turn.connection
