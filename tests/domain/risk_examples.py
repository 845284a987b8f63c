"""A good entry and everything around it, for tests that make one thing about it wrong."""

from decimal import Decimal

from chalicelib.domain.breakers import Breakers, updated
from chalicelib.domain.connection import Connection, RiskLimits
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.position import Position
from chalicelib.domain.risk import EntryContext
from chalicelib.domain.signal import ExitProfile, Signal

D = Decimal
NOW = 1_618_617_900.0
MARKET = Market("BTC/USDT", "BTC", "USDT", "spot", D("0.00001"), D("0.01"), D("0.00001"), D(10))
TICKER = Ticker("BTC/USDT", D("61990"), D("62010"), D("62000"), NOW)
CONNECTION = Connection("c1", "binance", ("BTC/USDT", "ETH/USDT"))
SIGNAL = Signal(
    "s1",
    "c1",
    "BTC/USDT",
    "enter",
    "long",
    "vote",
    "combined",
    0.8,
    D(62000),
    int(NOW),
    NOW,
    "k",
    ExitProfile(),
)
HELD = Position(
    "p0",
    "c1",
    "ETH/USDT",
    "long",
    "open",
    ExitProfile(),
    "vote",
    "s0",
    NOW,
    NOW,
    "k",
    D(0),
    D(1),
    D(900),
    entry_price=D(900),
)
GOOD = EntryContext(
    NOW,
    SIGNAL,
    CONNECTION,
    Status.RUNNING,
    Status.RUNNING,
    (),
    0.0,
    MARKET,
    TICKER,
    D(10000),
    D(10000),
    breakers=updated(Breakers(), D(10000), NOW, RiskLimits()),
    candle_time=int(NOW),
)
