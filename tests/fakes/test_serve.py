"""The fake exchange in a process of its own: what it announces, and that it ends with its parent's word."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from os import environ
from typing import Any

import pytest

from tests.fakes import fake_of
from tests.fakes.serve import prepared
from tests.fakes.simulated import SimulatedPrices
from tests.shared import shared_path

SYMBOL = "BTC/USDT"
_CLIENT = """
import json, sys
from chalicelib.exchanges.ccxt_loader import load_exchange_class
told = json.loads(sys.argv[1])
client = load_exchange_class("binance")({
    "apiKey": told["key"], "secret": told["secret"], "enableRateLimit": False,
    "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
})
candles = client.fetch_ohlcv("BTC/USDT", "5m", None, 3)
order = client.create_order("BTC/USDT", "market", "buy", 0.001)
print(json.dumps([order["status"], len(candles)]))
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.fakes.serve", "--exchange", "binance", "--symbols", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def test_another_process_trades_on_it(process: Any) -> None:
    told = json.loads(process.stdout.readline())
    assert told["symbols"] == ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT", "ETH/USDT:USDT"]
    client = subprocess.run(
        [sys.executable, "-c", _CLIENT, json.dumps(told)],
        env={**environ, **told["environment"]},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert client.stdout, client.stderr
    assert json.loads(client.stdout) == ["closed", 3]
    process.terminate()
    assert process.wait(5) == 0, process.stderr.read()


def test_simulated_prices_move_and_agree_with_their_candles() -> None:
    source = SimulatedPrices(1)
    start = 1_800_000_000 // 300 * 300
    (closed, running) = source.candles(SYMBOL, 300, start, start + 450.0)
    path = list(source.path(SYMBOL, start, start + 300.0))
    assert len(set(path)) > 10
    assert (closed.high, closed.low) == (max(closed.open, *path), min(closed.open, *path))
    assert running.close == source.last("BTC/USDT:USDT", start + 450.0)


def test_recorded_candles_become_markets_at_the_present_time() -> None:
    fake = prepared(fake_of("binance"), shared_path("data/ohlcv/binance_spot"), symbols=3)
    exchange = fake.exchange
    exchange.now = time.time()
    assert len(exchange.markets) == 6
    for symbol, listing in exchange.markets.items():
        assert exchange.last(symbol) % listing.price_step == 0
        assert Decimal("0.001") < listing.amount_step * exchange.last(symbol) < 10
        rows = exchange.latest_candles(symbol, 300, exchange.now, 10)
        assert (len(rows), rows[-1].close) == (10, exchange.last(symbol))
