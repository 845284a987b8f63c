"""Creates tables, queues, stream and bucket of a local run, and proves each one by describing it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.errors import UsageError
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.tables import MODELS, table_definition

MOST_RECEIVES = 5
VISIBILITY_SECONDS = 60
DEAD_LETTER_DAYS = 14
SHARDS = 1

_ABSENT = frozenset(
    {
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NoSuchBucket",
        "404",
    }
)


def create_resources(settings: Settings, clients: Mapping[str, Any]) -> None:
    """Create what is absent and keep what is there; UsageError names the first thing that differs.

    `clients` are boto3 or botocore clients: `dynamodb`, `sqs`, `kinesis`, `s3`.
    """
    for name in MODELS:
        _create_table(clients["dynamodb"], table_definition(settings, name))
    for queue in settings.queues(dict.fromkeys(TICK_QUEUES.values())):
        _create_queue(clients["sqs"], queue)
    _create_stream(clients["kinesis"], settings.stream)
    _create_bucket(clients["s3"], settings)


def _create_table(client: Any, definition: Mapping[str, Any]) -> None:
    name = definition["TableName"]
    table = _present(lambda: client.describe_table(TableName=name))
    if table is None:
        client.create_table(**definition)
        table = client.describe_table(TableName=name)
    found = table["Table"]
    wanted_stream = definition.get("StreamSpecification", {})
    expected = {
        "TableStatus": "ACTIVE",
        "KeySchema": definition["KeySchema"],
        "AttributeDefinitions": _by_name(definition["AttributeDefinitions"]),
        "LocalSecondaryIndexes": _indexes(definition),
        "StreamViewType": wanted_stream.get("StreamViewType"),
    }
    actual = {
        "TableStatus": found["TableStatus"],
        "KeySchema": found["KeySchema"],
        "AttributeDefinitions": _by_name(found["AttributeDefinitions"]),
        "LocalSecondaryIndexes": _indexes(found),
        "StreamViewType": (found.get("StreamSpecification") or {}).get("StreamViewType"),
    }
    _compare(f"table {name}", expected, actual)


def _create_queue(client: Any, name: str) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "false"} if name.endswith(".fifo") else {}
    dead_letters = dead_letter_queue(name)
    retention = {"MessageRetentionPeriod": str(DEAD_LETTER_DAYS * 86400)}
    target = _ensure_queue(client, dead_letters, {**fifo, **retention})
    redrive = {"deadLetterTargetArn": target, "maxReceiveCount": MOST_RECEIVES}
    visibility = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    _ensure_queue(client, name, {**fifo, **visibility, "RedrivePolicy": json.dumps(redrive)})


def _ensure_queue(client: Any, name: str, attributes: Mapping[str, str]) -> str:
    """Create a queue unless it is there, compare its attributes, and return its ARN."""
    present = _present(lambda: client.get_queue_url(QueueName=name))
    if present is None:
        client.create_queue(QueueName=name, Attributes=attributes)
        present = client.get_queue_url(QueueName=name)
    answer = client.get_queue_attributes(QueueUrl=present["QueueUrl"], AttributeNames=["All"])
    found = answer["Attributes"]
    expected = {key: _parsed(value) for key, value in attributes.items()}
    expected.setdefault("FifoQueue", None)
    expected.setdefault("RedrivePolicy", None)
    actual = {key: _parsed(found.get(key)) for key in expected}
    _compare(f"queue {name}", expected, actual)
    return str(found["QueueArn"])


def _create_stream(client: Any, name: str) -> None:
    if _present(lambda: client.describe_stream_summary(StreamName=name)) is None:
        client.create_stream(StreamName=name, ShardCount=SHARDS)
    found = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    expected = {"StreamStatus": "ACTIVE", "OpenShardCount": SHARDS}
    _compare(f"stream {name}", expected, {key: found.get(key) for key in expected})


def _create_bucket(client: Any, settings: Settings) -> None:
    name = settings.bucket
    if _present(lambda: client.head_bucket(Bucket=name)) is None:
        place = {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
        # S3 refuses its home region as a location constraint.
        client.create_bucket(Bucket=name, **({} if settings.region == "us-east-1" else place))
    region = client.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
    _compare(f"bucket {name}", {"region": settings.region}, {"region": region})


def _present(describe: Callable[[], Any]) -> Any:
    """Return the answer of a description, or None if the thing is not there."""
    try:
        return describe()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _compare(what: str, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    for key, wanted in expected.items():
        if actual[key] != wanted:
            raise UsageError(
                f"{what} has {key} {actual[key]!r}, not {wanted!r}: it is of another version; use --fresh"
            )


def _parsed(value: str | None) -> Any:
    """Return a queue attribute in a form that compares: policies as objects, false like absent."""
    if value is None or value == "false":
        return None
    return json.loads(value) if value.startswith("{") else value


def _indexes(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        index["IndexName"]: (index["KeySchema"], index["Projection"]["ProjectionType"])
        for index in table.get("LocalSecondaryIndexes") or ()
    }


def _by_name(definitions: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(definitions, key=lambda definition: definition["AttributeName"])
