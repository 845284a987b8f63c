"""Logs, metrics and traces of one container through Powertools: structured logs, EMF metrics, X-Ray.

Each invocation writes one line in the embedded metric format (EMF). Only the metrics of METRICS become
CloudWatch metrics, with the stage as their one dimension, so their number is the same whatever connections
do. All other numbers are properties of the line, for Logs Insights. A name that comes with dimensions is
told in whole and per value, joined by `_` (other characters than letters, digits and `_` become `_`):

    count("ticks_skipped", kind="realtime", reason="LEASE_HELD")
        → ticks_skipped, ticks_skipped_realtime_LEASE_HELD: sums over the invocation
    duration("handler_ms", 12.5)
        → handler_ms: the sum, and when it came more than once handler_ms_max and handler_ms_count

    {"_aws": {...}, "stage": "prod", "service": "cts-trade-engine", "trigger": "realtime_tick",
     "request_id": "5f0a...", "cold_start": false, "memory_mb": 512, "correlation_id": "realtime#...",
     "failures": 0, "tick_lag_ms": 312.5, "handler_ms": 48.1, "ticks": 1, "ticks_realtime": 1}

    filter trigger = "realtime_tick" | stats sum(ticks), max(handler_ms), sum(failures) by bin(1h)

`correlation_id` is there when the invocation worked for a single one. Log lines carry `trigger`,
`request_id`, `cold_start` and the correlation id of the record that is being worked on.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "cts"
SERVICE = "cts-trade-engine"

_NOT_IN_NAMES = re.compile(r"\W+", re.ASCII)

logger = Logger(service=SERVICE, serialize_stacktrace=False)


@dataclass(frozen=True, slots=True)
class Metric:
    """A CloudWatch metric, and which counts and durations it is made of; `always`: told when nothing came."""

    name: str
    unit: MetricUnit
    statistic: Literal["sum", "max"]
    sources: tuple[str, ...]
    always: bool = False


METRICS = (
    Metric(
        "failures",
        MetricUnit.Count,
        "sum",
        (
            "poison_messages",
            "retries",
            "unexpected_errors",
            "settle_failures",
            "keys_refused",
            "overfills",
            "orders_dead_letter",
            "position_differences",
        ),
        always=True,
    ),
    Metric("orders_unknown", MetricUnit.Count, "sum", ("orders_unknown",)),
    Metric("engines_unhealthy", MetricUnit.Count, "sum", ("engines_unhealthy",)),
    Metric("tick_lag_ms", MetricUnit.Milliseconds, "max", ("tick_lag_ms",)),
)
"""All of them: each has its price per month."""


@dataclass(slots=True)
class _Container:
    """This process; `cold` until its first invocation, unless it was made ready ahead of it."""

    cold: bool


@dataclass(slots=True)
class _Invocation:
    """What all lines of a running invocation have in common."""

    keys: dict[str, Any]
    correlation_ids: set[str] = field(default_factory=set)


_container = _Container(os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") == "on-demand")
_running: ContextVar[_Invocation | None] = ContextVar("invocation", default=None)


@contextmanager
def invocation(trigger: str, request_id: str = "") -> Iterator[None]:
    """Mark the log lines and the metrics of what runs inside as those of one invocation."""
    keys: dict[str, Any] = {"trigger": trigger, "cold_start": _container.cold}
    if request_id:
        keys["request_id"] = request_id
    _container.cold = False
    token = _running.set(_Invocation(keys))
    logger.append_keys(**keys)
    try:
        yield
    finally:
        logger.remove_keys([*keys, "correlation_id"])
        _running.reset(token)


@contextmanager
def record_of(message_id: str) -> Iterator[None]:
    """Mark the log lines of one record of an event; what it was correlated with ends with it."""
    logger.append_keys(record=message_id)
    try:
        yield
    finally:
        logger.remove_keys(["record", "correlation_id"])


def correlate(correlation_id: str) -> None:
    """Mark the log lines of the present record or request with the id of what caused it."""
    running = _running.get()
    if running:
        running.correlation_ids.add(correlation_id)
    logger.append_keys(correlation_id=correlation_id)


def structure_root_logs() -> None:
    """Let the handlers of the root logger write as ours do: warnings of libraries are searched with ours."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logger.registered_formatter)


@dataclass(slots=True)
class _Total:
    """What came under one name since the last flush."""

    sum: float = 0.0
    max: float = 0.0
    times: int = 0

    def add(self, value: float) -> None:
        self.max = max(self.max, value) if self.times else value
        self.sum += value
        self.times += 1


class EmbeddedMetrics:
    """The metrics of the flows as one EMF line per flush."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._counts: dict[str, _Total] = {}
        self._durations: dict[str, _Total] = {}

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Add to a sum."""
        _add(self._counts, name, value, dimensions)

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None:
        """Add a duration."""
        _add(self._durations, name, milliseconds, dimensions)

    def line(self, message: str, **values: str | float) -> None:
        """Write a log line about one of many things, such as an account: no metric, and no sum would tell."""
        logger.info(message, extra=values)

    def flush(self) -> None:
        """Write the line of what was added since the last flush; nothing, if nothing was."""
        if not self._counts and not self._durations:
            return
        emf = EphemeralMetrics(namespace=NAMESPACE, service="")
        emf.add_dimension("stage", self._stage)
        for key, value in (_context() | self._properties()).items():
            emf.add_metadata(key, value)
        values = self._declared()
        for metric in METRICS:
            if metric.name in values:
                emf.add_metric(metric.name, metric.unit, values[metric.name])
        # Powertools writes each value as a list, which Logs Insights knows as `failures.0` only.
        print(json.dumps(emf.serialize_metric_set() | values, separators=(",", ":")))
        self._counts.clear()
        self._durations.clear()

    def _properties(self) -> dict[str, float]:
        properties = {name: _number(total.sum) for name, total in self._counts.items()}
        for name, total in self._durations.items():
            properties[name] = _number(total.sum)
            if total.times > 1:
                properties |= {f"{name}_max": _number(total.max), f"{name}_count": total.times}
        return properties

    def _declared(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for metric in METRICS:
            came = [
                total
                for name in metric.sources
                if (total := self._counts.get(name) or self._durations.get(name))
            ]
            if came or metric.always:
                values[metric.name] = _number(
                    max(total.max for total in came)
                    if metric.statistic == "max"
                    else sum(total.sum for total in came)
                )
        return values


class Tracing:
    """X-Ray subsegments by name, where the running invocation is sampled; else nothing is even imported."""

    def __init__(self) -> None:
        self._tracer: Tracer | None = None

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Return a context that is a subsegment of the invocation's trace, as are the AWS calls inside."""
        if "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
            return nullcontext()
        if self._tracer is None:
            # By default it would import every library it knows how to trace.
            self._tracer = Tracer(service=SERVICE, patch_modules=("botocore",))
        span: AbstractContextManager[Any] = self._tracer.provider.in_subsegment(f"## {name}")
        return span


def _add(totals: dict[str, _Total], name: str, value: float, dimensions: dict[str, str]) -> None:
    totals.setdefault(name, _Total()).add(value)
    if dimensions:
        detail = _NOT_IN_NAMES.sub("_", "_".join((name, *dimensions.values())))
        totals.setdefault(detail, _Total()).add(value)


def _context() -> dict[str, Any]:
    running = _running.get()
    context: dict[str, Any] = {"service": SERVICE}
    if memory := os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
        context["memory_mb"] = int(memory)
    if running:
        context |= running.keys
        if len(running.correlation_ids) == 1:
            (context["correlation_id"],) = running.correlation_ids
    return context


def _number(value: float) -> float:
    """Return a number as short as it can be written: whole ones without a point, others to a microsecond."""
    return int(value) if float(value).is_integer() else round(value, 3)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    structure_root_logs()
