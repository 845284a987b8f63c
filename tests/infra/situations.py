"""What scenarios are made of: time that passes, ticks and signals, orders and engines left in the middle."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject, feed_subject
from chalicelib.domain.leaving import decide_exit
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.records import AuditEntry
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.settings import dead_letter_queue
from tests.flows.desk import TENANT
from tests.flows.lifecycles import a_position, resting
from tests.infra.deployed import Deployed

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")
FEED = feed_subject("binance", "1m")
COORDINATOR = coordinator_subject(TENANT)
MAIN = engine_subject(TENANT, "main")
WISH: dict[str, Any] = {
    "connection_id": "main",
    "exchange": "binance",
    "symbols": list(SYMBOLS),
    "timeframe": "1m",
    "risk": {"min_confidence": 0.0, "cooldown": 0.0},
}
NO_STOP = ExitProfile(take_profit=Decimal("0.5"), stop_loss=None)
FAR_BELOW = "1000"
"""A limit price in USDT at which nothing of the simulated market fills."""
FAR_ABOVE = "100000"
"""One at which everything does."""


def next_candle(stage: Deployed, seconds: float = 60) -> None:
    stage.let_pass(seconds)
    assert stage.ticks("market_tick", market_tick_now(stage)) == 0


def market_tick_now(stage: Deployed) -> Tick:
    return Tick("market", FEED, int(stage.now), SYMBOLS)


def tick_now(stage: Deployed, kind: Any, connection_id: str = "main") -> Tick:
    return Tick(kind, engine_subject(TENANT, connection_id), int(stage.now))


def stored_connection(stage: Deployed, name: str) -> Connection:
    found = stage.world.connections.get(TENANT, name)
    assert found is not None
    return found


def stored_engine(stage: Deployed, name: str) -> Engine:
    found = stage.world.engines.get(replace(MAIN, name=name))
    assert found is not None
    return found


def status_of(stage: Deployed, name: str) -> Status:
    return stored_engine(stage, engine_subject(TENANT, name).name).status


def step(stage: Deployed, name: str, target: Status, **changes: Any) -> None:
    """Move an item by hand, as a process that dies right after would have."""
    before = replace(stored_engine(stage, name), **changes)
    entry = AuditEntry(f"{before.revision:010d}-hand-{target}", stage.now, "test", "step", name, "k")
    stage.world.engines.transition(before, target, stage.now, entry)


def move_on(stage: Deployed, target: Status, connection_id: str = "main") -> None:
    step(stage, engine_subject(TENANT, connection_id).name, target)


def die(stage: Deployed, queue: str, *bodies: str) -> str:
    """Put messages into the dead letters of a queue; return the id of the last one."""
    client, dead = stage.clients["sqs"], dead_letter_queue(queue)
    url = client.get_queue_url(QueueName=dead)["QueueUrl"]
    sent = ""
    for number, body in enumerate(bodies):
        order = {"MessageGroupId": "g", "MessageDeduplicationId": f"{number}"} if "fifo" in dead else {}
        sent = client.send_message(QueueUrl=url, MessageBody=body, **order)["MessageId"]
    return sent


def settle(stage: Deployed, name: str, expected: Status) -> None:
    stage.let_pass(61)
    stage.heartbeat()
    assert stored_engine(stage, name).status is expected


def batch(
    stage: Deployed,
    action: Any,
    symbol: str,
    number: int,
    connection_id: str = "main",
    exits: ExitProfile = NO_STOP,
) -> SignalBatch:
    """Return one signal of now: to enter long, or to leave."""
    signal = Signal(
        signal_id=f"{number}-{symbol}",
        connection_id=connection_id,
        symbol=symbol,
        action=action,
        direction="long",
        source="vote",
        strategy="combined",
        confidence=0.9,
        price=Decimal(1),
        candle_time=int(stage.now),
        created_at=stage.now,
        correlation_id=f"k-{number}",
        exits=exits,
    )
    return SignalBatch(TENANT, connection_id, f"k-{number}", (signal,))


_numbers = iter(range(1, 1000))
_LONG_AGO = 30
"""Seconds after which an order that the venue denies is proved absent."""


def unknown_to_venue(
    stage: Deployed, state: OrderState, position: Mapping[str, Any] | None = None, **changes: Any
) -> Order:
    """Store an order that the venue has never heard of, with a position of these fields."""
    number = next(_numbers)
    held = a_position(number, opened_at=stage.now, **(position or {}))
    order = replace(
        decide_exit(replace(held, quantity=Decimal("0.01")), "", stage.now, "k").order,
        client_order_id=f"cts-s{number}",
        **{
            "state": state,
            "quantity": Decimal("0.01"),
            "leg": "entry",
            "side": "buy",
            "reduce_only": False,
            **changes,
        },
    )
    stage.world.records.commit(TENANT, [order, held])
    return order


def _resting(stage: Deployed) -> Order:
    return resting(stage.world, FAR_BELOW, next(_numbers))


def leave_unproven_orders(stage: Deployed) -> None:
    """Leave orders behind that reconciliation must look up, count as missed, send again or find orphaned.

    One is the exit of a position that the venue does not hold: its trades are asked for.
    """
    _resting(stage)
    missed: dict[str, Any] = {"unproven_lookups": 1, "updated_at": stage.now - _LONG_AGO}
    unknown_to_venue(stage, OrderState.UNKNOWN)
    unknown_to_venue(stage, OrderState.INTENT, **missed)
    _leave_exit(stage, **missed)
    held = {"symbol": "ETH/USDT", "state": "open", "quantity": Decimal("0.01"), "entry_price": Decimal(1)}
    unknown_to_venue(stage, OrderState.UNKNOWN, held, leg="exit", side="sell", reduce_only=True, **missed)
    unknown_to_venue(stage, OrderState.UNKNOWN, {"state": "closed"})


def _leave_exit(stage: Deployed, **changes: Any) -> None:
    """Leave the exit of a position behind that the venue holds, and never got the exit of."""
    number = next(_numbers)
    entry = resting(stage.world, FAR_ABOVE, number)
    position = stage.world.records.position(TENANT, "main", entry.position_id)
    assert position is not None
    assert position.state == "open"
    order = decide_exit(position, "", stage.now, "k").order
    stage.world.records.commit(TENANT, [replace(order, state=OrderState.UNKNOWN, **changes)])


def leave_orders_to_cancel(stage: Deployed) -> None:
    """Leave orders behind that a stop cancels: one at the venue, one it denies, one that is being changed."""
    unknown_to_venue(stage, OrderState.ACCEPTED)
    contested = _resting(stage)

    def touched() -> None:
        order = stage.world.records.order(TENANT, "main", contested.client_order_id)
        assert order is not None
        stage.world.records.commit(TENANT, [order])

    stage.recorder.before("UpdateItem", contested.client_order_id, touched)


def end_all(stage: Deployed) -> None:
    """Put our books in order by hand: no order and no position is open any more."""
    for order in stage.world.records.open_orders(TENANT, "main"):
        stage.world.records.commit(TENANT, [replace(order, state=OrderState.CANCELED)])
    for position in stage.world.records.open_positions(TENANT, "main"):
        stage.world.records.commit(TENANT, [replace(position, state="closed")])
