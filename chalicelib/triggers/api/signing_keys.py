"""The keys that prove tokens, from Secrets Manager or the issuer's address; the authorizer reads them.

Each is read once per container, and again: when it is older than FRESH_SECONDS, so that a withdrawn key ends;
and when no key fits a token, at most once a minute, so that a new key works at once.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from chalicelib.errors import CtsError, Retryable, UsageError
from chalicelib.messaging.telemetry import logger

T = TypeVar("T")

FRESH_SECONDS = 600.0
STALE_SECONDS = 3600.0
RENEWAL_SECONDS = 60.0
RETRY_SECONDS = 5.0
LEAST_SECRET_BYTES = 32
OVERLAP = timedelta(hours=1)
"""How long after a rotation tokens signed with the secret before it are taken."""

FETCH_SECONDS = 2.0
MOST_KEY_SET_BYTES = 256 * 1024
_CHUNK = 65536
_OK = 200

PublicKey = Mapping[str, str]
"""A JSON Web Key of type RSA: `kty`, `n`, `e`."""


class Cached(Generic[T]):
    """A value read from elsewhere, kept for all requests of a container."""

    def __init__(self, read: Callable[[], T], now: Callable[[], float] = time.time) -> None:
        self._read = read
        self._now = now
        self._lock = Lock()
        self._value: T | None = None
        self._read_at = self._tried_at = float("-inf")

    def get(self) -> T:
        """Return the value, read when it is missing or old; one that can't be read again serves an hour."""
        with self._lock:
            now = self._now()
            if now - self._read_at < FRESH_SECONDS and self._value is not None:
                return self._value
            return self._renew(now, RETRY_SECONDS)

    def renewed(self) -> T:
        """Return the value, read now unless that was tried within the last minute."""
        with self._lock:
            return self._renew(self._now(), RENEWAL_SECONDS)

    def _renew(self, now: float, pause: float) -> T:
        kept = self._value if now - self._read_at < STALE_SECONDS else None
        if now - self._tried_at < pause:
            if kept is None:
                raise Retryable(f"the keys could not be read {RETRY_SECONDS:g} s ago")
            return kept
        self._tried_at = now
        try:
            self._value = self._read()
        except CtsError as failed:
            if kept is None:
                raise
            logger.warning(
                "the keys can't be read again; the old ones serve on", extra={"error": str(failed)}
            )
            return kept
        self._read_at = now
        return self._value


def read_secrets(name: str, region: str, endpoint_url: str, now: float) -> tuple[bytes, ...]:
    """Return the current secret and, for an hour after a rotation, the one before it: 1 or 2 calls.

    Raises UsageError where there is no secret or a short one, Retryable while it can't be read.
    """
    client = _secrets_manager(region, endpoint_url)
    current = _secret_value(client, name, "AWSCURRENT")
    if current is None:
        raise UsageError(f"no secret {name!r} in {region}: make the stage's resources or set CTS_AUTH_SECRET")
    secrets = [checked_secret(_text(current), name)]
    if datetime.fromtimestamp(now, UTC) - current["CreatedDate"] < OVERLAP:
        previous = _secret_value(client, name, "AWSPREVIOUS")
        before = _text(previous).encode() if previous else b""
        secrets += [before] if len(before) >= LEAST_SECRET_BYTES else []
    return tuple(secrets)


def checked_secret(text: str, name: str) -> bytes:
    """Return the bytes of a secret; UsageError if anybody could guess it."""
    secret = text.encode()
    if len(secret) < LEAST_SECRET_BYTES:
        raise UsageError(f"{name} has {len(secret)} bytes: use at least {LEAST_SECRET_BYTES} random ones")
    return secret


def read_key_set(url: str) -> Mapping[str, PublicKey]:
    """Return the RSA keys of an issuer by their ids; Retryable while they can't be had."""
    try:
        listed = json.loads(_fetch(url))["keys"]
        keys = {key["kid"]: {name: key[name] for name in ("kty", "n", "e")} for key in listed if _signs(key)}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Retryable(f"{url} does not hold a JSON Web Key Set") from None
    if not keys:
        raise Retryable(f"{url} has no RSA key for RS256 signatures with a key id")
    return keys


def _signs(key: Any) -> bool:
    """Tell whether a published key is one for RS256 signatures, and is whole."""
    return (
        isinstance(key, Mapping)
        and key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") == "RS256"
        and all(isinstance(key.get(name), str) for name in ("kid", "n", "e"))
    )


def _fetch(url: str) -> bytes:
    """Return what an address answers, in bounded time and size; redirects could leave https: none."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=FETCH_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != _OK:
            raise Retryable(f"{url} answered {answer.status}")
        return _bounded(answer, url)
    except (OSError, HTTPException) as failed:
        raise Retryable(f"{url} did not answer: {type(failed).__name__}") from failed
    finally:
        connection.close()


def _bounded(answer: HTTPResponse, url: str) -> bytes:
    body, deadline = b"", time.monotonic() + FETCH_SECONDS
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > MOST_KEY_SET_BYTES:
            raise Retryable(f"{url} has more than {MOST_KEY_SET_BYTES} bytes")
        if time.monotonic() > deadline:
            raise Retryable(f"{url} took more than {FETCH_SECONDS:g} s")
    return body


def _secrets_manager(region: str, endpoint_url: str) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    # Short enough to fall back on the kept keys before the function's own time is over.
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    return get_session().create_client(
        "secretsmanager", region, endpoint_url=endpoint_url or None, config=config
    )


def _secret_value(client: Any, name: str, version: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: Mapping[str, Any] = client.get_secret_value(SecretId=name, VersionStage=version)
    except (BotoCoreError, ClientError) as failed:
        code = failed.response["Error"]["Code"] if isinstance(failed, ClientError) else type(failed).__name__
        if code == "ResourceNotFoundException":
            return None
        raise Retryable(f"secret {name!r} can't be read: {code}") from failed
    return found


def _text(found: Mapping[str, Any]) -> str:
    return str(found.get("SecretString", ""))
