"""A scripted market, a counted ledger and order builders for the tests of the paper exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from chalicelib.domain.approval import ApprovedOrder, approve_again
from chalicelib.domain.candles import Candles, between, select
from chalicelib.domain.connection import Connection, PaperTerms
from chalicelib.domain.market import Market, MarketType, Ticker, split_symbol
from chalicelib.domain.order import Order, OrderState, VenueOrder
from chalicelib.domain.paper import Committed, PaperAccount, PaperOrder
from chalicelib.errors import UsageError
from chalicelib.exchanges.paper import PaperVenue
from chalicelib.flows.world import Venue
from chalicelib.stores.memory import MemoryPaperLedger, MemoryTables

D = Decimal
STEP = 300
START = 1_618_617_600
SYMBOL = "BTC/USDT"


class ScriptedFeed:
    """A market whose price is what the test says; bars are (open, high, low, close) from START on."""

    def __init__(
        self, *bars: tuple[float, float, float, float], symbols: tuple[str, ...] = (SYMBOL,)
    ) -> None:
        self.price: Decimal | None = D(100)
        self.candle_calls = 0
        self.symbols = symbols
        grid = START + STEP * np.arange(len(bars), dtype=np.int64)
        rows = (
            np.tile(np.array(column, dtype=np.float64), (len(symbols), 1))
            for column in zip(*bars, strict=True)
        )
        empty = [np.empty((len(symbols), 0))] * 4
        self.candles = Candles(
            symbols, STEP, grid, *(rows if bars else empty), volume=np.ones((len(symbols), len(bars)))
        )

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        return {symbol: self._market(symbol) for symbol in symbols}

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        assert timeframe == STEP
        self.candle_calls += 1
        return between(select(self.candles, tuple(symbols)), since, int(now))

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        price = self.price
        if price is None:
            return {}
        return {s: Ticker(s, price - D("0.02"), price + D("0.02"), price, now) for s in symbols}

    def _market(self, symbol: str) -> Market:
        if symbol not in self.symbols:
            raise UsageError(f"unknown symbol {symbol!r}")
        base, quote, market_type = split_symbol(symbol)
        return Market(symbol, base, quote, market_type, D("0.001"), D("0.01"), D("0.001"), D(10))


class CountedLedger(MemoryPaperLedger):
    """The ledger's twin, with its calls in order; `raise_once` fails the next commit before or after it."""

    def __init__(self) -> None:
        super().__init__(MemoryTables())
        self.calls: list[str] = []
        self.before: Exception | None = None
        self.after: Exception | None = None

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        self.calls.append("load")
        return super().load(tenant, connection_id)

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> Committed:
        self.calls.append("commit")
        before, self.before = self.before, None
        if before:
            raise before
        stored = super().commit(tenant, account, orders)
        after, self.after = self.after, None
        if after:
            raise after
        return stored

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        self.calls.append("order")
        return super().order(tenant, connection_id, client_order_id)

    def take_calls(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls


def a_connection(market_type: MarketType = "spot", **changes: object) -> Connection:
    symbol = SYMBOL if market_type == "spot" else f"{SYMBOL}:USDT"
    connection = Connection("c1", "binance", (symbol,), market_type=market_type, paper=PaperTerms())
    return replace(connection, **changes)


def a_venue(
    ledger: MemoryPaperLedger, feed: ScriptedFeed, connection: Connection | None = None
) -> PaperVenue:
    return PaperVenue("default", connection or a_connection(), ledger, feed)


def approved(order: Order) -> ApprovedOrder:
    """Return an order as a venue takes it."""
    made = approve_again(replace(order, state=OrderState.INTENT), order.created_at, entries_allowed=True)
    assert made is not None
    return made


def send(venue: Venue, order: Order, now: float) -> VenueOrder:
    return venue.create_order(approved(order), now)


def cancel(venue: Venue, client_order_id: str, symbol: str, now: float) -> VenueOrder:
    return venue.cancel_order(an_order(client_order_id, symbol=symbol), now)


def look_up(venue: Venue, client_order_id: str, symbol: str, now: float) -> VenueOrder:
    return venue.fetch_order(an_order(client_order_id, symbol=symbol), now)


def held(venue: Venue, now: float) -> dict[str, Decimal]:
    """Return the signed quantities of an account by symbol."""
    symbols = (SYMBOL, f"{SYMBOL}:USDT", "ETH/USDT", "ETH/USDT:USDT")
    return {one.symbol: one.signed_quantity for one in venue.fetch_positions(symbols, now)}


def cash(venue: Venue, now: float) -> Decimal:
    return venue.fetch_balance(now).cash


def an_order(client_order_id: str = "cts-1", **changes: object) -> Order:
    order = Order(
        client_order_id=client_order_id,
        connection_id="c1",
        symbol=SYMBOL,
        side="buy",
        type="limit" if changes.get("price") else "market",
        quantity=D(1),
        price=None,
        reduce_only=False,
        leg="entry",
        position_id="p1",
        signal_id="s1",
        state=OrderState.INTENT,
        created_at=0.0,
        updated_at=0.0,
        correlation_id="x",
    )
    return replace(order, **changes)
