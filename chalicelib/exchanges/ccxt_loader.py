"""Imports one exchange's synchronous class, ccxt's or our own; called by the feed, the venue and the doctor.

The only file that knows how ccxt is loaded: its package `__init__` imports a hundred exchanges (600 ms), so
the package is entered into `sys.modules` without running it and one exchange's module is imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from chalicelib.errors import UsageError

OWN_MODULES: Mapping[str, str] = {
    "pionex": "chalicelib.exchanges.pionex",
    "orangex": "chalicelib.exchanges.orangex",
}
"""Exchanges that ccxt does not have, and the modules of ours that hold their classes."""


def load_exchange_class(exchange: str) -> Any:
    """Import one exchange's class without the package `__init__` of ccxt."""
    _enter_package()
    module = OWN_MODULES.get(exchange, f"ccxt.{exchange}")
    return getattr(importlib.import_module(module), exchange)


def ccxt_errors() -> Any:
    """Return ccxt's module of exceptions."""
    _enter_package()
    return importlib.import_module("ccxt.base.errors")


def _enter_package() -> None:
    if "ccxt" in sys.modules:
        return
    spec = find_spec("ccxt")
    if spec is None or spec.submodule_search_locations is None:
        raise UsageError("live market data needs ccxt: pip install ccxt, or use --data or --market sim")
    package = ModuleType("ccxt")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules["ccxt"] = package
