"""The FIFO queue of signals calls the executor, in order per connection."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import wiring
from chalicelib.flows.execute_signals import execute_signals as flow
from chalicelib.messaging.codec import decode_signals
from chalicelib.messaging.telemetry import correlate
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import each_record, handled

blueprint = Blueprint(__name__)
BATCH = 10


@blueprint.on_sqs_message(queue=from_environment().execute_queue, batch_size=BATCH)
@handled("execute_signals")
def execute_signals(event: SQSEvent) -> dict[str, Any]:
    """Execute batches of signals; after a failure the rest of the connection's batches wait behind it."""
    world = wiring.world()

    def work(body: str) -> None:
        batch = decode_signals(body)
        correlate(batch.correlation_id)
        flow(world, batch)

    return each_record("execute_signals", event.to_dict()["Records"], work)
