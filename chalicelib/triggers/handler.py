"""The one decorator of all handlers: log context, metrics, tracing, and what an error means to the caller."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any

from chalice.app import Response

from chalicelib import wiring
from chalicelib.domain.codec import to_plain
from chalicelib.errors import CtsError, Rejected
from chalicelib.messaging.telemetry import invocation, logger, record_of

Handler = Callable[..., Any]
_INTERNAL = "INTERNAL"

FIRST_USED: dict[str, tuple[str, ...]] = {
    "heartbeat": ("engines", "ticks"),
    "market_tick": ("engines", "objects"),
    "decision_tick": ("engines", "objects", "records"),
    "realtime_tick": ("engines", "records"),
    "execute_signals": ("engines", "records"),
    "record_events": ("records",),
    "publish_positions": ("events",),
}
"""The parts of the World that each function's work begins with."""

_SERVER_ERROR = 500


def handled(name: str) -> Callable[[Handler], Handler]:
    """Wrap an event handler. What escapes it makes AWS deliver the event again."""
    _prepare(name)

    def decorate(function: Handler) -> Handler:
        @wraps(function)
        def handler(*arguments: Any) -> Any:
            return _observed(name, lambda: function(*arguments), _request_id(arguments), lambda _: True)

        return handler

    return decorate


def answered(name: str, status: int = 200) -> Callable[[Handler], Handler]:
    """Wrap a REST handler: its value becomes `data`, an error becomes the answer with its code and status."""

    def decorate(function: Handler) -> Handler:
        @wraps(function)
        def handler(*arguments: Any, **parameters: Any) -> Response:
            try:
                data = _observed(name, lambda: function(*arguments, **parameters), "", _is_ours)
                return success(data, status=status)
            except CtsError as error:
                return failure(error.code, str(error), error.http_status)
            except Exception:
                return failure(_INTERNAL, "unexpected error; see the log of this request", _SERVER_ERROR)

        return handler

    return decorate


def each_record(
    name: str, records: Iterable[Mapping[str, Any]], work: Callable[[str], object]
) -> dict[str, Any]:
    """Work on SQS records one by one and report those to deliver again (`batchItemFailures`).

    Behind a failed record of a FIFO queue the others of its group fail too, or they would overtake it. A
    record that is wrong for good (Rejected) counts as failed: its deliveries run out and it ends in the
    dead-letter queue, where a person can look at it.
    """
    failed: list[str] = []
    blocked: set[str] = set()
    for record in records:
        group = record.get("attributes", {}).get("MessageGroupId", "")
        if group in blocked or not _worked(name, record, work):
            failed.append(record["messageId"])
            blocked.update({group} if group else ())
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _worked(name: str, record: Mapping[str, Any], work: Callable[[str], object]) -> bool:
    """Work on one record; log and count why it failed."""
    metrics = wiring.world().metrics
    with record_of(record["messageId"]):
        try:
            work(record["body"])
        except Rejected as error:
            logger.error("poison message", extra={"error": str(error)})
            metrics.count("poison_messages", trigger=name)
        except CtsError as error:
            logger.warning(str(error), extra={"code": error.code})
            metrics.count("retries", trigger=name)
        except Exception:
            logger.exception("unexpected error")
            metrics.count("unexpected_errors", trigger=name)
        else:
            return True
    return False


def success(data: Any, message: str = "ok", status: int = 200) -> Response:
    """Return the success envelope of the API."""
    body = {"success": True, "message": message, "data": to_plain(data)}
    return Response(body=body, status_code=status)


def failure(code: str, error: str, status: int, details: Mapping[str, Any] | None = None) -> Response:
    """Return the error envelope of the API."""
    body = {"success": False, "error": error, "details": dict(details or {}), "code": code}
    return Response(body=body, status_code=status)


def _prepare(name: str) -> None:
    """Make, in the function that is being started, what its work begins with.

    A starting container has a whole processor, a working one only the share that its memory buys; and a
    snapshot or a container held ready keeps what was made by then.
    """
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").endswith(f"-{name}"):
        wiring.prepare(FIRST_USED.get(name, ()))


def _observed(
    name: str, call: Callable[[], Any], request_id: str, is_failure: Callable[[Exception], bool]
) -> Any:
    """Call with log context, span and metrics; `is_failure` tells the errors that are a fault of ours."""
    started = perf_counter()
    world = wiring.world()
    with invocation(name, request_id):
        try:
            with world.span(name):
                return call()
        except Exception as error:
            if is_failure(error):
                logger.exception("unexpected error")
                world.metrics.count("unexpected_errors", trigger=name)
            raise
        finally:
            world.metrics.duration("handler_ms", (perf_counter() - started) * 1000)
            world.metrics.flush()


def _is_ours(error: Exception) -> bool:
    return not isinstance(error, CtsError) or error.http_status >= _SERVER_ERROR


def _request_id(arguments: tuple[Any, ...]) -> str:
    """Return Lambda's id of the invocation from the context that Chalice hands on with the event."""
    context = getattr(arguments[0], "context", None) if arguments else None
    return str(getattr(context, "aws_request_id", ""))
