"""Event consumer: every event of the stream becomes one entry of its tenant's audit log."""

from collections import defaultdict
from collections.abc import Sequence

from chalicelib.domain.messages import Event
from chalicelib.domain.records import AuditEntry
from chalicelib.flows.world import World


def record_events(world: World, events: Sequence[Event]) -> int:
    """Store events as audit entries; one that was delivered before stays as it is. Return how many came."""
    entries: dict[str, list[AuditEntry]] = defaultdict(list)
    for event in events:
        entry = AuditEntry(
            entry_id=event.event_id,
            at=event.at,
            actor="engine",
            action=event.kind,
            subject=event.connection_id,
            correlation_id=event.correlation_id,
            details=event.data,
        )
        entries[event.tenant].append(entry)
    for tenant, batch in entries.items():
        world.records.put_new(tenant, batch)
    return len(events)
