"""Who a signed token speaks for: its claims judged against the terms of the stage; the authorizer calls it.

Pure: the signature was proven before, and nothing else of a token is believed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from chalicelib.domain.engine import PUBLIC_TENANT
from chalicelib.errors import Rejected

LEEWAY = 30.0
"""Seconds that the clocks of the issuer and ours may differ."""

ROLES = ("viewer", "trader", "admin")

_TENANT_CLAIMS = ("tenant", "custom:tenant")
_ROLE_CLAIMS = ("roles", "cognito:groups")
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")


class Unauthorized(Rejected):
    """The caller has not proven who they are; API Gateway answers 401 to exactly this message."""

    code = "UNAUTHORIZED"
    http_status = 401

    def __init__(self) -> None:
        super().__init__("Unauthorized")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the tokens of a stage must say.

    `tenant` belongs to tokens that name none; empty: each must name its own. `longest_life` in seconds is
    how long after its issue a token may expire.
    """

    issuer: str
    audience: str
    tenant: str
    longest_life: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: the tenant whose data they may see, who they are, and which of ROLES they have."""

    tenant: str
    subject: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token is refused: a word for the log. Callers are never told."""

    reason: str


def judge(claims: Mapping[str, Any], terms: Terms, now: float) -> Identity | Refusal:
    """Return whom the claims speak for at `now`, or the first thing that is wrong with them."""
    for reason, holds in _CHECKS:
        if not holds(claims, terms, now):
            return Refusal(reason)
    tenant = _tenant(claims) or terms.tenant
    if not is_tenant(tenant):
        return Refusal("tenant")
    return Identity(tenant, claims["sub"], _roles(claims))


def claims_for(identity: Identity, terms: Terms, now: float, life: float) -> dict[str, Any]:
    """Return the claims of a token that `judge` takes for `life` seconds; Rejected if it would not."""
    claims = {
        "iss": terms.issuer,
        "aud": terms.audience,
        "sub": identity.subject,
        "tenant": identity.tenant,
        "roles": list(identity.roles),
        "iat": int(now),
        "exp": int(now + life),
    }
    judged = judge(claims, terms, now)
    if isinstance(judged, Refusal):
        raise Rejected(f"no valid token would come of this {_SPOKEN.get(judged.reason, judged.reason)}")
    return claims


def is_tenant(name: str) -> bool:
    """Tell whether a text can be the name of a tenant: 1 to 40 of a-z, 0-9 and -, and not ours."""
    return bool(_TENANT.fullmatch(name)) and name != PUBLIC_TENANT


def _is_time(value: Any) -> bool:
    """Tell whether a claim is a NumericDate; JSON as Python reads it also has infinity and NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value)


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _has_times(claims: Mapping[str, Any], _terms: Terms, _now: float) -> bool:
    return all(_is_time(claims.get(name)) for name in ("exp", "iat")) and _is_time(claims.get("nbf", 0))


def _is_for_us(claims: Mapping[str, Any], terms: Terms, _now: float) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    return bool(terms.audience) and any(name == terms.audience for name in named)


def _has_subject(claims: Mapping[str, Any], _terms: Terms, _now: float) -> bool:
    subject = claims.get("sub")
    return isinstance(subject, str) and bool(_SUBJECT.fullmatch(subject))


def _has_one_tenant(claims: Mapping[str, Any], _terms: Terms, _now: float) -> bool:
    """Tell whether the tenant claims are texts and agree; none at all is for the terms to fill."""
    named = [claims[name] for name in _TENANT_CLAIMS if name in claims]
    return all(isinstance(name, str) and name for name in named) and len(set(named)) <= 1


_Check = Callable[[Mapping[str, Any], Terms, float], bool]
_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("times", _has_times),
    ("issuer", lambda claims, terms, _: bool(terms.issuer) and claims.get("iss") == terms.issuer),
    ("audience", _is_for_us),
    ("expired", lambda claims, _, now: now < claims["exp"]),
    ("issued in the future", lambda claims, _, now: claims["iat"] <= now + LEEWAY),
    ("not valid yet", lambda claims, _, now: claims.get("nbf", 0) <= now + LEEWAY),
    ("life", lambda claims, terms, _: claims["exp"] - claims["iat"] <= terms.longest_life),
    ("subject", _has_subject),
    ("tenant", _has_one_tenant),
)
_SPOKEN = {
    "expired": "life: it must be at least a second",
    "life": "life: it is longer than this stage takes",
    "subject": "subject: use 1 to 255 printable ASCII characters without spaces",
    "tenant": "tenant: use 1 to 40 of a-z, 0-9 and -",
}


def _tenant(claims: Mapping[str, Any]) -> str:
    return next((str(claims[name]) for name in _TENANT_CLAIMS if name in claims), "")


def _roles(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles that are named, in a list or in a text with spaces; others mean nothing here."""
    named: list[Any] = []
    for claim in (claims.get(name) for name in _ROLE_CLAIMS):
        words = claim.split() if isinstance(claim, str) else claim
        named += words if isinstance(words, list) else []
    return tuple(role for role in ROLES if role in named)
