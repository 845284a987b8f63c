"""Traps of the exchanges and of ccxt: each of these tests fails when its guard is taken away."""

import time
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import Credentials, Secret
from chalicelib.errors import UsageError, VenueNotSent, VenueRejected
from chalicelib.exchanges import order_parameters, quirks
from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.exchanges.client import Access, private_client
from chalicelib.exchanges.pace import Pace
from chalicelib.exchanges.quirks import QUIRKS, require
from chalicelib.exchanges.venue import exchange_venue
from tests.exchanges.contract.worlds import REAL, REAL_SWAPS, on
from tests.exchanges.venue_world import SpyGate, keys, raised
from tests.fakes import fake_of
from tests.fakes.faults import banned
from tests.fakes.server import served

D = Decimal


@on(*REAL_SWAPS)
@pytest.mark.parametrize("name", ["trailingPercent", "trailingAmount", "stopLoss", "takeProfit", "typo"])
def test_a_parameter_that_would_be_ignored_is_never_sent(site, name, monkeypatch):
    # With trailingAmount Binance would be sent, and fill, a plain market order.
    plain = order_parameters._parameters
    monkeypatch.setattr(order_parameters, "_parameters", lambda *given: {**plain(*given), name: "1"})
    error = raised(lambda: site.send(site.order("buy")))
    assert isinstance(error, VenueRejected)
    assert error.reason == "NOT_SUPPORTED"
    assert not site.fake.exchange.main.orders


@on(*REAL)
def test_an_order_is_for_the_market_that_it_names(site):
    # With ccxt's own default type a Binance spot order becomes a perpetual one.
    site.placed(site.order("buy"))
    (placed,) = site.fake.exchange.main.orders.values()
    assert placed.symbol == site.symbol


@on(*REAL)
def test_an_order_is_one_request_and_one_for_its_trades(site):
    # ccxt would ask Bybit for the kind of account first, and Binance for brackets and margin pairs.
    site.feed.markets((site.symbol,))
    before = len(site.gate.weights)
    site.send(site.order("sell" if site.type == "swap" else "buy"))
    assert len(site.gate.weights) - before - (site.name == "orangex") <= 2


@on(*REAL)
def test_ccxt_never_sends_anything_twice_by_itself(site):
    client = site.venue._client().ccxt
    assert not client.enableRateLimit
    assert client.options.get("maxRetriesOnFailure", 0) == 0


@on(("orangex", "swap"))
def test_the_base_currency_is_what_is_traded(site):
    # The exchange calls USDT the base and the coin the quote.
    market = site.feed.markets((site.symbol,))[site.symbol]
    assert (market.base, market.quote) == ("BTC", "USDT")
    site.placed(site.order("buy"))
    assert site.fake.exchange.main.open_positions()[0].quantity == D("0.01")


def test_orangex_takes_a_signature_that_is_encoded_twice():
    from chalicelib.exchanges.orangex_auth import client_signature

    signature = client_signature("e429d4d1", "testclientSecret", "1648544509453", "401000476306309121")
    assert signature == (
        "64636535323366653237333163353566663330643737356264636232623162336363343239356164363966393063626136"
        "383666616532323462626262303332"
    )


class PaceGate(SpyGate):
    """A gate of one process: the pace of eight weights in a second."""

    def __init__(self):
        super().__init__()
        self.pace = Pace(8.0, time.sleep, time.monotonic)

    def admit(self, weight=1):
        super().admit(weight)
        self.pace.wait(weight)


def mixed_calls(fake, gate):
    """Ask Pionex for things of weights one and five in turn, as a tick does."""
    feed = PublicFeed("pionex")
    feed.rules_client("spot")
    time.sleep(1.1)
    connection = Connection("c", "pionex", ("BTC/USDT",), mode="live", market_type="spot")
    venue = exchange_venue(
        connection, lambda: Credentials(Secret(fake.key), Secret(fake.secret)), gate, feed, {}
    )
    for _ in range(3):
        venue.fetch_balance(time.time())
        venue.fetch_open_orders(("BTC/USDT",), time.time())


def test_weights_of_five_stay_within_the_limit():
    with served(fake_of("pionex")) as fake:
        gate = PaceGate()
        mixed_calls(fake, gate)
        assert gate.weights == [1, 5] * 3
        assert not fake.limits.refused()
        assert fake.limits.peak(1.0) <= 10


def test_with_every_call_taken_for_one_the_address_would_be_banned(monkeypatch):
    light = replace(QUIRKS["pionex"], declared_weights=False)
    monkeypatch.setattr(quirks, "QUIRKS", {**QUIRKS, "pionex": light})
    with served(fake_of("pionex")) as fake:
        gate = PaceGate()
        assert isinstance(raised(lambda: mixed_calls(fake, gate)), VenueNotSent)
        assert fake.limits.refused()
        assert gate.told[-1] == ("limited", 60.0, False)


@on(("pionex", "spot"), ("pionex", "swap"))
def test_a_minute_without_calls_after_a_ban(site):
    site.fake.faults.on("create_order", banned(retry_after=5.0))
    site.feed.markets((site.symbol,))
    error = raised(lambda: site.send(site.order("sell", "limit", "0.01", "60000")))
    assert isinstance(error, VenueNotSent), repr(error)
    kind, pause, _ = site.gate.told[-1]
    assert kind == "limited"
    assert pause >= 60
    assert error.until == pytest.approx(time.time() + pause, abs=2)


@pytest.mark.parametrize("exchange", ["pionex", "orangex"])
def test_no_test_network_where_there_is_none(exchange):
    with pytest.raises(UsageError, match="has no test network"):
        require(exchange, "swap", "testnet")
    with pytest.raises(UsageError, match="has no test network"):
        PublicFeed(exchange, testnet=True)


@pytest.mark.parametrize("exchange", ["bingx", "orangex"])
def test_no_spot_where_it_is_not_offered(exchange):
    with pytest.raises(UsageError, match="on swap markets only, not on spot"):
        require(exchange, "spot", "live")


@pytest.mark.parametrize(
    ("exchange", "market_type", "host"),
    [
        ("binance", "spot", "testnet.binance.vision"),
        ("binance", "swap", "testnet.binancefuture.com"),
        ("bybit", "swap", "api-testnet.bybit.com"),
        ("bingx", "swap", "open-api-vst.bingx.com"),
    ],
)
def test_orders_of_a_test_network_go_there(exchange, market_type, host):
    client = private_client(Access(QUIRKS[exchange], market_type, testnet=True), keys(), SpyGate()).ccxt
    api = {
        ("binance", "spot"): ["private"],
        ("binance", "swap"): ["fapiPrivate"],
        ("bybit", "swap"): ["private"],
        ("bingx", "swap"): ["swap", "v2", "private"],
    }[exchange, market_type]
    assert f"//{host}/" in client.sign("order", api, "POST", {"symbol": "BTCUSDT"})["url"]
