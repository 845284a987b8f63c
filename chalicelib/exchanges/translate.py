"""Turns what a ccxt-style client raises into the VenueError family; the only place where that is decided.

The body's code decides first, the class of ccxt's exception second: classes follow message texts and host
names. What neither explains is unknown, never rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.errors import (
    DuplicateClientOrderId,
    OrderNotFound,
    VenueError,
    VenueNotSent,
    VenueRejected,
    VenueUnauthorized,
    VenueUnknown,
)
from chalicelib.exchanges.ccxt_loader import ccxt_errors
from chalicelib.exchanges.quirk_types import Meaning, Quirks

Call = Literal["create", "cancel", "fetch", "configure"]

RATE_STATUSES = (418, 429)
_SHOWN = 300


class NotModified(VenueError):
    """The setting is so already; never leaves the venue, where it is a success."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP, whatever its form."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a call that failed: how much was sent, and what was answered."""

    call: Call
    sent: int
    placed: bool
    reply: Reply | None
    retry_at: float | None = None


def translated(error: Exception, attempt: Attempt, quirks: Quirks) -> VenueError:
    """Return the venue error that says what an exception means for this call."""
    if attempt.call == "create" and attempt.placed:
        return VenueUnknown(_text(quirks, f"the order was taken, its reply could not be used: {error}"))
    if isinstance(error, VenueError):
        return error
    if _refused_connection(error) or _before_sending(error):
        return VenueNotSent(_text(quirks, f"not reached: {error}"), "NOT_CONNECTED")
    return _as_error(_meaning(error, attempt, quirks), _text(quirks, str(error)), attempt)


def is_limited(error: Exception, reply: Reply | None, quirks: Quirks) -> bool:
    """Tell whether the exchange said that its rate limit is reached."""
    if reply is not None and reply.status in RATE_STATUSES:
        return True
    told = told_meaning(reply, quirks)
    return told == "RATE_LIMIT" or (told is None and _of_class(error, "RateLimitExceeded", "DDoSProtection"))


def never_arrived(error: Exception, reply: Reply | None) -> bool:
    """Tell whether a failure speaks of the exchange's health: no reply, a server error, no JSON."""
    return reply is None or reply.status >= 500 or isinstance(error, ValueError)


def told_meaning(reply: Reply | None, quirks: Quirks) -> Meaning | None:
    """Return what the body's message or code means; None if it has none that we know."""
    body = _body(reply)
    message = str(_at(body, quirks.message_field) or "").lower()
    for part, meaning in quirks.messages:
        if part in message:
            return meaning
    return quirks.codes.get(str(_at(body, quirks.code_field)))


def _meaning(error: Exception, attempt: Attempt, quirks: Quirks) -> Meaning:
    """Return what a failed call means: by the body, then the status, then ccxt's class."""
    reply = attempt.reply
    told = told_meaning(reply, quirks)
    if told:
        return told
    if reply is not None and reply.status in RATE_STATUSES:
        return "RATE_LIMIT"
    if reply is None and attempt.sent:
        return "UNKNOWN"
    fallback: Meaning = "UNKNOWN" if attempt.sent else "REJECTED"
    if reply is not None and reply.status >= 500 and not _of_class(error, "OnMaintenance"):
        return "UNKNOWN"
    return next((meaning for name, meaning in _CLASSES if _of_class(error, name)), fallback)


_CLASSES: tuple[tuple[str, Meaning], ...] = (
    ("RateLimitExceeded", "RATE_LIMIT"),
    ("DDoSProtection", "RATE_LIMIT"),
    ("OnMaintenance", "MAINTENANCE"),
    ("InvalidNonce", "CLOCK_SKEW"),
    ("OperationFailed", "UNKNOWN"),
    ("AuthenticationError", "UNAUTHORIZED"),
    ("NoChange", "NOT_MODIFIED"),
    ("DuplicateOrderId", "DUPLICATE"),
    ("OrderNotFound", "NOT_FOUND"),
    ("InsufficientFunds", "INSUFFICIENT_FUNDS"),
    ("BadSymbol", "BAD_SYMBOL"),
    ("InvalidOrder", "INVALID_ORDER"),
    ("OperationRejected", "REJECTED"),
    ("NotSupported", "NOT_SUPPORTED"),
    ("BadRequest", "REJECTED"),
    ("ArgumentsRequired", "REJECTED"),
)
"""What ccxt's classes mean where no code does, special ones first. ExchangeError itself says nothing."""

_NOT_EXECUTED = frozenset({"CLOCK_SKEW", "RATE_LIMIT", "MAINTENANCE", "BUSY"})
_REFUSED = frozenset(
    {"INSUFFICIENT_FUNDS", "BAD_SYMBOL", "INVALID_ORDER", "REDUCE_ONLY", "NOT_SUPPORTED", "REJECTED"}
)


def _as_error(meaning: Meaning, text: str, attempt: Attempt) -> VenueError:
    if meaning in _NOT_EXECUTED:
        return VenueNotSent(text, meaning, attempt.retry_at)
    if meaning in _REFUSED:
        return VenueRejected(text, meaning)
    if meaning == "UNAUTHORIZED":
        return VenueUnauthorized(text)
    if meaning == "DUPLICATE" and attempt.call == "create":
        return DuplicateClientOrderId(text)
    if meaning in ("NOT_FOUND", "ENDED"):
        looked_for = attempt.call in ("cancel", "fetch")
        return OrderNotFound(text) if looked_for else VenueRejected(text, "REJECTED")
    if meaning == "NOT_MODIFIED" and attempt.call == "configure":
        return NotModified(text)
    return VenueUnknown(text)


def _refused_connection(error: Exception) -> bool:
    """Tell whether no connection came about, so that nothing can have been sent."""
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

    for cause in _causes(error):
        if isinstance(cause, (ConnectTimeout, NewConnectionError, ConnectTimeoutError)):
            return True
        if isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError):
            return True
    return False


def _before_sending(error: Exception) -> bool:
    """Tell whether one of our own classes says that the call itself never left: no token could be had."""
    return any(type(cause).__name__ == "NotSent" for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception, what it was raised from, and what requests wraps as an argument."""
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        one = waiting.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting += [
            one.__cause__,
            one.__context__,
            *(each for each in one.args if isinstance(each, Exception)),
        ]


def _of_class(error: Exception, *names: str) -> bool:
    errors = ccxt_errors()
    return isinstance(error, tuple(getattr(errors, name) for name in names))


def _body(reply: Reply | None) -> Any:
    try:
        return json.loads(reply.text) if reply else None
    except ValueError:
        return None


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _text(quirks: Quirks, text: str) -> str:
    return text[:_SHOWN] if text.startswith(quirks.exchange) else f"{quirks.exchange}: {text}"[:_SHOWN]
