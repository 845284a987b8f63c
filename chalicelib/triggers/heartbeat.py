"""EventBridge calls the heartbeat once a minute."""

from datetime import datetime

from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib import wiring
from chalicelib.flows import heartbeat as flow
from chalicelib.flows.lifecycle import settle
from chalicelib.triggers.handler import handled

blueprint = Blueprint(__name__)


@blueprint.schedule(Rate(1, unit=Rate.MINUTES))
@handled("heartbeat")
def heartbeat(event: CloudWatchEvent) -> dict[str, int]:
    """Plan the ticks of the minute that begins at the event's time."""
    start = int(datetime.fromisoformat(event.to_dict()["time"]).timestamp())
    return {"ticks": flow.heartbeat(wiring.world(), start, settle)}
