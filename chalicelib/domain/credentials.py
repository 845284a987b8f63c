"""Credentials of an account at an exchange: write-only; nothing that prints or encodes values shows them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from chalicelib.errors import Rejected

MOST_BYTES = 4096
"""KMS encrypts this much at once."""


class Secret:
    """A text that no log, answer, message or document can hold.

    It prints as stars, and the codec has no plain form of it; `reveal` is the one way to the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an exchange asks of its user; `password` is the passphrase that some want beside the key."""

    api_key: Secret
    secret: Secret
    password: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True)
class SealedCredentials:
    """Credentials as they are stored: `ciphertext` is base64, bound to this tenant and connection."""

    tenant: str
    connection_id: str
    ciphertext: str
    revision: int = 1

    @property
    def blob(self) -> bytes:
        """The bytes that the key management service made."""
        return base64.b64decode(self.ciphertext)


_NAMES = tuple(one.name for one in fields(Credentials))
_REQUIRED = ("api_key", "secret")


def credentials_of(wish: Any) -> Credentials:
    """Return the credentials in a JSON object. Rejected says what is wrong and never shows what was sent.

    Spaces and line ends around key and secret, which come from copying, are left out.
    """
    if not isinstance(wish, Mapping):
        raise Rejected(f"credentials must be an object with {', '.join(_REQUIRED)} and, for some, password")
    if any(name not in _NAMES for name in wish):
        raise Rejected(f"credentials have an unknown field: known are {', '.join(_NAMES)}")
    texts = {name: "" if wish.get(name) is None else wish[name] for name in _NAMES}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise Rejected(f"credentials.{name} must be a text")
        texts[name] = text.strip() if name in _REQUIRED else text
        if name in _REQUIRED and not texts[name]:
            raise Rejected(f"credentials lack the field {name!r}")
    made = Credentials(**{name: Secret(text) for name, text in texts.items()})
    if len(plaintext_of(made)) > MOST_BYTES:
        raise Rejected(f"credentials are too long: {MOST_BYTES} bytes must hold them as JSON")
    return made


def plaintext_of(credentials: Credentials) -> bytes:
    """Return what is encrypted."""
    return json.dumps({name: getattr(credentials, name).reveal() for name in _NAMES}).encode()


def credentials_in(plaintext: bytes) -> Credentials:
    """Return the credentials that were encrypted, also by another version of this program."""
    stored = json.loads(plaintext)
    return Credentials(**{name: Secret(stored[name]) for name in _NAMES if name in stored})
