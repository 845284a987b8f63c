"""Pionex over HTTP: signature, weights, error codes and clock; the base of the class `pionex`."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from ccxt.base.errors import BadRequest, BadResponse, ExchangeError, NotSupported, RateLimitExceeded
from ccxt.base.exchange import Exchange

from chalicelib.exchanges.pionex_tables import (
    BAN_SECONDS,
    DESCRIPTION,
    HISTORY_PAGES,
    ROUTES,
    WINDOW_SECONDS,
    WINDOW_WEIGHT,
    MarketKind,
)

Parameters = Mapping[str, Any]
Row = dict[str, Any]
NO_PARAMETERS: Parameters = MappingProxyType({})

_QUIET = logging.getLogger("cts.exchanges.pionex")
# At DEBUG ccxt logs the headers of each request, and with them the key.
_QUIET.setLevel(logging.INFO)

_STOP_WORDS = (
    "stop stopLoss stopLossPrice stopPrice takeProfit takeProfitPrice trailingAmount trailingPercent "
    "trailingTriggerPrice trigger triggerDirection triggerPrice"
)
STOP_PARAMETERS = frozenset(_STOP_WORDS.split())


_NOT_FINITE = re.compile(r'"[+-]?(?:[Nn]a[Nn]|[Ii]nf(?:inity)?)"')
"""What programs write for a number that is none; in capitals it may be the name of a coin."""


def signed_text(method: str, path: str, query: Parameters, body: str | None) -> str:
    """Return the text a signature covers: values of the query are not url-encoded, the body is as sent."""
    pairs = "&".join(f"{name}={query[name]}" for name in sorted(query))
    return f"{method}{path}?{pairs}{body or ''}"


def signature(secret: str, text: str) -> str:
    """Return the lower-case hex HMAC-SHA256 of a signed text."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def refuse_parameters(params: Parameters, *known: str) -> None:
    """Raise what names the parameters that are not known: nothing is sent that would be ignored."""
    if stops := sorted(STOP_PARAMETERS.intersection(params)):
        raise NotSupported(f"pionex has no stop orders: {', '.join(stops)} can't be sent")
    if unknown := sorted(set(params).difference(known)):
        raise BadRequest(f"pionex does not know {', '.join(unknown)} here")


def identity(row: Row) -> object:
    """Return what makes a row itself: an order is its id, a fill or payment all that the row says.

    A fill that comes twice with two prices stays two rows: whoever books them is to notice.
    """
    if "orderId" in row and "id" not in row:
        return row["orderId"]
    return json.dumps(row, sort_keys=True)


def one_of(found: Mapping[str, Row], symbol: str) -> Row:
    """Return what was found of a symbol; BadResponse if the reply left it out."""
    if symbol not in found:
        raise BadResponse(f"pionex told nothing of {symbol}")
    return found[symbol]


class PionexTransport(Exchange):  # type: ignore[misc]
    """One account at Pionex, seen as requests and replies."""

    def __init__(self, config: Parameters = NO_PARAMETERS) -> None:
        self._sent: deque[tuple[float, int]] = deque()
        self._throttle_lock = threading.Lock()
        self._monotonic: Callable[[], float] = time.monotonic
        self.logger = _QUIET
        super().__init__(dict(config))

    def describe(self) -> dict[str, Any]:
        """Return the exchange's description in ccxt's form."""
        return dict(self.deep_extend(super().describe(), dict(DESCRIPTION)))

    def ask(self, kind: MarketKind, name: str, params: Parameters = NO_PARAMETERS) -> Row:
        """Send the request `name` of `ROUTES` and return the reply with its envelope."""
        route = ROUTES[kind][name]
        access = ["private" if route.private else "public"]
        reply: Row = self.request(route.path, access, route.method, dict(params), {"cost": route.weight})
        return reply

    def data(self, reply: Row) -> Row:
        """Return what a successful reply carries; BadResponse if it carries nothing."""
        found = reply.get("data")
        if not isinstance(found, dict):
            raise BadResponse(f"{self.id} answered without data: {str(reply)[:200]}")
        return found

    def rows(self, reply: Row, key: str) -> list[Row]:
        """Return the list `key` of a reply; null is how the exchange writes an empty one."""
        found = self.data(reply).get(key, ...)
        if found is None:
            return []
        if not isinstance(found, list):
            raise BadResponse(f"{self.id} answered without {key}: {str(reply)[:200]}")
        return found

    def sign(
        self,
        path: str,
        api: Sequence[str] = ("public",),
        method: str = "GET",
        params: Parameters = NO_PARAMETERS,
    ) -> dict[str, Any]:
        """Return a request: its body is written once and signed as it is sent, its query in plain text."""
        in_body = method != "GET"
        query: dict[str, Any] = {} if in_body else dict(params)
        body = json.dumps(dict(params), separators=(",", ":")) if in_body else None
        headers: dict[str, str] = {"Content-Type": "application/json"} if in_body else {}
        if "private" in api:
            self.check_required_credentials()
            query["timestamp"] = self.nonce()
            headers["PIONEX-KEY"] = self.apiKey
            headers["PIONEX-SIGNATURE"] = signature(self.secret, signed_text(method, f"/{path}", query, body))
        encoded = urlencode(sorted(query.items()), quote_via=quote)
        url = f"{self.urls['api']['rest']}/{path}" + (f"?{encoded}" if encoded else "")
        return {"url": url, "method": method, "body": body, "headers": headers}

    def handle_errors(
        self,
        status: int,
        _reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        response: Any,
        request_headers: Mapping[str, str],
        _request_body: object,
    ) -> None:
        """Raise what a reply means. `result` decides, not the status; a 5xx decides nothing at all.

        A NaN among public rows costs that row its figure; what an account is told with one is worth nothing.
        """
        feedback = f"{self.id} {method} {url} {status} {body[:500]}"
        if status == 429:
            raise _banned(feedback, headers)
        if status >= 500:
            return
        if not isinstance(response, dict) or not isinstance(response.get("result"), bool):
            if status < 400:
                raise BadResponse(feedback)
            return
        if response["result"]:
            if "PIONEX-KEY" in request_headers and _NOT_FINITE.search(body):
                raise BadResponse(feedback)
            return
        code = response.get("code")
        if code == "INVALID_TIMESTAMP":
            self._adopt_clock(response, headers)
        self.throw_exactly_matched_exception(self.exceptions["exact"], code, feedback)
        raise ExchangeError(feedback)

    def on_json_response(self, text: str) -> Any:
        """Parse a body; NaN and Infinity, which Python would take for numbers, make it no JSON at all."""
        return json.loads(text, parse_constant=_refuse_constant)

    def parse_number(self, value: Any, default: float | None = None) -> float | None:
        """Return a number; none where a string says NaN or Infinity."""
        number: float | None = super().parse_number(value, default)
        return number if number is None or math.isfinite(number) else default

    def nonce(self) -> int:
        """Return the exchange's time in milliseconds, as far as it is known."""
        return int(self.milliseconds()) - int(self.options["timeDifference"])

    def fetch_time(self, params: Parameters = NO_PARAMETERS) -> int:
        """Return the exchange's clock in milliseconds, read off the reply of the cheapest public call."""
        refuse_parameters(params)
        reply = self.ask("spot", "depth", {"symbol": self.options["timeSymbol"], "limit": 1})
        server_time = _server_time(reply, self.last_response_headers or {})
        if server_time is None:
            raise BadResponse(f"{self.id} answered without a time: {str(reply)[:200]}")
        return server_time

    def throttle(self, cost: int | None = None) -> None:
        """Wait until a request of that weight fits into the window (only with `enableRateLimit`)."""
        weight = cost or 1
        with self._throttle_lock:
            while (wait := self._until_room(weight)) > 0:
                self.sleep(wait * 1000)
            self._sent.append((self._monotonic(), weight))

    def history(
        self, kind: MarketKind, name: str, key: str, params: Parameters, since: int | None, page: int
    ) -> list[Row]:
        """Read rows that the exchange gives newest first: one page, or every page back to `since` (ms).

        Raises ExchangeError where the pages run out first: a part of the trades must not look like all.
        """
        found: dict[object, Row] = {}
        window = {} if since is None else {"startTime": since}
        for _ in range(HISTORY_PAGES):
            rows = self.rows(self.ask(kind, name, {**params, **window}), key)
            fresh = {identity(row): row for row in rows}.keys() - found.keys()
            found |= {identity(row): row for row in rows}
            if since is None or len(rows) < page:
                return list(found.values())
            # One past the oldest: whether the end belongs to a page is not documented, and a full page may
            # have cut off rows of the same millisecond.
            oldest = min(_time_of(row) for row in rows)
            window["endTime"] = oldest + 1 if fresh else window.get("endTime", oldest) - 1
        raise ExchangeError(f"{self.id} has more than {len(found)} {key} since {since}: ask for less")

    def adopt_clock(self, reply: Row) -> None:
        """Take the exchange's clock over from a reply, if `adjustForTimeDifference` is set."""
        if self.options["adjustForTimeDifference"]:
            self._adopt_clock(reply, self.last_response_headers or {})

    def _adopt_clock(self, reply: Row, headers: Mapping[str, str]) -> None:
        server_time = _server_time(reply, headers)
        if server_time is not None:
            self.options["timeDifference"] = self.milliseconds() - server_time

    def _until_room(self, weight: int) -> float:
        """Return the seconds until `weight` more fit into the window, 0 if they do."""
        now = self._monotonic()
        while self._sent and self._sent[0][0] <= now - WINDOW_SECONDS:
            self._sent.popleft()
        if weight + sum(sent for _, sent in self._sent) <= WINDOW_WEIGHT or not self._sent:
            return 0.0
        return self._sent[0][0] + WINDOW_SECONDS - now


def _banned(feedback: str, headers: Mapping[str, str]) -> RateLimitExceeded:
    """Return the error of a 429; its `retry_after` says for how many seconds nobody may call."""
    asked = str(headers.get("Retry-After") or "")
    error = RateLimitExceeded(f"{feedback} (banned for {BAN_SECONDS:.0f} s)")
    error.retry_after = max(BAN_SECONDS, float(asked) if asked.isdigit() else 0.0)
    return error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _server_time(reply: Row, headers: Mapping[str, str]) -> int | None:
    """Return the time of a reply in milliseconds, from its envelope or else its Date header."""
    stamp = reply.get("timestamp")
    if isinstance(stamp, int) and stamp > 0:
        return stamp
    try:
        return int(parsedate_to_datetime(headers["Date"]).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return None


def _time_of(row: Row) -> int:
    return int(row.get("timestamp") or row["createTime"])
