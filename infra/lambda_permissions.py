"""What Lambda does with a function's role for itself: poll, log and trace; `infra.policies` adds it.

It follows from what calls the function, because no code of ours shows it.
"""

from infra.permissions import Grant, Resource, Trigger, on, queue, table

TRACES = Resource("Traces", "*", {}, "X-Ray has no resources: its write actions take no ARN")
STREAMS_DEAD_LETTERS = Resource("DeadLetters", "arn:aws:sqs:*:*:cts-{stage}-streams-dlq", {})
LOGS = Resource(
    "Logs",
    "arn:aws:logs:*:*:log-group:/aws/lambda/cts-trade-engine-{stage}-{function}:*",
    {},
    "Lambda names the log streams of the group",
)

DIRECT_API_LOGS = Resource(
    "DirectApiLogs",
    "arn:aws:logs:*:*:log-group:/aws/lambda/cts-trade-engine-{stage}:*",
    {},
    "Lambda names the log streams of the group",
)

TRACING = on(TRACES, "xray", "PutTelemetryRecords PutTraceSegments")
LOGGING = on(LOGS, "logs", "CreateLogStream PutLogEvents")
"""Not CreateLogGroup: the groups are made with their retention, and one that Lambda makes would keep all."""

DIRECT_API_LOGGING = on(DIRECT_API_LOGS, "logs", "CreateLogGroup CreateLogStream PutLogEvents")
"""`chalice deploy` leaves the API's function without a suffix, and makes no log group of that name."""

DISCARDING = on(STREAMS_DEAD_LETTERS, "sqs", "SendMessage")
"""Lambda reports records there that a stream's function could not work on (`OnFailure`)."""


def on_behalf(trigger: Trigger) -> tuple[Grant, ...]:
    """Return what Lambda does with the role of a function, by what calls it, beside logging and tracing.

    A source has no condition on the account: its mapping names it, and no code of ours can choose another.
    """
    if trigger.kind == "api":
        return (DIRECT_API_LOGGING,)
    if trigger.kind == "queue":
        source = Resource("Source", queue(trigger.name).arn, {})
        return (on(source, "sqs", "DeleteMessage GetQueueAttributes ReceiveMessage"),)
    if trigger.kind == "stream":
        source = Resource("Source", f"arn:aws:kinesis:*:*:stream/cts-{{stage}}-{trigger.name}", {})
        reading = "DescribeStream DescribeStreamSummary GetRecords GetShardIterator ListShards"
        return on(source, "kinesis", reading), DISCARDING
    if trigger.kind == "table":
        reason = "AWS names a table's stream by the second in which it was made"
        source = Resource("Source", f"{table(trigger.name).arn}/stream/*", {}, reason)
        return on(source, "dynamodb", "DescribeStream GetRecords GetShardIterator ListStreams"), DISCARDING
    return ()
