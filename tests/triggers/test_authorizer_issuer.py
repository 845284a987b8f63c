"""The keys that an issuer publishes: read rarely, new ones at once, withdrawn ones no more, within bounds."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import Retryable, UsageError
from chalicelib.triggers.api import signing_keys
from chalicelib.triggers.api.auth_settings import AuthSettings, from_environment
from chalicelib.triggers.api.authorizer import Verifier
from chalicelib.triggers.api.signing_keys import (
    FRESH_SECONDS,
    MOST_KEY_SET_BYTES,
    RENEWAL_SECONDS,
    STALE_SECONDS,
    read_key_set,
)
from tests.triggers.conftest import Clock
from tests.triggers.tokens import (
    Issuer,
    asks,
    gets_in,
    issuer,
    lasting,
    logged,
    public_jwk,
    rsa_key,
    self_signed,
)


@pytest.fixture
def served() -> Iterator[Issuer]:
    with issuer() as found:
        yield found


def rs256(url: str) -> AuthSettings:
    return from_environment(
        {
            "CTS_STAGE": "dev",
            "CTS_AUTH_ALGORITHM": "RS256",
            "CTS_AUTH_ISSUER": "cts-dev",
            "CTS_AUTH_AUDIENCE": "cts-dev",
            "CTS_AUTH_JWKS_URL": url,
        }
    )


def test_keys_of_the_issuer_are_read_once_and_a_new_one_works_at_once(served: Issuer, clock: Clock) -> None:
    served.publish(public_jwk(rsa_key()))
    verifier = Verifier(rs256(served.url), clock)
    for _ in range(3):
        assert gets_in(verifier, lasting(rsa_key(), "RS256", headers={"kid": "k1"}))
    assert served.asked == 1
    served.publish(public_jwk(rsa_key()), public_jwk(rsa_key(number=1), "k2"))
    second = lasting(rsa_key(number=1), "RS256", headers={"kid": "k2"})
    assert not gets_in(verifier, second)
    clock.time += RENEWAL_SECONDS + 1
    assert gets_in(verifier, second)
    assert served.asked == 2


def test_unknown_key_ids_ask_the_issuer_once_a_minute_at_most(served: Issuer, clock: Clock) -> None:
    served.publish(public_jwk(rsa_key()))
    verifier = Verifier(rs256(served.url), clock)
    for number in range(60):
        assert not gets_in(verifier, lasting(rsa_key(), "RS256", headers={"kid": f"x{number}"}))
        clock.time += 3
    assert served.asked == 3


def test_a_withdrawn_key_ends(served: Issuer, clock: Clock) -> None:
    served.publish(public_jwk(rsa_key()), public_jwk(rsa_key(number=1), "k2"))
    verifier = Verifier(rs256(served.url), clock)
    token = lasting(rsa_key(), "RS256", headers={"kid": "k1"})
    assert gets_in(verifier, token)
    served.publish(public_jwk(rsa_key(number=1), "k2"))
    clock.time += FRESH_SECONDS + 1
    assert not gets_in(verifier, token)


def test_an_issuer_that_is_away_locks_nobody_out_for_an_hour(
    served: Issuer, clock: Clock, logs: io.StringIO
) -> None:
    served.publish(public_jwk(rsa_key()))
    verifier = Verifier(rs256(served.url), clock)
    token = lasting(rsa_key(), "RS256", headers={"kid": "k1"})
    assert gets_in(verifier, token)
    served.status = 503
    clock.time += FRESH_SECONDS + 1
    assert gets_in(verifier, token)
    (line,) = logged(logs)
    assert line["message"] == "the keys can't be read again; the old ones serve on"
    assert "answered 503" in line["error"]
    clock.time += STALE_SECONDS
    with pytest.raises(Retryable, match="answered 503"):
        asks(verifier, token)


@pytest.mark.parametrize(
    "key",
    [
        public_jwk(rsa_key(), use="enc"),
        public_jwk(rsa_key(), alg="RS512"),
        public_jwk(rsa_key(), kid=7),
        {"kty": "oct", "k": "x" * 43, "kid": "k1", "alg": "HS256"},
        {"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "k1"},
        {"kty": "RSA", "kid": "k1"},
        7,
    ],
    ids=["for encryption", "another algorithm", "id no text", "a secret", "a curve", "not whole", "no key"],
)
def test_only_whole_rsa_keys_for_signatures_are_used(served: Issuer, key: Any) -> None:
    served.publish(key)
    with pytest.raises(Retryable, match="has no RSA key for RS256 signatures"):
        read_key_set(served.url)
    served.publish(key, public_jwk(rsa_key(), "good"))
    assert set(read_key_set(served.url)) == {"good"}


@pytest.mark.parametrize(
    "key", [public_jwk(rsa_key(1024)), public_jwk(rsa_key(), n="!")], ids=["1024 bits", "no number"]
)
def test_a_published_key_that_can_not_prove_anything_lets_nobody_in(
    served: Issuer, clock: Clock, key: Any
) -> None:
    served.publish(key)
    with pytest.raises(UsageError, match="a key of this stage can't check RS256"):
        asks(Verifier(rs256(served.url), clock), lasting(rsa_key(), "RS256", headers={"kid": "k1"}))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"keys": 7}', b'{"key": []}', b"[" * 5000, b"\xff"]
)
def test_what_is_no_key_set_is_told(served: Issuer, body: bytes) -> None:
    served.body = body
    with pytest.raises(Retryable, match="does not hold a JSON Web Key Set"):
        read_key_set(served.url)


def test_redirects_are_not_followed(served: Issuer) -> None:
    served.status, served.headers = 302, {"Location": served.url}
    with pytest.raises(Retryable, match="answered 302"):
        read_key_set(served.url)
    assert served.asked == 1


def test_a_key_set_is_bounded_in_size_and_time(served: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    served.body = b" " * (MOST_KEY_SET_BYTES + 1)
    with pytest.raises(Retryable, match="has more than 262144 bytes"):
        read_key_set(served.url)
    monkeypatch.setattr(signing_keys, "FETCH_SECONDS", 0.2)
    served.body, served.pause = b" " * 100, 0.05
    with pytest.raises(Retryable, match=r"took more than 0\.2 s"):
        read_key_set(served.url)
    served.pause = 1.0
    with pytest.raises(Retryable, match="did not answer: TimeoutError"):
        read_key_set(served.url)


def test_an_address_where_nobody_is_is_told() -> None:
    with pytest.raises(Retryable, match="did not answer: ConnectionRefusedError"):
        read_key_set("http://127.0.0.1:1/keys")


def test_an_issuer_whose_certificate_proves_nothing_is_not_believed(tmp_path: Path) -> None:
    with issuer(self_signed(tmp_path)) as impostor:
        impostor.publish(public_jwk(rsa_key()))
        assert impostor.url.startswith("https://")
        with pytest.raises(Retryable, match="did not answer: SSLCertVerificationError"):
            read_key_set(impostor.url)
        assert impostor.asked == 0
