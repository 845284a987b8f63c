"""Asks the API of a run or of a stage one question; the commands that only show use it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from chalicelib.errors import Forbidden, Rejected, Retryable, UsageError

PREFIX = "/api"
_SECONDS = 30.0
_UNPROVEN = (401, 403)


def get(url: str, path: str, parameters: Mapping[str, str], token: str) -> Mapping[str, Any]:
    """Return `data` of the answer to one GET.

    Raises UsageError for an address that is none or where nobody answers, Forbidden for a token that is not
    taken, Rejected with the API's own words, Retryable for an answer that is not the API's.
    """
    base = url.rstrip("/").removesuffix(PREFIX)
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).netloc:
        raise UsageError(f"--url {url!r} is no address such as http://127.0.0.1:8000")
    asked = Request(f"{base}{PREFIX}{path}?{urlencode(parameters)}", headers=_headers(token))
    try:
        with urlopen(asked, timeout=_SECONDS) as reply:
            return _data(reply.read())
    except HTTPError as refused:
        if refused.code in _UNPROVEN:
            raise Forbidden(f"{base} does not take the token: make one with cts token") from None
        return _data(refused.read())
    except (URLError, OSError) as nobody:
        reason = getattr(nobody, "reason", nobody)
        raise UsageError(f"nobody answers at {base} ({reason}): start `cts run`, or name its --url") from None


def _headers(token: str) -> dict[str, str]:
    if not token.isascii() or not token.isprintable():
        raise UsageError("--token is no token: make one with cts token")
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


def _data(raw: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(raw)
        if answer["success"]:
            found: Mapping[str, Any] = answer["data"]
            return found
        text = str(answer["error"])
    except (ValueError, KeyError, TypeError):
        raise Retryable("the answer is not that of the API: is --url right?") from None
    raise Rejected(text)
