"""Dead letters: work that was tried as often as it may be, and now waits for a person."""

from dataclasses import dataclass
from typing import Literal

LetterKind = Literal["tick", "signals", "order", "stream", "unreadable"]
"""`stream`: the place of records that a stream's function gave up; `order`: nobody can prove its fate."""

ORDERS = "order"
"""First word of the ids of orders; those of messages begin with their queue."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message or order; empty texts are what is not known of it.

    `letter_id` is made of letters, digits, dots and hyphens. `sent_at` is the epoch second at which it was
    sent first, `received` how often it was delivered since, looks at the dead letters included.
    """

    letter_id: str
    kind: LetterKind
    queue: str
    what: str
    sent_at: float
    tenant: str = ""
    connection_id: str = ""
    correlation_id: str = ""
    received: int = 0
    reason: str = ""
    body: str = ""


def letter_id(queue: str, *parts: str) -> str:
    """Return the id of a letter: where it is, and what it is there."""
    return ".".join((queue, *parts))
