"""What people decide, and what settings bring along: kill switches, breakers, ways of sizing."""

from chalicelib.domain.engine import Engine, engine_subject
from tests.flows.desk import TENANT
from tests.infra.deployed import Deployed
from tests.infra.situations import SYMBOLS, WISH, batch


def switches(stage: Deployed) -> None:
    """Switch entries off and on again, of all engines and of one; let the breakers begin anew."""
    for wish in ({}, {"connection_id": "main"}):
        stage.data("POST", "/trade-engine/kill", {**wish, "flatten": False})
        stage.data("POST", "/trade-engine/kill/release", wish)
    subject = engine_subject(TENANT, "idle")
    stage.world.engines.delete(subject)
    stage.recorder.before("PutItem", "engine#idle", lambda: stage.world.engines.create(Engine(subject)))
    stage.data("POST", "/trade-engine/idle/breakers/reset")


def sizes(stage: Deployed) -> None:
    """Size entries by the candles of a connection, which it may not have, and by its last positions."""
    for timeframe, method in (("1m", "volatility_target"), ("1h", "volatility_target"), ("1m", "kelly")):
        name = f"{method[:5]}-{timeframe}"
        wish = {**WISH, "connection_id": name, "timeframe": timeframe, "sizing": {"method": method}}
        stage.data("POST", "/connections", wish)
        stage.data("POST", f"/trade-engine/{name}/start")
        assert stage.signals(batch(stage, "enter", SYMBOLS[0], 1, name)) == 0
        assert stage.world.records.list_signals(TENANT, name, 1, None).items
        stage.data("POST", f"/trade-engine/{name}/stop")
