"""Logs, metrics and traces of one container through Powertools: structured logs, EMF metrics, X-Ray."""

from contextlib import AbstractContextManager
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "cts"
SERVICE = "cts-trade-engine"

logger = Logger(service=SERVICE)


class EmbeddedMetrics:
    """Metrics as EMF log lines; no dimension carries a connection, so their number does not grow."""

    def __init__(self) -> None:
        self._plain = Metrics(namespace=NAMESPACE, service=SERVICE)

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        self._add(name, MetricUnit.Count, value, dimensions)

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None:
        self._add(name, MetricUnit.Milliseconds, milliseconds, dimensions)

    def flush(self) -> None:
        """Write what was added since the last flush; silent when there is nothing."""
        # Powertools warns of an empty flush, and most handlers add only metrics with dimensions.
        if self._plain.provider.metric_set:
            self._plain.flush_metrics()

    def _add(self, name: str, unit: MetricUnit, value: float, dimensions: dict[str, str]) -> None:
        if not dimensions:
            self._plain.add_metric(name=name, unit=unit, value=value)
            return
        # A metric with dimensions of its own is one EMF line of its own.
        with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", SERVICE)
            for key, text in dimensions.items():
                metric.add_dimension(key, text)


class Tracing:
    """X-Ray subsegments by name; does nothing outside Lambda."""

    def __init__(self) -> None:
        self._tracer = Tracer(service=SERVICE)

    def span(self, name: str) -> AbstractContextManager[Any]:
        span: AbstractContextManager[Any] = self._tracer.provider.in_subsegment(f"## {name}")
        return span
