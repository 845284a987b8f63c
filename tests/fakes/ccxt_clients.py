"""ccxt's own synchronous Bybit and BingX clients, led to a served fake; used by the tests of both fakes."""

import importlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.exchanges.ccxt_loader import load_exchange_class
from tests.fakes.wire import Fake

errors = importlib.import_module("ccxt.base.errors")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
TIMEOUT_MILLISECONDS = 300


def client_of(fake: Fake, key: str | None = None) -> Any:
    """Return ccxt's client of a key with its markets loaded, a short timeout and nothing else unusual."""
    used = key or fake.key
    client = load_exchange_class(fake.name)(
        {
            "apiKey": used,
            "secret": fake.exchange.key(used)[1].secret,
            "timeout": TIMEOUT_MILLISECONDS,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot", "linear"]}},
        }
    )
    client.load_markets()
    return client


def refused(kind: str, call: Callable[..., object], *arguments: object, **named: object) -> int:
    """Return the code in the body of a call that must raise exactly ccxt's error of this name."""
    with pytest.raises(getattr(errors, kind)) as caught:
        call(*arguments, **named)
    assert type(caught.value).__name__ == kind, caught.value
    return code_of(caught.value)


def code_of(error: BaseException) -> int:
    """Return the code of the body that ccxt put into an error's text."""
    found = re.search(r'"(?:retCode|code)": ?(\d+)', str(error))
    assert found is not None, error
    return int(found.group(1))
