"""The queue of realtime and health ticks calls the function that watches: money at risk, and the engines."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.cadence import TickKind
from chalicelib.flows.health_tick import health_tick as health
from chalicelib.flows.realtime_tick import realtime_tick as realtime
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import handled
from chalicelib.triggers.ticks import BATCH, Flow, run_ticks

blueprint = Blueprint(__name__)
FLOWS: dict[TickKind, Flow] = {"realtime": realtime, "health": health}


@blueprint.on_sqs_message(queue=from_environment().tick_queue("realtime"), batch_size=BATCH)
@handled("realtime_tick")
def realtime_tick(event: SQSEvent) -> dict[str, Any]:
    """Reconcile orders, judge exits, value accounts; judge the engines' beats."""
    return run_ticks("realtime_tick", event, FLOWS)
