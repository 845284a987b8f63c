"""What people decide, and what settings bring along: kill switches, breakers, dead letters, sizing."""

from typing import Any

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.messaging.codec import encode
from chalicelib.settings import dead_letter_queue
from tests.flows.desk import TENANT
from tests.infra.deployed import Deployed
from tests.infra.situations import SYMBOLS, WISH, batch, tick_now

LETTERS = 2
"""Of each queue: one is sent again, one is dropped."""


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
    for timeframe, method in (("1m", "atr"), ("1h", "atr"), ("1m", "kelly")):
        name = f"{method}-{timeframe}"
        wish = {**WISH, "connection_id": name, "timeframe": timeframe, "sizing": {"method": method}}
        stage.data("POST", "/connections", wish)
        stage.data("POST", f"/trade-engine/{name}/start")
        assert stage.signals(batch(stage, "enter", SYMBOLS[0], 1, name)) == 0
        assert stage.world.records.list_signals(TENANT, name, 1, None).items
        stage.data("POST", f"/trade-engine/{name}/stop")


def dead_letters(stage: Deployed) -> None:
    """Send one dead letter of each queue again, and drop another one; those of other tenants stay."""
    for name in sorted({stage.settings.tick_queue(group) for group in TICK_QUEUES.values()}):
        for number in range(LETTERS):
            stage.let_pass(number)
            _bury(stage, name, MessageBody=encode(tick_now(stage, "strategy")))
    for number in range(LETTERS):
        order = {"MessageGroupId": "main", "MessageDeduplicationId": f"dead-{number}"}
        body = encode(batch(stage, "enter", SYMBOLS[0], 900 + number))
        _bury(stage, stage.settings.execute_queue, MessageBody=body, **order)
    found = stage.data("GET", "/dead-letters")["items"]
    assert len(found) == LETTERS * (1 + len({*TICK_QUEUES.values()}))
    for letter in found:
        path = f"/dead-letters/{letter['letter_id']}"
        first = letter is next(one for one in found if one["queue"] == letter["queue"])
        stage.data(*(("POST", f"{path}/retry") if first else ("DELETE", path)))
    assert stage.data("GET", "/dead-letters")["items"] == []


def _bury(stage: Deployed, queue: str, **message: Any) -> None:
    client = stage.clients["sqs"]
    url = client.get_queue_url(QueueName=dead_letter_queue(queue))["QueueUrl"]
    client.send_message(QueueUrl=url, **message)
