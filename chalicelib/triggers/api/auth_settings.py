"""What the authorizer must know of its stage, from the environment; the authorizer reads it.

| variable | meaning | default |
|---|---|---|
| CTS_AUTH_ALGORITHM | HS256 or RS256; no token chooses | none: nobody is let in |
| CTS_AUTH_ISSUER | the `iss` of every token | HS256: `cts-STAGE` |
| CTS_AUTH_AUDIENCE | what `aud` must name | HS256: `cts-STAGE` |
| CTS_AUTH_SECRET | HS256: name in Secrets Manager of a text of at least 32 bytes | `cts-STAGE-jwt` |
| CTS_AUTH_JWKS_URL | RS256: where the issuer publishes its keys, https | none |
| CTS_AUTH_TENANT | the tenant of tokens that name none | each token must name its own |
| CTS_AUTH_MAX_HOURS | how long after its issue a token may expire | 24 |
| CTS_AUTH_LOCAL_SECRET | stage `local` only: the secret itself, HS256 | none |
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from chalicelib.domain.token import Terms, is_tenant
from chalicelib.errors import UsageError
from chalicelib.settings import DEFAULT_STAGE, DEFAULT_TENANT, Settings
from chalicelib.settings import from_environment as stage_settings

Algorithm = Literal["HS256", "RS256"]

LONGEST_HOURS = 24.0
LOCAL_LONGEST_HOURS = 24.0 * 31
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How the tokens of a stage are proven, and what they must say.

    HS256 has either `secret_name` or, on one machine, `local_secret`; RS256 has `jwks_url`.
    """

    algorithm: Algorithm
    terms: Terms
    region: str
    endpoint_url: str = ""
    secret_name: str = ""
    local_secret: str = field(default="", repr=False)
    jwks_url: str = ""


def from_environment(environment: Mapping[str, str] = os.environ) -> AuthSettings:
    """Read the variables; UsageError names the one that is missing or wrong."""
    settings = stage_settings(environment)
    local_secret = environment.get("CTS_AUTH_LOCAL_SECRET", "")
    if settings.stage == DEFAULT_STAGE and local_secret:
        return local_settings(settings, local_secret)
    algorithm = environment.get("CTS_AUTH_ALGORITHM", "")
    if algorithm not in get_args(Algorithm):
        raise UsageError(f"CTS_AUTH_ALGORITHM is {algorithm!r}: set it to HS256 or RS256")
    hours = _hours(environment.get("CTS_AUTH_MAX_HOURS", f"{LONGEST_HOURS}"))
    is_ours = algorithm == "HS256"
    own_name = stage_name(settings.stage) if is_ours else ""
    terms = Terms(
        issuer=_required(environment, "CTS_AUTH_ISSUER", own_name),
        audience=_required(environment, "CTS_AUTH_AUDIENCE", own_name),
        tenant=_default_tenant(environment.get("CTS_AUTH_TENANT", "")),
        longest_life=hours * _HOUR,
    )
    return AuthSettings(
        algorithm=cast(Algorithm, algorithm),
        terms=terms,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        secret_name=(environment.get("CTS_AUTH_SECRET") or secret_name(settings.stage)) if is_ours else "",
        jwks_url="" if is_ours else _jwks_url(_required(environment, "CTS_AUTH_JWKS_URL", "")),
    )


def stage(environment: Mapping[str, str] = os.environ) -> str:
    """Return the stage, whatever else is wrong with the variables."""
    return environment.get("CTS_STAGE", DEFAULT_STAGE)


def local_settings(settings: Settings, secret: str) -> AuthSettings:
    """Return the settings of the stage on one machine, whose secret is in its state directory."""
    name = stage_name(DEFAULT_STAGE)
    terms = Terms(name, name, DEFAULT_TENANT, LOCAL_LONGEST_HOURS * _HOUR)
    return AuthSettings("HS256", terms, settings.region, local_secret=secret)


def stage_name(stage: str) -> str:
    """Return issuer and audience of the tokens that we sign for a stage."""
    return f"cts-{stage}"


def secret_name(stage: str) -> str:
    """Return the name of the secret that tokens of a stage are signed with."""
    return f"cts-{stage}-jwt"


def _required(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name) or default
    if not value:
        raise UsageError(f"{name} is not set: CTS_AUTH_ALGORITHM=RS256 needs it")
    return value


def _default_tenant(name: str) -> str:
    if name and not is_tenant(name):
        raise UsageError(f"CTS_AUTH_TENANT is {name!r}: use 1 to 40 of a-z, 0-9 and -")
    return name


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours < float("inf"):
        raise UsageError(f"CTS_AUTH_MAX_HOURS is {text!r}: set it to a number of hours above 0")
    return hours


def _jwks_url(url: str) -> str:
    """Refuse an address that somebody on the way could answer for; the loopback has no way."""
    try:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        sound = safe and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"CTS_AUTH_JWKS_URL is {url!r}: set it to an https:// address without a user name")
    return url
