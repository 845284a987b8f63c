"""What the routes of the API share: who calls, and the checked body and parameters of a request."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any
from uuid import uuid4

from chalice.app import Request

from chalicelib.errors import Forbidden, Rejected
from chalicelib.messaging.telemetry import correlate

MAX_BODY = 65536
_CORRELATION_HEADER = "x-correlation-id"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:/-]{1,80}")
_LARGEST_INTEGER = 2**53
_LONGEST_INTEGER = 17


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose data a request is about, who acts in which roles, and the correlation id of all it causes."""

    tenant: str
    actor: str
    roles: tuple[str, ...]
    correlation_id: str


def caller(request: Request) -> Caller:
    """Return the caller as the authorizer has proven it; nothing else in a request says who sent it.

    Raises Forbidden where no authorizer has looked at the request: no route is meant to be reached so.
    """
    proven = request.context.get("authorizer") or {}
    tenant, subject = proven.get("tenant"), proven.get("subject")
    if not tenant or not subject:
        raise Forbidden("nobody has checked who sent this request: it is not answered")
    given = request.headers.get(_CORRELATION_HEADER, "")
    if given and not _CORRELATION_ID.fullmatch(given):
        raise Rejected(f"header {_CORRELATION_HEADER} must be 1 to 80 of letters, digits and ._:/-")
    correlation_id = given or request.context.get("requestId") or uuid4().hex
    correlate(correlation_id)
    return Caller(tenant, subject, tuple(proven.get("roles", "").split()), correlation_id)


def body_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object in the body; Rejected says what to send."""
    raw = request.raw_body
    if len(raw) > MAX_BODY:
        raise Rejected(f"the body has {len(raw)} bytes: send at most {MAX_BODY}")
    try:
        body = json.loads(raw, parse_float=_float, parse_int=_integer, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the body is not valid JSON ({error}): send a JSON object") from None
    if not isinstance(body, dict):
        raise Rejected(f"the body is a JSON {_name(body)}: send a JSON object such as {{...}}")
    return body


def parameters_of(request: Request) -> dict[str, str]:
    """Return the query parameters; Rejected if one is given twice."""
    given = request.query_params
    if given is None:
        return {}
    for name in given:
        if len(given.getlist(name)) > 1:
            raise Rejected(f"parameter {name!r} is given more than once: give it once")
    return dict(given)


def no_parameters(request: Request) -> None:
    """Refuse query parameters where a route takes none."""
    for name in request.query_params or {}:
        raise Rejected(f"unknown parameter {name!r}: this address takes none")


# The numbers are not shown: one may be a secret that was sent without its quotes.
def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError("a number is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or abs(int(text)) > _LARGEST_INTEGER:
        raise ValueError("a number is too large")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a number in JSON")


def _name(body: Any) -> str:
    names = {list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(body), "number")
