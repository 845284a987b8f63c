"""One account at each venue that the contract suite runs on: real connectors on wire fakes, and paper."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import Credentials, Secret
from chalicelib.domain.order import TERMINAL, Order, VenueOrder
from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.exchanges.venue import exchange_venue
from chalicelib.stores.memory import MemoryPaperLedger, MemoryTables
from tests.exchanges.paper_world import START, ScriptedFeed, a_connection, a_venue
from tests.exchanges.venue_world import SpyGate, approved, order
from tests.fakes import fake_of
from tests.fakes.server import served

D = Decimal
REAL = (
    ("binance", "spot"),
    ("binance", "swap"),
    ("bybit", "spot"),
    ("bybit", "swap"),
    ("bingx", "swap"),
    ("pionex", "spot"),
    ("pionex", "swap"),
    ("orangex", "swap"),
)
ALL = (*REAL, ("paper", "spot"), ("paper", "swap"))
SWAPS = tuple(one for one in ALL if one[1] == "swap")
REAL_SWAPS = tuple(one for one in REAL if one[1] == "swap")
SPOTS = tuple(one for one in ALL if one[1] == "spot")

READS = 6
"""How often an order is looked up until it stands: receipts of some exchanges come before the order."""


def on(*sites: tuple[str, str]) -> pytest.MarkDecorator:
    """Run a test on each of these sites."""
    return pytest.mark.parametrize("site", sites, ids="-".join, indirect=True)


@dataclass
class World:
    """A venue, its feed, and what a test may do to the exchange behind them (`fake` is None on paper)."""

    name: str
    type: str
    venue: Any
    feed: Any
    now: Callable[[], float]
    fake: Any = None
    gate: SpyGate = field(default_factory=SpyGate)
    another: Callable[[], Any] = lambda: None
    """Makes a venue of the same account that remembers nothing."""

    @property
    def symbol(self) -> str:
        return "BTC/USDT" if self.type == "spot" else "BTC/USDT:USDT"

    @property
    def symbols(self) -> tuple[str, str]:
        return self.symbol, self.symbol.replace("BTC", "ETH")

    @property
    def abilities(self) -> Any:
        return self.venue.abilities

    @property
    def requests(self) -> int:
        return len(self.fake.requests) if self.fake else 0

    def route(self, name: str) -> str:
        """Return the fake's name of a route, e.g. `create_order`."""
        return f"futures_{name}" if (self.name, self.type) == ("binance", "swap") else name

    def price(self, price: str) -> None:
        """Let the market trade at a price."""
        if self.fake:
            self.fake.exchange.prices[self.symbol] = D(price)
        else:
            self.feed.price = D(price)

    def order(
        self, side: str, type_: str = "market", quantity: str = "0.01", price: Any = None, **other: Any
    ) -> Order:
        now = self.now()
        stamps = {"created_at": now, "updated_at": now}
        return order(self.symbol, side, type_, quantity, price, **(stamps | other))

    def exit(self, side: str, quantity: str = "0.01", **other: Any) -> Order:
        return self.order(side, "market", quantity, reduce_only=True, leg="exit", **other)

    def stop(self, side: str, trigger: str, quantity: str = "0.01", **other: Any) -> Order:
        given = {"reduce_only": True, "leg": "protection", "trigger_price": D(trigger)} | other
        return self.order(side, "stop", quantity, **given)

    def send(self, intent: Order) -> VenueOrder:
        return self.venue.create_order(approved(intent), self.now())

    def look(self, intent: Order) -> VenueOrder:
        return self.venue.fetch_order(intent, self.now())

    def placed(self, intent: Order) -> tuple[Order, VenueOrder]:
        """Send an order; return it as the books have it then, and how it stands once that is known."""
        seen = self.send(intent)
        booked = replace(intent, venue_order_id=seen.venue_order_id, state=seen.state)
        for _ in range(READS):
            if seen.filled or seen.state in TERMINAL or intent.type != "market":
                break
            seen = self.look(booked)
        return booked, seen

    def cancelled(self, booked: Order) -> VenueOrder:
        """Cancel an order and wait until its end is told."""
        seen = self.venue.cancel_order(booked, self.now())
        for _ in range(READS):
            if seen.state in TERMINAL:
                break
            time.sleep(0.02)
            seen = self.look(booked)
        return seen

    def held(self) -> Decimal:
        """Return the signed quantity of the symbol."""
        positions = self.venue.fetch_positions(self.symbols, self.now())
        return sum((one.signed_quantity for one in positions if one.symbol == self.symbol), D(0))


@contextmanager
def world(name: str, market_type: str) -> Iterator[World]:
    """Give the world of a venue."""
    if name == "paper":
        yield _paper(market_type)
        return
    with served(fake_of(name)) as fake:
        # Limits have tests of their own; here they would only make every exchange as slow as it is.
        fake.limits.rules = ()
        feed, gate = PublicFeed(name, sleep=lambda _: None), SpyGate()
        symbol = "BTC/USDT" if market_type == "spot" else "BTC/USDT:USDT"
        connection = Connection("c", name, (symbol,), mode="live", market_type=market_type)

        def made() -> Any:
            return exchange_venue(connection, lambda: _keys(fake), gate, feed, {}, timeout=0.4)

        yield World(name, market_type, made(), feed, time.time, fake, gate, made)


def _paper(market_type: str) -> World:
    symbol = "BTC/USDT" if market_type == "spot" else "BTC/USDT:USDT"
    feed = ScriptedFeed(symbols=(symbol, symbol.replace("BTC", "ETH")))
    feed.price = D(50_000)
    venue = a_venue(MemoryPaperLedger(MemoryTables()), feed, a_connection(market_type))
    return World("paper", market_type, venue, feed, lambda: float(START))


def _keys(fake: Any) -> Credentials:
    return Credentials(Secret(fake.key), Secret(fake.secret))
