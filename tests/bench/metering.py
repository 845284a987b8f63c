"""Meters a local run: what AWS would charge for each invocation, taken from the calls as they are made.

Calls of handlers pass through `Meter.attached`; sizes are those of the real requests and of the items as
they are stored after them. Processor time is the process's own, without the meter's and the market's.
"""

import io
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.client import BaseClient

from tests.bench.table_meter import Charge, Parameters, TableMeter

_CHUNK_BYTES = 65536
_RECORD_BYTES = 25 * 1024
_LOG_EVENT_BYTES = 26
"""What CloudWatch Logs adds to every line it takes in."""

Amounts = Counter[str]
Original = Callable[[Any, str, Parameters], Any]


@dataclass
class Job:
    """What the invocations for one kind of work have cost together, by cause."""

    invocations: int = 0
    records: int = 0
    amounts: dict[str, Amounts] = field(default_factory=lambda: defaultdict(Counter))


@dataclass
class Running:
    """The invocation that runs now."""

    function: str
    records: int
    kinds: set[str] = field(default_factory=set)
    amounts: dict[str, Amounts] = field(default_factory=lambda: defaultdict(Counter))
    paused: float = 0.0


class LogCounter(io.TextIOBase):
    """A standard output that counts what a log service would take in, and keeps the last text."""

    def __init__(self) -> None:
        self.bytes = 0
        self.last = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.last = text if text.strip() else self.last
        self.bytes += len(text.encode()) + _LOG_EVENT_BYTES * text.count("\n")
        return len(text)


class Meter:
    """Totals by kind of work; `tables` follows the items."""

    def __init__(self, tables: TableMeter) -> None:
        self._running: Running | None = None
        self.tables = tables
        self.log = LogCounter()
        self.jobs: dict[str, Job] = defaultdict(Job)
        self.objects: dict[str, int] = {}
        """Bytes of each stored object by its key."""

    def reset(self) -> None:
        """Forget the totals, not what is stored: from here on counts."""
        self.jobs.clear()
        self.tables.made.clear()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Meter the calls of all botocore clients while the block runs."""
        original: Original = BaseClient._make_api_call  # type: ignore[attr-defined]

        def metered(client: Any, operation: str, parameters: Parameters) -> Any:
            if self._running is not None:
                return self._metered(client, original, operation, parameters)
            answer = original(client, operation, parameters)
            if _service(client) == "dynamodb":
                self.tables.remember(operation, parameters, partial(original, client))
            return answer

        BaseClient._make_api_call = metered  # type: ignore[attr-defined]
        try:
            yield
        finally:
            BaseClient._make_api_call = original  # type: ignore[attr-defined]

    @contextmanager
    def invocation(self, function: str, records: int) -> Iterator[None]:
        """Meter one invocation of a function."""
        running = self._running = Running(function, records)
        logged, started = self.log.bytes, time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - started - running.paused
            self._running = None
            running.amounts["work"].update(cpu_seconds=spent, log_bytes=self.log.bytes - logged)
            self._finish(running)

    def tick(self, kind: str) -> None:
        """Note the kind of a tick that the running invocation works on."""
        if self._running:
            self._running.kinds.add(kind)

    @contextmanager
    def exchange(self, request: str, count: int) -> Iterator[None]:
        """Count requests to an exchange; the stand-in's own time is nobody's."""
        if self._running:
            self._running.amounts["work"][f"exchange.{request}"] += count
        with self._pause():
            yield

    def _finish(self, running: Running) -> None:
        if len(running.kinds) > 1:
            raise RuntimeError(f"{running.function} got ticks of several kinds at once: {running.kinds}")
        job = self.jobs[next(iter(running.kinds), running.function)]
        job.invocations += 1
        job.records += running.records
        for cause, amounts in running.amounts.items():
            job.amounts[cause].update(amounts)

    @contextmanager
    def _pause(self) -> Iterator[None]:
        started = time.process_time()
        try:
            yield
        finally:
            if self._running:
                self._running.paused += time.process_time() - started

    def _metered(self, client: Any, original: Original, operation: str, parameters: Parameters) -> Any:
        service = _service(client)
        with self._pause():
            before = self.tables.before(operation, parameters) if service == "dynamodb" else {}
        if operation == "PutObject":
            # Not afterwards: botocore makes a file of the body.
            self.objects[parameters["Key"]] = len(parameters["Body"])
        try:
            answer = original(client, operation, parameters)
        except Exception as error:
            self._add(service, self._charge_refused(service, operation, parameters, error))
            raise
        with self._pause():
            if service == "dynamodb":
                self.tables.remember(operation, parameters, partial(original, client))
                self._add(service, self.tables.charge(operation, parameters, answer, before))
            else:
                self._add(service, _charge(service, operation, parameters))
        return answer

    def _charge_refused(
        self, service: str, operation: str, parameters: Parameters, error: Exception
    ) -> Charge:
        """Charge a call that was answered with an error: refused conditions and 304 answers cost as well."""
        if service == "dynamodb":
            return self.tables.charge_refused(operation, parameters)
        if service != "s3":
            raise RuntimeError(f"nobody knows what a failed {service}.{operation} costs") from error
        return _charge(service, operation, parameters)

    def _add(self, service: str, charge: Charge) -> None:
        assert self._running is not None
        cause, amounts = charge
        self._running.amounts[cause].update({**amounts, f"{service}.calls": 1})


def _service(client: Any) -> str:
    return str(client.meta.service_model.service_name)


def _charge(service: str, operation: str, parameters: Mapping[str, Any]) -> Charge:
    if service == "s3":
        return "work", {"s3.put" if operation == "PutObject" else "s3.get": 1}
    if service == "kinesis":
        units = sum(math.ceil(len(record["Data"]) / _RECORD_BYTES) for record in parameters["Records"])
        return "signal", {"kinesis.put_units": units}
    if service != "sqs":
        raise RuntimeError(f"nobody knows what {service}.{operation} costs")
    kind = "sqs.fifo" if parameters["QueueUrl"].endswith(".fifo") else "sqs.standard"
    entries = parameters.get("Entries", (parameters,))
    size = sum(len(entry.get("MessageBody", "").encode()) for entry in entries)
    return "work", {kind: max(1, math.ceil(size / _CHUNK_BYTES))}
