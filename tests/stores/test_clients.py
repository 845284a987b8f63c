"""Clients that read little of botocore's data must speak to AWS exactly as its own clients do."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.settings import Settings
from chalicelib.stores.clients import CONFIG, Clients

CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"pk": {"S": "x"}}}),
    "kinesis": ("put_record", {"StreamName": "s", "Data": b"x", "PartitionKey": "k"}),
    "kms": ("encrypt", {"KeyId": "alias/x", "Plaintext": b"x"}),
    "s3": ("get_object", {"Bucket": "bucket-name", "Key": "k/y"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "x"}),
    "sqs": ("get_queue_url", {"QueueName": "q"}),
}
REGIONS = ("us-east-1", "eu-central-1", "ap-east-2", "cn-north-1", "us-gov-west-1", "eusc-de-east-1")
LOADER = Loader()


class _SentError(Exception):
    pass


def request_of(client: Any, service: str) -> tuple[str, str, list[str]]:
    """Return address, signature without its time-dependent parts, and header names of a call."""
    seen: list[Any] = []

    def before_send(request: Any, **_: Any) -> None:
        seen.append(request)
        raise _SentError

    client.meta.events.register("before-send", before_send)
    operation, arguments = CALLS[service]
    with pytest.raises(_SentError):
        getattr(client, operation)(**arguments)
    authorization = seen[0].headers["Authorization"]
    text = authorization.decode() if isinstance(authorization, bytes) else authorization
    return seen[0].url, re.sub(r"/\d{8}/|Signature=\w+", "/", text), sorted(seen[0].headers)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def theirs(service: str, region: str) -> Any:
    session = Session()
    session.register_component("data_loader", LOADER)
    return session.create_client(service, region, config=CONFIG)


def test_all_services_are_called_as_botocore_calls_them() -> None:
    for region in REGIONS:
        ours = Clients(Settings(region=region))
        for service in CALLS:
            assert request_of(ours[service], service) == request_of(theirs(service, region), service)


@pytest.mark.parametrize("setting", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_variants_of_addresses_are_known(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "true")
    ours = Clients(Settings(region="us-east-1"))
    for service in CALLS:
        found = request_of(ours[service], service)
        assert found == request_of(theirs(service, "us-east-1"), service)
        assert re.search(r"fips|api\.aws|dualstack", found[0]) or service == "secretsmanager"


def test_a_client_is_made_at_its_first_use_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real: Callable[..., Any] = Session.create_client

    def create_client(session: Session, service: str, *about: Any, **named: Any) -> Any:
        made.append(service)
        return real(session, service, *about, **named)

    monkeypatch.setattr(Session, "create_client", create_client)
    clients = Clients(Settings())
    assert made == []
    assert clients["sqs"] is clients["sqs"]
    assert made == ["sqs"]


def test_each_operation_is_heard_once_whatever_its_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    settings = Settings(endpoint_url="http://127.0.0.1:9")
    client = Clients(settings, heard.append)["dynamodb"]
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(Exception, match="Could not connect"):
        client.get_item(TableName="t", Key={"pk": {"S": "x"}})
    assert heard == ["dynamodb.GetItem"]
