"""Kill switches and breakers by hand: no entries at once, everything closed on demand, and the way back.

A switch is an attribute of the tenant's coordinator. Every intent of an entry is stored on the condition that
none is on, so it holds from its own write on, in the middle of a batch too. Exits and cancels go on; the
realtime ticks of the engines close their positions where the switch says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.domain.engine import TENANT_WIDE, Engine, Kill, Subject, coordinator_subject, engine_subject
from chalicelib.domain.ids import digest
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict
from chalicelib.flows.lifecycle import create_item, present_coordinator, require_connection
from chalicelib.flows.world import World

_ON, _OFF = "on", "off"


def kill(
    world: World, tenant: str, connection_id: str | None, flatten: bool, actor: str, correlation_id: str
) -> Mapping[str, Kill]:
    """Switch on: nothing is entered on the connection, or on any of the tenant (None); return what is on.

    `flatten`: all open positions are closed by the next realtime tick of each engine that runs or is paused.
    A switch that is on already is replaced. Raises NotFound for an unknown connection.
    """
    if connection_id is not None:
        require_connection(world, tenant, connection_id)
    coordinator = _item(world, coordinator_subject(tenant))
    name, at = connection_id or TENANT_WIDE, world.now()
    after = replace(coordinator, kills={**coordinator.kills, name: Kill(at, actor, flatten)})
    audit = _entry(world, _subject(tenant, connection_id), "kill", actor, correlation_id)
    before = _ON if name in coordinator.kills else _OFF
    audit = replace(audit, before=before, after=_ON, details={"flatten": flatten})
    world.engines.annotate(after, (f"kills.{name}",), audit)
    world.metrics.count("kill_switches")
    return after.kills


def release(
    world: World, tenant: str, connection_id: str | None, actor: str, correlation_id: str
) -> Mapping[str, Kill]:
    """Switch off and return what is still on; Conflict if there is no such switch on."""
    coordinator = present_coordinator(world, tenant)
    name = connection_id or TENANT_WIDE
    if name not in coordinator.kills:
        of = "all engines" if connection_id is None else f"connection {connection_id!r}"
        raise Conflict(f"no kill switch of {of} is on: {_listed(coordinator.kills)}")
    kept = {other: kill for other, kill in coordinator.kills.items() if other != name}
    after = replace(coordinator, kills=kept)
    audit = _entry(world, _subject(tenant, connection_id), "release", actor, correlation_id)
    world.engines.annotate(after, (f"kills.{name}",), replace(audit, before=_ON, after=_OFF))
    return after.kills


def reset_breakers(world: World, tenant: str, connection_id: str, actor: str, correlation_id: str) -> Engine:
    """Let the breakers of an engine begin anew at its next look at the account; return the engine.

    Raises NotFound for an unknown connection.
    """
    require_connection(world, tenant, connection_id)
    subject = engine_subject(tenant, connection_id)
    engine = _item(world, subject)
    after = replace(engine, breakers_reset=world.now())
    audit = _entry(world, subject, "reset_breakers", actor, correlation_id)
    tripped = dict(engine.breakers.tripped)
    world.engines.annotate(after, ("breakers_reset",), replace(audit, details={"tripped": tripped}))
    return after


def _item(world: World, subject: Subject) -> Engine:
    return world.engines.get(subject) or create_item(world, subject, world.now())


def _subject(tenant: str, connection_id: str | None) -> Subject:
    return coordinator_subject(tenant) if connection_id is None else engine_subject(tenant, connection_id)


def _entry(world: World, subject: Subject, action: str, actor: str, correlation_id: str) -> AuditEntry:
    now = world.now()
    return AuditEntry(
        entry_id=f"{action}-{digest(subject.text, action, now, correlation_id)}",
        at=now,
        actor=actor,
        action=action,
        subject=subject.text,
        correlation_id=correlation_id,
    )


def _listed(kills: Mapping[str, Any]) -> str:
    names = ["all engines" if name == TENANT_WIDE else name for name in kills]
    return f"on are those of {', '.join(names)}" if names else "none is on"
