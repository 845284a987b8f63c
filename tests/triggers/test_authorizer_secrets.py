"""The authorizer's secret in Secrets Manager: read rarely, rotated without a gap, refused if it is weak."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.errors import CtsError, Retryable, UsageError
from chalicelib.triggers.api import signing_keys
from chalicelib.triggers.api.auth_settings import AuthSettings, from_environment
from chalicelib.triggers.api.authorizer import Verifier
from chalicelib.triggers.api.signing_keys import (
    FRESH_SECONDS,
    RENEWAL_SECONDS,
    RETRY_SECONDS,
    Cached,
    read_secrets,
)
from tests.triggers.conftest import Clock
from tests.triggers.tokens import HOUR, SECRET, asks, gets_in, lasting

REGION = "eu-central-1"
NEXT_SECRET = "the-next-secret-of-the-tests-with-more-than-32-bytes"
_number = count()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("secretsmanager", REGION)


@pytest.fixture
def name() -> str:
    """The name of a secret of the test's own: an emulator that another test keeps is shared."""
    return f"cts-dev-jwt-{next(_number)}"


@pytest.fixture
def hs256(name: str) -> AuthSettings:
    return from_environment(
        {
            "CTS_STAGE": "dev",
            "CTS_AUTH_ALGORITHM": "HS256",
            "CTS_AUTH_SECRET": name,
            "AWS_REGION": REGION,
        }
    )


def test_the_secret_is_read_once_and_again_when_it_is_old(
    secrets: Any, clock: Clock, reads: list[str], name: str, hs256: AuthSettings
) -> None:
    secrets.create_secret(Name=name, SecretString=SECRET)
    verifier = Verifier(hs256, clock)
    for _ in range(3):
        assert gets_in(verifier, lasting())
    assert reads == [name]
    clock.time += FRESH_SECONDS + 1
    assert gets_in(verifier, lasting())
    assert reads == [name] * 2


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the secrets that were read."""
    found: list[str] = []

    def counted(name: str, *place: Any) -> tuple[bytes, ...]:
        found.append(name)
        return read_secrets(name, *place)

    monkeypatch.setattr(signing_keys, "read_secrets", counted)
    return found


def test_after_a_rotation_the_new_secret_works_at_once_and_the_old_one_for_an_hour(
    secrets: Any, clock: Clock, name: str, hs256: AuthSettings
) -> None:
    secrets.create_secret(Name=name, SecretString=SECRET)
    verifier = Verifier(hs256, clock)
    clock.time += 2 * HOUR
    assert gets_in(verifier, lasting())
    secrets.put_secret_value(SecretId=name, SecretString=NEXT_SECRET)
    clock.time -= 2 * HOUR
    later = Verifier(hs256, clock)
    assert gets_in(later, lasting(NEXT_SECRET))
    assert gets_in(later, lasting())
    clock.time += HOUR + FRESH_SECONDS + 10
    assert gets_in(later, lasting(NEXT_SECRET))
    assert not gets_in(later, lasting())


def test_a_container_that_knows_the_old_secret_learns_the_new_one_from_the_first_token(
    secrets: Any, clock: Clock, reads: list[str], name: str, hs256: AuthSettings
) -> None:
    secrets.create_secret(Name=name, SecretString=SECRET)
    verifier = Verifier(hs256, clock)
    assert gets_in(verifier, lasting())
    secrets.put_secret_value(SecretId=name, SecretString=NEXT_SECRET)
    clock.time += RENEWAL_SECONDS + 1
    assert gets_in(verifier, lasting(NEXT_SECRET))
    assert len(reads) == 2


def test_wrong_signatures_make_the_secret_be_read_once_a_minute_at_most(
    secrets: Any, clock: Clock, reads: list[str], name: str, hs256: AuthSettings
) -> None:
    secrets.create_secret(Name=name, SecretString=SECRET)
    verifier = Verifier(hs256, clock)
    for _ in range(60):
        assert not gets_in(verifier, lasting(NEXT_SECRET))
        clock.time += 3
    assert len(reads) == 3


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (None, f"in {REGION}: make the stage's resources or set CTS_AUTH_SECRET"),
        ("short", "has 5 bytes: use at least 32"),
        ("x" * 31, "has 31 bytes"),
        (json.dumps({"kty": "oct", "k": "x" * 43}), "can't check HS256"),
        ("-----BEGIN PUBLIC KEY-----\n" + "x" * 64 + "\n-----END PUBLIC KEY-----", "can't check HS256"),
    ],
)
def test_a_secret_that_can_not_serve_lets_nobody_in(
    secrets: Any, clock: Clock, name: str, hs256: AuthSettings, secret: str | None, text: str
) -> None:
    if secret is not None:
        secrets.create_secret(Name=name, SecretString=secret)
    with pytest.raises(UsageError) as unable:
        asks(Verifier(hs256, clock), lasting())
    assert text in str(unable.value)
    assert secret is None or secret not in str(unable.value)


def test_a_secret_that_can_not_be_read_is_retryable(
    clock: Clock, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(Retryable, match=f"secret '{name}' can't be read: EndpointConnectionError"):
        read_secrets(name, REGION, "http://127.0.0.1:1", clock())


def test_a_value_that_was_never_read_is_asked_for_after_a_short_pause(clock: Clock) -> None:
    answers: list[Any] = [Retryable("first"), Retryable("second"), "value"]

    def read() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    cached = Cached(read, clock)
    with pytest.raises(CtsError, match="first"):
        cached.get()
    with pytest.raises(CtsError, match="could not be read"):
        cached.get()
    assert len(answers) == 2
    clock.time += RETRY_SECONDS + 1
    with pytest.raises(CtsError, match="second"):
        cached.get()
    clock.time += RETRY_SECONDS + 1
    assert cached.get() == cached.get() == "value"
