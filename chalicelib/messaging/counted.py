"""Counts and times the calls to venues and market feeds; wiring puts it around all of them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from chalicelib.errors import CtsError


class Metrics(Protocol):
    """What is told of each call."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None: ...
    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None: ...


class Counted:
    """Passes every call on, counts and times it: calls cost an exchange's rate limit and our time."""

    def __init__(self, target: Any, metrics: Metrics, on_call: Callable[[str], None] | None) -> None:
        self._target = target
        self._metrics = metrics
        self._on_call = on_call

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method):
            return method

        def called(*arguments: Any, **parameters: Any) -> Any:
            if self._on_call:
                self._on_call(name)
            started = perf_counter()
            try:
                return method(*arguments, **parameters)
            except CtsError:
                self._metrics.count("exchange_errors", call=name)
                raise
            finally:
                self._metrics.count("exchange_calls", call=name)
                self._metrics.duration("exchange_ms", (perf_counter() - started) * 1000)

        return called
