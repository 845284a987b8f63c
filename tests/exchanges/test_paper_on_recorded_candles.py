"""The paper exchange over two days of recorded candles: books, restarts and failures, on random orders."""

import random
from decimal import Decimal
from functools import partial

import pytest

from chalicelib.domain.connection import Connection
from chalicelib.domain.market import floor_to_step, round_to_step
from chalicelib.domain.order import TERMINAL
from chalicelib.domain.paper import PaperAccount
from chalicelib.errors import DuplicateClientOrderId, VenueNotSent, VenueRejected, VenueUnknown
from chalicelib.exchanges.faults import CallCounts, FaultKind, FaultyVenue, SeededFaults
from chalicelib.exchanges.paper import AccountState, PaperVenue
from chalicelib.local.candle_files import read_candles
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.stores.memory import MemoryPaperLedger, MemoryTables
from tests.exchanges.paper_world import STEP, an_order, cancel, send
from tests.shared import shared_path

D = Decimal
START = 1_618_617_600
DAYS = 2
SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "VET/USDT")
RATES = {FaultKind.REPLY_LOST: 0.1, FaultKind.RESET_BEFORE: 0.1, FaultKind.PARTIAL_FILL: 0.2}


@pytest.fixture(scope="module")
def feed() -> RecordedFeed:
    candles = read_candles(shared_path("data/ohlcv/binance_spot"), "5m", SYMBOLS, START, START + DAYS * 86400)
    return RecordedFeed(candles, D("0.0004"))


class Run:
    """One account that trades at random, its venue made anew at every bar or only once."""

    def __init__(self, feed: RecordedFeed, seed: int, anew: bool = True, failing: bool = False) -> None:
        self.feed = feed
        self.random = random.Random(seed)
        self.connection = Connection("c1", "binance", SYMBOLS)
        self.ledger = MemoryPaperLedger(MemoryTables())
        self.anew = anew
        self.plan = SeededFaults(seed, RATES if failing else {})
        self.counts = CallCounts()
        self.refused = 0
        self.waits: list[float] = []
        self.paper = self.new_venue()

    def new_venue(self) -> PaperVenue:
        return PaperVenue("default", self.connection, self.ledger, self.feed)

    def trade(self, bars: int) -> AccountState:
        for bar in range(bars):
            now = float(START + bar * STEP + 7)
            if self.anew:
                self.paper = self.new_venue()
            venue = FaultyVenue(self.paper, self.plan, self.waits.append, self.counts)
            opened = self.paper.fetch_open_orders(SYMBOLS, now)
            if opened and self.random.random() < 0.1:
                order = self.random.choice(opened)
                self.insist(partial(cancel, venue, order.client_order_id, order.symbol, now))
            if self.random.random() < 0.4:
                self.insist(partial(send, venue, self.an_order(bar, now), now))
        return self.new_venue().account_state(float(START + bars * STEP))

    def an_order(self, bar: int, now: float):
        symbol = self.random.choice(SYMBOLS)
        market = self.feed.markets((symbol,))[symbol]
        last = self.feed.tickers((symbol,), now)[symbol].last
        limit = round_to_step(last * D(self.random.randint(985, 1015)) / 1000, market.price_step)
        return an_order(
            f"cts-{bar}",
            symbol=symbol,
            side=self.random.choice(("buy", "sell")),
            quantity=floor_to_step(D(self.random.randint(20, 900)) / last, market.amount_step),
            price=limit if self.random.random() < 0.5 else None,
            reduce_only=self.random.random() < 0.2,
        )

    def insist(self, call) -> None:
        """Send again until the venue's answer is proven; bounded."""
        for _ in range(50):
            try:
                call()
            except VenueRejected:
                self.refused += 1
            except DuplicateClientOrderId:
                pass
            except (VenueUnknown, VenueNotSent):
                continue
            return
        raise AssertionError("fifty failures in a row")


def books(state: AccountState) -> dict[str, Decimal]:
    """Return positions and cash, recomputed from the fills alone."""
    books = {"cash": D(10000)}
    for order in state.orders:
        for fill in order.fills:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            books[fill.symbol] = books.get(fill.symbol, D(0)) + signed
            books["cash"] -= signed * fill.price + fill.fee
    return {name: value for name, value in books.items() if value}


@pytest.mark.parametrize("failing", [False, True])
def test_books_follow_from_the_fills(feed, failing):
    run = Run(feed, 5, failing=failing)
    state = run.trade(DAYS * 288)
    assert books(state) == {**state.positions, "cash": state.cash}
    fills = [fill for order in state.orders for fill in order.fills]
    assert len(fills) > 80
    assert run.refused > 5
    assert len({fill.trade_id for fill in fills}) == len(fills)
    assert len({order.client_order_id for order in state.orders}) == len(state.orders)
    account = run.ledger.load("default", "c1")
    assert isinstance(account, PaperAccount)
    assert set(account.open_orders) == {o.client_order_id for o in state.orders if o.state not in TERMINAL}
    cost = sum((holding.cost for holding in account.holdings.values()), D(0))
    assert account.cash + cost == account.start_cash + account.realised - account.fees


def test_limit_fills_are_inside_the_candle_that_filled_them(feed):
    state = Run(feed, 6).trade(DAYS * 288)
    rested = 0
    for order in state.orders:
        for fill in order.fills:
            candle_end = int(fill.time) // STEP * STEP
            if fill.time == candle_end and fill.time > START:  # candles fill on the grid, tickers do not
                rested += 1
                around = feed.closed_candles((order.symbol,), STEP, candle_end - STEP, candle_end + STEP)
                assert float(around.low.min()) <= float(fill.price) <= float(around.high.max())
    assert rested > 10


def test_a_restart_at_every_bar_changes_nothing(feed):
    assert Run(feed, 7, anew=True).trade(288) == Run(feed, 7, anew=False).trade(288)


def test_the_same_run_twice_is_the_same(feed):
    assert Run(feed, 8, failing=True).trade(288) == Run(feed, 8, failing=True).trade(288)
