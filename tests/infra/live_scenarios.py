"""A live connection at a fake exchange: what functions ask of AWS only for real accounts.

One scenario, because all of it needs the exchange to be served. A stage without a key has no live connection.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest

from chalicelib.domain.engine import engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Leg, Order, OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.signal import ExitProfile
from chalicelib.exchanges.ccxt_loader import load_exchange_class
from chalicelib.flows.external import CLOSED_OUTSIDE
from chalicelib.flows.reconcile import DEAD_LETTER, ROUND
from chalicelib.stores.credentials import NO_KEY
from tests.fakes import fake_of
from tests.fakes.faults import answered
from tests.fakes.server import served
from tests.fakes.wire import Fake
from tests.flows.desk import TENANT
from tests.infra.deployed import LIVE_EXCHANGE, Deployed
from tests.infra.situations import (
    COORDINATOR,
    batch,
    move_on,
    settle,
    status_of,
    step,
    stored_engine,
    tick_now,
    unknown_to_venue,
)

NAME = "live"
SUBJECT = engine_subject(TENANT, NAME)
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
HOUR = 3600
BANDS = ExitProfile(take_profit=Decimal("0.05"), stop_loss=Decimal("0.02"))
CANCEL_FAILS = answered(200, {"retCode": 10001, "retMsg": "params error", "result": {}}, executed=False)
WISH: Mapping[str, Any] = {
    "connection_id": NAME,
    "exchange": LIVE_EXCHANGE,
    "mode": "live",
    "market_type": "swap",
    "symbols": [BTC, ETH],
    "timeframe": "1m",
    "sources": ["vote"],
    "external_orders": "cancel",
    "external_positions": "adopt",
    "risk": {"min_confidence": 0.0, "cooldown": 0.0, "orders_per_minute": 1000},
}

WATCHING = {**WISH, "connection_id": "watching", "external_orders": "show", "external_positions": "show"}
"""The same account, of which somebody only wants to see what others do there."""

_numbers = iter(range(1000, 2000))


def live(stage: Deployed) -> None:
    """Trade on a real account with every function that does, and meet what only real accounts bring."""
    if stage.settings.key == NO_KEY:
        return
    with _exchange(stage) as fake:
        _begin(stage, fake)
        _executor(stage, fake)
        _realtime(stage, fake)
        _stops(stage, fake)
        _funding(stage, fake)
        _dead_orders(stage)
        _refused(stage, fake)
        _restarts(stage, fake)
        _end(stage, fake)


@contextmanager
def _exchange(stage: Deployed) -> Iterator[Fake]:
    """Serve an exchange that lives in the stage's time, and so do its clients."""
    load_exchange_class(LIVE_EXCHANGE)
    with pytest.MonkeyPatch.context() as patch, served(fake_of(LIVE_EXCHANGE)) as fake:
        patch.setattr("ccxt.base.exchange.Exchange.milliseconds", staticmethod(lambda: int(stage.now * 1000)))
        fake.wire_clock = lambda: stage.now
        stage.exchange = fake.exchange
        stage.let_pass(0)
        try:
            yield fake
        finally:
            stage.exchange = None


def _begin(stage: Deployed, fake: Fake) -> None:
    """Store the key, find the orders of somebody else and cancel them as far as that works, start."""
    keys = {"api_key": fake.key, "secret": fake.secret}
    stage.data("POST", "/connections", {**WISH, "credentials": keys})
    for number in range(6):
        fake.exchange.external_order(ETH, "buy", Decimal("0.1"), Decimal(1_000 + number))
    fake.faults.on("cancel_order", CANCEL_FAILS, call=2, times=None)
    assert stage.data("POST", "/connections/live/test")["works"]
    stage.data("POST", "/trade-engine/live/start")
    fake.faults.clear()
    assert status_of(stage, NAME) is Status.RUNNING
    assert len(_external(stage)) == 5, "one of six was cancelled"


def _executor(stage: Deployed, fake: Fake) -> None:
    """Enter with a new container, then come to know by signals what others have done."""
    stage.cold()
    _enter(stage)
    _others_act(stage, fake)
    assert stage.signals(batch(stage, "enter", ETH, next(_numbers), NAME, BANDS)) == 0
    _seen(stage)


def _realtime(stage: Deployed, fake: Fake) -> None:
    """Value the account with a new container, then come to know by a tick what others have done."""
    stage.cold()
    _tick(stage)
    _enter(stage)
    _others_act(stage, fake)
    _tick(stage)
    _seen(stage)


def _stops(stage: Deployed, fake: Fake) -> None:
    """Let a stop rest at the exchange; cancel it, against resistance, when its position is closed."""
    _enter(stage)
    stage.let_pass(30)
    _tick(stage)
    (stop,) = (one.stop_order_id for one in _positions(stage) if one.symbol == BTC)
    assert stop
    fake.exchange.prices[BTC] *= Decimal("1.06")
    stage.let_pass(30)
    _tick(stage)

    def touched() -> None:
        order = stage.world.records.order(TENANT, NAME, stop)
        assert order is not None
        stage.world.records.commit(TENANT, [order])

    stage.recorder.before("UpdateItem", stop, touched)
    fake.faults.on("cancel_order", CANCEL_FAILS)
    stage.let_pass(30)
    _tick(stage)
    assert BTC not in {position.symbol for position in _positions(stage)}
    assert stage.recorder.all_rivals_acted()
    assert fake.faults.pending == 0


def _funding(stage: Deployed, fake: Fake) -> None:
    """Book a payment that was settled on the hour."""
    _enter(stage)
    stage.let_pass(HOUR - stage.now % HOUR)
    fake.exchange.pay_funding(BTC, Decimal("0.0001"))
    stage.let_pass(125)
    _tick(stage)
    (position,) = (one for one in _positions(stage) if one.symbol == BTC)
    assert position.funding < 0


def _dead_orders(stage: Deployed) -> None:
    """Have an order sent again, and another one dropped, that nobody can prove absent."""
    stage.cold()
    for method, end in (("POST", "/retry"), ("DELETE", "")):
        order = unknown_to_venue(
            stage,
            OrderState.UNKNOWN,
            {"connection_id": NAME, "symbol": ETH},
            reason=DEAD_LETTER,
        )
        (letter,) = stage.data("GET", "/dead-letters")["items"]
        stage.data(method, f"/dead-letters/{letter['letter_id']}{end}")
        after = stage.world.records.order(TENANT, NAME, order.client_order_id)
        assert after is not None
        assert (after.state is OrderState.REJECTED) == (method == "DELETE"), after
        assert not after.reason.startswith(DEAD_LETTER)


def _refused(stage: Deployed, fake: Fake) -> None:
    """Meet a key that may not trade, then a revoked one; somebody stops the engine meanwhile."""
    _, key = fake.exchange.key(fake.key)
    for deliver, forbidden in (
        (lambda: stage.signals(batch(stage, "leave", BTC, next(_numbers), NAME, BANDS)), {"trade": False}),
        (lambda: stage.ticks("realtime_tick", tick_now(stage, "realtime", NAME)), {"revoked": True}),
    ):
        fake.exchange.add_key("main", replace(key, **forbidden))
        stage.recorder.before("TransactWriteItems", '"paused"', lambda: move_on(stage, Status.STOPPING, NAME))
        assert deliver() == 0
        assert status_of(stage, NAME) is Status.STOPPING
        fake.exchange.add_key("main", key)
        settle(stage, SUBJECT.name, Status.STOPPED)
        stage.data("POST", "/trade-engine/live/start")


def _restarts(stage: Deployed, fake: Fake) -> None:
    """Start by the heartbeat and on command, after others have acted while the engine stood still."""
    keys = {"api_key": fake.key, "secret": fake.secret}
    stage.data("POST", "/connections", {**WATCHING, "credentials": keys})
    for quantity, start in (("0.2", _by_heartbeat), ("0.3", _on_command)):
        _clear(stage, fake)
        _enter(stage)
        stage.data("POST", "/trade-engine/live/stop")
        _others_act(stage, fake, unproven=False)
        fake.exchange.external_order(ETH, "buy", Decimal("0.1"), Decimal(900))
        fake.exchange.external_order(ETH, "sell", Decimal(quantity))
        stage.cold()
        start(stage)
        assert status_of(stage, NAME) is Status.RUNNING
        _seen(stage)
        assert [position.direction for position in _positions(stage)] == ["short"]


def _by_heartbeat(stage: Deployed) -> None:
    for status in (Status.STOPPING, Status.STOPPED, Status.STARTING):
        step(stage, COORDINATOR.name, status)
    settle(stage, COORDINATOR.name, Status.RUNNING)


def _on_command(stage: Deployed) -> None:
    stage.data("POST", "/trade-engine/watching/restart")
    stage.data("POST", "/trade-engine/live/start")


def _end(stage: Deployed, fake: Fake) -> None:
    _clear(stage, fake, get_args(Leg))
    stage.data("POST", "/trade-engine/live/stop")
    stage.data("DELETE", "/connections/live/credentials")
    stage.data("DELETE", "/connections/live")


def _enter(stage: Deployed) -> None:
    """Open a position; the exchange only says that it took the order, so a tick finds out what came of it."""
    stage.let_pass(5)
    assert stage.signals(batch(stage, "enter", BTC, next(_numbers), NAME, BANDS)) == 0
    stage.let_pass(5)
    _tick(stage)
    assert [one.state for one in _positions(stage) if one.symbol == BTC] == ["open"], stage.metrics


def _others_act(stage: Deployed, fake: Fake, unproven: bool = True) -> None:
    """Let the account's owner close a position and cancel an order, right before a thorough look."""
    fake.exchange.close_by_hand(BTC)
    order = next(one for one in fake.exchange.main.open_orders("swap") if one.symbol == ETH)
    fake.exchange.cancel(fake.exchange.main, order.id)
    if unproven:
        place = {"connection_id": NAME, "symbol": ETH}
        missed = {"unproven_lookups": 1, "updated_at": stage.now - 60}
        unknown_to_venue(stage, OrderState.UNKNOWN, place, **missed)
        stage.let_pass(ROUND - stage.now % ROUND)


def _seen(stage: Deployed) -> None:
    """Demand that the position is closed in our books, too, and that the trades of others are the reason."""
    closed = stage.world.records.list_positions(TENANT, NAME, 10, None).items
    assert [one for one in closed if one.exit_reason == CLOSED_OUTSIDE and one.closed_at]
    assert not [position for position in _positions(stage) if position.symbol == BTC]


def _clear(stage: Deployed, fake: Fake, legs: Sequence[str] = ("entry", "exit", "protection")) -> None:
    """Put exchange and books in order by hand: no position and no order of these legs is open any more."""
    for symbol in (BTC, ETH):
        fake.exchange.close_by_hand(symbol)
    for order in _orders(stage):
        if order.leg in legs:
            stage.world.records.commit(TENANT, [replace(order, state=OrderState.CANCELED)])
    for position in _positions(stage):
        stage.world.records.commit(TENANT, [replace(position, state="closed")])


def _tick(stage: Deployed) -> None:
    begun = stage.now
    assert stage.ticks("realtime_tick", tick_now(stage, "realtime", NAME)) == 0
    assert stored_engine(stage, SUBJECT.name).account.at >= begun, "the account was not valued"


def _orders(stage: Deployed) -> tuple[Order, ...]:
    return stage.world.records.open_orders(TENANT, NAME)


def _external(stage: Deployed) -> list[Order]:
    return [order for order in _orders(stage) if order.leg == "external"]


def _positions(stage: Deployed) -> tuple[Position, ...]:
    return stage.world.records.open_positions(TENANT, NAME)
