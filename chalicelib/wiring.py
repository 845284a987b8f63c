"""Builds the World once per container: stores, queues, venues, clock; each part when a flow first uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from chalicelib.flows.world import World
from chalicelib.messaging.counted import Counted
from chalicelib.messaging.telemetry import EmbeddedMetrics, Tracing
from chalicelib.settings import Settings, from_environment

if TYPE_CHECKING:
    from chalicelib.domain.connection import Connection
    from chalicelib.domain.credentials import Credentials
    from chalicelib.domain.paper import PaperLedger
    from chalicelib.domain.rate_limit import LimitStore
    from chalicelib.exchanges.accounts import Accounts
    from chalicelib.exchanges.rule_book import Rules
    from chalicelib.flows.world import (
        ConnectionStore,
        CredentialStore,
        DeadLetters,
        EngineStore,
        EventStream,
        MarketFeed,
        Metrics,
        ObjectStore,
        RecordStore,
        SignalQueue,
        TickQueue,
        Venue,
    )
    from chalicelib.stores.clients import Clients


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a local run or a test puts in the place of the deployed parts; None keeps the deployed one."""

    now: Callable[[], float] = time.time
    owner: Callable[[], str] = lambda: os.urandom(16).hex()
    feed: Callable[[str], MarketFeed] | None = None
    metrics: Metrics | None = None
    span: Callable[[str], AbstractContextManager[Any]] | None = None
    on_aws_call: Callable[[str], None] | None = None
    on_exchange_call: Callable[[str], None] | None = None
    credentials: Callable[[str, str], Credentials | None] | None = None
    sleep: Callable[[float], None] = time.sleep
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


def prepare(parts: Iterable[str]) -> None:
    """Make parts of the World now that are made at their first use otherwise."""
    for name in parts:
        getattr(world(), name)


def use(given: World | None) -> None:
    """Install a World (tests, local runs); None forgets the present one."""
    _container.world = given


def configure(overrides: Overrides) -> None:
    """Replace parts of the World that is built next; the present one is forgotten."""
    _container.overrides = overrides
    _container.world = None


def build(settings: Settings, overrides: Overrides) -> World:
    """Build a World on AWS (or on the endpoint of `settings`), with the given parts replaced."""
    metrics = EmbeddedMetrics(settings.stage) if overrides.metrics is None else overrides.metrics
    parts = _Parts(settings, overrides, metrics)
    return _LazyWorld.of(
        parts,
        now=overrides.now,
        owner=overrides.owner,
        feed=parts.feed,
        venue=parts.venue,
        metrics=metrics,
        span=Tracing().span if overrides.span is None else overrides.span,
        shortest_interval=overrides.shortest_interval,
        in_memory=False,
        warm={},
    )


class _LazyWorld(World):
    """A World whose costly parts are made when a flow first asks for them: no function pays for others'."""

    __slots__ = ("_parts",)

    @classmethod
    def of(cls, parts: _Parts, **ready: Any) -> World:
        """Return a World with the parts that are ready; the others come from `parts`."""
        world = cls.__new__(cls)
        for name, part in {"_parts": parts, **ready}.items():
            object.__setattr__(world, name, part)
        return world

    def __getattr__(self, name: str) -> Any:
        # Python asks here only for what is not set yet.
        if name not in _COSTLY:
            raise AttributeError(f"the World has no {name!r}")
        part = self._parts.get(name)
        object.__setattr__(self, name, part)
        return part


_COSTLY = frozenset(
    (
        "engines",
        "connections",
        "credentials",
        "records",
        "objects",
        "ticks",
        "signals",
        "events",
        "dead_letters",
    )
)


class _Parts:
    """Makes the costly parts of a World, each once, with the imports and clients it needs.

    A method for each part, by its name; parts that others share are parts as well.
    """

    def __init__(self, settings: Settings, overrides: Overrides, metrics: Metrics) -> None:
        self._settings = settings
        self._on_aws_call = overrides.on_aws_call
        self._metrics = metrics
        self._on_exchange_call = overrides.on_exchange_call
        self._lock = RLock()
        self._made: dict[str, Any] = {}
        self._overrides = overrides
        self._feed = lru_cache(overrides.feed or _public_feed)
        self.feed = _counted_feeds(self._feed, metrics, overrides.on_exchange_call)

    def get(self, name: str) -> Any:
        """Return a part, made at the first call; local runs ask from many threads."""
        with self._lock:
            if name not in self._made:
                self._made[name] = getattr(self, name)()
            return self._made[name]

    def clients(self) -> Clients:
        from chalicelib.stores.clients import Clients

        return Clients(self._settings, self._on_aws_call)

    def tables(self) -> Any:
        """Bind all tables to the client of DynamoDB and return it; what uses tables asks for this first."""
        from chalicelib.stores.tables import bind_tables

        client = self.get("clients")["dynamodb"]
        bind_tables(self._settings, client)
        return client

    def engines(self) -> EngineStore:
        from chalicelib.stores.engines import DynamoEngineStore

        return DynamoEngineStore(self.get("tables"))

    def connections(self) -> ConnectionStore:
        self.get("tables")
        from chalicelib.stores.connections import DynamoConnectionStore

        return DynamoConnectionStore()

    def credentials(self) -> CredentialStore:
        self.get("tables")
        from chalicelib.stores.credentials import KmsCredentialStore

        return KmsCredentialStore(lambda: self.get("clients")["kms"], self._settings.key)

    def records(self) -> RecordStore:
        self.get("tables")
        from chalicelib.stores.records import DynamoRecordStore

        return DynamoRecordStore()

    def ledger(self) -> PaperLedger:
        self.get("tables")
        from chalicelib.stores.paper_ledger import DynamoPaperLedger

        return DynamoPaperLedger()

    def objects(self) -> ObjectStore:
        from chalicelib.stores.objects import S3ObjectStore

        return S3ObjectStore(self.get("clients")["s3"], self._settings.bucket)

    def ticks(self) -> TickQueue:
        from chalicelib.messaging.sqs import SqsTickQueue

        return SqsTickQueue(self.get("clients")["sqs"], self._settings)

    def signals(self) -> SignalQueue:
        from chalicelib.messaging.sqs import SqsSignalQueue

        return SqsSignalQueue(self.get("clients")["sqs"], self._settings)

    def dead_letters(self) -> DeadLetters:
        from chalicelib.messaging.dead_letters import SqsDeadLetters

        return SqsDeadLetters(self.get("clients")["sqs"], self._settings)

    def events(self) -> EventStream:
        if self._settings.events == "audit":
            from chalicelib.stores.audit_events import AuditEventStream

            return AuditEventStream(self.get("records"))
        from chalicelib.messaging.kinesis import KinesisEventStream

        return KinesisEventStream(self.get("clients")["kinesis"], self._settings.stream)

    def limits(self) -> LimitStore:
        from chalicelib.stores.limits import DynamoLimitStore

        return DynamoLimitStore(self.get("tables"))

    def accounts(self) -> Accounts:
        from chalicelib.exchanges.accounts import Accounts

        read = self._overrides.credentials or self.get("credentials").get
        # Rules come from the feed itself: what a venue asks of it is no call that flows make.
        feeds = cast("Callable[[str], Rules]", self._feed)
        return Accounts(read, self.get("limits"), feeds, self._overrides.now, self._overrides.sleep)

    def venue(self, connection: Connection) -> Venue:
        """Return the venue of a connection, made anew for every flow because it keeps the account it read."""
        made: Venue
        if connection.mode == "paper":
            from chalicelib.exchanges.paper import PaperVenue

            made = PaperVenue(connection.tenant, connection, self.get("ledger"), self.feed(connection.feed))
        else:
            accounts: Accounts = self.get("accounts")
            made = accounts.venue(connection)
        return cast("Venue", Counted(made, self._metrics, self._on_exchange_call))


def _counted_feeds(
    feed: Callable[[str], MarketFeed], metrics: Metrics, on_call: Callable[[str], None] | None
) -> Callable[[str], MarketFeed]:
    @lru_cache
    def counted(exchange: str) -> MarketFeed:
        return cast("MarketFeed", Counted(feed(exchange), metrics, on_call))

    return counted


def _public_feed(name: str) -> MarketFeed:
    from chalicelib.domain.connection import TESTNET
    from chalicelib.exchanges.ccxt_public import PublicFeed

    exchange = name.removesuffix(TESTNET)
    return PublicFeed(exchange, testnet=exchange != name)
