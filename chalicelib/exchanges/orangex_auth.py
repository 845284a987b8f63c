"""Signing in to OrangeX: its signature, and the access token as `orangex` keeps it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ccxt.base.errors import BadResponse, ExchangeNotAvailable

RENEW_BEFORE = 60.0
"""Seconds before its end at which a token is renewed: none may end between a check and the arrival."""


class NotSent(ExchangeNotAvailable):  # type: ignore[misc]
    """What a private call needs first (a token, the trading rules, a price) could not be had.

    Nothing was sent, so nothing was executed: unlike other failures of a connection, this one is no doubt.
    """


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token. `expires` is an epoch second of the clock that the exchange class uses."""

    token: str
    refresh: str
    expires: float
    scope: str = ""

    def usable(self, now: float) -> bool:
        """Tell whether a call sent now arrives while the token is good."""
        return bool(self.token) and now < self.expires - RENEW_BEFORE

    def as_option(self) -> dict[str, Any]:
        """Return the plain form that `options['accessToken']` holds and that any store can keep."""
        return {
            "token": self.token,
            "refresh": self.refresh,
            "expires": self.expires,
            "scope": self.scope,
        }


def stored_token(option: Any) -> AccessToken | None:
    """Read `options['accessToken']`; None where there is none or it has no token."""
    if not isinstance(option, Mapping) or not option.get("token"):
        return None
    return AccessToken(
        token=str(option["token"]),
        refresh=str(option.get("refresh") or ""),
        expires=float(option.get("expires") or 0.0),
        scope=str(option.get("scope") or ""),
    )


def granted_token(result: Any, now: float) -> AccessToken:
    """Read the reply to a sign-in at epoch second `now`; BadResponse if it carries no token or no end."""
    try:
        return AccessToken(
            token=_filled(result["access_token"]),
            refresh=str(result.get("refresh_token") or ""),
            expires=now + float(result["expires_in"]),
            scope=str(result.get("scope") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadResponse("orangex answered a sign-in without an access token") from error


def client_signature(client_id: str, secret: str, timestamp: str, nonce: str) -> str:
    """Sign a `client_signature` sign-in; `timestamp` is in milliseconds.

    The exchange wants the hexadecimal digest encoded as hexadecimal once more, 128 characters in all: its
    documentation tells of one encoding only, its own client does two, and one alone is refused.
    """
    text = f"{client_id}\n{timestamp}\n{nonce}\n"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return digest.encode("ascii").hex()


def _filled(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("empty")
    return value
