"""What every venue owes the flows: markets, prices, money. One suite over five exchanges and paper."""

from decimal import Decimal

import numpy as np
import pytest

from chalicelib.domain.order import OrderState
from chalicelib.domain.venue import KeyPermissions
from tests.exchanges.contract.worlds import ALL, REAL, on

D = Decimal
STANDING = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


@on(*ALL)
def test_markets(site):
    market = site.feed.markets((site.symbol,))[site.symbol]
    assert (market.base, market.quote, market.type) == ("BTC", "USDT", site.type)
    assert 0 < market.amount_step <= market.min_amount < D("0.01")
    assert market.price_step in (D("0.1"), D("0.01"))
    assert market.min_notional >= 5


@on(*ALL)
def test_tickers(site):
    site.price("51000")
    tickers = site.feed.tickers(site.symbols, site.now())
    assert set(tickers) == set(site.symbols)
    ticker = tickers[site.symbol]
    assert ticker.bid < ticker.last == 51000 < ticker.ask
    assert ticker.time <= site.now()


@on(*REAL)
def test_candles_of_many_pages(site):
    now, step = site.now(), 300
    end = int(now) // step * step
    start = end - 2300 * step
    # The first price was set before the first candle that is asked for.
    site.fake.exchange.hand.note(site.symbol, D(50_000), start - step)
    candles = site.feed.closed_candles((site.symbol,), step, start, now)
    assert candles.bars == 2300
    assert np.isfinite(candles.close).all()
    assert candles.open_time[-1] == end - step


@on(*ALL)
def test_balance(site):
    balance = site.venue.fetch_balance(site.now())
    assert balance.cash == balance.free == 10_000
    site.placed(site.order("buy", quantity="0.02"))
    balance = site.venue.fetch_balance(site.now())
    if site.type == "spot":
        assert balance.cash == pytest.approx(D(9000), rel=D("0.001"))
    else:
        # A swap costs its fee only; what it binds is not free.
        assert 9_990 < balance.cash < 10_000
        assert balance.free < balance.cash - 40 or site.name == "paper"


@on(*REAL)
def test_what_was_closed_by_hand_is_gone(site):
    site.placed(site.order("buy"))
    site.fake.exchange.close_by_hand(site.symbol)
    assert site.held() < D("0.0001")


@on(*ALL)
def test_settings_mean_nothing_where_there_are_none(site):
    if site.type == "spot":
        before = site.requests
        site.venue.configure(site.symbol, 3, "isolated", "one_way", site.now())
        assert site.venue.fetch_funding((site.symbol,), 0.0, site.now()) == ()
        assert site.requests == before


@on(*REAL)
def test_permissions(site):
    told = site.venue.permissions(site.now())
    if site.name == "pionex":
        assert told == KeyPermissions(None, None)
    else:
        assert told == KeyPermissions(trade=True, withdraw=False)


@on(*REAL)
def test_a_hundred_symbols_are_few_requests(site):
    site.feed.markets(site.symbols)
    site.venue.fetch_balance(site.now())
    before = site.requests
    site.feed.tickers(site.symbols, site.now())
    site.venue.fetch_positions(site.symbols, site.now())
    if site.name != "orangex":
        assert site.requests - before <= 3
