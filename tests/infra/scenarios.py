"""What a stage goes through so that every function comes to every request that it can make.

Each scenario asserts that it got where it wanted: one that silently does less would prove less.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from time import time

import pytest

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Event, Tick
from chalicelib.domain.token import Identity, Unauthorized
from chalicelib.messaging.codec import encode
from chalicelib.stores.credentials import NO_KEY
from chalicelib.triggers.api import auth_settings, authorizer
from tests.flows.desk import T0, TENANT
from tests.infra.deployed import SECRET, Deployed
from tests.infra.live_scenarios import live
from tests.infra.operator_scenarios import sizes, switches
from tests.infra.situations import (
    COORDINATOR,
    MAIN,
    WISH,
    batch,
    die,
    end_all,
    leave_orders_to_cancel,
    leave_unproven_orders,
    market_tick_now,
    move_on,
    next_candle,
    settle,
    step,
    stored_connection,
    stored_engine,
    tick_now,
)

_MOST_CANDLES = 60


def connections(stage: Deployed) -> None:
    """Create, list, read and delete, with credentials and without, one at the same time as somebody else."""
    has_key, given = stage.settings.key != NO_KEY, {"api_key": "key", "secret": "secret"}
    made = stage.data("POST", "/connections", WISH)
    assert stage.data("GET", "/connections/main") == made == stage.data("POST", "/connections", WISH)
    other = {**WISH, "connection_id": "other", "credentials": given if has_key else None}
    connection = replace(stored_connection(stage, "main"), connection_id="other", revision=0)
    stage.recorder.before("PutItem", "connections", lambda: stage.world.connections.create(connection))
    stage.data("POST", "/connections", other)
    assert len(stage.data("GET", "/connections")["items"]) == 2
    assert stage.api("PUT", "/connections/main/credentials", given)[0] == (200 if has_key else 409)
    assert stage.api("DELETE", "/connections/main/credentials")[0] == (200 if has_key else 404)
    assert stage.data("DELETE", "/connections/other") == {"deleted": "other"}
    assert stage.api("GET", "/connections/other") == (404, "NOT_FOUND")


def tokens(stage: Deployed) -> None:
    """Let the bearer of a token in; one that the secret has not signed makes the authorizer read it again."""
    terms = auth_settings.from_environment().terms
    named = Identity(TENANT, "ann", ("admin",))
    for secret, expected in ((SECRET, True), ("x" * 64, False)):
        token = authorizer.issue(named, terms, secret.encode(), 60.0, time())
        if expected:
            assert stage.authorize(f"Bearer {token}")["principalId"] == "ann"
        else:
            with pytest.raises(Unauthorized):
                stage.authorize(f"Bearer {token}")


def commands(stage: Deployed) -> None:
    """Command coordinator and engines, also those that have no item yet or are changed by somebody else."""
    stage.recorder.before("PutItem", "coordinator", lambda: stage.world.engines.create(Engine(COORDINATOR)))
    for word in ("start", "pause", "resume", "restart", "stop", "start"):
        stage.data("POST", f"/trade-engine/{word}")
    for word in ("pause", "resume", "restart", "stop"):
        stage.data("POST", f"/trade-engine/main/{word}")
    stage.recorder.before("TransactWriteItems", '"running"', lambda: move_on(stage, Status.STOPPING))
    stage.data("POST", "/trade-engine/main/start")
    step(stage, MAIN.name, Status.STOPPED)
    stage.data("POST", "/trade-engine/main/start")


def views(stage: Deployed) -> None:
    """Read everything there is to read, with an engine that runs and one in error."""
    stage.data("POST", "/connections", {**WISH, "connection_id": "broken"})
    broken = engine_subject(TENANT, "broken").name
    for status in (Status.STARTING, Status.ERROR):
        step(stage, broken, status)
    for path in ("status", "health", "metrics", "main/status", "main/metrics", "main/logs"):
        assert stage.data("GET", f"/trade-engine/{path}")
    for kind in ("positions", "orders", "signals", "sessions", "audit"):
        stage.data("GET", f"/{kind}")
    assert stage.data("GET", "/orders", connection_id="main")["items"] == []
    for status in (Status.STOPPING, Status.STOPPED):
        step(stage, broken, status)
    stage.data("DELETE", "/connections/broken")


def market(stage: Deployed) -> None:
    """Fetch candles into an empty bucket, add to them, and meet somebody else who writes them too."""
    assert stage.ticks("market_tick", market_tick_now(stage)) == 0
    stage.let_pass(60)
    assert stage.ticks("market_tick", market_tick_now(stage), market_tick_now(stage)) == 0
    stage.let_pass(60)
    place = {"Bucket": stage.settings.bucket, "Key": "candles/binance/60"}
    stage.recorder.before(
        "PutObject", "candles/", lambda: stage.clients["s3"].put_object(**place, Body=b"other")
    )
    archived = stage.metrics["candle_blocks"]
    assert stage.ticks("market_tick", market_tick_now(stage)) == 1
    assert stage.ticks("market_tick", market_tick_now(stage)) == 0
    assert stage.metrics["candle_blocks"] == archived + 2, "the block of the tick that failed is laid over"
    kept = stage.clients["s3"].list_objects_v2(Bucket=stage.settings.bucket, Prefix="candles/binance/60/")
    assert kept["KeyCount"] == 3, "all blocks whose time is over"


def decisions(stage: Deployed) -> None:
    """Decide on candles: warm and cold, with and without the objects of the ticks before."""
    assert stage.api("GET", "/ladder", connection_id="main") == (409, "CONFLICT"), "there is none yet"
    for _ in range(_MOST_CANDLES):
        for kind in ("indication", "strategy"):
            assert stage.ticks("decision_tick", tick_now(stage, kind)) == 0
        if stage.metrics["signals"]:
            break
        next_candle(stage)
    assert stage.metrics["signals"]
    stage.cold()
    next_candle(stage, 1860)
    assert stage.ticks("decision_tick", tick_now(stage, "strategy")) == 0
    _ladder(stage)
    stage.world.objects.delete_all(TENANT, "main")
    stage.cold()
    assert stage.api("GET", "/ladder", connection_id="main") == (409, "CONFLICT"), "its snapshot is lost"
    rebuilds = stage.metrics["ladder_rebuilds"]
    next_candle(stage)
    blocks = "candles/binance/60/"
    before = len(stage.recorder.read("decision_tick", blocks))
    assert stage.ticks("decision_tick", tick_now(stage, "strategy")) == 0
    assert stage.metrics["ladder_rebuilds"] == rebuilds + 1
    assert len(stage.recorder.read("decision_tick", blocks)) > before, "it begins before the stored candles"
    assert not stage.metrics["ladder_history_lost"]
    stage.data("POST", "/connections", {**WISH, "connection_id": "idle", "timeframe": "1h"})
    assert stage.ticks("decision_tick", tick_now(stage, "strategy", "idle")) == 1, "it was never started"
    stage.data("POST", "/trade-engine/idle/start")
    stage.let_pass(60)
    assert stage.ticks("decision_tick", tick_now(stage, "strategy", "idle")) == 0, "it has no candles"
    stage.data("POST", "/trade-engine/idle/stop")


def _ladder(stage: Deployed) -> None:
    """Look at a ladder in which sets have risen: why they did stands in the audit log."""
    shown = stage.data("GET", "/ladder", connection_id="main", level="main", limit="5")
    assert shown["counts"]["main"] >= len(shown["items"]) > 0
    assert {one["level"] for one in shown["items"]} == {"main"}
    if stage.settings.events == "audit":
        assert all(one["change"]["after"] == "main" for one in shown["items"])


def execution(stage: Deployed) -> None:
    """Enter, refuse and leave; meet duplicates, orders of unknown fate, and an exchange that is away."""
    first = batch(stage, "enter", "BTC/USDT", 1)
    assert stage.signals(first) == stage.signals(first) == 0
    assert len(stage.world.records.open_positions(TENANT, "main")) == 1
    assert stage.signals(batch(stage, "enter", "BTC/USDT", 2)) == 0
    stage.let_pass(60)
    assert stage.signals(batch(stage, "leave", "BTC/USDT", 3)) == 0
    assert stage.world.records.open_positions(TENANT, "main") == ()
    leave_unproven_orders(stage)
    assert stage.signals(batch(stage, "enter", "ETH/USDT", 4)) == 0
    stage.market.down = True
    assert stage.signals(batch(stage, "enter", "XRP/USDT", 5)) == 1
    stage.market.down = False
    end_all(stage)


def realtime(stage: Deployed) -> None:
    """Reconcile open orders, close a position at its target, judge the health of the engines."""
    leave_unproven_orders(stage)
    assert stage.ticks("realtime_tick", tick_now(stage, "realtime")) == 0
    end_all(stage)
    assert stage.signals(batch(stage, "enter", "XRP/USDT", 6)) == 0
    (position,) = stage.world.records.open_positions(TENANT, "main")
    assert position.entry_price is not None
    stage.market.prices["XRP/USDT"] = position.entry_price * 2
    stage.let_pass(60)
    assert stage.ticks("realtime_tick", tick_now(stage, "realtime")) == 0
    assert stage.world.records.open_positions(TENANT, "main") == ()
    assert stage.ticks("realtime_tick", Tick("health", COORDINATOR, int(stage.now))) == 0
    assert stage.ticks("realtime_tick", tick_now(stage, "realtime", "idle")) == 0, "it is stopped"
    stage.data("POST", "/connections", {**WISH, "connection_id": "new"})
    assert stage.ticks("realtime_tick", tick_now(stage, "realtime", "new")) == 1, "it was never started"


def streams(stage: Deployed) -> None:
    """Publish a changed position; record events where they come through a stream."""
    position = stage.world.records.list_positions(TENANT, "main", 1, None).items[0]
    keys = {"pk": {"S": f"{TENANT}#main"}, "sk": {"S": position.position_id}}
    table = stage.settings.table("positions")
    image = stage.clients["dynamodb"].get_item(TableName=table, Key=keys)["Item"]
    change = {"eventID": "1", "eventName": "MODIFY", "dynamodb": {"Keys": keys, "NewImage": image}}
    stage.changes([change])
    if stage.settings.events != "kinesis":
        return
    event = Event("event-1", "signal", TENANT, "main", stage.now, "k", {})
    record = {
        "SequenceNumber": "1",
        "PartitionKey": "main",
        "Data": encode(event).encode(),
        "ApproximateArrivalTimestamp": datetime.fromtimestamp(T0, UTC),
    }
    for _ in range(2):
        assert stage.stream([record]) == {"batchItemFailures": []}


def dead_letters(stage: Deployed) -> None:
    """List what died in every queue; send a letter of each again, drop another, be refused one of nobody."""
    for queue in stage.settings.queues(dict.fromkeys(TICK_QUEUES.values())):
        signals = batch(stage, "leave", "BTC/USDT", 7)
        body = encode(signals if queue == stage.settings.execute_queue else tick_now(stage, "realtime"))
        nobodys = die(stage, queue, body, body, "no json")
        again, dropped = (letter["letter_id"] for letter in stage.data("GET", "/dead-letters")["items"])
        assert stage.data("POST", f"/dead-letters/{again}/retry") == {"sent_again": again}
        assert stage.data("DELETE", f"/dead-letters/{dropped}") == {"dropped": dropped}
        assert stage.api("DELETE", f"/dead-letters/{again.partition('.')[0]}.{nobodys}")[0] == 404
    assert stage.data("GET", "/dead-letters")["items"] == []


def recovery_on_command(stage: Deployed) -> None:
    """Stop and start an engine that has orders in every state, by the API."""
    leave_orders_to_cancel(stage)
    stage.data("POST", "/trade-engine/main/stop")
    end_all(stage)
    leave_unproven_orders(stage)
    stage.data("POST", "/trade-engine/main/start")
    end_all(stage)


def recovery_by_heartbeat(stage: Deployed) -> None:
    """Settle engines and the coordinator that died on their way, and plan the ticks of the rest."""
    assert stage.heartbeat()["ticks"] > 0
    leave_orders_to_cancel(stage)
    step(stage, MAIN.name, Status.STOPPING)
    settle(stage, MAIN.name, Status.STOPPED)
    end_all(stage)
    leave_unproven_orders(stage)
    begun = stored_engine(stage, MAIN.name)
    step(stage, MAIN.name, Status.STARTING, session_id="session-2", settings=begun.settings)
    settle(stage, MAIN.name, Status.RUNNING)
    end_all(stage)
    step(stage, MAIN.name, Status.PAUSING)
    stage.recorder.before("TransactWriteItems", '"paused"', lambda: move_on(stage, Status.STOPPING))
    settle(stage, MAIN.name, Status.STOPPING)
    settle(stage, MAIN.name, Status.STOPPED)
    for status in (Status.STOPPING, Status.STOPPED, Status.STARTING):
        step(stage, COORDINATOR.name, status)
    stage.world.engines.delete(MAIN)
    stage.recorder.before("PutItem", "engine#main", lambda: stage.world.engines.create(Engine(MAIN)))
    settle(stage, COORDINATOR.name, Status.RUNNING)
    assert stored_engine(stage, MAIN.name).status is Status.RUNNING


SCENARIOS: tuple[Callable[[Deployed], None], ...] = (
    tokens,
    connections,
    commands,
    views,
    market,
    decisions,
    execution,
    realtime,
    streams,
    dead_letters,
    recovery_on_command,
    recovery_by_heartbeat,
    switches,
    sizes,
    live,
)
"""In this order: each goes on from where the one before ended."""
