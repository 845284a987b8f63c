"""Identifiers that are pure functions of what they name, so that a repeated step repeats its ids."""

import hashlib

CLIENT_ORDER_ID_PATTERN = r"[a-z0-9-]{1,36}"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_DIGEST_BITS = 130


def digest(*parts: object) -> str:
    """Return 26 characters of `[a-z2-7]` that depend on every part and on nothing else (130 bits)."""
    text = "\x1f".join(map(str, parts))
    raw = hashlib.sha256(text.encode()).digest()
    number = int.from_bytes(raw) >> (8 * len(raw) - _DIGEST_BITS)
    # Base 32, two characters at a time: every order and position is named here.
    return "".join([_PAIRS[number >> place & 1023] for place in range(_DIGEST_BITS - 10, -1, -10)])


def client_order_id(connection_id: str, origin_id: str, leg: str, epoch: int) -> str:
    """Return the order id for one leg of a position or signal; `epoch` counts deliberate new attempts."""
    return f"cts-{digest(connection_id, origin_id, leg, epoch)}"


def tick_id(kind: str, subject: str, slot: int) -> str:
    """Return the id of one scheduled execution: `kind#connection#slot`."""
    return f"{kind}#{subject}#{slot}"
