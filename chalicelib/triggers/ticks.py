"""The tick queues call their functions: one queue, one function, one flow per kind of tick."""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import wiring
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Tick
from chalicelib.flows.health_tick import health_tick as health_flow
from chalicelib.flows.market_tick import market_tick as market_flow
from chalicelib.flows.realtime_tick import realtime_tick as realtime_flow
from chalicelib.flows.world import World
from chalicelib.messaging.codec import decode_tick
from chalicelib.messaging.telemetry import logger
from chalicelib.settings import from_environment
from chalicelib.triggers.handler import each_record, handled

blueprint = Blueprint(__name__)
SETTINGS = from_environment()
BATCH = 10

Flow = Callable[[World, Tick], Skip | None]


@blueprint.on_sqs_message(queue=SETTINGS.tick_queue("market"), batch_size=BATCH)
@handled("market_tick")
def market_tick(event: SQSEvent) -> dict[str, Any]:
    """Fetch closed candles."""
    return _run("market_tick", event, market_flow)


@blueprint.on_sqs_message(queue=SETTINGS.tick_queue("indication"), batch_size=BATCH)
@handled("indication_tick")
def indication_tick(event: SQSEvent) -> dict[str, Any]:
    """Measure indications."""
    # TA-Lib is imported only by the functions that need it: it is a third of their cold start.
    from chalicelib.flows.indication_tick import indication_tick as flow

    return _run("indication_tick", event, flow)


@blueprint.on_sqs_message(queue=SETTINGS.tick_queue("strategy"), batch_size=BATCH)
@handled("strategy_tick")
def strategy_tick(event: SQSEvent) -> dict[str, Any]:
    """Vote, step the ladder, emit signals."""
    from chalicelib.flows.strategy_tick import strategy_tick as flow

    return _run("strategy_tick", event, flow)


@blueprint.on_sqs_message(queue=SETTINGS.tick_queue("realtime"), batch_size=BATCH)
@handled("realtime_tick")
def realtime_tick(event: SQSEvent) -> dict[str, Any]:
    """Reconcile orders, judge exits, value the account."""
    return _run("realtime_tick", event, realtime_flow)


@blueprint.on_sqs_message(queue=SETTINGS.tick_queue("health"), batch_size=BATCH)
@handled("health_tick")
def health_tick(event: SQSEvent) -> dict[str, Any]:
    """Judge the engines' beats."""
    return _run("health_tick", event, health_flow)


def _run(name: str, event: SQSEvent, flow: Flow) -> dict[str, Any]:
    world = wiring.world()

    def work(body: str) -> None:
        tick = decode_tick(body)
        with logger.append_context_keys(correlation_id=tick.tick_id), world.span(f"tick:{tick.kind}"):
            flow(world, tick)

    return each_record(name, event.to_dict()["Records"], work)
