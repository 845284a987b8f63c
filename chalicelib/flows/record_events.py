"""Event consumer: every event of the stream becomes one entry of its tenant's audit log."""

from collections.abc import Sequence

from chalicelib.domain.messages import Event
from chalicelib.domain.records import event_entries
from chalicelib.flows.world import World


def record_events(world: World, events: Sequence[Event]) -> int:
    """Store events as audit entries; one that was delivered before stays as it is. Return how many came."""
    for tenant, batch in event_entries(events).items():
        world.records.put_new(tenant, batch)
    return len(events)
