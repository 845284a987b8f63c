"""infra/resources.yaml is what the code expects: tables, queues, names, exports, alarms; for both stages."""

import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.local.resources import DEAD_LETTER_DAYS, MOST_RECEIVES, VISIBILITY_SECONDS
from chalicelib.settings import Settings, dead_letter_queue
from chalicelib.stores.tables import MODELS, table_definition
from chalicelib.triggers.api.auth_settings import secret_name
from chalicelib.triggers.api.signing_keys import LEAST_SECRET_BYTES
from infra import monitoring
from infra.changes import HOLDS_STATE
from infra.stack import RESOURCES, with_plain_names
from tests.infra.cloudformation import ACCOUNT, load, parse, resolved
from tests.infra.inventory import FOLDER, resources_inventory, resources_stack

STAGES = ("dev", "prod")
EXPIRING = {"signals", "audit", "limits"}
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
MOST_ALARMS = 9
TOLD_OTHERWISE = {
    "DecisionTickDeadLetters": "engines-unhealthy rings, because the engine's beats stop",
    "StreamsDeadLetters": "failures rings; audit entries are no money",
}

both_stages = pytest.mark.parametrize("stage", STAGES)


def of_type(stack: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in stack["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }


def tables(stage: str) -> dict[str, dict[str, Any]]:
    prefix = f"cts-{stage}-"
    found = of_type(resources_stack(stage), "DynamoDB::Table").values()
    return {table["TableName"].removeprefix(prefix): table for table in found}


def queues(stage: str) -> dict[str, dict[str, Any]]:
    return {queue["QueueName"]: queue for queue in of_type(resources_stack(stage), "SQS::Queue").values()}


@both_stages
def test_the_stack_is_the_one_that_was_reviewed(stage: str) -> None:
    assert resources_inventory(stage) == (FOLDER / f"{stage}-resources.txt").read_text()


@both_stages
@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_the_one_of_its_model(stage: str, name: str) -> None:
    wanted, found = table_definition(Settings(stage=stage), name), tables(stage)[name]

    def by_name(definitions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(definitions, key=lambda definition: next(iter(definition.values())))

    assert found["TableName"] == wanted["TableName"]
    assert found["BillingMode"] == wanted["BillingMode"]
    assert found["KeySchema"] == wanted["KeySchema"]
    assert by_name(found["AttributeDefinitions"]) == by_name(wanted["AttributeDefinitions"])
    indexes = found.get("LocalSecondaryIndexes", [])
    assert by_name(indexes) == by_name(wanted.get("LocalSecondaryIndexes", []))
    view = wanted.get("StreamSpecification", {}).get("StreamViewType")
    assert found.get("StreamSpecification", {}).get("StreamViewType") == view


@both_stages
def test_there_are_no_other_tables(stage: str) -> None:
    assert set(tables(stage)) == set(MODELS)


@both_stages
def test_tables_can_be_restored_and_in_production_not_deleted(stage: str) -> None:
    for table in tables(stage).values():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["DeletionProtectionEnabled"] is (stage == "prod")


@both_stages
def test_only_what_loses_its_use_with_age_expires(stage: str) -> None:
    found = {name: table.get("TimeToLiveSpecification") for name, table in tables(stage).items()}
    expiring = {"AttributeName": "expires", "Enabled": True}
    assert found == {name: expiring if name in EXPIRING else None for name in MODELS}
    carrying = {name for name, model in MODELS.items() if "expires" in model.get_attributes()}
    assert carrying <= EXPIRING


@both_stages
def test_queues_are_those_of_a_local_run(stage: str) -> None:
    names = Settings(stage=stage).queues(dict.fromkeys(TICK_QUEUES.values()))
    found = queues(stage)
    assert set(found) == {*names, *map(dead_letter_queue, names), f"cts-{stage}-streams-dlq"}
    logical = {
        queue["QueueName"]: name for name, queue in of_type(resources_stack(stage), "SQS::Queue").items()
    }
    for name in names:
        queue, dead_letters = found[name], found[dead_letter_queue(name)]
        target = f"{logical[dead_letter_queue(name)]}.Arn"
        assert queue["VisibilityTimeout"] == VISIBILITY_SECONDS
        assert queue["RedrivePolicy"] == {"deadLetterTargetArn": target, "maxReceiveCount": MOST_RECEIVES}
        assert dead_letters["MessageRetentionPeriod"] == DEAD_LETTER_DAYS * 86400
        assert dead_letters["RedriveAllowPolicy"]["sourceQueueArns"] == [
            f"arn:aws:sqs:eu-central-1:{ACCOUNT}:{name}"
        ]
        for part in (queue, dead_letters):
            assert part.get("FifoQueue", False) is name.endswith(".fifo")
            assert not part.get("ContentBasedDeduplication", False)


@both_stages
def test_queues_are_encrypted_and_speak_tls_only(stage: str) -> None:
    stack = resources_stack(stage)
    found = of_type(stack, "SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] is True for queue in found.values())
    (policy,) = of_type(stack, "SQS::QueuePolicy").values()
    assert set(policy["Queues"]) == set(found)


@both_stages
def test_names_are_those_of_the_settings(stage: str) -> None:
    settings = Settings(stage=stage, account=ACCOUNT)
    stack = resolved(load(RESOURCES), {"Stage": stage, "Events": "kinesis", "Key": "customer"})
    (bucket,) = of_type(stack, "S3::Bucket").values()
    (stream,) = of_type(stack, "Kinesis::Stream").values()
    (alias,) = of_type(stack, "KMS::Alias").values()
    (secret,) = of_type(stack, "SecretsManager::Secret").values()
    names = bucket["BucketName"], stream["Name"], alias["AliasName"], secret["Name"]
    assert names == (settings.bucket, settings.stream, settings.key, secret_name(stage))
    assert secret["GenerateSecretString"]["PasswordLength"] >= LEAST_SECRET_BYTES


def taken_away(rules: list[dict[str, Any]], prefix: str) -> list[str]:
    """Return the rules that remove objects below a prefix or move them to where reading takes time."""
    found = []
    for rule in rules:
        scope = rule.get("Filter", rule)
        begins = str(scope.get("And", scope).get("Prefix", ""))
        reaches = begins.startswith(prefix) or prefix.startswith(begins)
        if reaches and any(name.startswith(("Expiration", "Transition")) for name in rule):
            found.append(str(rule["Id"]))
    return found


@both_stages
@pytest.mark.parametrize("prefix", ["candles/", "ladder/"])
def test_what_ladders_are_rebuilt_from_stays_however_old_it_is(stage: str, prefix: str) -> None:
    (bucket,) = of_type(resources_stack(stage), "S3::Bucket").values()
    assert "VersioningConfiguration" not in bucket, "old versions would need a rule of their own"
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert rules
    assert taken_away(rules, prefix) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"ExpirationInDays": 30},
        {"ExpirationInDays": 30, "Prefix": "candles/"},
        {"ExpirationDate": "2030-01-01", "Prefix": "candles/binance/"},
        {"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 90}], "Filter": {"Prefix": "can"}},
        {"ExpirationInDays": 30, "Filter": {"And": {"Prefix": "candles/", "ObjectSizeGreaterThan": 1}}},
    ],
)
def test_a_rule_that_takes_archived_candles_away_is_found(rule: dict[str, Any]) -> None:
    assert taken_away([{"Id": "planted", "Status": "Enabled", **rule}], "candles/") == ["planted"]
    assert taken_away([{"Id": "else", "ExpirationInDays": 1, "Prefix": "reports/"}], "candles/") == []


@pytest.mark.parametrize(
    ("stage", "choice", "made"),
    [
        ("dev", "by-stage", False),
        ("prod", "by-stage", True),
        ("dev", "customer", True),
        ("prod", "none", False),
    ],
)
def test_the_key_is_paid_for_where_it_is_needed(stage: str, choice: str, made: bool) -> None:
    stack = resources_stack(stage, Key=choice)
    assert bool(of_type(stack, "KMS::Key")) is made
    assert bool(of_type(stack, "KMS::Alias")) is made
    assert ("KeyArn" in stack["Outputs"]) is made


@pytest.mark.parametrize(("mode", "shards"), [("on-demand", None), ("provisioned", "3")])
def test_a_stream_has_shards_only_if_they_are_provisioned(mode: str, shards: str | None) -> None:
    given = {"Stage": "prod", "Events": "kinesis", "StreamMode": mode, "Shards": "3"}
    (stream,) = of_type(resolved(load(RESOURCES), given), "Kinesis::Stream").values()
    assert stream["StreamModeDetails"] == {"StreamMode": mode.upper().replace("-", "_")}
    assert stream.get("ShardCount") == shards


def test_with_rs256_there_is_no_secret_to_pay_for() -> None:
    stack = resolved(load(RESOURCES), {"Stage": "prod", "Auth": "RS256"})
    assert of_type(stack, "SecretsManager::Secret") == {}


def test_an_address_subscribes_to_the_alarms() -> None:
    (subscription,) = of_type(resources_stack("prod", AlarmEmail="a@b.example"), "SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "a@b.example")


def test_what_cannot_be_made_again_is_kept() -> None:
    resources = load(RESOURCES)["Resources"].values()
    kept = {resource["Type"] for resource in resources if resource.get("DeletionPolicy") != "Delete"}
    for resource in resources:
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"):
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
                "RetainExceptOnCreate",
                "Retain",
            )
        elif resource["Type"] in HOLDS_STATE:
            # Said, so that nobody has to know what CloudFormation does otherwise.
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Delete", "Delete")
    assert {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"} <= kept


@both_stages
def test_names_written_out_are_the_same_names(stage: str) -> None:
    text = with_plain_names(RESOURCES.read_text(), stage, ACCOUNT)
    written = parse(text)
    parameters = {"Stage": stage, "Events": "kinesis", "Key": "customer"}
    assert resolved(written, parameters) == resolved(load(RESOURCES), parameters)
    adopted = {"AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
    for resource in written["Resources"].values():
        if name := adopted.get(resource["Type"]):
            assert isinstance(resource["Properties"][name], str)


def test_the_template_is_short_enough_to_be_sent() -> None:
    # CloudFormation's limit; a longer one has to lie in a bucket, and it is this one that makes the bucket.
    assert len(with_plain_names(RESOURCES.read_text(), "production-abcde", ACCOUNT).encode()) < 51_200


@both_stages
def test_alarms_are_few_and_their_runbook_is_there(stage: str) -> None:
    alarms = of_type(resources_stack(stage), "CloudWatch::Alarm")
    names = {alarm["AlarmName"].removeprefix(f"cts-{stage}-") for alarm in alarms.values()}
    assert names == set(monitoring.RESOURCE_ALARMS)
    assert len(names) + len(monitoring.alarms(stage)) <= MOST_ALARMS
    headings = set(re.findall(r"^#+ (\S+)$", RUNBOOK.read_text(), re.MULTILINE))
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == ["AlarmsTopic"]
        (anchor,) = re.findall(r"docs/runbook\.md#(\S+)$", alarm["AlarmDescription"])
        assert anchor in headings


@both_stages
def test_dead_letters_that_nothing_else_would_tell_have_their_alarm(stage: str) -> None:
    stack = resources_stack(stage)
    watched = {
        alarm["Dimensions"][0]["Value"]
        for alarm in of_type(stack, "CloudWatch::Alarm").values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    queues = {name for name in of_type(stack, "SQS::Queue") if "DeadLetters" in name}
    assert watched == {f"{name}.QueueName" for name in queues - set(TOLD_OTHERWISE)}
    assert set(TOLD_OTHERWISE) <= queues
