"""The Chalice app: registers the blueprints of all triggers, nothing else."""

from chalice.app import Chalice

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
from chalicelib.triggers.api import authorizer, connections, records, trade_engine

app = Chalice(app_name="cts-trade-engine")

for trigger in (heartbeat, market_tick, decision_tick, realtime_tick, execute_signals, publish_positions):
    app.register_blueprint(trigger.blueprint)
if from_environment().events == "kinesis":
    app.register_blueprint(record_events.blueprint)
for routes in (authorizer, trade_engine, connections, records):
    app.register_blueprint(routes.blueprint)
