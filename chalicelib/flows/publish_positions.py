"""Position changes become events: called with the changes of the positions table, in their order."""

from collections.abc import Sequence

from chalicelib.domain.messages import Event
from chalicelib.domain.position import Position
from chalicelib.flows.world import World

EVENT_KIND = "positionUpdate"


def publish_positions(world: World, changes: Sequence[tuple[str, Position]]) -> int:
    """Publish (tenant, position as it is now) changes; the id is made of position and revision."""
    events = [
        Event(
            event_id=f"{position.position_id}-{position.revision}",
            kind=EVENT_KIND,
            tenant=tenant,
            connection_id=position.connection_id,
            at=position.updated_at,
            correlation_id=position.correlation_id,
            data={
                "position_id": position.position_id,
                "symbol": position.symbol,
                "direction": position.direction,
                "state": position.state,
                "quantity": str(position.quantity),
                "realised": str(position.realised),
                "fees": str(position.fees),
                "exit_reason": position.exit_reason,
            },
        )
        for tenant, position in changes
    ]
    if events:
        world.events.put(events)
    return len(events)
