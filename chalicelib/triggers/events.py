"""The functions that events trigger, as the app registers them; a stage without a stream has no recorder."""

from chalice.app import Blueprint

from chalicelib.settings import from_environment
from chalicelib.triggers import (
    decision_tick,
    execute_signals,
    heartbeat,
    market_tick,
    publish_positions,
    realtime_tick,
    record_events,
)

TRIGGERS = (heartbeat, market_tick, decision_tick, realtime_tick, execute_signals, publish_positions)


def blueprints() -> tuple[Blueprint, ...]:
    """Return the blueprints of all event triggers of this stage."""
    recorder = (record_events,) if from_environment().events == "kinesis" else ()
    return tuple(trigger.blueprint for trigger in (*TRIGGERS, *recorder))
