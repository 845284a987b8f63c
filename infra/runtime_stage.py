"""A stage on the loopback for the runtime check: moto's services with our resources, and the functions."""

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from chalicelib.errors import CtsError
from chalicelib.local.aws_clients import own_clients
from chalicelib.local.environment import use_local_aws
from chalicelib.local.event_shapes import ACCOUNT, queue_event
from chalicelib.local.resources import create_resources
from chalicelib.settings import DEFAULT_REGION, DEFAULT_TENANT, EventSink, Settings
from infra.runtime_events import authorizer_event, rest_event, token
from infra.runtime_function import Function

_SECRET_BYTES = 48
_WAIT = 10.0


class CheckFailed(CtsError):
    """A function did not do what it is for."""

    code = "CHECK"


def demand(holds: object, otherwise: str) -> None:
    """Raise CheckFailed unless something holds."""
    if not holds:
        raise CheckFailed(otherwise)


@dataclass(slots=True)
class Stage:
    """What the checks work with; functions are started when they are first called."""

    settings: Settings
    clients: Mapping[str, Any]
    package: Path
    runtime: Path
    environment: Mapping[str, str]
    handlers: Mapping[str, str]
    logs: Path
    secret: str
    functions: dict[tuple[str, str], Function] = field(default_factory=dict)

    def function(self, name: str, events: EventSink = "audit") -> Function:
        """Return a running function by the last part of its handler's name; `events` is its CTS_EVENTS."""
        if (name, events) not in self.functions:
            demand(name in self.handlers, f"the template has no function {name}")
            self.functions[name, events] = Function(
                self.handlers[name],
                self.package,
                self.runtime,
                {**self.environment, "CTS_EVENTS": events},
                self.logs / f"{name}-{events}.log",
            )
        return self.functions[name, events]

    def call(self, name: str, event: Any, events: EventSink = "audit") -> Any:
        """Return what a function answers; CheckFailed if it ends with an error."""
        function = self.function(name, events)
        answer = function.invoke(event)
        demand(not answer.error, f"{name}: {answer.error}\n{function.said()}")
        return answer.value

    def authorized(self) -> dict[str, Any]:
        """Return what API Gateway hands on of an authorizer's answer, for a good token."""
        name = f"cts-{self.settings.stage}"
        good = token(self.secret, name, DEFAULT_TENANT)
        answer = self.call("authorize", authorizer_event(good, self.settings.region))
        effects = {statement["Effect"] for statement in answer["policyDocument"]["Statement"]}
        demand(effects == {"Allow"}, f"authorize: a good token is answered by {effects}")
        return {**answer.get("context", {}), "principalId": answer["principalId"]}

    def request(
        self,
        method: str,
        resource: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Any:
        """Return the data that the API answers to an authorized request; CheckFailed for any error."""
        event = rest_event(method, resource, parameters, body, self.authorized(), query)
        answer = self.call("app", event)
        said = json.loads(answer["body"])
        fine = answer["statusCode"] in (200, 201) and said.get("success") is True
        log = "" if fine else self.function("app").said()
        demand(fine, f"{method} {event['path']} answers {answer['statusCode']}: {answer['body']}\n{log}")
        return said["data"]

    def received(self, queue: str) -> list[Mapping[str, Any]]:
        """Take all messages of a queue."""
        client = self.clients["sqs"]
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        taken: list[Mapping[str, Any]] = []
        deadline = time.monotonic() + _WAIT
        while time.monotonic() < deadline:
            found = client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            taken.extend(found)
            if not found:
                break
        return taken

    def deliver(self, name: str, queue: str) -> list[Mapping[str, Any]]:
        """Hand all messages of a queue to a function and return them; CheckFailed if it refuses one."""
        messages = self.received(queue)
        demand(messages, f"{queue} is empty: nothing was sent to {name}")
        answer = self.call(name, queue_event(queue, self.settings.region, messages))
        failed = answer["batchItemFailures"]
        demand(
            not failed,
            f"{name}: {len(failed)} of {len(messages)} messages fail\n{self.function(name).said()}",
        )
        return messages

    def close(self) -> None:
        """End all functions."""
        for function in self.functions.values():
            function.close()


@contextmanager
def standing(
    stage: str,
    package: Path,
    runtime: Path,
    handlers: Mapping[str, str],
    variables: Mapping[str, str],
    logs: Path,
) -> Iterator[Stage]:
    """Serve a stage with all its resources until the block ends; `variables` are more of its functions'."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # The services' state is this process's, and may be that of a stage before this one.
    moto_api_backend.reset()
    settings = Settings(stage, DEFAULT_REGION, f"http://{host}:{port}", ACCOUNT)
    # This process makes the resources: it must not find the way to a real account.
    use_local_aws(settings)
    clients = own_clients(settings.endpoint_url, settings.region)
    secret = secrets.token_hex(_SECRET_BYTES)
    logs.mkdir(parents=True, exist_ok=True)
    found = Stage(
        settings, clients, package, runtime, {**_environment(settings), **variables}, handlers, logs, secret
    )
    try:
        create_resources(settings, clients)
        _create_key_and_secret(settings, secret)
        yield found
    finally:
        found.close()
        server.stop()


def _create_key_and_secret(settings: Settings, secret: str) -> None:
    from botocore.session import Session

    session = Session()
    place = {"region_name": settings.region, "endpoint_url": settings.endpoint_url}
    key = session.create_client("kms", **place)
    made = key.create_key()["KeyMetadata"]["KeyId"]
    key.create_alias(AliasName=settings.key, TargetKeyId=made)
    keeper = session.create_client("secretsmanager", **place)
    keeper.create_secret(Name=f"cts-{settings.stage}-jwt", SecretString=secret)


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "CTS_ACCOUNT": settings.account,
        "CTS_AUTH_ALGORITHM": "HS256",
        "CTS_STAGE": settings.stage,
    }
