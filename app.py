"""The Chalice app: registers the blueprints of all triggers, nothing else."""

import os

from chalice.app import Chalice

from chalicelib.triggers.api import authorizer, connections, dead_letters, ladder, records, trade_engine

app = Chalice(app_name="cts-trade-engine")

for routes in (authorizer, trade_engine, connections, records, ladder, dead_letters):
    app.register_blueprint(routes.blueprint)

# On Lambda only the function of all routes loads this module, and is spared what the others import. Whoever
# deploys or describes the app elsewhere sees all of it.
if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
    from chalicelib.triggers import events

    for blueprint in events.blueprints():
        app.register_blueprint(blueprint)
