"""ccxt's own synchronous class as a client of the fake Binance."""

import importlib
from typing import Any

from chalicelib.exchanges.ccxt_loader import load_exchange_class
from tests.fakes.binance import FakeBinance

BINANCE = load_exchange_class("binance")
errors = importlib.import_module("ccxt.base.errors")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def client_of(fake: FakeBinance, key: str | None = None, **options: Any) -> Any:
    """Return the client of a key, as the connectors use it."""
    client = BINANCE(
        {
            "apiKey": key or fake.key,
            "secret": fake.exchange.key(key or fake.key)[1].secret,
            "timeout": 3000,
            "enableRateLimit": False,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot", "linear"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
                **options,
            },
        }
    )
    client.load_markets()
    return client


def client_ids(fake: FakeBinance) -> list[str]:
    """Return the client ids of all orders at the exchange, in order."""
    return [order.client_id for order in fake.exchange.main.orders.values()]
