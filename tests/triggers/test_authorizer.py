"""The authorizer as API Gateway calls it: who gets in, in which form, and what it says when it can't tell."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from chalicelib.errors import CtsError
from chalicelib.triggers.api.authorizer import MOST_HEADER
from tests.triggers.tokens import (
    METHOD_ARN,
    SECRET,
    assert_refused,
    call,
    local_token,
    logged,
    rsa_key,
    signed,
)

REPOSITORY = Path(__file__).parents[2]
KEY = {"kid": "k1"}


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}"])
def test_a_valid_token_opens_all_routes_and_tells_them_who_it_is(form: str, logs: io.StringIO) -> None:
    answer = call(local_token(roles=["trader", "viewer"]), form)
    assert answer["principalId"] == "ann"
    assert answer["context"] == {"tenant": "acme", "subject": "ann", "roles": "viewer trader"}
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement == {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        # Not the one route that was asked for: API Gateway keeps the answer for all routes.
        "Resource": [METHOD_ARN.replace("/GET/positions", "/*/*")],
    }
    assert logs.getvalue() == ""


@pytest.mark.usefixtures("rs256")
def test_a_token_of_the_issuers_key_gets_in() -> None:
    assert call(signed(rsa_key(), "RS256", KEY))["context"]["tenant"] == "acme"


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("{}", "form"),
        ("Basic {}", "form"),
        ("Bearer{}", "form"),
        ("Bearer  {}", "form"),
        ("Bearer {} ", "form"),
        (" Bearer {}", "form"),
        ("Bearer {}\n", "form"),
        ("Bearer {0} Bearer {0}", "form"),
        ("Bearer {0}, Bearer {0}", "form"),
        ("Bearer {0},{0}", "form"),
        ("Bearer {}.x", "form"),
        ("Bearer {}=", "form"),
        ("Bearer é{}", "form"),
        ("Bearer {}\u2028", "form"),
        ("Bearer {}\x00", "form"),
        ("Bearer x{}", "DecodeError"),
    ],
)
def test_a_valid_token_in_a_wrong_form_is_refused(form: str, reason: str, logs: io.StringIO) -> None:
    assert assert_refused(local_token(), logs, form) == reason


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer a.b", "Bearer a.b.c.d.e", "Bearer ..", "x" * 9000]
)
def test_a_header_without_a_token_is_refused(header: str, logs: io.StringIO) -> None:
    assert_refused("", logs, header)


@pytest.mark.usefixtures("local")
def test_a_huge_token_is_refused_before_anything_looks_into_it(
    logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a token that is too long was parsed")

    token = local_token(padding="x" * MOST_HEADER)
    monkeypatch.setattr(jwt, "decode", never)
    monkeypatch.setattr(jwt, "get_unverified_header", never)
    assert assert_refused(token, logs) == "too long"


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, "CTS_AUTH_ALGORITHM is ''"),
        ({"CTS_AUTH_ALGORITHM": "none"}, "CTS_AUTH_ALGORITHM is 'none'"),
        ({"CTS_AUTH_ALGORITHM": "hs256"}, "set it to HS256 or RS256"),
        ({"CTS_AUTH_LOCAL_SECRET": SECRET}, "CTS_AUTH_ALGORITHM is ''"),
        ({"CTS_AUTH_ALGORITHM": "RS256"}, "CTS_AUTH_ISSUER is not set"),
    ],
)
def test_a_stage_that_can_not_check_tokens_lets_nobody_in_and_says_what_to_set(
    environment: dict[str, str],
    names: str,
    monkeypatch: pytest.MonkeyPatch,
    logs: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"CTS_STAGE": "dev", **environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CtsError) as unable:
        call(signed())
    # Not 401, which would tell honest callers that their token is wrong.
    assert str(unable.value) != "Unauthorized"
    (line,) = logged(logs)
    assert line["level"] == "ERROR"
    assert names in line["error"]
    (metrics,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (metrics["failures"], metrics["stage"], metrics["trigger"]) == (1, "dev", "authorize")


def printed(program: str) -> str:
    """Return what a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_nothing_imports_the_token_library_before_a_token_comes() -> None:
    program = (
        "import sys\n"
        "from app import app\n"
        "assert app.routes and app.builtin_auth_handlers\n"
        "print([name for name in ('jwt', 'cryptography', 'chalicelib.wiring') if name in sys.modules])\n"
    )
    assert printed(program) == "['chalicelib.wiring']"


def test_the_authorizer_alone_needs_no_stores_and_no_exchanges() -> None:
    program = (
        "import sys\n"
        "import chalicelib.triggers.api.authorizer\n"
        "heavy = ('jwt', 'cryptography', 'botocore.session', 'pynamodb', 'ccxt', 'chalicelib.wiring')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert printed(program) == "[]"
