"""The stores of the contract tests: twins, and real ones on moto (built once, emptied in between)."""

from collections.abc import Iterator

import pytest

from chalicelib.stores.tables import MODELS, bind_tables
from tests.stores.worlds import SETTINGS, Stores, emulated, in_memory


@pytest.fixture(scope="package")
def aws_stores() -> Iterator[Stores]:
    """Moto for these tests only: while it runs, any other `mock_aws` would begin with their tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with emulated() as stores:
            yield stores


@pytest.fixture
def aws(aws_stores: Stores) -> Stores:
    """The real stores, empty."""
    dynamodb, s3 = aws_stores.clients["dynamodb"], aws_stores.clients["s3"]
    # The models are one set per process: a test that built a World has bound them to its client.
    bind_tables(SETTINGS, dynamodb)
    for name in MODELS:
        table = SETTINGS.table(name)
        for item in dynamodb.scan(TableName=table)["Items"]:
            dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    for found in s3.list_objects_v2(Bucket=SETTINGS.bucket).get("Contents", ()):
        s3.delete_object(Bucket=SETTINGS.bucket, Key=found["Key"])
    for store in aws_stores.containers:
        store._warm.clear()  # type: ignore[attr-defined]
    aws_stores.calls.clear()
    return aws_stores


@pytest.fixture(params=["memory", "aws"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Either world, empty."""
    if request.param == "memory":
        return in_memory()
    found: Stores = request.getfixturevalue("aws")
    return found
