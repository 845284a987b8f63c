"""Settings from the environment: stage, region, endpoint, and the names of all AWS resources."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SCHEMA = 1
"""Version of the stored items; readers accept items of this version and ignore fields they don't know."""

DEFAULT_TENANT = "default"
DEFAULT_STAGE = "local"
DEFAULT_REGION = "eu-central-1"
EXECUTE_QUEUE = "execute-signals.fifo"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this process runs and what its resources are called.

    `endpoint_url` empty means real AWS. With `account` (its number) addresses of queues need no look-up.
    """

    stage: str = DEFAULT_STAGE
    region: str = DEFAULT_REGION
    endpoint_url: str = ""
    account: str = ""

    def table(self, name: str) -> str:
        return f"cts-{self.stage}-{name}"

    def tick_queue(self, kind: str) -> str:
        return f"cts-{self.stage}-{kind}-tick"

    def queue_url(self, queue: str) -> str | None:
        """Return the address of a queue, or None where the account is not known."""
        if not self.account:
            return None
        host = self.endpoint_url or f"https://sqs.{self.region}.amazonaws.com"
        return f"{host}/{self.account}/{queue}"

    @property
    def execute_queue(self) -> str:
        return f"cts-{self.stage}-{EXECUTE_QUEUE}"

    def queues(self, tick_kinds: Iterable[str]) -> tuple[str, ...]:
        """Return all queues without their dead-letter queues."""
        return (*(self.tick_queue(kind) for kind in tick_kinds), self.execute_queue)

    @property
    def stream(self) -> str:
        return f"cts-{self.stage}-events"

    @property
    def bucket(self) -> str:
        return f"cts-{self.stage}-objects"


def dead_letter_queue(queue: str) -> str:
    """Return the name of the dead-letter queue of a queue (FIFO queues need a FIFO one)."""
    return queue.removesuffix(".fifo") + ("-dlq.fifo" if queue.endswith(".fifo") else "-dlq")


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read `CTS_STAGE`, `CTS_ACCOUNT`, `AWS_REGION` and `AWS_ENDPOINT_URL`."""
    return Settings(
        stage=environment.get("CTS_STAGE", DEFAULT_STAGE),
        region=environment.get("AWS_REGION", environment.get("AWS_DEFAULT_REGION", DEFAULT_REGION)),
        endpoint_url=environment.get("AWS_ENDPOINT_URL", ""),
        account=environment.get("CTS_ACCOUNT", ""),
    )
