"""Tokens made to deceive the authorizer: each is refused, the caller learns nothing, the log says why."""

import io
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.token import Unauthorized
from tests.triggers.tokens import (
    HOUR,
    SECRET,
    assert_refused,
    base64url,
    by_hand,
    call,
    local_claims,
    local_token,
    public_jwk,
    public_pem,
    rsa_key,
    signed,
)

KEY = {"kid": "k1"}


def _wrong_tokens() -> dict[str, tuple[str, str]]:
    """Tokens by name, each with the reason that the log must name; the clock runs while they are made."""
    now = int(time.time())
    sound = local_claims()
    head = {"alg": "HS256", "typ": "JWT"}
    unsigned = f"{base64url(json.dumps({'alg': 'none'}).encode())}.{base64url(json.dumps(sound).encode())}."
    other = "another-secret-with-more-than-32-bytes-which-is-not-ours"
    good = local_token()
    return {
        "alg none": (jwt.encode(sound, None, algorithm="none") + "AA", "InvalidAlgorithmError"),
        "alg none, no signature": (unsigned, "form"),
        "alg None in other letters": (by_hand({"alg": "nOnE"}, sound), "InvalidAlgorithmError"),
        "alg empty": (by_hand({"alg": ""}, sound), "InvalidAlgorithmError"),
        "alg missing": (by_hand({"typ": "JWT"}, sound), "InvalidAlgorithmError"),
        "alg a list": (by_hand({"alg": ["HS256"]}, sound), "InvalidAlgorithmError"),
        "HS512 of the same secret": (local_token(algorithm="HS512", key=SECRET * 2), "InvalidAlgorithmError"),
        "RS256 where HS256 is due": (local_token(key=rsa_key(), algorithm="RS256"), "InvalidAlgorithmError"),
        "another secret": (local_token(key=other), "no key has signed it"),
        "signature cut": (f"{good.rpartition('.')[0]}.{base64url(b'x' * 16)}", "no key has signed it"),
        "payload changed": (
            ".".join(
                (
                    good.split(".")[0],
                    base64url(json.dumps({**sound, "tenant": "other"}).encode()),
                    good.split(".")[2],
                )
            ),
            "no key has signed it",
        ),
        "header unreadable": (f"!!{good}".replace("!", "_"), "DecodeError"),
        "header no object": (by_hand([1], sound), "DecodeError"),
        "header of deep lists": (by_hand(b"[" * 3000, sound), "DecodeError"),
        "payload no object": (by_hand(head, ["x"]), "DecodeError"),
        "payload no JSON": (by_hand(head, b"\xff\xfe"), "DecodeError"),
        "payload of deep lists": (by_hand(head, b"[" * 3000), "DecodeError"),
        "payload with a huge number": (by_hand(head, b'{"exp": 1' + b"0" * 5000 + b"}"), "DecodeError"),
        "kid no text": (by_hand({**head, "kid": 7}, sound), "InvalidTokenError"),
        "unknown critical header": (
            by_hand({**head, "crit": ["b64x"], "b64x": 1}, sound),
            "InvalidTokenError",
        ),
        "payload elsewhere": (by_hand({**head, "b64": False, "crit": ["b64"]}, sound), "DecodeError"),
        "key in the header": (
            by_hand({**head, "jwk": {"kty": "oct", "k": base64url(other.encode())}}, sound, other.encode()),
            "no key has signed it",
        ),
        "expired": (local_token(exp=now - 1, iat=now - HOUR), "expired"),
        "expired within the leeway": (local_token(exp=now - 5, iat=now - HOUR), "expired"),
        "not valid yet": (local_token(nbf=now + HOUR), "not valid yet"),
        "issued tomorrow": (local_token(iat=now + 86400, exp=now + 90000), "issued in the future"),
        "valid for a year": (local_token(exp=now + 86400 * 366), "life"),
        "wrong issuer": (local_token(iss="cts-dev"), "issuer"),
        "wrong audience": (local_token(aud="cts-dev"), "audience"),
        "no issuer": (local_token(iss=...), "issuer"),
        "no audience": (local_token(aud=...), "audience"),
        "no expiry": (local_token(exp=...), "times"),
        "no issue": (local_token(iat=...), "times"),
        "no subject": (local_token(sub=...), "subject"),
        "no claims": (by_hand(head, {}), "times"),
        "tenant of another form": (local_token(tenant="a/b"), "tenant"),
        "expiry not a number": (by_hand(head, {**sound, "exp": float("nan")}), "times"),
    }


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("kind", sorted(_wrong_tokens()))
def test_a_wrong_token_is_refused_and_the_log_says_why(kind: str, logs: io.StringIO) -> None:
    token, reason = _wrong_tokens()[kind]
    assert assert_refused(token, logs) == reason


@pytest.mark.usefixtures("rs256")
def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(logs: io.StringIO) -> None:
    pem = public_pem(rsa_key())
    sound = jwt.decode(signed(), options={"verify_signature": False})
    for secret in (pem, pem.strip(), json.dumps(public_jwk(rsa_key())).encode()):
        for algorithm in ("HS256", "RS256"):
            token = by_hand({"alg": algorithm, "typ": "JWT", **KEY}, sound, secret)
            reason = "InvalidAlgorithmError" if algorithm == "HS256" else "no key has signed it"
            assert assert_refused(token, logs) == reason


@pytest.mark.usefixtures("rs256")
@pytest.mark.parametrize(
    ("headers", "number", "reason"),
    [
        ({"kid": "k2"}, 0, "no key has signed it"),
        ({"kid": ""}, 0, "no key has signed it"),
        ({}, 0, "no key has signed it"),
        (KEY, 1, "no key has signed it"),
        ({**KEY, "jwk": public_jwk(rsa_key(number=1))}, 1, "no key has signed it"),
        ({**KEY, "jku": "http://127.0.0.1:1/keys"}, 1, "no key has signed it"),
    ],
    ids=["unknown kid", "empty kid", "no kid", "another key", "key in the header", "keys of their own"],
)
def test_a_token_of_no_published_key_is_refused(
    headers: dict[str, Any], number: int, reason: str, logs: io.StringIO
) -> None:
    assert assert_refused(signed(rsa_key(number=number), "RS256", headers), logs) == reason


@pytest.mark.usefixtures("local")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.one_of(
        st.text(max_size=300),
        st.from_regex(r"Bearer [\w-]{0,60}\.[\w-]{0,60}\.[\w-]{0,60}", fullmatch=True),
        st.builds(
            lambda header, payload: f"Bearer {by_hand(header, payload, b'not ours' * 8)}",
            st.dictionaries(
                st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip", "enc"]),
                st.one_of(
                    st.none(),
                    st.text(max_size=8),
                    st.integers(),
                    st.lists(st.text(max_size=5), max_size=2),
                    st.just("HS256"),
                ),
            ),
            st.one_of(st.binary(max_size=80), st.dictionaries(st.text(max_size=4), st.text(max_size=4))),
        ),
        st.tuples(st.integers(0, 400), st.characters()).map(
            lambda change: f"Bearer {_changed(local_token(), *change)}"
        ),
    )
)
def test_no_header_but_a_valid_one_gets_in_or_breaks_the_authorizer(header: str) -> None:
    with pytest.raises(Unauthorized):
        call("", header.replace("{", "{{").replace("}", "}}"))


def _changed(token: str, place: int, character: str) -> str:
    """Return the token with one character replaced by another one."""
    place %= len(token)
    other = character if character != token[place] else "."
    return token[:place] + other + token[place + 1 :]
