"""Credentials: what is refused without being shown, and that nothing prints or encodes the rest."""

import json
import logging
from typing import Any

import pytest

from chalicelib.domain.codec import to_plain
from chalicelib.domain.credentials import (
    MOST_BYTES,
    Credentials,
    Secret,
    credentials_in,
    credentials_of,
    plaintext_of,
)
from chalicelib.errors import Rejected

CANARY = "CANARY-7f3a"
WISH = {"api_key": f"key-{CANARY}", "secret": f"secret-{CANARY}", "password": f"password-{CANARY}"}


def test_what_comes_in_can_be_revealed_and_encrypted_and_comes_back() -> None:
    found = credentials_of(WISH)
    assert (found.api_key.reveal(), found.secret.reveal()) == (WISH["api_key"], WISH["secret"])
    assert found.password.reveal() == WISH["password"]
    assert credentials_in(plaintext_of(found)) == found
    assert credentials_in(b'{"api_key": "a", "secret": "b", "of_a_newer_program": 1}') == credentials_of(
        {"api_key": "a", "secret": "b", "password": None}
    )


def test_what_copying_leaves_around_a_key_is_not_part_of_it() -> None:
    found = credentials_of({"api_key": " a\n", "secret": "-----BEGIN\nb\n-----\n", "password": " c "})
    assert [part.reveal() for part in (found.api_key, found.secret, found.password)] == [
        "a",
        "-----BEGIN\nb\n-----",
        " c ",
    ]


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (CANARY, "must be an object with api_key, secret"),
        ([CANARY], "must be an object"),
        (None, "must be an object"),
        ({**WISH, CANARY: "x"}, "unknown field: known are api_key, secret, password"),
        ({"secret": CANARY}, "lack the field 'api_key'"),
        ({"api_key": CANARY}, "lack the field 'secret'"),
        ({**WISH, "secret": " \n"}, "lack the field 'secret'"),
        ({**WISH, "secret": [CANARY]}, "credentials.secret must be a text"),
        ({**WISH, "api_key": 7353}, "credentials.api_key must be a text"),
        ({**WISH, "password": True}, "credentials.password must be a text"),
        ({**WISH, "secret": CANARY * 400}, "too long: 4096 bytes"),
        ({**WISH, "secret": "\ud800" * 800}, "too long: 4096 bytes"),
    ],
)
def test_a_wrong_wish_is_named_and_never_shown(wish: Any, text: str) -> None:
    with pytest.raises(Rejected) as refused:
        credentials_of(wish)
    assert text in str(refused.value)
    assert CANARY not in str(refused.value)
    assert "7353" not in str(refused.value)


def test_a_large_private_key_fits() -> None:
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *["x" * 64] * 51, "-----END PRIVATE KEY-----"])
    assert len(plaintext_of(credentials_of({"api_key": "k" * 64, "secret": key}))) <= MOST_BYTES


def test_nothing_that_prints_or_encodes_values_shows_them(caplog: pytest.LogCaptureFixture) -> None:
    found = credentials_of(WISH)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("cts").error("failed with %s", found, extra={"about": found})
    for text in (repr(found), str(found), f"{found}", f"{found.secret!s:>40}", caplog.text, str([found])):
        assert CANARY not in text
    for encode in (to_plain, json.dumps):
        with pytest.raises(TypeError) as refused:
            encode(found)
        assert CANARY not in str(refused.value)


def test_secrets_compare_by_their_text() -> None:
    assert Credentials(Secret("a"), Secret("b")) == Credentials(Secret("a"), Secret("b"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
