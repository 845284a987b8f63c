"""Fakes of real exchanges on the wire, for tests: `fake_of("binance")` and `tests.fakes.server.served`."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.wire import Fake

NAMES = ("binance", "bybit", "bingx", "pionex", "orangex")


def fake_of(name: str) -> "Fake":
    """Return a new fake of an exchange: class `FakeBinance` of module `tests.fakes.binance`, and so on."""
    module = importlib.import_module(f"tests.fakes.{name}")
    fake: Fake = getattr(module, f"Fake{name.capitalize()}")()
    return fake
