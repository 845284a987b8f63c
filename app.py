"""The Chalice app: registers the blueprints of all triggers, nothing else."""

from chalice.app import Chalice

from chalicelib.triggers import execute_signals, heartbeat, publish_positions, record_events, ticks
from chalicelib.triggers.api import connections, records, trade_engine

app = Chalice(app_name="cts-trade-engine")

for trigger in (heartbeat, ticks, execute_signals, record_events, publish_positions):
    app.register_blueprint(trigger.blueprint)
for routes in (trade_engine, connections, records):
    app.register_blueprint(routes.blueprint)
