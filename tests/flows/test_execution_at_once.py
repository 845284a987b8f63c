"""Execution at once: orders of different symbols overlap, those of one never; round trips are counted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from chalicelib import wiring
from chalicelib.domain.codec import to_stored
from chalicelib.domain.engine import Engine, coordinator_subject, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.order import OrderState
from chalicelib.errors import StaleWrite, VenueRejected, VenueUnauthorized, VenueUnknown
from chalicelib.flows import trading_desk
from chalicelib.flows.execute_signals import execute_signals
from chalicelib.flows.together import together
from chalicelib.local.resources import create_resources
from chalicelib.settings import Settings
from chalicelib.stores.clients import Clients
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT, CountingMetrics, Desk
from tests.flows.hand_venue import HandVenue
from tests.flows.test_risk_refusals import LIVE, live

D = Decimal
PATIENCE = 5.0


class Meeting(HandVenue):
    """A venue at which an order waits until `expected` of them are under way."""

    barrier: threading.Barrier | None = None

    def create_order(self, approved: Any, now: float) -> Any:
        if self.barrier:
            self.barrier.wait(PATIENCE)
        return super().create_order(approved, now)


def meeting(expected: int) -> tuple[Desk, Meeting]:
    desk = Desk(connection=LIVE)
    venue = Meeting(desk.feed)
    venue.barrier = threading.Barrier(expected) if expected else None
    desk.venue = lambda _: venue  # type: ignore[method-assign,assignment,return-value]
    return desk, venue


def test_orders_of_different_symbols_are_under_way_together() -> None:
    desk, venue = meeting(len(SYMBOLS))
    outcomes = desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS])
    assert list(outcomes) == [f"0-{symbol}-long" for symbol in SYMBOLS]
    assert set(outcomes.values()) == {"APPROVED"}
    assert {order.state for order in desk.orders()} == {OrderState.FILLED}
    assert venue.barrier is not None
    assert not venue.barrier.broken


def test_a_symbol_that_comes_again_waits_for_what_became_of_it() -> None:
    desk, _ = meeting(0)
    again = replace(desk.signal("BTC/USDT", number=1), price=D(61000))
    outcomes = desk.execute(desk.signal("BTC/USDT"), desk.signal("ETH/USDT"), again)
    assert list(outcomes.values()) == ["APPROVED", "APPROVED", "COOLDOWN"]


def test_later_signals_see_what_earlier_ones_reserved() -> None:
    desk, venue = live(risk=replace(LIVE.risk, max_positions=2))
    outcomes = desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS])
    assert list(outcomes.values()) == ["APPROVED", "APPROVED", "MAX_POSITIONS"]
    assert venue.calls.count("fetch_balance") == 1


def test_money_is_spent_once() -> None:
    symbols = tuple(f"S{number}/USDT" for number in range(6))
    desk, venue = live(position_cost=D("0.18"), symbols=symbols)
    desk.feed.prices = dict.fromkeys(symbols, D(1))
    venue.cash = D(250)
    desk.execute(*[desk.signal(symbol) for symbol in symbols])
    assert len(desk.orders()) == len(symbols)
    assert D(245) < sum(order.quantity for order in desk.orders()) * D("1.0016") <= 250


class Without(HandVenue):
    """A venue that refuses one symbol for want of funds, and every order with `refusal`."""

    refusal: VenueRejected | None = None

    def create_order(self, approved: Any, now: float) -> Any:
        if self.refusal:
            self._called("create_order")
            raise self.refusal
        if approved.order.symbol == "ETH/USDT":
            raise VenueRejected("no money", "INSUFFICIENT_FUNDS")
        return super().create_order(approved, now)


def without(refusal: VenueRejected | None = None) -> tuple[Desk, Without]:
    desk, _ = live()
    venue = Without(desk.feed)
    venue.refusal = refusal
    desk.venue = lambda _: venue  # type: ignore[method-assign,assignment,return-value]
    return desk, venue


def test_one_failing_order_does_not_keep_the_others_from_the_venue() -> None:
    desk, _ = without()
    desk.execute(*[desk.signal(symbol) for symbol in SYMBOLS])
    assert {order.symbol: order.state for order in desk.orders()} == {
        "BTC/USDT": OrderState.FILLED,
        "ETH/USDT": OrderState.REJECTED,
        "XRP/USDT": OrderState.FILLED,
    }
    # A rejected entry cools nothing down.
    assert set(desk.tables.engines[desk.subject].cooldowns) == {"BTC/USDT", "XRP/USDT"}


def test_a_refused_key_pauses_the_engine_and_refuses_the_signals_behind() -> None:
    desk, venue = without(VenueUnauthorized("key revoked"))
    desk.world().connections.create(desk.connection)
    outcomes = desk.execute(desk.signal(), replace(desk.signal(number=1), price=D(61000)))
    assert set(outcomes.values()) == {"KEY_REFUSED"}
    assert venue.calls.count("create_order") == 1
    assert desk.tables.engines[desk.subject].status == Status.PAUSED
    assert desk.orders()[0].state == OrderState.REJECTED


def test_a_swap_is_configured_before_its_first_order() -> None:
    swap = replace(LIVE, market_type="swap", symbols=("BTC/USDT:USDT",), leverage=3)
    desk, venue = live(swap)
    desk.feed.prices = {"BTC/USDT:USDT": D(60000)}
    assert set(desk.execute(desk.signal("BTC/USDT:USDT")).values()) == {"APPROVED"}
    assert venue.calls.index("configure") < venue.calls.index("create_order")


def test_a_swap_that_cannot_be_configured_is_not_entered() -> None:
    swap = replace(LIVE, market_type="swap", symbols=("BTC/USDT:USDT",))
    desk, venue = live(swap)
    desk.feed.prices = {"BTC/USDT:USDT": D(60000)}
    venue.failing["configure"] = VenueUnknown("no answer")
    assert set(desk.execute(desk.signal("BTC/USDT:USDT")).values()) == {"NOT_CONFIGURED"}
    assert "create_order" not in venue.calls
    assert not desk.orders()


def test_together_keeps_the_order_ends_all_calls_and_raises_the_first_error() -> None:
    ended: list[int] = []

    def call(number: int) -> int:
        ended.append(number)
        if number in (2, 3):
            raise StaleWrite(str(number))
        return number

    assert together([lambda n=n: call(n) for n in (7, 8, 9)]) == [7, 8, 9]  # type: ignore[misc]
    with pytest.raises(StaleWrite, match="2"):
        together([lambda n=n: call(n) for n in (1, 2, 3, 4)])  # type: ignore[misc]
    assert sorted(ended) == [1, 2, 3, 4, 7, 8, 9]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Settings(stage="test", account="123456789012")


@pytest.mark.parametrize("symbols", [SYMBOLS[:1], SYMBOLS])
def test_before_the_first_order_there_are_three_round_trips(
    settings: Settings, symbols: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that are made together are one round trip; each other one is its own."""
    numbers = count(1)
    group: ContextVar[int] = ContextVar("group", default=0)
    trips: list[tuple[int, str]] = []

    def grouped(calls: Sequence[Any], at_once: bool = True) -> list[Any]:
        token = group.set(next(numbers))
        try:
            return together(calls, at_once)
        finally:
            group.reset(token)

    monkeypatch.setattr(trading_desk, "together", grouped)
    create_resources(settings, Clients(settings))
    desk, _ = live()
    first: list[int] = []

    class Noting(HandVenue):
        def create_order(self, approved: Any, now: float) -> Any:
            first.append(len(trips))
            return super().create_order(approved, now)

    world = wiring.build(
        settings,
        wiring.Overrides(
            now=lambda: desk.now,
            feed=lambda _: desk.feed,
            metrics=CountingMetrics(),
            span=lambda _: nullcontext(),
            on_aws_call=lambda name: trips.append((group.get() or next(numbers), name)),
        ),
    )
    object.__setattr__(world, "venue", lambda _: Noting(desk.feed))
    world.engines.create(Engine(coordinator_subject(TENANT), Status.RUNNING))
    subject = engine_subject(TENANT, CONNECTION_ID)
    world.engines.create(Engine(subject, Status.RUNNING, settings=to_stored(LIVE), session_id="s"))
    trips.clear()
    signals = tuple(desk.signal(symbol) for symbol in symbols)
    outcomes = execute_signals(world, SignalBatch(TENANT, CONNECTION_ID, "k", signals))
    assert set(outcomes.values()) == {"APPROVED"}
    before = trips[: first[0]]
    intents = [name for _, name in before if name == "dynamodb.TransactWriteItems"]
    assert 1 <= len(intents) <= len(symbols)
    # Intents of other symbols are stored at the same time, each before its own order.
    assert len({trip for trip, _ in before}) - (len(intents) - 1) == 3
    reads = sorted(name for _, name in before if name not in ("dynamodb.TransactWriteItems",))
    assert reads == [
        "dynamodb.BatchGetItem",
        "dynamodb.GetItem",
        "dynamodb.Query",
        "dynamodb.Query",
        "dynamodb.UpdateItem",
    ]


class Timing(CountingMetrics):
    """Keeps the durations by name, in the order they came."""

    def __init__(self) -> None:
        super().__init__()
        self.durations: list[tuple[str, float]] = []

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None:
        self.durations.append((name, round(milliseconds)))


def test_each_step_of_an_order_is_timed() -> None:
    desk, venue = live()
    desk.metrics = Timing()
    wait = {"fetch_balance": 0.2, "create_order": 0.3}
    called = venue._called

    def slow(name: str) -> None:
        called(name)
        desk.now += wait.get(name, 0.0)

    venue._called = slow  # type: ignore[method-assign]
    desk.execute(desk.signal())
    assert desk.metrics.durations == [
        ("order_decided_ms", 200),
        ("order_stored_ms", 0),
        ("order_answered_ms", 300),
    ]
