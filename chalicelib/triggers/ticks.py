"""What the functions of the tick queues share: read each tick, run the flow of its kind."""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import SQSEvent

from chalicelib import wiring
from chalicelib.domain.cadence import TICK_QUEUES, TickKind
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Tick
from chalicelib.errors import Rejected
from chalicelib.flows.world import World
from chalicelib.messaging.codec import decode_tick
from chalicelib.messaging.telemetry import correlate
from chalicelib.triggers.handler import each_record

BATCH = 10

Flow = Callable[[World, Tick], Skip | None]


def run_ticks(name: str, event: SQSEvent, flows: Mapping[TickKind, Flow]) -> dict[str, Any]:
    """Run the ticks of an event one by one; report those to deliver again."""
    world = wiring.world()

    def work(body: str) -> None:
        tick = decode_tick(body)
        if tick.kind not in flows:
            raise Rejected(f"{name} got {tick.tick_id}: it belongs into queue {TICK_QUEUES[tick.kind]}-tick")
        correlate(tick.tick_id)
        with world.span(f"tick:{tick.kind}"):
            world.metrics.duration("tick_lag_ms", (world.now() - tick.slot) * 1000)
            flows[tick.kind](world, tick)

    return each_record(name, event.to_dict()["Records"], work)
