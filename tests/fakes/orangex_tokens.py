"""Access of the fake OrangeX: keys are changed into bearer tokens that expire, with scopes by permission."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key


def string_to_sign(client_id: str, timestamp: str, nonce: str) -> str:
    return f"{client_id}\n{timestamp}\n{nonce}\n"


def digest(secret: str, text: str) -> str:
    """Return what the documentation describes: the HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signature(secret: str, text: str) -> str:
    """Return what the exchange accepts: the hexadecimal digest, its characters in hexadecimal once more."""
    return digest(secret, text).encode().hex()


@dataclass(frozen=True, slots=True)
class Token:
    """What was handed out for a key."""

    key: str
    access: str
    refresh: str
    expires: float


class Tokens:
    """All tokens in use; a refresh token is good for one refresh."""

    def __init__(self, exchange: FakeExchange, clock: Callable[[], float]) -> None:
        self.seconds = 43_199
        """How long a token is good for."""
        self.one_per_key = False
        """Whether a new token ends the key's earlier ones; not documented."""
        self.accepts_single_hex = False
        """Whether the signature as the documentation describes it is accepted too; live it was not."""
        self._exchange, self._clock = exchange, clock
        self._tokens: dict[str, Token] = {}
        self._issued = 0

    def grant(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer `/public/auth`; None if it is refused."""
        key = self._proved(parameters)
        if key is None or key.revoked:
            return None
        if self.one_per_key:
            self.expire(key.key)
        self._issued += 1
        token = Token(key.key, self._text("access"), self._text("refresh"), self._clock() + self.seconds)
        self._tokens[token.access] = token
        return {
            "access_token": token.access,
            "token_type": "bearer",
            "refresh_token": token.refresh,
            "expires_in": self.seconds,
            "scope": scope(key),
        }

    def key_of(self, authorization: str) -> str:
        """Return the key that an Authorization header stands for, empty if none."""
        scheme, _, access = authorization.partition(" ")
        token = self._tokens.get(access) if scheme.lower() == "bearer" else None
        return token.key if token is not None and self._clock() < token.expires else ""

    def owner(self, authorization: str) -> tuple[Account, Key] | None:
        """Return whose token it is, None if it is not good (any more)."""
        key = self.key_of(authorization)
        if not key:
            return None
        account, found = self._exchange.key(key)
        return None if found.revoked else (account, found)

    def expire(self, key: str) -> None:
        """End all tokens of a key."""
        self._tokens = {access: token for access, token in self._tokens.items() if token.key != key}

    def _proved(self, parameters: Mapping[str, Any]) -> Key | None:
        grant = parameters.get("grant_type")
        if grant == "refresh_token":
            return self._refreshed(str(parameters.get("refresh_token", "")))
        try:
            _, key = self._exchange.key(str(parameters.get("client_id", "")))
        except KeyError:
            return None
        if grant == "client_credentials":
            return key if parameters.get("client_secret") == key.secret else None
        return key if grant == "client_signature" and self._signed(key, parameters) else None

    def _refreshed(self, refresh: str) -> Key | None:
        for token in list(self._tokens.values()):
            if refresh and token.refresh == refresh:
                del self._tokens[token.access]
                return self._exchange.key(token.key)[1]
        return None

    def _signed(self, key: Key, parameters: Mapping[str, Any]) -> bool:
        timestamp = str(parameters.get("timestamp", ""))
        told = string_to_sign(key.key, timestamp, str(parameters.get("nonce", "")))
        accepted = [signature(key.secret, told)]
        if self.accepts_single_hex:
            accepted.append(digest(key.secret, told))
        return timestamp.isdigit() and parameters.get("signature") in accepted

    def _text(self, use: str) -> str:
        hashed = hashlib.sha256(f"{use} {self._issued}".encode()).digest()
        return base64.b64encode(hashed).decode()


def scope(key: Key) -> str:
    """Return a key's scopes as `/public/auth` tells them."""
    read = "read" if key.read else "none"
    trade = "read_write" if key.trade else read
    wallet = "read_write" if key.withdraw else read
    return f"account:{trade} trade:{trade} wallet:{wallet}"
