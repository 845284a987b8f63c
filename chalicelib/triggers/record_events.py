"""The event stream calls the audit recorder."""

import base64
from typing import Any

from chalice.app import Blueprint, KinesisEvent

from chalicelib import wiring
from chalicelib.errors import Rejected
from chalicelib.flows.record_events import record_events as flow
from chalicelib.messaging.codec import decode_event
from chalicelib.messaging.telemetry import logger
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import handled

blueprint = Blueprint(__name__)
BATCH = 100


@blueprint.on_kinesis_record(
    stream=from_environment().stream, batch_size=BATCH, starting_position="TRIM_HORIZON"
)
@handled("record_events")
def record_events(event: KinesisEvent) -> dict[str, Any]:
    """Store events in the audit log; one that can't be read is logged and left, so that it blocks nothing."""
    events = []
    for record in event.to_dict()["Records"]:
        try:
            events.append(decode_event(base64.b64decode(record["kinesis"]["data"])))
        except Rejected as error:
            number = record["kinesis"]["sequenceNumber"]
            logger.error("unreadable event", extra={"sequence_number": number, "error": str(error)})
            wiring.world().metrics.count("poison_messages", trigger="record_events")
    flow(wiring.world(), events)
    return {"batchItemFailures": []}
