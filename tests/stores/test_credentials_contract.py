"""Credentials in both worlds: the twin, and DynamoDB with KMS on an emulated AWS."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import get_session

from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import Credentials, SealedCredentials, credentials_of
from chalicelib.errors import Conflict, Halt, NotFound, Retryable
from chalicelib.flows.world import ConnectionStore, CredentialStore
from chalicelib.stores.clients import CONFIG
from chalicelib.stores.connections import DynamoConnectionStore
from chalicelib.stores.credentials import NO_KEY, KmsCredentialStore
from chalicelib.stores.memory import MemoryConnectionStore, MemoryTables
from chalicelib.stores.memory_credentials import MemoryCredentialStore
from tests.stores.worlds import SETTINGS, Stores

CANARY = "CANARY-51c0"
TENANT, ACCOUNT = "default", "main"
_number = count()


def some(name: str = "a") -> Credentials:
    return credentials_of(
        {"api_key": f"key-{name}-{CANARY}", "secret": f"s-{name}-{CANARY}", "password": f"p-{CANARY}"}
    )


@dataclass
class World:
    """Both stores, another credential store without a key, and what AWS was asked."""

    credentials: CredentialStore
    connections: ConnectionStore
    keyless: CredentialStore
    calls: Callable[[], dict[str, int]]

    def add(self, name: str = ACCOUNT, tenant: str = TENANT) -> None:
        self.connections.create(Connection(name, "binance", ("BTC/USDT",), tenant))

    def keep(self, credentials: Credentials, name: str = ACCOUNT, tenant: str = TENANT) -> SealedCredentials:
        sealed = self.credentials.seal(tenant, name, credentials)
        self.credentials.put(sealed)
        return sealed


@dataclass
class Kms:
    """An emulated KMS with one key; `made` tells how often a store asked for the client."""

    client: Any
    alias: str
    key_id: str
    made: int = 0

    def __call__(self) -> Any:
        self.made += 1
        return self.client


@pytest.fixture
def kms(aws: Stores) -> Kms:
    client = get_session().create_client("kms", SETTINGS.region, config=CONFIG)
    client.meta.events.register(
        "before-call.kms", lambda model, **_: aws.calls.update((f"kms.{model.name}",))
    )
    key_id = client.create_key()["KeyMetadata"]["KeyId"]
    alias = f"alias/cts-test-{next(_number)}"
    client.create_alias(AliasName=alias, TargetKeyId=key_id)
    aws.calls.clear()
    return Kms(client, alias, key_id)


def on_aws(stores: Stores, kms: Kms) -> World:
    keyless = KmsCredentialStore(kms, NO_KEY)
    store = KmsCredentialStore(kms, kms.alias)
    return World(store, DynamoConnectionStore(), keyless, lambda: dict(stores.calls))


@pytest.fixture(params=["memory", "aws"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        tables = MemoryTables()
        stores = MemoryCredentialStore(tables), MemoryConnectionStore(tables)
        return World(*stores, MemoryCredentialStore(tables, has_key=False), dict)
    return on_aws(request.getfixturevalue("aws"), request.getfixturevalue("kms"))


def test_what_was_put_comes_back_and_what_comes_later_replaces_it(world: World) -> None:
    world.add()
    assert world.credentials.get(TENANT, ACCOUNT) is None
    world.keep(some("a"))
    assert world.credentials.get(TENANT, ACCOUNT) == some("a")
    world.keep(some("b"))
    assert world.credentials.get(TENANT, ACCOUNT) == some("b")


def test_sealing_stores_nothing(world: World) -> None:
    world.add()
    world.credentials.seal(TENANT, ACCOUNT, some())
    assert world.credentials.get(TENANT, ACCOUNT) is None
    assert world.credentials.held(TENANT) == frozenset()


def test_credentials_belong_to_one_connection_of_one_tenant(world: World) -> None:
    for tenant, name in (("acme", "a"), ("acme", "b"), ("acme-2", "a")):
        world.add(name, tenant)
    world.keep(some("1"), "a", "acme")
    world.keep(some("2"), "a", "acme-2")
    assert world.credentials.get("acme", "b") is None
    assert world.credentials.get("acme-2", "a") == some("2")
    assert world.credentials.held("acme") == world.credentials.held("acme-2") == frozenset(("a",))
    assert world.credentials.held("ac") == frozenset()
    assert [found.connection_id for found in world.connections.list("acme")] == ["a", "b"]


def test_deleting_tells_whether_there_were_any(world: World) -> None:
    world.add()
    world.keep(some())
    assert world.credentials.delete(TENANT, ACCOUNT) is True
    assert world.credentials.delete(TENANT, ACCOUNT) is False
    assert world.credentials.get(TENANT, ACCOUNT) is None
    assert world.credentials.held(TENANT) == frozenset()


def test_credentials_without_a_connection_are_not_stored(world: World) -> None:
    with pytest.raises(NotFound, match="no connection 'main'"):
        world.keep(some())
    assert world.credentials.held(TENANT) == frozenset()


@pytest.mark.parametrize("place", [("acme", "b"), ("acme-2", "a")], ids=["connection", "tenant"])
def test_a_ciphertext_moved_to_another_place_does_not_open(world: World, place: tuple[str, str]) -> None:
    for tenant, name in (("acme", "a"), place):
        world.add(name, tenant)
    sealed = world.keep(some(), "a", "acme")
    world.credentials.put(replace(sealed, tenant=place[0], connection_id=place[1]))
    with pytest.raises(Halt, match=f"credentials of connection '{place[1]}' can't be decrypted") as refused:
        world.credentials.get(*place)
    assert CANARY not in str(refused.value)


def test_a_stage_without_a_key_says_what_to_do(world: World) -> None:
    with pytest.raises(
        Conflict, match="no key for credentials: deploy its resources with Key=customer"
    ) as refused:
        world.keyless.seal(TENANT, ACCOUNT, some())
    assert CANARY not in str(refused.value)
    assert world.keyless.held(TENANT) == frozenset()


def test_calls_per_method_are_those_that_are_documented(aws: Stores, kms: Kms) -> None:
    world = on_aws(aws, kms)
    world.add()
    done: list[tuple[Callable[[], object], dict[str, int]]] = [
        (lambda: world.credentials.held(TENANT), {"dynamodb.Query": 1}),
        (lambda: world.credentials.get(TENANT, ACCOUNT), {"dynamodb.GetItem": 1}),
        (lambda: world.credentials.delete(TENANT, ACCOUNT), {"dynamodb.DeleteItem": 1}),
    ]
    for call, expected in done:
        aws.calls.clear()
        call()
        assert dict(aws.calls) == expected
    assert kms.made == 0
    aws.calls.clear()
    sealed = world.credentials.seal(TENANT, ACCOUNT, some())
    assert dict(aws.calls) == {"kms.Encrypt": 1}
    aws.calls.clear()
    world.credentials.put(sealed)
    assert dict(aws.calls) == {"dynamodb.TransactWriteItems": 1}
    aws.calls.clear()
    world.credentials.get(TENANT, ACCOUNT)
    assert dict(aws.calls) == {"dynamodb.GetItem": 1, "kms.Decrypt": 1}
    assert kms.made == 1


def test_no_table_holds_anything_of_the_plain_text(aws: Stores, kms: Kms) -> None:
    world = on_aws(aws, kms)
    world.add()
    world.keep(some())
    stored = json.dumps(aws.clients["dynamodb"].scan(TableName=SETTINGS.table("connections"))["Items"])
    assert '"default#credentials"' in stored
    assert CANARY not in stored
    # In base64 a text looks different at each of three places.
    for shift in range(3):
        inner = base64.b64encode(b" " * shift + CANARY.encode())[4:-4].decode()
        assert inner not in stored


def test_kms_decrypts_under_the_context_of_the_place_only(aws: Stores, kms: Kms) -> None:
    sealed = on_aws(aws, kms).credentials.seal(TENANT, ACCOUNT, some())
    context = {"tenant": TENANT, "connection": ACCOUNT}
    opened = kms.client.decrypt(CiphertextBlob=sealed.blob, EncryptionContext=context)
    assert CANARY.encode() in opened["Plaintext"]
    for wrong in ({}, {"tenant": TENANT}, {**context, "connection": "other"}, {**context, "more": "x"}):
        with pytest.raises(ClientError, match="InvalidCiphertext"):
            kms.client.decrypt(CiphertextBlob=sealed.blob, EncryptionContext=wrong)


def test_a_key_that_is_not_there_is_like_none(aws: Stores, kms: Kms) -> None:
    store = KmsCredentialStore(kms, "alias/cts-nowhere")
    with pytest.raises(Conflict, match="no key for credentials"):
        store.seal(TENANT, ACCOUNT, some())


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        ("DisabledException", Conflict, "can't be used .DisabledException.: enable it in KMS"),
        ("KMSInvalidStateException", Conflict, "can't be used"),
        ("IncorrectKeyException", Halt, "can't be decrypted"),
        ("ThrottlingException", Retryable, "ThrottlingException"),
        ("KMSInternalException", Retryable, "KMSInternalException"),
        ("AccessDeniedException", ClientError, "AccessDeniedException"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1"), Retryable, "credentials of main"),
    ],
)
def test_what_kms_refuses_is_told_without_the_plain_text(
    aws: Stores,
    kms: Kms,
    monkeypatch: pytest.MonkeyPatch,
    error: str | Exception,
    kind: type[Exception],
    text: str,
) -> None:
    world = on_aws(aws, kms)
    world.add()
    world.keep(some())

    def refuse(*_: Any, **__: Any) -> Any:
        if isinstance(error, Exception):
            raise error
        status = 500 if "Internal" in error else 400
        response: Any = {"Error": {"Code": error}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "Operation")

    monkeypatch.setattr(kms.client, "_make_api_call", refuse)
    for call in (
        lambda: world.credentials.seal(TENANT, ACCOUNT, some()),
        lambda: world.credentials.get(TENANT, ACCOUNT),
    ):
        with pytest.raises(kind, match=text) as refused:
            call()
        assert CANARY not in str(refused.value)
