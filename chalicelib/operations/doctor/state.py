"""Checks of `cts doctor` of what holds state: tables, queues, dead letters, stream of events, engines."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.domain.codec import from_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.health import LEVELS, judge_engine
from chalicelib.domain.lifecycle import Status
from chalicelib.local.resources import MOST_RECEIVES, VISIBILITY_SECONDS
from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.doctor.findings import Check, Finding, Site
from chalicelib.settings import EXECUTE_QUEUE, dead_letter_queue
from chalicelib.stores.engines import DynamoEngineStore
from chalicelib.stores.tables import MODELS, bind_tables, table_definition

PRODUCTION = "prod"
EXPIRING = {"signals": "expires", "audit": "expires"}
"""Tables whose items may carry the epoch second after which DynamoDB removes them."""

QUEUES = (*(f"{group}-tick" for group in dict.fromkeys(TICK_QUEUES.values())), EXECUTE_QUEUE)
STREAMS_DEAD_LETTERS = "streams-dlq"
RUNBOOK = "docs/runbook.md"

_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def table(site: Site, name: str) -> Finding:
    """Is a table there, as this program needs it, and safe from accidents?"""
    label, client = f"table {name}", site.clients["dynamodb"]
    wanted = table_definition(site.settings, name)
    full = wanted["TableName"]
    try:
        found = client.describe_table(TableName=full)["Table"]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return Finding(label, "fail", f"{full} is missing", f"make infra STAGE={site.stage}")
    if found["TableStatus"] != "ACTIVE":
        return Finding(label, "fail", f"{full} is {found['TableStatus']}", "wait a minute, then ask again")
    if different := _different(wanted, found):
        return Finding(label, "fail", f"{full} has other {different[0]}", different[1])
    if risk := _risk(site, name, full, found):
        return Finding(label, "warn", f"{full} {risk[0]}", risk[1])
    return Finding(label, "ok", f"{full}, about {found['ItemCount']} items")


def _different(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return in what a table differs from its definition, and how it becomes equal."""
    anew = "cts export, delete the table, make infra, cts import: docs/operations.md#backup"
    if found["KeySchema"] != wanted["KeySchema"]:
        return "keys", anew
    if _indexes(found) != _indexes(wanted):
        return "indexes", f"local indexes are made with their table: {anew}"
    view = wanted.get("StreamSpecification", {}).get("StreamViewType")
    if (found.get("StreamSpecification") or {}).get("StreamViewType") != view:
        switch = f"StreamEnabled=true,StreamViewType={view}"
        command = (
            f"aws dynamodb update-table --table-name {wanted['TableName']} --stream-specification {switch}"
        )
        return "stream", f"{command}; then deploy the functions again, its address is a new one"
    return None


def _indexes(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        index["IndexName"]: (index["KeySchema"], index["Projection"]["ProjectionType"])
        for index in described.get("LocalSecondaryIndexes") or ()
    }


def _risk(site: Site, name: str, full: str, found: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what an accident would make of a table, and the command that keeps it from that."""
    client, command = site.clients["dynamodb"], "aws dynamodb"
    backups = client.describe_continuous_backups(TableName=full)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        wanted = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
        return "can't be restored to a point in time", (
            f"{command} update-continuous-backups --table-name {full} {wanted}"
        )
    if site.stage == PRODUCTION and not found.get("DeletionProtectionEnabled"):
        remedy = f"{command} update-table --table-name {full} --deletion-protection-enabled"
        return "is not protected from deletion", remedy
    attribute = EXPIRING.get(name)
    expiry = client.describe_time_to_live(TableName=full)["TimeToLiveDescription"] if attribute else {}
    if attribute and (expiry.get("TimeToLiveStatus"), expiry.get("AttributeName")) != ("ENABLED", attribute):
        wanted = f"--time-to-live-specification Enabled=true,AttributeName={attribute}"
        return f"keeps items after their `{attribute}`", (
            f"{command} update-time-to-live --table-name {full} {wanted}"
        )
    return None


def queue(site: Site, name: str) -> Finding:
    """Is a queue there, with dead letters behind it and the right invisibility?"""
    label, client = f"queue {name}", site.clients["sqs"]
    full = f"cts-{site.stage}-{name}"
    address, behind = _address(client, full), _address(client, dead_letter_queue(full))
    if not (address and behind):
        missing = full if not address else dead_letter_queue(full)
        return Finding(label, "fail", f"{missing} is missing", f"make infra STAGE={site.stage}")
    attributes = client.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])["Attributes"]
    arn = site.arn("sqs", dead_letter_queue(full))
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    if redrive.get("deadLetterTargetArn") != arn or int(redrive["maxReceiveCount"]) != MOST_RECEIVES:
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
        remedy = _set_attribute(address, json.dumps({"RedrivePolicy": policy}))
        return Finding(label, "fail", f"{full} loses what fails: no redrive to its dead letters", remedy)
    if int(attributes["VisibilityTimeout"]) != VISIBILITY_SECONDS:
        found = f"{full} hides messages for {attributes['VisibilityTimeout']} s, not {VISIBILITY_SECONDS}"
        return Finding(
            label, "fail", found, _set_attribute(address, f"VisibilityTimeout={VISIBILITY_SECONDS}")
        )
    return Finding(label, "ok", f"{full}, {attributes['ApproximateNumberOfMessages']} waiting")


def _set_attribute(address: str, attributes: str) -> str:
    quoted = f"'{attributes}'" if attributes.startswith("{") else attributes
    return f"aws sqs set-queue-attributes --queue-url {address} --attributes {quoted}"


def _address(client: Any, name: str) -> str:
    try:
        return str(client.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as error:
        if code_of(error) in _NO_QUEUE:
            return ""
        raise


def dead_letters(site: Site) -> Finding:
    """Are there messages that were given up?"""
    names = [dead_letter_queue(name) for name in QUEUES]
    waiting = {name: _waiting(site, name) for name in (*names, STREAMS_DEAD_LETTERS)}
    there = {name: count for name, count in waiting.items() if count}
    if not there:
        return Finding("dead letters", "ok", "none")
    found = ", ".join(f"{count} in cts-{site.stage}-{name}" for name, count in there.items())
    first = site.arn("sqs", f"cts-{site.stage}-{next(iter(there))}")
    remedy = (
        f"{RUNBOOK}#dead-letters; with the cause mended: aws sqs start-message-move-task --source-arn {first}"
    )
    # A tick that failed is followed by others; a signal was to be executed and was not.
    lost = dead_letter_queue(EXECUTE_QUEUE) in there
    return Finding("dead letters", "fail" if lost else "warn", found, remedy)


def _waiting(site: Site, name: str) -> int:
    client = site.clients["sqs"]
    address = _address(client, f"cts-{site.stage}-{name}")
    if not address:
        return 0
    wanted = ["ApproximateNumberOfMessages"]
    return int(client.get_queue_attributes(QueueUrl=address, AttributeNames=wanted)["Attributes"][wanted[0]])


def stream(site: Site) -> Finding:
    """Is the stream of events there, where the stage has one?"""
    label = "event stream"
    if site.settings.events != "kinesis":
        return Finding(label, "skipped", "events go to the audit table")
    name = site.settings.stream
    try:
        found = site.clients["kinesis"].describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return Finding(label, "fail", f"{name} is missing", f"make infra STAGE={site.stage}")
    if found["StreamStatus"] not in ("ACTIVE", "UPDATING"):
        return Finding(label, "fail", f"{name} is {found['StreamStatus']}", "wait a minute, then ask again")
    return Finding(label, "ok", f"{name}, {found['OpenShardCount']} shards open")


def engines(site: Site) -> Finding:
    """Do the engines that run beat, and does any stand in error?"""
    client = site.clients["dynamodb"]
    bind_tables(site.settings, client)
    try:
        found = [engine for engine in DynamoEngineStore(client).all() if _is_engine(engine)]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return Finding("engines", "skipped", "there is no table of engines")
    running = [engine for engine in found if engine.status is Status.RUNNING]
    ill = [line for engine in running if (line := _illness(engine, site.now()))]
    broken = [engine.connection_id for engine in found if engine.status is Status.ERROR]
    counted = f"{len(running)} of {len(found)} run"
    if ill:
        return Finding("engines", "warn", f"{counted}; {'; '.join(ill)}", f"{RUNBOOK}#engines-unhealthy")
    if broken:
        remedy = "GET /trade-engine/ID/logs says why; POST /trade-engine/ID/start tries again"
        return Finding("engines", "warn", f"{counted}; in error: {', '.join(broken)}", remedy)
    return Finding("engines", "ok", counted)


def _is_engine(engine: Engine) -> bool:
    return engine.subject == engine_subject(engine.subject.tenant, engine.connection_id)


def _illness(engine: Engine, now: float) -> str:
    """Return why a running engine is not healthy, judged as the health tick does; empty if it is."""
    connection = from_plain(Connection, engine.settings, known_only=False)
    level, reasons = judge_engine(engine, connection, 0, engine.changed_at, now)
    return "" if level == LEVELS[0] else f"{engine.connection_id} is {level} ({', '.join(reasons)})"


CHECKS = (
    *(Check(f"table {name}", partial(table, name=name)) for name in MODELS),
    *(Check(f"queue {name}", partial(queue, name=name)) for name in QUEUES),
    Check("dead letters", dead_letters),
    Check("event stream", stream),
    Check("engines", engines),
)
