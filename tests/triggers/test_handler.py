"""The decorator of all handlers: one metrics line per invocation, log context, what counts as a failure."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib import wiring
from chalicelib.errors import NotFound, Rejected, Retryable
from chalicelib.local.event_shapes import queue_event
from chalicelib.messaging.telemetry import EmbeddedMetrics, correlate, logger
from chalicelib.triggers.handler import answered, each_record, handled
from tests.flows.desk import Desk


@dataclass(frozen=True)
class Context:
    aws_request_id: str = "request-1"


class Output:
    """What a handler wrote: EMF lines on standard output, log lines through the logger's handler."""

    def __init__(self, logs: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
        self._logs = logs
        self._capsys = capsys

    @property
    def metrics(self) -> dict[str, Any]:
        """The one EMF line since the last look."""
        (line,) = self._capsys.readouterr().out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._logs.getvalue().splitlines()]


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    logs = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", logs)
    wiring.use(replace(Desk().world(), metrics=EmbeddedMetrics("dev")))
    yield Output(logs, capsys)
    wiring.use(None)


def sqs_event(*bodies: str, group: str = "") -> SQSEvent:
    attributes = {"MessageGroupId": group} if group else {}
    messages = [
        {"MessageId": f"m{n}", "ReceiptHandle": "r", "Body": body, "Attributes": attributes}
        for n, body in enumerate(bodies)
    ]
    return SQSEvent(queue_event("cts-dev-market-tick", "eu-central-1", messages), Context())


def raising(error: Exception) -> Callable[..., Any]:
    def work(*_: Any) -> Any:
        raise error

    return work


def test_an_invocation_writes_one_line_with_its_trigger_its_request_and_its_time(output: Output) -> None:
    assert handled("market_tick")(lambda _: "done")(sqs_event()) == "done"
    line = output.metrics
    assert (line["trigger"], line["request_id"], line["failures"]) == ("market_tick", "request-1", 0)
    assert 0 <= line["handler_ms"] < 1000
    assert output.logs == []


@pytest.mark.parametrize("error", [Retryable("throttled"), Rejected("wrong"), ValueError("a bug")])
def test_what_escapes_an_event_handler_is_a_failure_and_is_delivered_again(
    output: Output, error: Exception
) -> None:
    with pytest.raises(type(error)):
        handled("heartbeat")(raising(error))(sqs_event())
    assert output.metrics["failures"] == 1
    (entry,) = output.logs
    assert (entry["level"], entry["trigger"], entry["request_id"]) == ("ERROR", "heartbeat", "request-1")
    assert type(error).__name__ in entry["exception"]


@pytest.mark.parametrize(
    ("error", "status", "failures"),
    [
        (NotFound("no such engine"), 404, 0),
        (Rejected("not a number"), 400, 0),
        (Retryable("throttled"), 503, 1),
        (ValueError("a bug"), 500, 1),
    ],
)
def test_a_request_that_is_refused_is_no_failure_of_ours(
    output: Output, error: Exception, status: int, failures: int
) -> None:
    answer = answered("status")(raising(error))()
    assert (answer.status_code, answer.body["success"]) == (status, False)
    assert output.metrics["failures"] == failures
    assert len(output.logs) == failures, "a refusal is no news for the log"


def test_an_answer_tells_a_caller_nothing_of_an_unexpected_error(output: Output) -> None:
    answer = answered("status")(raising(ValueError("the password is x")))()
    assert "password" not in json.dumps(answer.body)
    assert "the password is x" in output.logs[0]["exception"]


def test_failed_records_are_counted_once_and_logged_with_what_caused_them(output: Output) -> None:
    errors = {"a": None, "b": Rejected("no json"), "c": Retryable("throttled"), "d": KeyError("bug")}

    def work(body: str) -> None:
        correlate(f"cause-{body}")
        error = errors[body]
        if error:
            raise error

    @handled("market_tick")
    def handler(event: SQSEvent) -> dict[str, Any]:
        return each_record("market_tick", event.to_dict()["Records"], work)

    answer = handler(sqs_event("a", "b", "c", "d"))
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ["m1", "m2", "m3"]
    line = output.metrics
    told = [line[name] for name in ("failures", "poison_messages", "retries", "unexpected_errors")]
    assert told == [3, 1, 1, 1]
    assert "correlation_id" not in line, "of four records none is the cause of all"
    assert [(entry["record"], entry["correlation_id"]) for entry in output.logs] == [
        ("m1", "cause-b"),
        ("m2", "cause-c"),
        ("m3", "cause-d"),
    ]


def test_a_record_alone_gives_the_line_its_correlation_id(output: Output) -> None:
    @handled("market_tick")
    def handler(event: SQSEvent) -> dict[str, Any]:
        return each_record("market_tick", event.to_dict()["Records"], correlate)

    handler(sqs_event("cause-1"))
    assert output.metrics["correlation_id"] == "cause-1"
