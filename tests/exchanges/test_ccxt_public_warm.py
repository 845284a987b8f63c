"""What a market feed keeps while its container is warm: client and trading rules, until these are old."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.exchanges import ccxt_public
from chalicelib.exchanges.ccxt_public import RULES_AGAIN_SECONDS, RULES_SECONDS, PublicFeed
from tests.exchanges import binance_loopback
from tests.exchanges.binance_loopback import Binance, detour, served

NOW = 1_790_000_123.0
SYMBOL = "BTC/USDT"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def binance() -> Binance:
    return Binance(NOW)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(binance: Binance, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublicFeed]:
    monkeypatch.setattr(binance_loopback, "LISTED", dict(binance_loopback.LISTED))
    with served(binance) as port:
        yield PublicFeed("binance", detour(port), clock.sleep, clock)


def rules_asked(binance: Binance) -> int:
    return sum(path.endswith("exchangeInfo") for path, _ in binance.requests)


def step(feed: PublicFeed) -> str:
    return str(feed.markets((SYMBOL,))[SYMBOL].price_step)


def test_a_warm_container_asks_for_rules_once_and_makes_one_client(
    feed: PublicFeed, binance: Binance, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    real = ccxt_public._new_client
    monkeypatch.setattr(ccxt_public, "_new_client", lambda *about: made.append(about) or real(*about))
    for _ in range(10):
        assert step(feed) == "0.01"
        feed.tickers((SYMBOL,), NOW)
        clock.now += RULES_SECONDS / 20
    assert rules_asked(binance) == 1
    assert made == [("binance", "spot")]


def test_old_rules_are_read_again(feed: PublicFeed, binance: Binance, clock: Clock) -> None:
    assert step(feed) == "0.01"
    binance_loopback.LISTED["BTCUSDT"] = ("BTC", "USDT", "0.10", "0.00001")
    clock.now += RULES_SECONDS - 1
    assert step(feed) == "0.01"
    clock.now += 2
    assert step(feed) == "0.1"
    assert step(feed) == "0.1"
    assert rules_asked(binance) == 2


def test_rules_that_cannot_be_renewed_stay_and_are_asked_for_a_minute_later(
    feed: PublicFeed, binance: Binance, clock: Clock
) -> None:
    assert step(feed) == "0.01"
    binance_loopback.LISTED["BTCUSDT"] = ("BTC", "USDT", "0.10", "0.00001")
    binance.failures = [(502, json.dumps({"code": -1}))]
    clock.now += RULES_SECONDS + 1
    assert step(feed) == "0.01"
    assert step(feed) == "0.01"
    assert rules_asked(binance) == 2, "not once more at each call"
    clock.now += RULES_AGAIN_SECONDS + 1
    assert step(feed) == "0.1"


def test_the_groups_of_accounts_of_every_market_are_not_asked_for(feed: PublicFeed, binance: Binance) -> None:
    step(feed)
    (query,) = (query for path, query in binance.requests if path.endswith("exchangeInfo"))
    assert query == {"showPermissionSets": "false"}
