"""What the policy tests stand on: what IAM checks per request, and how documents are decided."""

from typing import Any

import pytest

from tests.infra.evaluator import allowed
from tests.infra.iam_needs import ACCOUNT, KEY_ALIASES, REGION, Need, needs_of
from tests.infra.recorder import Call

TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
BUCKET = "arn:aws:s3:::bucket"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"


def needed(
    name: str, parameters: dict[str, Any], answer: Any = None, error: str = ""
) -> set[tuple[str, str]]:
    service, _, operation = name.partition(".")
    call = Call(service, operation, parameters, answer or {}, error)
    return {(need.action, need.resource) for need in needs_of(call)}


def test_a_transaction_is_checked_part_by_part() -> None:
    parts = [
        {"ConditionCheck": {"TableName": "engines"}},
        {"Put": {"TableName": "orders"}},
        {"Update": {"TableName": "engines"}},
        {"Delete": {"TableName": "orders"}},
    ]
    assert needed("dynamodb.TransactWriteItems", {"TransactItems": parts}) == {
        ("dynamodb:ConditionCheckItem", f"{TABLE}/engines"),
        ("dynamodb:PutItem", f"{TABLE}/orders"),
        ("dynamodb:UpdateItem", f"{TABLE}/engines"),
        ("dynamodb:DeleteItem", f"{TABLE}/orders"),
    }


def test_a_query_of_an_index_is_checked_on_the_index() -> None:
    assert needed("dynamodb.Query", {"TableName": "orders", "IndexName": "open"}) == {
        ("dynamodb:Query", f"{TABLE}/orders/index/open")
    }


def test_a_batch_is_checked_on_each_table() -> None:
    tables = {"signals": {}, "orders": {}}
    assert needed("dynamodb.BatchGetItem", {"RequestItems": tables}) == {
        ("dynamodb:BatchGetItem", f"{TABLE}/{name}") for name in tables
    }


def test_a_missing_object_needs_the_right_to_list_and_a_write_by_etag_that_to_read() -> None:
    place = {"Bucket": "bucket", "Key": "a/b"}
    read, written = ("s3:GetObject", f"{BUCKET}/a/b"), ("s3:PutObject", f"{BUCKET}/a/b")
    assert needed("s3.GetObject", place) == {read}
    assert needed("s3.GetObject", place, error="NoSuchKey") == {read, ("s3:ListBucket", BUCKET)}
    assert needed("s3.PutObject", {**place, "IfNoneMatch": "*"}) == {written}
    assert needed("s3.PutObject", {**place, "IfMatch": "etag"}) == {written, read}


def test_an_operation_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"dynamodb\.DeleteTable is not listed"):
        needed("dynamodb.DeleteTable", {})


def statement(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    condition = {operator.replace("__", ":"): keys for operator, keys in condition.items()}
    base = {"Effect": "Allow", "Action": [action], "Resource": resource}
    return {"Statement": [{**base, "Condition": condition} if condition else base]}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("arn:aws:dynamodb:*:*:table/engines", True),
        ("arn:aws:dynamodb:*:*:table/eng?nes", True),
        ("arn:aws:dynamodb:*:*:table/engine", False),
        ("arn:aws:dynamodb:*:*:table/engines/index/*", False),
        ("arn:aws:dynamodb:us-east-1:*:table/engines", False),
        ("arn:aws:dynamodb:*:table/engines:x:y", False),
        ("arn:aws:dynamodb:*:*:${aws:Unknown}/engines", False),
        ("*", True),
    ],
)
def test_resources_match_part_by_part(resource: str, expected: bool) -> None:
    need = Need("dynamodb:GetItem", f"{TABLE}/engines", {"aws:PrincipalAccount": (ACCOUNT,)})
    assert allowed(statement("dynamodb:GetItem", resource), need) is expected
    assert not allowed(statement("dynamodb:PutItem", resource), need)


def test_a_variable_stands_for_the_account_of_the_role() -> None:
    document = statement("s3:GetObject", "arn:aws:s3:::cts-${aws:PrincipalAccount}-objects/*")
    for account, expected in ((ACCOUNT, True), ("999999999999", False)):
        arn = f"arn:aws:s3:::cts-{account}-objects/a"
        assert allowed(document, Need("s3:GetObject", arn, {"aws:PrincipalAccount": (ACCOUNT,)})) is expected


def test_a_key_is_known_by_its_alias_and_no_other_key_is_allowed() -> None:
    document = statement(
        "kms:Encrypt",
        "arn:aws:kms:*:*:key/*",
        ForAnyValue__StringEquals={"kms:ResourceAliases": "alias/cts-dev"},
    )
    for aliases, expected in ((("alias/x", "alias/cts-dev"), True), (("alias/x",), False), ((), False)):
        KEY_ALIASES[KEY] = aliases
        (need,) = needs_of(Call("kms", "Encrypt", {"KeyId": "alias/cts-dev"}, {"KeyId": KEY}, ""))
        assert need.resource == KEY
        assert allowed(document, need) is expected


def test_what_is_not_understood_is_an_error_and_not_an_approval() -> None:
    need = Need("s3:GetObject", f"{BUCKET}/a", {})
    document = statement("s3:GetObject", f"{BUCKET}/*", IpAddress={"aws:SourceIp": "10.0.0.0/8"})
    with pytest.raises(LookupError, match="IpAddress"):
        allowed(document, need)
    denying = {"Statement": [{**statement("s3:*", "*")["Statement"][0], "Effect": "Deny"}]}
    with pytest.raises(LookupError, match="not understood"):
        allowed(denying, need)
