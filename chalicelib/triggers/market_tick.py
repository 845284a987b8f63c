"""The queue of market ticks calls the function that waits for exchanges."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.cadence import TickKind
from chalicelib.flows.market_tick import market_tick as flow
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import handled
from chalicelib.triggers.ticks import BATCH, Flow, run_ticks

blueprint = Blueprint(__name__)
FLOWS: dict[TickKind, Flow] = {"market": flow}


@blueprint.on_sqs_message(queue=from_environment().tick_queue("market"), batch_size=BATCH)
@handled("market_tick")
def market_tick(event: SQSEvent) -> dict[str, Any]:
    """Fetch closed candles."""
    return run_ticks("market_tick", event, FLOWS)
