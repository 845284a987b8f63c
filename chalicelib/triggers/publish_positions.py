"""The stream of the positions table calls the publisher of position events."""

from typing import Any

from chalice.app import Blueprint, DynamoDBEvent

from chalicelib import wiring
from chalicelib.flows.publish_positions import publish_positions as flow
from chalicelib.settings import from_environment
from chalicelib.stores.records import position_of_image
from chalicelib.triggers.handler import handled

blueprint = Blueprint(__name__)
BATCH = 100


@blueprint.on_dynamodb_record(
    stream_arn=from_environment().positions_stream, batch_size=BATCH, starting_position="TRIM_HORIZON"
)
@handled("publish_positions")
def publish_positions(event: DynamoDBEvent) -> dict[str, Any]:
    """Turn changed positions into events; removed ones are no news."""
    images = [record["dynamodb"].get("NewImage") for record in event.to_dict()["Records"]]
    flow(wiring.world(), [position_of_image(image) for image in images if image])
    return {"batchItemFailures": []}
