"""The authorizer's settings: defaults, and the variable that each refusal names."""

from typing import Any

import pytest

from chalicelib.domain.token import Terms
from chalicelib.errors import UsageError
from chalicelib.triggers.api.auth_settings import from_environment, stage

HS256 = {"CTS_STAGE": "dev", "CTS_AUTH_ALGORITHM": "HS256"}
RS256 = {
    "CTS_STAGE": "prod",
    "CTS_AUTH_ALGORITHM": "RS256",
    "CTS_AUTH_ISSUER": "https://issuer.example/",
    "CTS_AUTH_AUDIENCE": "cts",
    "CTS_AUTH_JWKS_URL": "https://issuer.example/keys",
}
DAY = 86400.0


def test_tokens_that_we_sign_need_only_the_algorithm() -> None:
    found = from_environment(HS256)
    assert found.terms == Terms("cts-dev", "cts-dev", "", DAY)
    assert (found.algorithm, found.secret_name, found.jwks_url) == ("HS256", "cts-dev-jwt", "")


def test_every_variable_is_read() -> None:
    given = {**HS256, "CTS_AUTH_SECRET": "mine", "CTS_AUTH_ISSUER": "i", "CTS_AUTH_AUDIENCE": "a"}
    found = from_environment({**given, "CTS_AUTH_TENANT": "acme", "CTS_AUTH_MAX_HOURS": "0.5"})
    assert found.terms == Terms("i", "a", "acme", 1800.0)
    assert found.secret_name == "mine"
    theirs = from_environment({**RS256, "CTS_AUTH_SECRET": "mine"})
    assert theirs.terms == Terms("https://issuer.example/", "cts", "", DAY)
    assert (theirs.secret_name, theirs.jwks_url) == ("", "https://issuer.example/keys")


def test_the_local_secret_counts_on_the_local_stage_only_and_is_not_shown() -> None:
    secret = {"CTS_AUTH_LOCAL_SECRET": "x" * 40}
    found = from_environment({"CTS_STAGE": "local", **secret})
    assert (found.local_secret, found.algorithm) == ("x" * 40, "HS256")
    assert found.terms == Terms("cts-local", "cts-local", "default", 31 * DAY)
    assert "xxxx" not in repr(found)
    assert from_environment({**HS256, **secret}).local_secret == ""
    with pytest.raises(UsageError, match="CTS_AUTH_ALGORITHM"):
        from_environment({"CTS_STAGE": "dev", **secret})
    with pytest.raises(UsageError, match="CTS_AUTH_ALGORITHM"):
        from_environment({})


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({**RS256, "CTS_AUTH_ISSUER": ""}, "CTS_AUTH_ISSUER is not set"),
        ({**RS256, "CTS_AUTH_AUDIENCE": ""}, "CTS_AUTH_AUDIENCE is not set"),
        ({**RS256, "CTS_AUTH_JWKS_URL": ""}, "CTS_AUTH_JWKS_URL is not set"),
        ({**RS256, "CTS_AUTH_ALGORITHM": "ES256"}, "CTS_AUTH_ALGORITHM is 'ES256'"),
        ({**HS256, "CTS_AUTH_TENANT": "Acme"}, "CTS_AUTH_TENANT is 'Acme'"),
        ({**HS256, "CTS_AUTH_TENANT": "public"}, "CTS_AUTH_TENANT is 'public'"),
        ({**HS256, "CTS_AUTH_MAX_HOURS": "0"}, "CTS_AUTH_MAX_HOURS is '0'"),
        ({**HS256, "CTS_AUTH_MAX_HOURS": "inf"}, "CTS_AUTH_MAX_HOURS is 'inf'"),
        ({**HS256, "CTS_AUTH_MAX_HOURS": "day"}, "CTS_AUTH_MAX_HOURS is 'day'"),
    ],
)
def test_a_missing_or_wrong_variable_is_named(environment: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_environment(environment)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/keys",
        "http://127.0.0.1.example/keys",
        "http://127.0.0.1@issuer.example/keys",
        "https://user@issuer.example/keys",
        "https:///keys",
        "ftp://issuer.example/keys",
        "file:///etc/passwd",
        "issuer.example/keys",
        "https://issuer.example:99999/keys",
        "https://[::1/keys",
    ],
)
def test_keys_come_over_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(UsageError, match="CTS_AUTH_JWKS_URL is"):
        from_environment({**RS256, "CTS_AUTH_JWKS_URL": url})


@pytest.mark.parametrize(
    "url", ["https://issuer.example", "http://127.0.0.1:8080/k", "http://[::1]/k", "http://localhost/k"]
)
def test_safe_addresses_are_taken(url: str) -> None:
    assert from_environment({**RS256, "CTS_AUTH_JWKS_URL": url}).jwks_url == url


def test_the_stage_is_known_whatever_else_is_wrong() -> None:
    assert stage({"CTS_STAGE": "dev", "CTS_EVENTS": "nonsense"}) == "dev"
    assert stage({}) == "local"
