"""Event consumer: every event of the stream becomes one entry of its tenant's audit log."""

from collections import defaultdict
from collections.abc import Sequence

from chalicelib.domain.messages import Event
from chalicelib.domain.records import AuditEntry, event_entry
from chalicelib.flows.world import World


def record_events(world: World, events: Sequence[Event]) -> int:
    """Store events as audit entries; one that was delivered before stays as it is. Return how many came."""
    entries: dict[str, list[AuditEntry]] = defaultdict(list)
    for event in events:
        entries[event.tenant].append(event_entry(event))
    for tenant, batch in entries.items():
        world.records.put_new(tenant, batch)
    return len(events)
