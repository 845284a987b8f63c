"""Settings from the environment: stage, region, endpoint, and the names of all AWS resources."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from chalicelib.errors import UsageError

SCHEMA = 1
"""Version of the stored items that this program understands, and puts on what it writes."""

MIN_READER = 1
"""Least SCHEMA of a program that may read what this one writes; how to raise it: docs/operations.md."""

DEFAULT_TENANT = "default"
DEFAULT_STAGE = "local"
DEFAULT_REGION = "eu-central-1"
EXECUTE_QUEUE = "execute-signals.fifo"

EventSink = Literal["audit", "kinesis"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this process runs and what its resources are called.

    `endpoint_url` empty means real AWS. With `account` (its number) addresses of queues need no look-up.
    `events` says where events go: into the Kinesis stream, or straight into the audit table. An empty
    `bucket_name`, `key_alias` or `positions_stream_arn` stands for the name made from stage and account.
    """

    stage: str = DEFAULT_STAGE
    region: str = DEFAULT_REGION
    endpoint_url: str = ""
    account: str = ""
    events: EventSink = "kinesis"
    bucket_name: str = ""
    key_alias: str = ""
    positions_stream_arn: str = ""

    def table(self, name: str) -> str:
        return f"cts-{self.stage}-{name}"

    def tick_queue(self, group: str) -> str:
        """Return the name of a queue of ticks; which kinds it carries is `domain.cadence.TICK_QUEUES`."""
        return f"cts-{self.stage}-{group}-tick"

    def queue_url(self, queue: str) -> str | None:
        """Return the address of a queue, or None where the account is not known."""
        if not self.account:
            return None
        host = self.endpoint_url or f"https://sqs.{self.region}.amazonaws.com"
        return f"{host}/{self.account}/{queue}"

    @property
    def execute_queue(self) -> str:
        return f"cts-{self.stage}-{EXECUTE_QUEUE}"

    def queues(self, tick_groups: Iterable[str]) -> tuple[str, ...]:
        """Return all queues without their dead-letter queues."""
        return (*(self.tick_queue(group) for group in tick_groups), self.execute_queue)

    @property
    def stream(self) -> str:
        return f"cts-{self.stage}-events"

    @property
    def bucket(self) -> str:
        """The name is the world's: buckets of all accounts share one space, so it carries the account."""
        if self.bucket_name:
            return self.bucket_name
        return "-".join(filter(None, ("cts", self.stage, self._deployed_account, "objects")))

    @property
    def key(self) -> str:
        """The KMS key that exchange credentials are encrypted with."""
        return self.key_alias or f"alias/cts-{self.stage}"

    @property
    def positions_stream(self) -> str:
        """The stream of the positions table; its ARN holds a date, so it is known only once it exists."""
        return self.positions_stream_arn or self.table("positions")

    @property
    def _deployed_account(self) -> str:
        return "" if self.stage == DEFAULT_STAGE else self.account


def dead_letter_queue(queue: str) -> str:
    """Return the name of the dead-letter queue of a queue (FIFO queues need a FIFO one)."""
    return queue.removesuffix(".fifo") + ("-dlq.fifo" if queue.endswith(".fifo") else "-dlq")


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the variables whose names begin with `CTS_`, and the two of AWS; UsageError names a wrong one."""
    events = environment.get("CTS_EVENTS", "kinesis")
    if events not in get_args(EventSink):
        raise UsageError(f"CTS_EVENTS is {events!r}: use {' or '.join(get_args(EventSink))}")
    return Settings(
        stage=environment.get("CTS_STAGE", DEFAULT_STAGE),
        region=environment.get("AWS_REGION", environment.get("AWS_DEFAULT_REGION", DEFAULT_REGION)),
        endpoint_url=environment.get("AWS_ENDPOINT_URL", ""),
        account=environment.get("CTS_ACCOUNT", ""),
        events=cast(EventSink, events),
        bucket_name=environment.get("CTS_BUCKET", ""),
        key_alias=environment.get("CTS_KEY", ""),
        positions_stream_arn=environment.get("CTS_POSITIONS_STREAM_ARN", ""),
    )
