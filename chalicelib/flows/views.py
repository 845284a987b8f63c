"""What the API shows of coordinator and engines: status, health, metrics. Reads only.

Names in answers are those of the domain (`connection_id`, `changed_at`): snake_case everywhere; money is a
decimal string, times are epoch seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.health import LEVELS, judge_engine
from chalicelib.domain.lifecycle import Status, allowed_commands, entries_allowed
from chalicelib.domain.market import split_symbol
from chalicelib.domain.records import Session
from chalicelib.flows.lifecycle import present_coordinator, require_connection, tenant_engines
from chalicelib.flows.listings import concerns
from chalicelib.flows.sessions import performance
from chalicelib.flows.world import World

IDLE = "idle"
"""Health of an engine that has no ticks to judge: stopped, paused, or on its way."""

_ZERO = Decimal(0)
_AUDIT_PAGE = 100


def status(world: World, tenant: str) -> Mapping[str, Any]:
    """Return the coordinator and all engines of a tenant as they are now."""
    coordinator = present_coordinator(world, tenant)
    connections = {connection.connection_id: connection for connection in world.connections.list(tenant)}
    present = {engine.connection_id: engine for engine in tenant_engines(world, tenant)}
    engines = (present.get(name) or Engine(engine_subject(tenant, name)) for name in connections)
    return {
        "now": world.now(),
        "coordinator": _coordinator(coordinator),
        "engines": [_status(coordinator, e, connections[e.connection_id]) for e in engines],
    }


def engine_status(world: World, tenant: str, connection_id: str) -> Mapping[str, Any]:
    """Return one engine as it is now; NotFound for an unknown connection."""
    connection = require_connection(world, tenant, connection_id)
    coordinator = present_coordinator(world, tenant)
    return _status(coordinator, _engine(world, tenant, connection_id), connection)


def health(world: World, tenant: str) -> Mapping[str, Any]:
    """Return the judgement per engine and the worst of them; engines at rest do not count."""
    now, coordinator = world.now(), present_coordinator(world, tenant)
    known = {connection.connection_id for connection in world.connections.list(tenant)}
    present = (engine for engine in tenant_engines(world, tenant) if engine.connection_id in known)
    engines = [_health(world, coordinator, engine, now) for engine in present]
    worst = max((e["health"] for e in engines if e["health"] != IDLE), key=LEVELS.index, default=IDLE)
    return {
        "now": now,
        "health": worst,
        "coordinator": coordinator.status.value,
        "stored": {"health": coordinator.health, "alarms": list(coordinator.alarms)},
        "engines": engines,
    }


def metrics(world: World, tenant: str) -> Mapping[str, Any]:
    """Return the numbers of all engines, and their sums per quote currency."""
    connections = {connection.connection_id: connection for connection in world.connections.list(tenant)}
    engines = [
        _metrics(world, engine, connections[engine.connection_id])
        for engine in tenant_engines(world, tenant)
        if engine.connection_id in connections
    ]
    return {"now": world.now(), "totals": _totals(engines), "engines": engines}


def engine_metrics(world: World, tenant: str, connection_id: str) -> Mapping[str, Any]:
    """Return the numbers of one engine; NotFound for an unknown connection."""
    connection = require_connection(world, tenant, connection_id)
    return _metrics(world, _engine(world, tenant, connection_id), connection)


def error_reason(world: World, engine: Engine) -> str:
    """Return why an engine went into error, from the newest entries of the audit log."""
    for entry in world.records.list_audit(engine.subject.tenant, _AUDIT_PAGE, None).items:
        if concerns(entry.subject, engine.connection_id) and entry.after == Status.ERROR.value:
            return str(entry.details.get("reason", "no reason was given"))
    return "see its log"


def _engine(world: World, tenant: str, connection_id: str) -> Engine:
    subject = engine_subject(tenant, connection_id)
    return world.engines.get(subject) or Engine(subject)


def _coordinator(coordinator: Engine) -> Mapping[str, Any]:
    return {
        "status": coordinator.status,
        "changed_at": coordinator.changed_at,
        "allowed": allowed_commands(coordinator.status),
        "health": coordinator.health,
        "alarms": coordinator.alarms,
        "kills": coordinator.kills,
        "correlation_id": coordinator.correlation_id,
    }


def _status(coordinator: Engine, engine: Engine, connection: Connection) -> Mapping[str, Any]:
    kill = coordinator.kill(connection.connection_id)
    return {
        "connection_id": connection.connection_id,
        "name": connection.name,
        "exchange": connection.exchange,
        "mode": connection.mode,
        "enabled": connection.enabled,
        "status": engine.status,
        "trading": kill is None and entries_allowed(coordinator.status, engine.status),
        "kill": kill,
        "breakers": engine.breakers,
        "changed_at": engine.changed_at,
        "allowed": allowed_commands(engine.status),
        "session_id": engine.session_id,
        "last_candle": engine.last_candle,
        "account": engine.account,
        "beats": engine.beats,
        "leases": {kind: lease for kind, lease in engine.leases.items() if lease.owner},
        "correlation_id": engine.correlation_id,
    }


def _health(world: World, coordinator: Engine, engine: Engine, now: float) -> dict[str, Any]:
    level, reasons = IDLE, tuple[str, ...]()
    if engine.status is Status.ERROR:
        level, reasons = LEVELS[-1], (error_reason(world, engine),)
    elif engine.status is Status.RUNNING and coordinator.status is Status.RUNNING:
        connection = from_plain(Connection, engine.settings, known_only=False)
        # While everything was paused globally, missing ticks were no fault of the engine.
        since = max(engine.changed_at, coordinator.changed_at)
        level, reasons = judge_engine(engine, connection, world.shortest_interval, since, now)
    return {
        "connection_id": engine.connection_id,
        "status": engine.status.value,
        "health": level,
        "reasons": list(reasons),
    }


def _metrics(world: World, engine: Engine, connection: Connection) -> dict[str, Any]:
    tenant, name = connection.tenant, connection.connection_id
    session = world.records.session(tenant, name, engine.session_id) if engine.session_id else None
    if session is not None and session.ended_at is None:
        session = performance(world, tenant, session)
    return {
        "connection_id": name,
        "status": engine.status,
        "quote": split_symbol(connection.symbols[0])[1],
        "account": engine.account,
        "ladder": engine.ladder_counts,
        "open_positions": len(world.records.open_positions(tenant, name)),
        "open_orders": len(world.records.open_orders(tenant, name)),
        "session": None if session is None else _session(session),
    }


def _session(session: Session) -> Mapping[str, Any]:
    return {
        "session_id": session.session_id,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "opened": session.opened,
        "closed": session.closed,
        "wins": session.wins,
        "realised": session.realised,
        "fees": session.fees,
        "net": session.realised - session.fees,
    }


def _totals(engines: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return sums per quote currency: amounts in different currencies do not add up."""
    totals: dict[str, dict[str, Any]] = defaultdict(
        lambda: {
            "equity": _ZERO,
            "unrealised": _ZERO,
            "realised": _ZERO,
            "fees": _ZERO,
            "open_positions": 0,
        }
    )
    for engine in engines:
        total, session = totals[engine["quote"]], engine["session"] or {}
        total["equity"] += engine["account"].equity
        total["unrealised"] += engine["account"].unrealised
        total["realised"] += session.get("realised", _ZERO)
        total["fees"] += session.get("fees", _ZERO)
        total["open_positions"] += engine["open_positions"]
    return dict(totals)
