"""Start, stop, pause, resume and restart the coordinator or one engine; called by API and heartbeat.

A command makes the first step of the transition table, does the work of that status, and settles it. Every
step is stored together with its audit entry. A process that dies in between leaves a status on the way, which
the heartbeat settles by doing the same work again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.codec import from_plain, to_stored
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import (
    COORDINATOR,
    Engine,
    Subject,
    coordinator_subject,
    engine_subject,
)
from chalicelib.domain.ids import digest
from chalicelib.domain.lifecycle import (
    FIRST_STEP,
    SETTLES_AS,
    Command,
    Status,
    allowed_commands,
    may_become,
)
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import AlreadyExists, Conflict, CtsError, NotFound, Retryable, StaleWrite
from chalicelib.flows.cancel_orders import Cancelled, cancel_open_orders
from chalicelib.flows.check_key import check_key, require_credentials
from chalicelib.flows.sessions import end_session, open_session, session_id
from chalicelib.flows.world import World

Recover = Callable[[World, Connection, Engine, float], object]
"""Brings the books and the venue together before an engine runs."""

STUCK_AFTER = 60.0
IDLE = frozenset({Status.STOPPED, Status.ERROR})
_ATTEMPTS = 5
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class _Run:
    """One command on its way: what was asked, by whom, and how an engine recovers."""

    world: World
    action: str
    actor: str
    correlation_id: str
    recover: Recover


_Work = Callable[[_Run, Engine], Mapping[str, Any]]


def command(
    world: World,
    tenant: str,
    connection_id: str | None,
    command: Command,
    actor: str,
    correlation_id: str,
    recover: Recover | None = None,
) -> Engine:
    """Carry out a command on one engine, or on the coordinator (None), and return the item as it is then.

    An engine that cannot start ends in status `error` with the reason in its audit entry. Raises NotFound for
    an unknown connection, Conflict for what the table forbids, Retryable if the work has to be done again (by
    the heartbeat at the latest).
    """
    run = _Run(world, command, actor, correlation_id, recover or _reconcile)
    subject = coordinator_subject(tenant)
    if connection_id is not None:
        require_connection(world, tenant, connection_id)
        subject = engine_subject(tenant, connection_id)
    engine = _obey(run, subject, command)
    return _obey(run, subject, "start") if command == "restart" else engine


def settle(world: World, engine: Engine, now: float, recover: Recover | None = None) -> Engine:
    """Finish the work of an item that has been on the way for more than 60 s; may be repeated at any time."""
    if engine.status not in SETTLES_AS or now - engine.changed_at <= STUCK_AFTER:
        return engine
    run = _Run(world, "settle", "heartbeat", engine.correlation_id, recover or _reconcile)
    try:
        return _finish(run, engine)
    except CtsError:
        # The next heartbeat tries again; this one has other engines to look after.
        world.metrics.count("settle_failures")
        return engine


def present_coordinator(world: World, tenant: str) -> Engine:
    """Return the coordinator of a tenant, stopped if nobody has used it yet."""
    return world.engines.get(coordinator_subject(tenant)) or Engine(coordinator_subject(tenant))


def require_connection(world: World, tenant: str, connection_id: str) -> Connection:
    """Return the connection; NotFound says how to list those that exist."""
    connection = world.connections.get(tenant, connection_id)
    if connection is None:
        raise NotFound(f"no connection {connection_id!r}; GET /connections lists those that exist")
    return connection


def create_item(world: World, subject: Subject, now: float) -> Engine:
    """Store a stopped coordinator or engine, or return the one that is there."""
    try:
        return world.engines.create(Engine(subject, changed_at=now))
    except AlreadyExists:
        present = world.engines.get(subject)
        if present is None:
            raise StaleWrite(f"{subject.text} is being deleted; try again") from None
        return present


def _obey(run: _Run, subject: Subject, command: Command) -> Engine:
    """Take the first step of a command, deciding again if somebody else was faster, and finish it."""
    for _ in range(_ATTEMPTS):
        engine = run.world.engines.get(subject) or create_item(run.world, subject, run.world.now())
        target = FIRST_STEP[command]
        if not may_become(engine.status, target):
            raise Conflict(_refusal(engine, command))
        try:
            begun = _step(run, _prepared(run, engine, target), target, {})
        except StaleWrite:
            continue
        return _finish(run, begun)
    raise StaleWrite(f"{subject.text} is being changed by others; try {command} again")


def _refusal(engine: Engine, command: Command) -> str:
    name = "the coordinator" if _is_coordinator(engine) else f"engine {engine.connection_id!r}"
    allowed = ", ".join(allowed_commands(engine.status))
    remedy = f"allowed now: {allowed}" if allowed else "wait until that is done"
    return f"{name} is {engine.status.value}, which does not allow {command}; {remedy}"


def _prepared(run: _Run, engine: Engine, target: Status) -> Engine:
    """Return the item with what the step stores on the way: the cause, and for a start the new session."""
    caused = replace(engine, correlation_id=run.correlation_id)
    if target is not Status.STARTING or _is_coordinator(engine):
        return caused
    now = run.world.now()
    connection = require_connection(run.world, engine.subject.tenant, engine.connection_id)
    require_credentials(run.world, connection)
    if engine.session_id:
        end_session(run.world, engine, now)
    name = session_id(engine.connection_id, now, engine.session_id)
    return replace(caused, session_id=name, settings=to_stored(connection))


def _finish(run: _Run, engine: Engine) -> Engine:
    """Do the work of a status on the way and settle it; if somebody else moved it on, that stands."""
    target = SETTLES_AS[engine.status]
    table = _COORDINATOR_WORK if _is_coordinator(engine) else _ENGINE_WORK
    work = table.get(engine.status, _nothing)
    try:
        details = work(run, engine)
    except Retryable:
        raise
    except Exception as error:
        target, details = Status.ERROR, _failure(run, engine, error)
    try:
        return _step(run, engine, target, details)
    except StaleWrite:
        return _overtaken(run, engine)


def _step(run: _Run, engine: Engine, target: Status, details: Mapping[str, Any]) -> Engine:
    """Store one step of the table together with its audit entry."""
    now = run.world.now()
    before, subject = engine.status.value, engine.subject.text
    audit = AuditEntry(
        # The log sorts entries of one millisecond by their ids, and revisions only grow.
        entry_id=f"{engine.revision:010d}-{digest(subject, before, target.value, run.correlation_id)}",
        at=now,
        actor=run.actor,
        action=run.action,
        subject=subject,
        correlation_id=run.correlation_id,
        before=before,
        after=target.value,
        details=details,
    )
    return run.world.engines.transition(engine, target, now, audit)


def _failure(run: _Run, engine: Engine, error: Exception) -> Mapping[str, Any]:
    """Return the reason for the audit entry, and end the session that did not come to be."""
    run.world.metrics.count("engine_errors")
    reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    if not _is_coordinator(engine):
        end_session(run.world, engine, run.world.now())
    return {"reason": reason}


def _overtaken(run: _Run, engine: Engine) -> Engine:
    present = run.world.engines.get(engine.subject)
    if present is None:
        raise NotFound(f"{engine.subject.text} was deleted meanwhile")
    # A stop that came before the session was stored could not end it.
    if not _is_coordinator(engine) and (
        present.session_id != engine.session_id or present.status in IDLE | {Status.STOPPING}
    ):
        end_session(run.world, engine, run.world.now())
    return present


def _start_engine(run: _Run, engine: Engine) -> Mapping[str, Any]:
    open_session(run.world, engine)
    connection = from_plain(Connection, engine.settings, known_only=False)
    key = check_key(run.world, connection)
    run.recover(run.world, connection, engine, run.world.now())
    return {"session_id": engine.session_id, **key}


def _stop_engine(run: _Run, engine: Engine) -> Mapping[str, Any]:
    now, cancelled = run.world.now(), Cancelled()
    if engine.settings:
        connection = from_plain(Connection, engine.settings, known_only=False)
        if connection.cancel_orders_on_stop:
            cancelled = cancel_open_orders(run.world, connection, now)
    end_session(run.world, engine, now)
    return {"session_id": engine.session_id, **cancelled.details()}


def _start_all(run: _Run, coordinator: Engine) -> Mapping[str, Any]:
    """Start the engines of all enabled connections that are stopped or in error."""
    tenant = coordinator.subject.tenant
    enabled = [c.connection_id for c in run.world.connections.list(tenant) if c.enabled]
    present = {engine.connection_id: engine.status for engine in tenant_engines(run.world, tenant)}
    idle = [name for name in enabled if present.get(name, Status.STOPPED) in IDLE]
    return _each(run, tenant, idle, "start")


def _stop_all(run: _Run, coordinator: Engine) -> Mapping[str, Any]:
    """Stop every engine that runs, is paused or on its way there; those in error keep their reason."""
    tenant = coordinator.subject.tenant
    running = [
        engine.connection_id
        for engine in tenant_engines(run.world, tenant)
        if engine.status not in IDLE and may_become(engine.status, Status.STOPPING)
    ]
    return _each(run, tenant, running, "stop")


def _each(run: _Run, tenant: str, connection_ids: list[str], command: Command) -> Mapping[str, Any]:
    """Carry out a command on many engines; one that fails never keeps the next from being tried."""
    done: list[str] = []
    failed: list[str] = []
    for connection_id in connection_ids:
        try:
            engine = _obey(run, engine_subject(tenant, connection_id), command)
            (failed if engine.status is Status.ERROR else done).append(connection_id)
        except Exception as error:
            failed.append(f"{connection_id}: {error}"[:_REASON_LENGTH])
    return {command: done, "failed": failed}


def tenant_engines(world: World, tenant: str) -> tuple[Engine, ...]:
    """Return the engines of a tenant in the order of their connections."""
    prefix = engine_subject(tenant, "").text
    engines = (engine for engine in world.engines.all() if engine.subject.text.startswith(prefix))
    return tuple(sorted(engines, key=lambda engine: engine.connection_id))


def _nothing(_run: _Run, _engine: Engine) -> Mapping[str, Any]:
    return {}


def _is_coordinator(engine: Engine) -> bool:
    return engine.subject.name == COORDINATOR


def _reconcile(world: World, connection: Connection, engine: Engine, now: float) -> object:
    # Reconciliation belongs to starting only; pausing and stopping need not load it.
    from chalicelib.flows.reconcile import reconcile_connection

    return reconcile_connection(world, connection, engine, now)


_ENGINE_WORK: dict[Status, _Work] = {Status.STARTING: _start_engine, Status.STOPPING: _stop_engine}
_COORDINATOR_WORK: dict[Status, _Work] = {Status.STARTING: _start_all, Status.STOPPING: _stop_all}
