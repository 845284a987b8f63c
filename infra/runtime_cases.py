"""What each function is for, tried on a stage of `infra.runtime_stage`; `infra.runtime_check` runs them."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import get_args

from chalicelib import wiring
from chalicelib.domain.engine import Engine, Subject, coordinator_subject, engine_subject, feed_subject
from chalicelib.domain.messages import Event, SignalBatch
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.flows.world import World
from chalicelib.local.event_shapes import scheduled_event, stream_event, table_event
from chalicelib.messaging.codec import decode_event, decode_tick, encode
from chalicelib.settings import DEFAULT_TENANT, EventSink
from infra.runtime_events import authorizer_event, rest_event, token
from infra.runtime_stage import CheckFailed, Stage, demand

CONNECTION = "check-1"
SYMBOL = "BTC/USDT"
_LAST_PRICE = Decimal("61437.99")
_CANARY = "canary-4f1d"
_MINUTES_AGO = 3


def tokens(stage: Stage) -> None:
    """The authorizer lets a good token in, and answers any other with the word that becomes 401."""
    context = stage.authorized()
    demand(context.get("tenant") == DEFAULT_TENANT, f"authorize: no tenant in {context}")
    forged = token(
        "another secret, as long as the one of the stage", f"cts-{stage.settings.stage}", DEFAULT_TENANT
    )
    answer = stage.function("authorize").invoke(authorizer_event(forged, stage.settings.region))
    demand("Unauthorized" in answer.error, f"authorize: a forged token is answered by {answer}")


def requests(stage: Stage) -> None:
    """The API answers in its envelope, nobody without a token, and no credentials; engines start."""
    unproven = stage.call("app", rest_event("GET", "/trade-engine/status"))
    refused = unproven["statusCode"] in (401, 403)
    demand(refused, f"a request without a token is answered by {unproven}\n{stage.function('app').said()}")
    stage.request("GET", "/trade-engine/status")
    wish = {
        "connection_id": CONNECTION,
        "exchange": "binance",
        "symbols": [SYMBOL, "ETH/USDT"],
        "timeframe": "1m",
        "credentials": {"api_key": f"{_CANARY}-key", "secret": f"{_CANARY}-secret"},
    }
    made = stage.request("POST", "/connections", wish)
    demand(_CANARY not in json.dumps(made), "POST /connections gives credentials back")
    stage.request("POST", "/trade-engine/start")
    status = stage.request("GET", "/trade-engine/{connection_id}/status", connection_id=CONNECTION)
    demand(status["status"] == "running", f"the engine is not running: {status}")


def heartbeat(stage: Stage) -> None:
    """The schedule plans its minutes: ticks of every kind lie in their queues."""
    region, rule = stage.settings.region, f"cts-{stage.settings.stage}-heartbeat"
    # Of minutes that have passed, so that no message waits for its slot; two, because votes are taken in one.
    begin = time.time() // 60 * 60 - 60 * _MINUTES_AGO
    for minute in (begin, begin + 60):
        answer = stage.call("heartbeat", scheduled_event(rule, region, minute))
        demand(answer["ticks"] > 0, f"heartbeat: {answer}")


def market_tick(stage: Stage) -> None:
    """Candles come from the exchange into the bucket, the slot is marked."""
    slots = _ticks(stage, "market_tick", "market")
    _marked(stage, feed_subject("binance", "1m"), slots)
    candles = _world(stage).objects.load_candles("binance", 60)
    demand(candles is not None and candles.bars > 100 and SYMBOL in candles.symbols, "no candles are stored")


def decision_tick(stage: Stage) -> None:
    """Indications are measured, votes taken, the ladder stepped: slots are marked, the API shows its sets."""
    slots = _ticks(stage, "decision_tick", "decision")
    engine = _marked(stage, engine_subject(DEFAULT_TENANT, CONNECTION), slots)
    demand(slots.keys() == {"indication", "strategy"}, f"decision ticks of {sorted(slots)} only")
    demand(engine.last_candle and engine.last_indicated, "the candles were not decided on")
    found = _world(stage).objects.load_indications(DEFAULT_TENANT, CONNECTION)
    demand(found is not None, "no indications are stored")
    shown = stage.request("GET", "/ladder", query={"connection_id": CONNECTION})
    demand(shown["items"] and 0 < shown["candle_time"] <= engine.last_candle, f"the ladder is {shown}")


def realtime_tick(stage: Stage) -> None:
    """Accounts are valued and engines judged; a message that is no tick is reported and harms no other."""
    queue = stage.settings.tick_queue("realtime")
    client = stage.clients["sqs"]
    slots = _ticks(stage, "realtime_tick", "realtime")
    demand(slots.keys() == {"realtime", "health"}, f"realtime ticks of {sorted(slots)} only")
    engine = _marked(stage, engine_subject(DEFAULT_TENANT, CONNECTION), {"realtime": slots["realtime"]})
    demand(engine.account.equity > 0, "the account was not valued")
    # Of several health ticks only the one with a new verdict stores it.
    coordinator = _marked(stage, coordinator_subject(DEFAULT_TENANT), {})
    demand(coordinator.health != "unknown", "no verdict is stored")
    client.send_message(
        QueueUrl=client.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody="no tick at all"
    )
    try:
        stage.deliver("realtime_tick", queue)
    except CheckFailed:
        return
    raise CheckFailed("realtime_tick: a message that is no tick is taken for one")


def execute_signals(stage: Stage) -> None:
    """A signal of the FIFO queue becomes one order, filled at the paper venue, and an open position."""
    now = time.time()
    signal = Signal(
        signal_id=f"{SYMBOL}-check",
        connection_id=CONNECTION,
        symbol=SYMBOL,
        action="enter",
        direction="long",
        source="vote",
        strategy="combined",
        confidence=0.9,
        price=_LAST_PRICE,
        candle_time=int(now // 60 * 60),
        created_at=now,
        correlation_id="check/signal",
        exits=ExitProfile(),
    )
    client, queue = stage.clients["sqs"], stage.settings.execute_queue
    client.send_message(
        QueueUrl=client.get_queue_url(QueueName=queue)["QueueUrl"],
        MessageBody=encode(SignalBatch(DEFAULT_TENANT, CONNECTION, "check/signal", (signal,))),
        MessageGroupId=f"{DEFAULT_TENANT}#{CONNECTION}",
        MessageDeduplicationId="check",
    )
    stage.deliver("execute_signals", queue)
    orders = stage.request("GET", "/orders")["items"]
    demand([order["state"] for order in orders] == ["FILLED"], f"orders are {orders}")
    positions = stage.request("GET", "/positions")["items"]
    demand([position["state"] for position in positions] == ["open"], f"positions are {positions}")


def publish_positions(stage: Stage) -> None:
    """The change of the position in the table's stream becomes an event, in either place for events."""
    client = stage.clients["dynamodbstreams"]
    (found,) = client.list_streams(TableName=stage.settings.table("positions"))["Streams"]
    arn = found["StreamArn"]
    shards = client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    records = []
    for shard in shards:
        start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**start)["ShardIterator"]
        records.extend(client.get_records(ShardIterator=iterator)["Records"])
    demand(records, "the stream of the positions table is empty")
    for sink in get_args(EventSink):
        answer = stage.call("publish_positions", table_event(arn, stage.settings.region, records), sink)
        demand(not answer["batchItemFailures"], f"publish_positions: {answer}")
    _audited(stage, "positionUpdate")


def record_events(stage: Stage) -> None:
    """Events of the Kinesis stream, those of positions among them, become audit entries."""
    client, name = stage.clients["kinesis"], stage.settings.stream
    event = Event("check-1", "checkProbe", DEFAULT_TENANT, CONNECTION, time.time(), "check/event")
    put = client.put_record(StreamName=name, Data=encode(event).encode(), PartitionKey=CONNECTION)
    start = {"StreamName": name, "ShardId": put["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = client.get_shard_iterator(**start)["ShardIterator"]
    records = client.get_records(ShardIterator=iterator)["Records"]
    kinds = {decode_event(record["Data"]).kind for record in records}
    demand(kinds == {"positionUpdate", "checkProbe"}, f"the stream holds {sorted(kinds)}")
    shaped = stream_event(name, put["ShardId"], stage.settings.region, records)
    answer = stage.call("record_events", shaped, "kinesis")
    demand(not answer["batchItemFailures"], f"record_events: {answer}")
    _audited(stage, "checkProbe")


CHECKS: dict[str, Callable[[Stage], None]] = {
    "authorize": tokens,
    "app": requests,
    "heartbeat": heartbeat,
    "market_tick": market_tick,
    "decision_tick": decision_tick,
    "realtime_tick": realtime_tick,
    "execute_signals": execute_signals,
    "publish_positions": publish_positions,
    "record_events": record_events,
}
"""What is checked of each function, by the last part of its handler's name; later ones build on earlier."""


def _ticks(stage: Stage, function: str, group: str) -> dict[str, int]:
    """Deliver the ticks of a queue; return the latest slot of each kind."""
    messages = stage.deliver(function, stage.settings.tick_queue(group))
    slots: dict[str, int] = {}
    for message in messages:
        tick = decode_tick(message["Body"])
        slots[tick.kind] = max(tick.slot, slots.get(tick.kind, 0))
    return slots


def _marked(stage: Stage, subject: Subject, slots: dict[str, int]) -> Engine:
    """Return an item whose slots are marked as done; CheckFailed names one that is not."""
    engine = _world(stage).engines.get(subject)
    if engine is None:
        raise CheckFailed(f"there is no item {subject.text}")
    for kind, slot in slots.items():
        done = engine.lease(kind).slot
        demand(done == slot, f"{kind} tick of {subject.text}: slot {done} is marked, not {slot}")
        demand(engine.beats[kind].ok_at > 0, f"{kind} tick of {subject.text} has no beat")
    return engine


def _audited(stage: Stage, action: str) -> None:
    actions = [entry["action"] for entry in stage.request("GET", "/audit")["items"]]
    demand(action in actions, f"the audit log has no {action}, only {sorted(set(actions))}")


def _world(stage: Stage) -> World:
    return wiring.build(stage.settings, wiring.Overrides())
