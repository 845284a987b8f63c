"""What scenarios are made of: time that passes, ticks and signals, orders and engines left in the middle."""

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
FAR_BELOW = "1000"
"""A limit price in USDT at which nothing of the simulated market fills."""


def let_pass(stage: Deployed, seconds: float) -> None:
    stage.now += seconds


def next_candle(stage: Deployed, seconds: float = 60) -> None:
    let_pass(stage, seconds)
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


def step(stage: Deployed, name: str, target: Status, **changes: Any) -> None:
    """Move an item by hand, as a process that dies right after would have."""
    before = replace(stored_engine(stage, name), **changes)
    entry = AuditEntry(f"{before.revision:010d}-hand-{target}", stage.now, "test", "step", name, "k")
    stage.world.engines.transition(before, target, stage.now, entry)


def move_on(stage: Deployed, target: Status) -> None:
    step(stage, MAIN.name, target)


def settle(stage: Deployed, name: str, expected: Status) -> None:
    let_pass(stage, 61)
    stage.heartbeat()
    assert stored_engine(stage, name).status is expected


def batch(stage: Deployed, action: Any, symbol: str, number: int) -> SignalBatch:
    """Return one signal of now: to enter long, or to leave."""
    signal = Signal(
        signal_id=f"{number}-{symbol}",
        connection_id="main",
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
        exits=ExitProfile(take_profit=Decimal("0.5"), stop_loss=None),
    )
    return SignalBatch(TENANT, "main", f"k-{number}", (signal,))


_numbers = iter(range(1, 1000))


def _unknown_to_venue(
    stage: Deployed, state: OrderState, position_state: Any = "opening", **changes: Any
) -> Order:
    """Store an order that the venue has never heard of."""
    number = next(_numbers)
    position = a_position(number, state=position_state, opened_at=stage.now)
    order = replace(
        decide_exit(replace(position, quantity=Decimal("0.01")), "", stage.now, "k").order,
        client_order_id=f"cts-s{number}",
        leg="entry",
        side="buy",
        reduce_only=False,
        **{"state": state, "quantity": Decimal("0.01"), **changes},
    )
    stage.world.records.commit(TENANT, [order, position])
    return order


def _resting(stage: Deployed) -> Order:
    return resting(stage.world, FAR_BELOW, next(_numbers))


def leave_unproven_orders(stage: Deployed) -> None:
    """Leave orders behind that reconciliation must look up, count as missed, send again or find orphaned."""
    _resting(stage)
    _unknown_to_venue(stage, OrderState.UNKNOWN)
    _unknown_to_venue(stage, OrderState.INTENT, unproven_lookups=1, updated_at=stage.now - 20)
    _unknown_to_venue(stage, OrderState.UNKNOWN, position_state="closed")


def leave_orders_to_cancel(stage: Deployed) -> None:
    """Leave orders behind that a stop cancels: one at the venue, one it denies, one that is being changed."""
    _unknown_to_venue(stage, OrderState.ACCEPTED)
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
