"""Invokes handlers as Lambda does: event in, a context beside it, failures of the batch out."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from time import monotonic
from typing import Any

from chalicelib.local.clock import Clock
from chalicelib.local.event_shapes import ACCOUNT, resource_name, stable_uuid
from chalicelib.local.recorder import Recorder

MEMORY_MEGABYTES = 1024
TIMEOUT_SECONDS = 55.0

_log = logging.getLogger("cts.local")


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a handler about its invocation."""

    function_name: str
    aws_request_id: str
    invoked_function_arn: str
    log_stream_name: str
    deadline: float
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = MEMORY_MEGABYTES
    identity: None = None
    client_context: None = None

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda would end the invocation."""
        return max(0, round((self.deadline - monotonic()) * 1000))


class Invoker:
    """Calls handlers by their dotted names; an exception fails the whole batch and is logged."""

    def __init__(self, clock: Clock, recorder: Recorder, region: str) -> None:
        self._clock = clock
        self._recorder = recorder
        self._region = region
        self._handlers: dict[str, Callable[[Any, Context], Any]] = {}
        self._numbers: dict[str, int] = {}

    def invoke(
        self, name: str, handler: str, event: Mapping[str, Any], identifiers: Sequence[str]
    ) -> frozenset[str]:
        """Invoke `handler` with an event of the records named and return those to deliver again.

        A response that is no partial batch response means success; one that names a record which was not in
        the batch fails all of it, as it does on AWS.
        """
        everything = frozenset(identifiers)
        with self._recorder.invocation(name, len(everything)) as invocation:
            try:
                response = self._resolve(handler)(event, self._context(name))
                failed = _failures(response, everything)
            except Exception:
                _log.exception("%s failed", name)
                invocation.raised = True
                failed = everything
            invocation.failed_records = len(failed)
        return failed

    def _resolve(self, handler: str) -> Callable[[Any, Context], Any]:
        if handler not in self._handlers:
            module, _, attribute = handler.rpartition(".")
            self._handlers[handler] = getattr(import_module(module), attribute)
        return self._handlers[handler]

    def _context(self, name: str) -> Context:
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        request_id = stable_uuid(name, self._clock.now(), number)
        return Context(
            function_name=f"cts-local-{name}",
            aws_request_id=request_id,
            invoked_function_arn=resource_name("lambda", self._region, f"function:cts-local-{name}"),
            log_stream_name=f"{ACCOUNT}/[$LATEST]{request_id}",
            deadline=monotonic() + TIMEOUT_SECONDS,
        )


def _failures(response: Any, everything: frozenset[str]) -> frozenset[str]:
    if not isinstance(response, Mapping):
        return frozenset()
    reported = frozenset(item.get("itemIdentifier", "") for item in response.get("batchItemFailures") or ())
    return reported if reported <= everything else everything
