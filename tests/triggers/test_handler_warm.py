"""The second invocation of a warm container: nothing is built again, and no candle is read twice."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from botocore.session import Session
from moto import mock_aws

from chalicelib import wiring
from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.engine import Engine, Subject, coordinator_subject, engine_subject, feed_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Tick
from chalicelib.local.event_shapes import queue_event
from chalicelib.local.resources import create_resources
from chalicelib.local.simulator import MarketSimulator
from chalicelib.messaging.codec import encode
from chalicelib.settings import Settings
from chalicelib.stores.clients import Clients
from chalicelib.triggers.decision_tick import decision_tick
from chalicelib.triggers.market_tick import market_tick

T0 = 1_618_617_600
STAGES = count()
"""A stage for each test: an emulated AWS that others hold open keeps what is in it."""

TENANT, NAME, SYMBOLS = "default", "paper-1", ("BTC/USDT", "ETH/USDT")


class Container:
    """A container on an emulated AWS; counts the clients it makes and the candle objects it reads."""

    def __init__(self, settings: Settings, patch: pytest.MonkeyPatch) -> None:
        self.now = float(T0)
        self.made: Counter[str] = Counter()
        self.reads: list[int] = []
        self.feeds = 0
        real = Session.create_client

        def create_client(session: Session, service: str, *about: Any, **named: Any) -> Any:
            self.made[service] += 1
            return real(session, service, *about, **named)

        patch.setattr(Session, "create_client", create_client)
        wiring.configure(wiring.Overrides(now=lambda: self.now, owner=lambda: "owner", feed=self._feed))
        create_resources(settings, Clients(settings))
        self.made.clear()

    def tick(self, handler: Any, *ticks: Tick) -> None:
        messages = [
            {"MessageId": f"m{n}", "ReceiptHandle": "r", "Body": encode(tick), "Attributes": {}}
            for n, tick in enumerate(ticks)
        ]
        event = queue_event("cts-test-queue", "eu-central-1", messages)
        assert handler(event, None) == {"batchItemFailures": []}

    def watch_reads(self) -> None:
        """Note the status of each answer to a read of an object."""
        events = wiring.world().objects._client.meta.events  # type: ignore[attr-defined]
        events.register(
            "after-call.s3.GetObject", lambda http_response, **_: self.reads.append(http_response.status_code)
        )

    def _feed(self, _: str) -> MarketSimulator:
        self.feeds += 1
        return MarketSimulator(7, Decimal("0.0004"))


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    stage = f"warm-{next(STAGES)}"
    for name, value in (
        ("CTS_STAGE", stage),
        ("CTS_ACCOUNT", "123456789012"),
        ("CTS_EVENTS", "audit"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Container(Settings(stage=stage, account="123456789012"), monkeypatch)
    wiring.configure(wiring.Overrides())


def running(subject: Subject) -> None:
    connection = validate(Connection(NAME, "binance", SYMBOLS, intervals=complete_intervals({})))
    world = wiring.world()
    world.engines.create(Engine(coordinator_subject(TENANT), Status.RUNNING))
    world.engines.create(Engine(subject, Status.RUNNING, settings=to_plain(connection), session_id="s"))


def candle_tick(slot: int) -> Tick:
    return Tick("market", feed_subject("binance", "5m"), slot, SYMBOLS)


def test_a_warm_container_builds_nothing_again_and_reads_unchanged_candles_once(
    container: Container,
) -> None:
    subject = engine_subject(TENANT, NAME)
    running(subject)
    container.tick(market_tick, candle_tick(T0))
    # Another container: it has not seen the candles.
    wiring.configure(wiring._container.overrides)
    container.made.clear()
    container.watch_reads()
    container.tick(decision_tick, Tick("indication", subject, T0 + 20), Tick("strategy", subject, T0 + 25))
    cold = Counter(container.made)
    assert cold == {"dynamodb": 1, "s3": 1}
    assert 200 in container.reads
    world = wiring.world()
    parts = {name: getattr(world, name) for name in ("engines", "records", "objects", "events")}
    candles = world.objects.load_candles("binance", 300)

    container.reads.clear()
    container.now += 60
    container.tick(decision_tick, Tick("indication", subject, T0 + 80), Tick("strategy", subject, T0 + 85))
    assert container.made == cold, "clients are made once"
    assert all(getattr(wiring.world(), name) is part for name, part in parts.items())
    assert container.reads
    assert set(container.reads) == {304}, "what did not change is not read again"
    assert wiring.world().objects.load_candles("binance", 300) is candles


def test_feeds_are_made_once_per_exchange(container: Container) -> None:
    world = wiring.world()
    assert world.feed("binance") is world.feed("binance")
    container.tick(market_tick, candle_tick(T0))
    container.now += 300
    container.tick(market_tick, candle_tick(T0 + 300))
    assert container.feeds == 1


def test_a_function_makes_only_the_clients_it_uses(container: Container) -> None:
    wiring.world()
    assert container.made == {}
    container.tick(market_tick, candle_tick(T0))
    assert container.made == {"dynamodb": 1, "s3": 1}
