"""Request units by DynamoDB's rules: sizes of items, reads that add up, indexes, transactions."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from tests.bench.capacity import (
    item_size,
    item_write_units,
    read_units,
    stored_bytes,
    value_size,
    write_units,
)
from tests.bench.metering import Meter
from tests.bench.table_meter import TableMeter

REGION = "eu-central-1"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "Größe"}, 7),
        ({"N": "27"}, 2),
        ({"N": "461"}, 3),
        ({"N": "-27"}, 3),
        ({"N": "0"}, 2),
        ({"N": "1618617600.5"}, 7),
        ({"N": "1000000"}, 2),
        ({"N": "0.0005"}, 2),
        ({"B": b"12345"}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 1 + 2 + 1 + 2),
        ({"M": {"key": {"S": "abc"}}}, 3 + 1 + 3 + 3),
    ],
)
def test_attribute_values_have_their_published_sizes(value: dict[str, Any], size: int) -> None:
    assert value_size(value) == size


def test_an_item_is_its_names_and_values() -> None:
    assert item_size({"pk": {"S": "default"}, "revision": {"N": "12"}}) == 2 + 7 + 8 + 2


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (4096, 4)])
def test_writes_are_rounded_up_to_a_kilobyte(size: int, units: int) -> None:
    assert write_units(size) == units


def test_a_query_adds_its_items_up_before_it_rounds() -> None:
    assert read_units([]) == 1
    assert read_units([4096]) == 1
    assert read_units([1000] * 4) == 1
    assert read_units([1025] * 4) == 2
    assert read_units([1025] * 4, consistent=False) == 1


def image(length: int, **keys: str) -> dict[str, dict[str, str]]:
    """Return an item of some bytes with the given string attributes."""
    return {"document": {"S": "x" * length}, **{name: {"S": value} for name, value in keys.items()}}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, image(100), 1),
        (image(3000), image(100), 3),
        (image(100), None, 1),
        (None, image(100, created="1"), 2),
        (None, image(2000, created="1"), 4),
        (image(100, created="1"), image(200, created="1"), 2),
        (image(100, created="1"), image(100, created="1"), 1),
        (image(100, created="1"), image(100, created="2"), 3),
        (image(100, created="1"), image(100), 2),
        (None, image(100, created="1", open_since="1"), 3),
        (image(100, created="1", open_since="1"), image(100, created="1"), 3),
    ],
)
def test_local_indexes_are_written_as_their_entries_come_go_and_move(
    before: Any, after: Any, units: int
) -> None:
    assert item_write_units(before, after, ("created", "open_since")) == units


def test_storage_counts_every_index_entry_and_its_overhead() -> None:
    entry = image(100, created="1")
    assert stored_bytes(entry, ("created", "open_since")) == 2 * (item_size(entry) + 100)
    assert stored_bytes(None, ("created",)) == 0


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = get_session().create_client("dynamodb", REGION)
        for name in ("engines", "orders", "audit"):
            made.create_table(
                TableName=f"cts-test-{name}",
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
                BillingMode="PAY_PER_REQUEST",
            )
        yield made


def stored(length: int) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": "s"}, "document": {"S": "x" * length}}


def metered(client: Any, *calls: tuple[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Make calls, all but the last outside of an invocation; return what the last one has cost."""
    meter = Meter(TableMeter("test", {"engines": (), "orders": ("created",), "audit": ()}))
    with meter.attached():
        *before, (operation, parameters) = calls
        for name, given in before:
            client._make_api_call(name, given)
        refused = suppress(client.exceptions.ConditionalCheckFailedException)
        with meter.invocation("function", 1), refused:
            client._make_api_call(operation, parameters)
    amounts = meter.jobs["function"].amounts
    return {cause: dict(found) for cause, found in amounts.items()}


def put(table: str, length: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "PutItem", {"TableName": f"cts-test-{table}", "Item": {**stored(length), **more}}


def test_an_update_pays_for_the_whole_item_that_it_changes_a_little(client: Any) -> None:
    update = {
        "TableName": "cts-test-engines",
        "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}},
        "UpdateExpression": "SET beat = :b",
        "ExpressionAttributeValues": {":b": {"N": "1"}},
    }
    spent = metered(client, put("engines", 3000), ("UpdateItem", update))
    assert spent["work"]["dynamodb.write_units"] == 3
    assert spent["work"]["dynamodb.calls"] == 1


def test_a_refused_condition_pays_for_the_item_that_is_there(client: Any) -> None:
    refused = put("engines", 10)
    refused[1]["ConditionExpression"] = "attribute_not_exists(pk)"
    assert metered(client, put("engines", 2500), refused)["work"]["dynamodb.write_units"] == 3


def test_a_transaction_pays_twice_and_for_what_it_only_checks(client: Any) -> None:
    transaction = {
        "TransactItems": [
            {
                "ConditionCheck": {
                    "TableName": "cts-test-engines",
                    "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}},
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
            {"Put": {"TableName": "cts-test-orders", "Item": {**stored(1500), "created": {"S": "1"}}}},
        ]
    }
    spent = metered(client, put("engines", 2500), ("TransactWriteItems", transaction))
    assert spent["order"]["dynamodb.write_units"] == 2 * (3 + 2 + 2)


def test_writes_are_booked_to_what_caused_them(client: Any) -> None:
    assert "signal" in metered(client, put("audit", 10))
    assert "order" in metered(client, put("orders", 10))
    assert metered(client, put("engines", 10))["work"]["dynamodb.growth_bytes"] > 100


def test_reads_are_charged_by_what_they_return(client: Any) -> None:
    key = {"TableName": "cts-test-audit", "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}}}
    strong = metered(client, put("audit", 5000), ("GetItem", {**key, "ConsistentRead": True}))
    assert strong["work"]["dynamodb.read_units"] == 2
    weak = metered(client, put("audit", 5000), ("GetItem", key))
    assert weak["work"]["dynamodb.read_units"] == 1
