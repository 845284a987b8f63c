"""Each thing that may be wrong with tables, queues, bucket, key, secret and engines has its own remedy."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from chalicelib.operations.doctor import account, state
from chalicelib.operations.doctor.findings import Check, Site, run
from chalicelib.settings import EXECUTE_QUEUE
from chalicelib.stores.tables import table_definition
from tests.operations.clinic import Clinic, with_settings
from tests.operations.commands import unreal

Case = tuple[Callable[[Clinic], object], Callable[[Site], Any], str, str, str]

KEYS_ONLY = {"ProjectionType": "KEYS_ONLY"}
PK_ONLY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
}


def _table(name: str, **changes: Any) -> Callable[[Clinic], object]:
    return lambda clinic: clinic.make_table(name, **changes)


def _other_index(clinic: Clinic) -> None:
    indexes = table_definition(clinic.site.settings, "sessions")["LocalSecondaryIndexes"]
    clinic.make_table("sessions", LocalSecondaryIndexes=[{**indexes[0], "Projection": KEYS_ONLY}])


def _no_index(clinic: Clinic) -> None:
    keys = table_definition(clinic.site.settings, "engines")["AttributeDefinitions"]
    clinic.make_table("sessions", LocalSecondaryIndexes=[], AttributeDefinitions=keys)


def _no_recovery(clinic: Clinic) -> None:
    clinic.make_table("orders")
    clinic.aws["dynamodb"].update_continuous_backups(
        TableName="cts-dev-orders", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )


def _no_expiry(clinic: Clinic) -> None:
    clinic.make_table("audit")
    clinic.aws["dynamodb"].update_time_to_live(
        TableName="cts-dev-audit", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )


def _queue(name: str, dead: str = "", **attributes: str) -> Callable[[Clinic], object]:
    def make(clinic: Clinic) -> None:
        sqs = clinic.aws["sqs"]
        if dead:
            sqs.create_queue(QueueName=dead)
            arn = clinic.site.arn("sqs", dead)
            attributes["RedrivePolicy"] = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":5}}'
        sqs.create_queue(QueueName="cts-dev-market-tick-dlq")
        sqs.create_queue(QueueName=name, Attributes=attributes)

    return make


def _half_open(clinic: Clinic) -> None:
    clinic.make_bucket()
    clinic.close_bucket(BlockPublicPolicy=False)


def _open(clinic: Clinic) -> None:
    clinic.make_bucket()
    clinic.aws["s3"].delete_public_access_block(Bucket=clinic.site.settings.bucket)


def _key(change: str, **more: Any) -> Callable[[Clinic], object]:
    def make(clinic: Clinic) -> None:
        key = clinic.make_key()
        getattr(clinic.aws["kms"], change)(KeyId=key, **more)

    return make


table, queue = partial(partial, state.table), partial(partial, state.queue)
market = queue(name="market-tick")

BROKEN: dict[str, Case] = {
    "no table": (lambda _: None, table(name="orders"), "fail", "is missing", "^make infra STAGE=dev$"),
    "a table with other keys": (
        _table("engines", **PK_ONLY),
        table(name="engines"),
        "fail",
        "other keys",
        "^cts export, delete the table, make infra, cts import",
    ),
    "a table with another index": (
        _other_index,
        table(name="sessions"),
        "fail",
        "other indexes",
        "local indexes are made with their table",
    ),
    "a table without an index": (
        _no_index,
        table(name="sessions"),
        "fail",
        "other indexes",
        "local indexes are made with their table",
    ),
    "positions without a stream": (
        _table("positions", StreamSpecification={"StreamEnabled": False}),
        table(name="positions"),
        "fail",
        "other stream",
        "update-table --table-name cts-dev-positions --stream-specification StreamEnabled=true",
    ),
    "no recovery": (_no_recovery, table(name="orders"), "warn", "point in time", "update-continuous-backups"),
    "no expiry": (_no_expiry, table(name="audit"), "warn", "keeps items after", "update-time-to-live"),
    "no queue": (lambda _: None, market, "fail", "cts-dev-market-tick is missing", "^make infra"),
    "no queue of dead letters": (
        lambda clinic: clinic.aws["sqs"].create_queue(QueueName="cts-dev-market-tick"),
        market,
        "fail",
        "cts-dev-market-tick-dlq is missing",
        "^make infra",
    ),
    "no redrive": (
        _queue("cts-dev-market-tick", VisibilityTimeout="60"),
        market,
        "fail",
        "loses what fails",
        r"set-queue-attributes --queue-url \S+ --attributes '\{\"RedrivePolicy\": ",
    ),
    "redrive to elsewhere": (
        _queue("cts-dev-market-tick", dead="cts-dev-other-dlq", VisibilityTimeout="60"),
        market,
        "fail",
        "loses what fails",
        "cts-dev-market-tick-dlq",
    ),
    "seen too early": (
        _queue("cts-dev-market-tick", dead="cts-dev-market-tick-dlq", VisibilityTimeout="30"),
        market,
        "fail",
        "for 30 s, not 60",
        "--attributes VisibilityTimeout=60$",
    ),
    "no bucket": (lambda _: None, account.bucket, "fail", "is missing", "^make infra"),
    "a bucket without walls": (
        _open,
        account.bucket,
        "fail",
        "may become public",
        "put-public-access",
    ),
    "a bucket with a hole": (
        _half_open,
        account.bucket,
        "fail",
        "no BlockPublicPolicy$",
        "BlockPublicPolicy=true",
    ),
    "a disabled key": (
        _key("disable_key"),
        account.key,
        "fail",
        "is Disabled",
        "^aws kms enable-key ",
    ),
    "a key on its way out": (
        _key("schedule_key_deletion"),
        account.key,
        "fail",
        "is PendingDeletion",
        "^aws kms cancel-key-deletion .* && aws kms enable-key ",
    ),
    "a key for ever": (
        _key("disable_key_rotation"),
        account.key,
        "warn",
        "never rotated",
        "^aws kms enable-key-rotation ",
    ),
    "no key in dev": (lambda _: None, account.key, "skipped", "trades on paper", "^$"),
    "no secret": (lambda _: None, account.secret, "fail", "is missing", "^make infra"),
    "a short secret": (
        lambda clinic: clinic.make_secret("abcdefghijklmnop"),
        account.secret,
        "fail",
        "can be guessed: 16 bytes",
        "put-secret-value --secret-id cts-dev-jwt --secret-string",
    ),
    "a secret of one letter": (
        lambda clinic: clinic.make_secret("a" * 64),
        account.secret,
        "fail",
        "can be guessed: 64 bytes, 1 different",
        "put-secret-value",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_found_with_its_remedy(aws: None, what: str) -> None:
    build, check, state, found, remedy = BROKEN[what]
    clinic = Clinic()
    build(clinic)
    (finding,) = run([Check(what, check)], clinic.site, 20)
    assert finding.state == state
    assert re.search(found, finding.found), finding.found
    assert re.search(remedy, finding.remedy), finding.remedy
    assert unreal(finding.remedy) == []


def test_in_production_more_is_asked_for(aws: None) -> None:
    clinic = Clinic(stage="prod")
    clinic.make_table("orders")
    finding = state.table(clinic.site, "orders")
    assert (finding.state, finding.found) == ("warn", "cts-prod-orders is not protected from deletion")
    assert finding.remedy.endswith("update-table --table-name cts-prod-orders --deletion-protection-enabled")
    assert unreal(finding.remedy) == []
    missing = account.key(clinic.site)
    assert (missing.state, missing.remedy) == ("fail", "make infra STAGE=prod")


def test_a_table_that_is_not_ready_is_waited_for(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic()
    clinic.make_table("orders")
    described = clinic.aws["dynamodb"].describe_table(TableName="cts-dev-orders")
    described["Table"]["TableStatus"] = "CREATING"
    monkeypatch.setattr(clinic.aws["dynamodb"], "describe_table", lambda **_: described)
    finding = state.table(clinic.site, "orders")
    assert (finding.state, finding.found) == ("fail", "cts-dev-orders is CREATING")


def test_a_stage_without_a_key_by_choice_is_no_failure(aws: None) -> None:
    site = with_settings(Clinic(stage="prod").site, key_alias="none")
    assert account.key(site).state == "skipped"


def test_the_secret_is_never_shown(aws: None) -> None:
    clinic = Clinic()
    clinic.make_secret("weak secret, never shown")
    assert "weak" not in repr(account.secret(clinic.site))


def test_tokens_of_an_issuer_need_no_secret(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions("authorize", CTS_AUTH_ALGORITHM="RS256")
    assert account.secret(clinic.site).state == "skipped"


def test_dead_letters_are_counted_and_a_lost_signal_is_a_failure(aws: None) -> None:
    clinic = Clinic()
    sqs = clinic.aws["sqs"]
    assert state.dead_letters(clinic.site).state == "ok"
    for name in ("market-tick-dlq", "streams-dlq"):
        sqs.create_queue(QueueName=f"cts-dev-{name}")
        clinic.send(name)
    clinic.send("streams-dlq")
    finding = state.dead_letters(clinic.site)
    assert finding.state == "warn"
    assert finding.found == "1 in cts-dev-market-tick-dlq, 2 in cts-dev-streams-dlq"
    assert finding.remedy.startswith("docs/runbook.md#dead-letters")
    assert unreal(finding.remedy) == []
    assert finding.remedy.endswith("--source-arn " + clinic.site.arn("sqs", "cts-dev-market-tick-dlq"))
    sqs.create_queue(QueueName="cts-dev-execute-signals-dlq.fifo", Attributes={"FifoQueue": "true"})
    clinic.send("execute-signals-dlq.fifo", MessageGroupId="g", MessageDeduplicationId="d")
    assert state.dead_letters(clinic.site).state == "fail"


def test_the_event_stream_is_looked_at_where_the_stage_has_one(aws: None) -> None:
    clinic = Clinic(events="kinesis")
    assert state.stream(clinic.site).remedy == "make infra STAGE=dev"
    clinic.aws["kinesis"].create_stream(StreamName="cts-dev-events", ShardCount=2)
    assert state.stream(clinic.site).found == "cts-dev-events, 2 shards open"
    assert state.stream(Clinic().site).state == "skipped"


def test_every_queue_is_looked_at() -> None:
    assert state.QUEUES == ("market-tick", "realtime-tick", "decision-tick", EXECUTE_QUEUE)
