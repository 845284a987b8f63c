"""Resources of a local run: created once, kept when they are there, refused when they differ."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.errors import UsageError
from chalicelib.local.resources import create_resources
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.tables import MODELS, table_definition

REGION = "eu-central-1"
_number = count()


@pytest.fixture
def settings() -> Settings:
    """Resources of its own for each test: an emulator that another test keeps is shared."""
    return Settings(stage=f"res{next(_number)}", region=REGION)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = get_session()
        yield {name: session.create_client(name, REGION) for name in ("dynamodb", "sqs", "kinesis", "s3")}


def test_everything_is_created_and_kept(clients: dict[str, Any], settings: Settings) -> None:
    create_resources(settings, clients)
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    clients["dynamodb"].put_item(TableName=settings.table("orders"), Item=key)
    create_resources(settings, clients)
    assert clients["dynamodb"].get_item(TableName=settings.table("orders"), Key=key)["Item"] == key
    for name in MODELS:
        found = clients["dynamodb"].describe_table(TableName=settings.table(name))["Table"]
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    queues = clients["sqs"].list_queues(QueueNamePrefix=f"cts-{settings.stage}-")["QueueUrls"]
    assert len(queues) == 8
    assert clients["kinesis"].describe_stream_summary(StreamName=settings.stream)


def test_queues_move_poison_aside_after_five_receives(clients: dict[str, Any], settings: Settings) -> None:
    create_resources(settings, clients)
    sqs = clients["sqs"]
    for name in (settings.tick_queue("market"), settings.execute_queue):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert found["VisibilityTimeout"] == "60"
        assert '"maxReceiveCount": 5' in found["RedrivePolicy"]
        assert dead_letter_queue(name) in found["RedrivePolicy"]
        assert ("FifoQueue" in found) == name.endswith(".fifo")


Other = Callable[[dict[str, Any], Settings], object]


def _table(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Other:
    def create(clients: dict[str, Any], settings: Settings) -> None:
        definition = table_definition(settings, name)
        clients["dynamodb"].create_table(**{**definition, **change(definition)})

    return create


def _queue(name: str, **attributes: str) -> Other:
    return lambda clients, settings: clients["sqs"].create_queue(
        QueueName=f"cts-{settings.stage}-{name}", Attributes=attributes
    )


def _bucket(_: dict[str, Any], settings: Settings) -> None:
    get_session().create_client("s3", "eu-west-1").create_bucket(
        Bucket=settings.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )


def _stream(clients: dict[str, Any], settings: Settings) -> None:
    clients["kinesis"].create_stream(StreamName=settings.stream, ShardCount=2)


PK_ONLY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
}
OTHERS: dict[str, tuple[str, Other]] = {
    "a table without sort key": ("table {}-engines has KeySchema", _table("engines", lambda _: PK_ONLY)),
    "a table without stream": (
        "table {}-positions has StreamViewType",
        _table("positions", lambda _: {"StreamSpecification": {"StreamEnabled": False}}),
    ),
    "a table without an index": (
        "table {}-orders has AttributeDefinitions",
        _table(
            "orders",
            lambda definition: {
                "LocalSecondaryIndexes": definition["LocalSecondaryIndexes"][:1],
                "AttributeDefinitions": definition["AttributeDefinitions"][:3],
            },
        ),
    ),
    "an index that projects less": (
        "table {}-sessions has LocalSecondaryIndexes",
        _table(
            "sessions",
            lambda definition: {
                "LocalSecondaryIndexes": [
                    {**index, "Projection": {"ProjectionType": "KEYS_ONLY"}}
                    for index in definition["LocalSecondaryIndexes"]
                ]
            },
        ),
    ),
    "a queue without dead letters": (
        "queue {}-market-tick has RedrivePolicy",
        _queue("market-tick", VisibilityTimeout="60"),
    ),
    "a queue with another visibility": (
        "queue {}-decision-tick has VisibilityTimeout",
        _queue("decision-tick", VisibilityTimeout="30"),
    ),
    "a queue that deduplicates by content": (
        "queue {}-execute-signals-dlq.fifo has ContentBasedDeduplication",
        _queue("execute-signals-dlq.fifo", FifoQueue="true", ContentBasedDeduplication="true"),
    ),
    "a stream of two shards": ("stream {}-events has OpenShardCount", _stream),
    "a bucket elsewhere": ("bucket {}-objects has region", _bucket),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_resource_of_another_version_is_refused_in_one_line(
    clients: dict[str, Any], settings: Settings, what: str
) -> None:
    expected, create = OTHERS[what]
    create(clients, settings)
    with pytest.raises(UsageError) as raised:
        create_resources(settings, clients)
    message = str(raised.value)
    assert message.startswith(expected.format(f"cts-{settings.stage}"))
    assert "--fresh" in message
    assert "\n" not in message
