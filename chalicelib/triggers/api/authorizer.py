"""API Gateway asks this function who sent a request: every route of the API stands behind it.

Refused tokens answer 401 and say nothing of why; the log does. A stage that can't check tokens (settings or
keys missing) answers 500 to everybody, counts a failure and logs what to set: nobody gets in.
API Gateway keeps an answer for CACHED_SECONDS per token, so each answer allows all routes.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib.domain.token import Identity, Refusal, Terms, Unauthorized, claims_for, judge
from chalicelib.errors import CtsError, UsageError
from chalicelib.messaging.telemetry import EmbeddedMetrics, invocation, logger
from chalicelib.triggers.api import auth_settings, signing_keys
from chalicelib.triggers.api.auth_settings import AuthSettings
from chalicelib.triggers.api.signing_keys import Cached

CACHED_SECONDS = 60
MOST_HEADER = 8192
_BEARER = re.compile(r"bearer ([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
_SHOWN_RESOURCE = 200
_CLAIMS = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
# PyJWT proves the signature; the claims are judged by domain.token, with the clock as a parameter.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    **dict.fromkeys((f"verify_{claim}" for claim in _CLAIMS), False),
}

blueprint = Blueprint(__name__)


@blueprint.authorizer(ttl_seconds=CACHED_SECONDS)
def authorize(request: AuthRequest) -> AuthResponse:
    """Let the sender of a valid token in, and tell the routes who it is."""
    with invocation("authorize"):
        identity = _identified(request.token, request.method_arn)
    context = {"tenant": identity.tenant, "subject": identity.subject, "roles": " ".join(identity.roles)}
    return AuthResponse(routes=["*"], principal_id=identity.subject, context=context)


def issue(identity: Identity, terms: Terms, secret: bytes, life: float, now: float) -> str:
    """Return a new HS256 token for `life` seconds from `now`; Rejected if `authorize` would refuse it."""
    import jwt

    claims = claims_for(identity, terms, now, life)
    try:
        return jwt.encode(claims, secret, algorithm="HS256")
    except jwt.PyJWTError as unusable:
        raise UsageError(f"the secret can't sign tokens: {unusable}") from unusable


def _identified(header: str, resource: str) -> Identity:
    """Return the caller; Unauthorized for a refused token, another CtsError where none can be checked."""
    try:
        found = _verifier(auth_settings.from_environment()).identify(header)
    except CtsError as unable:
        logger.error("no token can be checked, so nobody is let in", extra={"error": str(unable)})
        metrics = EmbeddedMetrics(auth_settings.stage())
        metrics.count("unexpected_errors")
        metrics.flush()
        raise
    if isinstance(found, Refusal):
        about = {"reason": found.reason, "resource": resource.partition("/")[2][:_SHOWN_RESOURCE]}
        logger.warning("token refused", extra=about)
        raise Unauthorized
    return found


@lru_cache(maxsize=4)
def _verifier(settings: AuthSettings) -> "Verifier":
    return Verifier(settings)


class Verifier:
    """Checks the tokens of one stage; lives as long as its container, and its keys with it."""

    def __init__(self, settings: AuthSettings, now: Callable[[], float] = time.time) -> None:
        self._algorithm = settings.algorithm
        self._terms = settings.terms
        self._now = now
        self._keys = _keys_of(settings, now)

    def identify(self, header: str) -> Identity | Refusal:
        """Return who sent the header `Authorization`, or why it proves nothing; CtsError without keys."""
        if len(header) > MOST_HEADER:
            return Refusal("too long")
        credentials = _BEARER.fullmatch(header)
        if credentials is None:
            return Refusal("form")
        claims = self._proven(credentials[1])
        return claims if isinstance(claims, Refusal) else judge(claims, self._terms, self._now())

    def _proven(self, token: str) -> Mapping[str, Any] | Refusal:
        """Return the claims of a token that one of the keys has signed; keys are renewed if none has."""
        import jwt

        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            for renewed in (False, True):
                for key in self._keys(key_id, renewed):
                    try:
                        return jwt.decode(token, key, [self._algorithm], _SIGNATURE_ONLY)
                    except jwt.InvalidSignatureError:
                        continue
        except jwt.InvalidKeyError as unusable:
            raise UsageError(f"a key of this stage can't check {self._algorithm}: {unusable}") from unusable
        except jwt.PyJWTError as wrong:
            return Refusal(type(wrong).__name__)
        return Refusal("no key has signed it")


_Keys = Callable[[str | None, bool], Sequence[Any]]
"""Returns the keys that may have signed a token with this key id, read anew or as they are kept."""


def _keys_of(settings: AuthSettings, now: Callable[[], float]) -> _Keys:
    if settings.local_secret:
        secret = signing_keys.checked_secret(settings.local_secret, "CTS_AUTH_LOCAL_SECRET")
        return lambda _key_id, _renewed: (secret,)
    if settings.algorithm == "HS256":
        place = (settings.secret_name, settings.region, settings.endpoint_url)
        secrets = Cached(lambda: signing_keys.read_secrets(*place, now()), now)
        return lambda _key_id, renewed: secrets.renewed() if renewed else secrets.get()
    return partial(_published, Cached(lambda: signing_keys.read_key_set(settings.jwks_url), now))


def _published(
    cached: Cached[Mapping[str, signing_keys.PublicKey]], key_id: str | None, renewed: bool
) -> Sequence[Any]:
    import jwt

    keys = cached.renewed() if renewed else cached.get()
    found = keys.get(key_id) if key_id else None
    return (jwt.PyJWK(dict(found), "RS256").key,) if found else ()
