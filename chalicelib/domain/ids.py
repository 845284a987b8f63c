"""Identifiers that are pure functions of what they name, so that a repeated step repeats its ids."""

import base64
import hashlib

CLIENT_ORDER_ID_PATTERN = r"[a-z0-9-]{1,36}"
_DIGEST_CHARACTERS = 26


def digest(*parts: object) -> str:
    """Return 26 characters of `[a-z2-7]` that depend on every part and on nothing else (130 bits)."""
    text = "\x1f".join(str(part) for part in parts)
    raw = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(raw).decode().lower()[:_DIGEST_CHARACTERS]


def client_order_id(connection_id: str, origin_id: str, leg: str, epoch: int) -> str:
    """Return the order id for one leg of a position or signal; `epoch` counts deliberate new attempts."""
    return f"cts-{digest(connection_id, origin_id, leg, epoch)}"


def tick_id(kind: str, subject: str, slot: int) -> str:
    """Return the id of one scheduled execution: `kind#connection#slot`."""
    return f"{kind}#{subject}#{slot}"
