"""One stage as `cts export` reads it and `cts import` fills it: its clients, tables, objects and engines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from chalicelib.domain.engine import COORDINATOR, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.errors import UsageError
from chalicelib.operations.doctor.errors import code_of
from chalicelib.operations.doctor.place import stage_settings
from chalicelib.settings import DEFAULT_STAGE, Settings
from chalicelib.stores.credentials import NO_KEY
from chalicelib.stores.tables import MODELS, table_definition

CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 8, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
TRANSIENT = frozenset({"limits"})
"""Tables that stay where they are: slots of a few seconds and pauses of a place that calls no more."""

TABLES = tuple(sorted(MODELS.keys() - TRANSIENT, key=lambda name: (name == "engines", name)))
"""Engines last: an engine that is there works, so everything it works on must be there before."""

PACKAGES = "packages/"
"""Where deployments keep their zips in the bucket: they are no state of the stage."""

AT_REST = frozenset({Status.STOPPED.value, Status.ERROR.value})
_ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey"})
_WITHOUT_KEY = frozenset({"NotFoundException", "AccessDeniedException"})

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of one account and region; the clients are botocore's."""

    settings: Settings
    dynamodb: Any
    s3: Any
    kms: Any

    def check_tables(self) -> None:
        """Raise UsageError unless all tables are there, ready, and keyed as this program needs them."""
        for name in TABLES:
            wanted = table_definition(self.settings, name)
            try:
                found = self.dynamodb.describe_table(TableName=wanted["TableName"])["Table"]
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                raise UsageError(f"there is no table {wanted['TableName']}: {self._made_by}") from error
            if found["TableStatus"] != "ACTIVE" or found["KeySchema"] != wanted["KeySchema"]:
                raise UsageError(
                    f"table {wanted['TableName']} is not ready or not of this program: cts doctor"
                )

    def has_bucket(self) -> bool:
        """Tell whether the bucket of objects is there."""
        try:
            self.s3.head_bucket(Bucket=self.settings.bucket)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return False
            raise
        return True

    def items(self, table: str) -> Iterator[Item]:
        """Yield the items of a table as DynamoDB has them, a megabyte in memory at a time."""
        for page in self._pages(table):
            yield from page["Items"]

    def count(self, table: str) -> int:
        """Return how many items a table has, by reading it."""
        return sum(page["Count"] for page in self._pages(table, Select="COUNT"))

    def _pages(self, table: str, **more: Any) -> Iterator[Mapping[str, Any]]:
        while True:
            page = self.dynamodb.scan(TableName=self.settings.table(table), ConsistentRead=True, **more)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            more["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def object_keys(self) -> Iterator[str]:
        """Yield the keys of all objects but the packages of functions."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket)
        for page in pages:
            for found in page.get("Contents", ()):
                if not found["Key"].startswith(PACKAGES):
                    yield found["Key"]

    def key_arn(self) -> str:
        """Return the ARN of the key of exchange credentials; empty without one, or without a look at it."""
        if self.settings.stage == DEFAULT_STAGE or self.settings.key == NO_KEY:
            return ""
        try:
            return str(self.kms.describe_key(KeyId=self.settings.key)["KeyMetadata"]["Arn"])
        except ClientError as error:
            if code_of(error) in _WITHOUT_KEY:
                return ""
            raise

    def working(self) -> tuple[str, ...]:
        """Return the coordinators and engines that are neither stopped nor in error."""
        return tuple(name for item in self.items("engines") if (name := working_name(item)))

    @property
    def title(self) -> str:
        place = self.settings.endpoint_url or self.settings.region
        return f"stage {self.settings.stage} ({place})"

    @property
    def _made_by(self) -> str:
        return f"make infra STAGE={self.settings.stage}"


def open_stage(stage: str, region: str | None) -> Stage:
    """Return a stage of the environment's account (or endpoint): 1 call for the account's number."""
    session = get_session()
    settings = stage_settings(session, stage, region)

    def client(service: str) -> Any:
        endpoint = settings.endpoint_url or None
        return session.create_client(service, settings.region, endpoint_url=endpoint, config=CONFIG)

    if stage != DEFAULT_STAGE and not settings.account:
        settings = replace(settings, account=client("sts").get_caller_identity()["Account"])
    return Stage(settings, client("dynamodb"), client("s3"), client("kms"))


def working_name(item: Item) -> str:
    """Return tenant and name of an engine or coordinator that is neither stopped nor in error, else ``."""
    name = item["sk"]["S"]
    if name != COORDINATOR and not name.startswith(engine_subject("", "").name):
        return ""
    status = item.get("f_status", {}).get("S", f'"{Status.STOPPED.value}"').strip('"')
    return "" if status in AT_REST else f"{item['pk']['S']}/{name}"
