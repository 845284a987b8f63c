"""What follows when a venue refuses a connection's API key: that engine pauses, the others go on."""

from chalicelib.domain.engine import Subject
from chalicelib.domain.ids import digest
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict, NotFound, VenueUnauthorized
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World

ACTION = "key_refused"


def pause_for_refused_key(world: World, subject: Subject, error: VenueUnauthorized) -> None:
    """Pause an engine whose key the venue does not take, and say why in the audit log.

    Exits are still tried while it is paused: the key may be taken again at any time. An engine that does not
    run any more is left as it is.
    """
    world.metrics.count("keys_refused")
    connection_id = subject.name.partition("#")[2]
    now = world.now()
    correlation_id = f"{ACTION}-{digest(subject.text, now)}"
    try:
        command(world, subject.tenant, connection_id, "pause", "engine", correlation_id)
    except (Conflict, NotFound):
        return
    entry = AuditEntry(
        entry_id=correlation_id,
        at=now,
        actor="engine",
        action=ACTION,
        subject=subject.text,
        correlation_id=correlation_id,
        details={"reason": str(error)[:300], "remedy": "store a key that works, then resume the engine"},
    )
    world.records.put_new(subject.tenant, [entry])
