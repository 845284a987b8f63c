"""What Lambda asks for with the role of a function: from the triggers that the app declares.

No code of ours makes these requests, so none is recorded; the lists are those of AWS's documentation.
"""

from typing import Any

from chalice.app import DynamoDBEventConfig, KinesisEventConfig, SQSEventConfig

from app import app
from chalicelib.settings import DEFAULT_STAGE
from tests.infra.iam_needs import ACCOUNT, REGION, Need, table_arn

POLLING_A_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
READING_A_STREAM = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
READING_A_TABLE_STREAM = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
TRACING = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
_CONTEXT = {"aws:PrincipalAccount": (ACCOUNT,)}


def handlers() -> dict[str, str]:
    """Return the handler of each function that the app declares, by the function's name."""
    sources = {source.name: source.handler_string for source in app.event_sources}
    authorizers = {handler.name: handler.handler_string for handler in app.builtin_auth_handlers}
    return {**sources, **authorizers, "api_handler": "app.app"}


def lambda_needs(stage: str, function: str) -> tuple[Need, ...]:
    """Return what Lambda needs to call a function, to keep its log and to trace it.

    `chalice deploy` calls the API's function by the name of the app alone, and makes no log group for it.
    """
    asked = {"arn:aws:xray:::trace": TRACING, _log_stream(f"{app.app_name}-{stage}-{function}"): LOGGING}
    if function == "api_handler":
        asked[_log_stream(f"{app.app_name}-{stage}")] = (*LOGGING, "logs:CreateLogGroup")
    asked |= next((_source_needs(stage, one) for one in app.event_sources if one.name == function), {})
    return tuple(Need(action, arn, _CONTEXT) for arn, actions in asked.items() for action in actions)


def _log_stream(lambda_name: str) -> str:
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{lambda_name}"
    return f"{group}:log-stream:2026/01/01/[$LATEST]abc"


def _source_needs(stage: str, source: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(source, SQSEventConfig):
        return {_queue_arn(_deployed(source.queue, stage)): POLLING_A_QUEUE}
    discarding = {_queue_arn(f"cts-{stage}-streams-dlq"): ("sqs:SendMessage",)}
    if isinstance(source, KinesisEventConfig):
        arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{_deployed(source.stream, stage)}"
        return {arn: READING_A_STREAM, **discarding}
    if isinstance(source, DynamoDBEventConfig):
        arn = f"{table_arn(_deployed(source.stream_arn, stage))}/stream/2026-01-01T00:00:00.000"
        return {arn: READING_A_TABLE_STREAM, **discarding}
    return {}


def _deployed(name: str, stage: str) -> str:
    """Return a name of the local stage, in which the app was loaded, as it is on another one."""
    return name.replace(f"cts-{DEFAULT_STAGE}-", f"cts-{stage}-")


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
