"""Heartbeat: which ticks are due in the next minute, sent to their queues; the only scheduled function."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.domain.cadence import HEARTBEAT, Due, TickKind, due, raised
from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection, complete_intervals
from chalicelib.domain.engine import Engine, Subject, coordinator_subject, feed_settings, feed_subject
from chalicelib.domain.lifecycle import SETTLES_AS, Status
from chalicelib.domain.messages import Tick
from chalicelib.flows.world import World

_ALIVE = frozenset({Status.RUNNING, Status.STARTING, Status.RESUMING, Status.PAUSING, Status.PAUSED})
_PER_CONNECTION: tuple[TickKind, ...] = ("indication", "strategy", "realtime")
STUCK_AFTER = 60.0

Settle = Callable[[World, Engine, float], object]


@dataclass(slots=True)
class _Feed:
    """What all connections together want of one exchange and timeframe."""

    interval: int
    timeframe: int
    symbols: dict[str, None] = field(default_factory=dict)


def heartbeat(world: World, start: int, settle: Settle) -> int:
    """Send the ticks of `[start, start + 60 s)` and settle engines that died on their way; return how many.

    A replay has one heartbeat per candle: then the window is the shortest interval. Ticks of a window that is
    sent twice are the same ticks and find their slots done.
    """
    items = world.engines.all()
    now = world.now()
    for item in items:
        if item.status in SETTLES_AS and now - item.changed_at > STUCK_AFTER:
            settle(world, item, now)
    window = max(HEARTBEAT, world.shortest_interval)
    ticks = _plan(items, start, window, world.shortest_interval)
    world.ticks.send(ticks, now)
    return len(ticks)


def _plan(items: tuple[Engine, ...], start: int, window: int, shortest: int) -> tuple[Tick, ...]:
    """Return the ticks of all living engines, of the feeds they need, and of their tenants' health."""
    feeds: dict[Subject, _Feed] = {}
    health: dict[str, int] = {}
    ticks: list[Tick] = []
    for engine in items:
        if not engine.connection_id or engine.status not in _ALIVE:
            continue
        connection = from_plain(Connection, engine.settings, known_only=False)
        intervals = raised(complete_intervals(connection.intervals), shortest)
        own = {kind: intervals[kind] for kind in _PER_CONNECTION}
        done = {"indication": engine.last_indicated, "strategy": engine.last_candle}
        ticks.extend(
            Tick(plan.kind, engine.subject, plan.slot)
            for plan in due(own, start, window)
            if _has_work(plan, done.get(plan.kind), connection.timeframe_seconds)
        )
        subject = feed_subject(connection.feed, connection.timeframe)
        feed = feeds.setdefault(subject, _Feed(intervals["market"], connection.timeframe_seconds))
        feed.interval = min(feed.interval, intervals["market"])
        feed.symbols.update(dict.fromkeys(connection.symbols))
        tenant = engine.subject.tenant
        health[tenant] = min(health.get(tenant, intervals["health"]), intervals["health"])
    known = {item.subject: item for item in items}
    for subject, feed in feeds.items():
        symbols = tuple(feed.symbols)
        done_until = _fetched_until(known.get(subject), symbols)
        ticks.extend(
            Tick("market", subject, plan.slot, symbols)
            for plan in due({"market": feed.interval}, start, window)
            if _has_work(plan, done_until, feed.timeframe)
        )
    for tenant, interval in health.items():
        planned = due({"health": interval}, start, window)
        ticks.extend(Tick("health", coordinator_subject(tenant), plan.slot) for plan in planned)
    return tuple(sorted(ticks, key=lambda tick: (tick.slot, tick.kind, tick.subject.text)))


def _has_work(plan: Due, done_until: int | None, timeframe: int) -> bool:
    """Tell whether a candle closes by the slot that is not worked on yet; None: the tick always has work.

    A tick that fails or comes too early leaves its candle open, so it is sent again at its next slot.
    """
    return done_until is None or done_until < plan.slot // timeframe * timeframe


def _fetched_until(feed: Engine | None, symbols: tuple[str, ...]) -> int:
    """Return up to when the feed has the candles of these symbols; 0 if others were asked for last time."""
    if feed is None or feed.settings != feed_settings(symbols):
        return 0
    return feed.last_candle
