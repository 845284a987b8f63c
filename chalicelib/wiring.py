"""Builds the World once per container: stores, queues, venues, clock. Heavy imports happen here, lazily."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from chalicelib.settings import Settings, from_environment

if TYPE_CHECKING:
    from chalicelib.domain.connection import Connection
    from chalicelib.flows.world import EventStream, MarketFeed, Metrics, Venue, World
    from chalicelib.stores.records import DynamoRecordStore


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a local run or a test puts in the place of the deployed parts; None keeps the deployed one."""

    now: Callable[[], float] = time.time
    owner: Callable[[], str] = lambda: uuid4().hex
    feed: Callable[[str], MarketFeed] | None = None
    metrics: Metrics | None = None
    span: Callable[[str], AbstractContextManager[Any]] | None = None
    on_aws_call: Callable[[str], None] | None = None
    on_exchange_call: Callable[[str], None] | None = None
    shortest_interval: int = 0


@dataclass(slots=True)
class _Container:
    """The one World of this process; a World given by `use` wins."""

    overrides: Overrides = field(default_factory=Overrides)
    world: World | None = None


_container = _Container()


def world() -> World:
    """Return the World of this container, built at the first call."""
    if _container.world is None:
        _container.world = build(from_environment(), _container.overrides)
    return _container.world


def use(given: World | None) -> None:
    """Install a World (tests, local runs); None forgets the present one."""
    _container.world = given


def configure(overrides: Overrides) -> None:
    """Replace parts of the World that is built next; the present one is forgotten."""
    _container.overrides = overrides
    _container.world = None


def build(settings: Settings, overrides: Overrides) -> World:
    """Build a World on AWS (or on the endpoint of `settings`), with the given parts replaced."""
    from chalicelib.exchanges.paper import PaperVenue
    from chalicelib.flows.world import World
    from chalicelib.messaging.sqs import SqsSignalQueue, SqsTickQueue
    from chalicelib.messaging.telemetry import EmbeddedMetrics, Tracing
    from chalicelib.stores.connections import DynamoConnectionStore
    from chalicelib.stores.engines import DynamoEngineStore
    from chalicelib.stores.objects import S3ObjectStore
    from chalicelib.stores.paper_ledger import DynamoPaperLedger
    from chalicelib.stores.records import DynamoRecordStore
    from chalicelib.stores.tables import bind_tables

    dynamodb = bind_tables(settings, overrides.on_aws_call)
    clients = aws_clients(settings, overrides.on_aws_call)
    records = DynamoRecordStore()
    ledger = DynamoPaperLedger()
    feed = _counted_feeds(overrides.feed or _public_feed, overrides.on_exchange_call)

    def venue(connection: Connection) -> Venue:
        paper = PaperVenue(connection.tenant, connection, ledger, feed(connection.exchange))
        return cast("Venue", _Counted(paper, overrides.on_exchange_call))

    return World(
        now=overrides.now,
        owner=overrides.owner,
        engines=DynamoEngineStore(dynamodb),
        connections=DynamoConnectionStore(),
        records=records,
        objects=S3ObjectStore(clients["s3"], settings.bucket),
        ticks=SqsTickQueue(clients["sqs"], settings),
        signals=SqsSignalQueue(clients["sqs"], settings),
        events=_event_stream(settings, clients, records),
        feed=feed,
        venue=venue,
        metrics=EmbeddedMetrics() if overrides.metrics is None else overrides.metrics,
        span=Tracing().span if overrides.span is None else overrides.span,
        shortest_interval=overrides.shortest_interval,
    )


def _event_stream(settings: Settings, clients: dict[str, Any], records: DynamoRecordStore) -> EventStream:
    if settings.events == "audit":
        from chalicelib.stores.audit_events import AuditEventStream

        return AuditEventStream(records)
    from chalicelib.messaging.kinesis import KinesisEventStream

    return KinesisEventStream(clients["kinesis"], settings.stream)


def aws_clients(settings: Settings, on_call: Callable[[str], None] | None) -> dict[str, Any]:
    """Return the clients of S3, SQS and, where events go there, Kinesis.

    `on_call` hears each operation once, retries not counted.
    """
    from botocore.session import get_session

    from chalicelib.stores.tables import CONFIG

    session = get_session()
    clients = {}
    services = ("s3", "sqs", "kinesis") if settings.events == "kinesis" else ("s3", "sqs")
    for name in services:
        client = session.create_client(
            name, settings.region, endpoint_url=settings.endpoint_url or None, config=CONFIG
        )
        if on_call is not None:
            client.meta.events.register(f"before-call.{name}", _hearing(name, on_call))
        clients[name] = client
    return clients


def _hearing(service: str, on_call: Callable[[str], None]) -> Callable[..., None]:
    def heard(model: Any, **_: Any) -> None:
        on_call(f"{service}.{model.name}")

    return heard


class _Counted:
    """Passes every call on and tells its name: what an exchange is asked is counted, like AWS calls."""

    def __init__(self, target: Any, on_call: Callable[[str], None] | None) -> None:
        self._target = target
        self._on_call = on_call

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if self._on_call is None:
            return method
        self._on_call(name)
        return method


def _counted_feeds(
    feed: Callable[[str], MarketFeed], on_call: Callable[[str], None] | None
) -> Callable[[str], MarketFeed]:
    @lru_cache
    def counted(exchange: str) -> MarketFeed:
        return cast("MarketFeed", _Counted(feed(exchange), on_call))

    return counted


def _public_feed(exchange: str) -> MarketFeed:
    from chalicelib.exchanges.ccxt_public import PublicFeed

    return PublicFeed(exchange)
