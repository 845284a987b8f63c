"""Change sets in plain words, and which of them need consent."""

from typing import Any

import pytest

from infra.changes import Change, read_changes


def described(action: str, kind: str, name: str = "X", **more: Any) -> dict[str, Any]:
    return {
        "Type": "Resource",
        "ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **more},
    }


def only(change: dict[str, Any]) -> Change:
    (found,) = read_changes([change])
    return found


def test_a_new_resource_is_made() -> None:
    change = only(described("Add", "AWS::DynamoDB::Table", "OrdersTable"))
    assert change.words == "make table OrdersTable"
    assert not change.endangers_state


def test_a_changed_resource_names_what_changes() -> None:
    details = [
        {"Target": {"Attribute": "Properties", "Name": "VisibilityTimeout"}},
        {"Target": {"Attribute": "Tags"}},
        {"Target": {"Attribute": "Properties", "Name": "VisibilityTimeout"}},
    ]
    change = only(
        described(
            "Modify",
            "AWS::SQS::Queue",
            PhysicalResourceId="cts-dev-market-tick",
            Replacement="False",
            Details=details,
        )
    )
    assert change.words == "change queue cts-dev-market-tick (Tags, VisibilityTimeout)"
    assert not change.endangers_state


@pytest.mark.parametrize("replacement", ["True", "Conditional"])
def test_a_table_that_is_or_may_be_replaced_needs_consent(replacement: str) -> None:
    details = [{"Target": {"Attribute": "Properties", "Name": "KeySchema"}}]
    change = only(described("Modify", "AWS::DynamoDB::Table", "T", Replacement=replacement, Details=details))
    assert change.endangers_state
    assert change.words == "REPLACE table T (KeySchema): what is stored in it stays in the old one or is lost"


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("AWS::Kinesis::Stream", "events not yet recorded are lost"),
        ("AWS::SQS::Queue", "messages under way are lost"),
        ("AWS::SecretsManager::Secret", "all tokens become invalid"),
        ("AWS::KMS::Key", "credentials encrypted with it can't be read"),
    ],
)
def test_removing_what_holds_state_says_what_is_lost(kind: str, loss: str) -> None:
    change = only(described("Remove", kind, PolicyAction="Delete"))
    assert change.endangers_state
    assert change.words.endswith(f"X: {loss}")


def test_what_is_kept_outside_needs_consent_too() -> None:
    change = only(described("Remove", "AWS::S3::Bucket", "ObjectsBucket", PolicyAction="Retain"))
    assert change.endangers_state
    assert change.words == "REMOVE bucket ObjectsBucket: it is kept, outside of the stack"


def test_functions_and_alarms_come_and_go_freely() -> None:
    changes = read_changes(
        [
            described("Remove", "AWS::Lambda::Function", "Old", PolicyAction="Delete"),
            described("Modify", "AWS::Lambda::Function", "New", Replacement="True"),
            described("Remove", "AWS::CloudWatch::Alarm", "Alarm"),
        ]
    )
    assert [change.endangers_state for change in changes] == [False] * 3
    assert changes[1].words == "REPLACE Lambda::Function New"


def test_what_needs_consent_comes_first() -> None:
    changes = read_changes(
        [
            described("Add", "AWS::SNS::Topic", "A"),
            described("Import", "AWS::DynamoDB::Table", "B"),
            described("Remove", "AWS::DynamoDB::Table", "C"),
            {"Type": "Hook"},
        ]
    )
    assert [change.logical_id for change in changes] == ["C", "A", "B"]
    assert changes[2].words == "adopt table B"
