"""The queue of indication and strategy ticks calls the function that decides; the one with heavy imports."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.cadence import TickKind
from chalicelib.flows.indication_tick import indication_tick as indication
from chalicelib.flows.strategy_tick import strategy_tick as strategy
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import handled
from chalicelib.triggers.ticks import BATCH, Flow, run_ticks

blueprint = Blueprint(__name__)
FLOWS: dict[TickKind, Flow] = {"indication": indication, "strategy": strategy}


@blueprint.on_sqs_message(queue=from_environment().tick_queue("decision"), batch_size=BATCH)
@handled("decision_tick")
def decision_tick(event: SQSEvent) -> dict[str, Any]:
    """Measure indications; vote, step the ladder, emit signals."""
    return run_ticks("decision_tick", event, FLOWS)
