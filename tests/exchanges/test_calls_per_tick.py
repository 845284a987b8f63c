"""What one realtime tick asks of an exchange: with a hundred open positions as little as with one."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from chalicelib.domain.order import Fill
from chalicelib.domain.position import Position, apply_fill
from tests.fakes import fake_of
from tests.fakes.core_values import Listing
from tests.fakes.server import served
from tests.faults.floor import BANDS, T0, TENANT, Floor, a_connection

D = Decimal
MANY = 100
SYMBOLS = tuple(f"C{number:03d}/USDT:USDT" for number in range(MANY))
PRICE, QUANTITY = D(100), D("0.5")
AT_MOST = 3


@contextmanager
def a_floor(exchange: str, count: int) -> Iterator[Floor]:
    """Give a floor with so many open positions, each protected where the exchange has stops."""
    symbols = SYMBOLS[:count]
    with served(fake_of(exchange)) as fake:
        fake.exchange.now = T0
        fake.exchange.relist([_listing(symbol) for symbol in SYMBOLS], fake.exchange.hand)
        for symbol in SYMBOLS:
            fake.exchange.prices[symbol] = PRICE
        floor = Floor(fake, a_connection(exchange, "swap", symbols=symbols))
        for symbol in symbols:
            fake.exchange.external_order(symbol, "buy", QUANTITY)
        floor.records.commit(TENANT, [_position(floor, symbol) for symbol in symbols[:50]])
        floor.records.commit(TENANT, [_position(floor, symbol) for symbol in symbols[50:]])
        # The first tick learns the rules and the clock, and places the stops.
        floor.realtime(45.0)
        yield floor


def _listing(symbol: str) -> Listing:
    step = D("0.01")
    return Listing(
        symbol=symbol, price_step=step, amount_step=step, min_amount=step, min_notional=D(5), price_band=None
    )


def _position(floor: Floor, symbol: str) -> Position:
    opening = Position(
        position_id=f"p-{symbol}",
        connection_id=floor.connection.connection_id,
        symbol=symbol,
        direction="long",
        state="opening",
        exits=BANDS,
        source="vote",
        signal_id=f"s-{symbol}",
        opened_at=T0,
        updated_at=T0,
        correlation_id="k",
        step=D("0.01"),
    )
    return apply_fill(opening, Fill(f"t-{symbol}", symbol, "buy", QUANTITY, PRICE, D(0), "USDT", T0))


def asked(exchange: str, count: int = MANY) -> Counter[str]:
    """Return the requests of one realtime tick by route."""
    with a_floor(exchange, count) as floor:
        before, began = len(floor.fake.requests), floor.now + 45.0
        floor.realtime(45.0)
        after = floor.engines.get(floor.subject)
        assert after is not None
        assert after.account.at == began, "the account was not valued"
        assert len(after.marks) == count, "positions were not judged"
        assert not floor.metrics["position_differences"]
        return Counter(seen.route for seen in floor.fake.requests[before:])


@pytest.mark.parametrize(
    ("exchange", "requests"),
    [
        ("binance", {"positions": 1, "futures_book_tickers": 1, "futures_account": 1}),
        ("bybit", {"positions": 1, "tickers": 1, "balance": 1}),
        ("bingx", {"positions": 1, "tickers": 1, "balance": 1}),
    ],
)
def test_a_hundred_positions_cost_three_requests(exchange: str, requests: dict[str, int]) -> None:
    found = asked(exchange)
    assert found == requests
    assert found.total() <= AT_MOST


def test_pionex_has_bids_and_asks_in_a_list_of_their_own() -> None:
    assert asked("pionex") == {"positions": 1, "tickers": 1, "bids_asks": 1, "account": 1}


@pytest.mark.parametrize("count", [1, MANY])
def test_orangex_is_asked_for_each_position(count: int) -> None:
    """Its list of all positions stays empty; what works names one instrument."""
    assert asked("orangex", count) == {"positions": count, "tickers": 1, "balance": 1}


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
def test_one_position_costs_as_much(exchange: str) -> None:
    assert asked(exchange, 1).total() == AT_MOST
