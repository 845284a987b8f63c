"""How `orangex` talks to its API: JSON-RPC over HTTPS, bearer tokens, errors inside a status of 200."""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadResponse,
    DDoSProtection,
    ExchangeError,
    NotSupported,
    OperationFailed,
    RateLimitExceeded,
)
from ccxt.base.exchange import Exchange

from chalicelib.exchanges.orangex_auth import (
    AccessToken,
    NotSent,
    client_signature,
    granted_token,
    stored_token,
)

_SHOWN = 500
"""Characters of a reply's body that an exception quotes."""

_NO_NUMBER = re.compile(r'"[+-]?(?:NaN|nan|Infinity)"')
"""Figures come as text: one of these would pass through all arithmetic, or stand for an order's id."""

_QUIET = logging.getLogger("cts.exchanges.orangex")
# ccxt logs each request's headers and body at DEBUG: here these carry the client secret and the token.
_QUIET.setLevel(logging.INFO)


class OrangexTransport(Exchange):  # type: ignore[misc]
    """Requests, tokens and errors of OrangeX. Threads may share it: they sign in one at a time."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Take ccxt's settings; `options.accessToken` may hold a token of before (see `AccessToken`)."""
        self._signing_in = threading.Lock()
        self.logger = _QUIET
        super().__init__(dict(config or {}))

    def sign(
        self,
        path: str,
        api: Any = "public",
        method: str = "POST",
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Build a request: POST with a JSON-RPC body, or GET with a query for public methods."""
        url = f"{self.urls['api']['rest']}/{path}"
        sent = {"Accept": "application/json"}
        if "private" in api:
            token = stored_token(self.options.get("accessToken"))
            if token is None:
                raise AuthenticationError(f"{self.id} has no access token: call sign_in() first")
            sent["Authorization"] = f"bearer {token.token}"
        if method == "GET":
            query = f"?{urlencode(params)}" if params else ""
            return {"url": url + query, "method": method, "body": None, "headers": sent}
        sent["Content-Type"] = "application/json"
        call = {"jsonrpc": "2.0", "id": 1, "method": f"/{path}", "params": dict(params or {})}
        return {"url": url, "method": method, "body": json.dumps(call), "headers": sent}

    @staticmethod
    def on_json_response(response_body: str) -> Any:
        """Decode a reply; numbers with a point stay text (no float dust), NaN makes the reply unreadable."""
        return json.loads(response_body, parse_float=str, parse_constant=_refuse_constant)

    def handle_errors(
        self,
        code: int,
        _reason: str,
        url: str,
        _method: str,
        _headers: Any,
        body: str,
        response: Any,
        *_request: Any,
    ) -> None:
        """Raise for an error in the reply, also in one of status 200; ccxt's HTTP table sees what is left."""
        told = f"{self.id} {str(body)[:_SHOWN]}"
        if code == 429:
            raise RateLimitExceeded(told)
        if code >= 500:
            return
        error = response.get("error") if isinstance(response, dict) else None
        if error:
            number = str(error.get("code")) if isinstance(error, dict) else None
            self.throw_exactly_matched_exception(self.exceptions["exact"], number, told)
            raise ExchangeError(told)
        if code == 404 and "/public/" in url:
            raise NotSupported(told)
        if code < 400 and not _answers(url, response):
            raise BadResponse(f"{told}: neither a result nor an error")
        if code < 400 and _NO_NUMBER.search(body):
            raise BadResponse(f"{told}: not a number")

    def sign_in(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a token good for a minute at least, as `options['accessToken']` holds it."""
        self.refuse_unknown("signIn", params, frozenset())
        self._usable_token()
        return dict(self.options["accessToken"])

    def fetch_key_scopes(self, params: Mapping[str, Any] | None = None) -> frozenset[str]:
        """Return what the key may do, e.g. `trade:read_write`; empty where the exchange did not tell."""
        self.refuse_unknown("fetchKeyScopes", params, frozenset())
        return frozenset(str(self.sign_in()["scope"]).replace(",", " ").split())

    def public(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a public method and return its result."""
        verb = self.options["publicMethod"]
        return self.request(f"public/{method}", ["public"], verb, dict(params or {}))["result"]

    def private(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call a private method and return its result; signs in again once if the token is refused.

        Raises NotSent if no token could be had. A refused token proves that nothing was executed, which is
        why even an order may be sent again then.
        """
        token = self._usable_token()
        try:
            return self._private(method, params)
        except AuthenticationError as error:
            if type(error) is not AuthenticationError:
                raise
        self._usable_token(refused=token)
        return self._private(method, params)

    def refuse_unknown(self, method: str, params: Mapping[str, Any] | None, known: Set[str]) -> None:
        """Raise NotSupported that names every param which would be ignored."""
        unknown = sorted(set(params or {}) - known)
        if unknown:
            raise NotSupported(f"{self.id} {method}() does not know {', '.join(unknown)}")

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Turn a failure of what comes before a private call into NotSent; limits are told as they are."""
        try:
            yield
        except (RateLimitExceeded, DDoSProtection, NotSent):
            raise
        except OperationFailed as error:
            raise NotSent(f"{self.id} could not prepare the call: {error}") from error

    def _private(self, method: str, params: Mapping[str, Any]) -> Any:
        return self.request(f"private/{method}", ["private"], "POST", dict(params))["result"]

    def _usable_token(self, refused: str | None = None) -> str:
        """Return a token that is good and not the refused one; others wait while one thread gets it."""
        with self._signing_in:
            now = self.milliseconds() / 1000
            token = stored_token(self.options.get("accessToken"))
            if token and token.token != refused and token.usable(now):
                return token.token
            with self.preparing():
                renewed = self._renewed(token, refused) or self._granted(self._credentials())
            self.options["accessToken"] = renewed.as_option()
            return renewed.token

    def _renewed(self, token: AccessToken | None, refused: str | None) -> AccessToken | None:
        """Use the refresh token; None if there is none, or the exchange does not take it."""
        if token is None or not token.refresh or token.token == refused:
            return None
        try:
            return self._granted({"grant_type": "refresh_token", "refresh_token": token.refresh})
        except AuthenticationError:
            return None

    def _granted(self, request: Mapping[str, Any]) -> AccessToken:
        """Ask for a token; AuthenticationError for whatever refusal, because there is no other use."""
        try:
            reply = self.request("public/auth", ["public"], "POST", dict(request))
        except ExchangeError as error:
            # ccxt also names a broken connection so, then with its cause: that is no refusal.
            kind = NotSent if error.__cause__ else AuthenticationError
            raise kind(f"{self.id} could not sign in: {error}") from error
        return granted_token(reply["result"], self.milliseconds() / 1000)

    def _credentials(self) -> dict[str, Any]:
        self.check_required_credentials()
        grant: Callable[[], dict[str, Any]] | None = {
            "client_credentials": self._with_secret,
            "client_signature": self._with_signature,
        }.get(self.options["grantType"])
        if grant is None:
            raise BadRequest(f"{self.id} knows no grantType {self.options['grantType']!r}")
        return grant()

    def _with_secret(self) -> dict[str, Any]:
        return {
            "grant_type": "client_credentials",
            "client_id": self.apiKey,
            "client_secret": self.secret,
        }

    def _with_signature(self) -> dict[str, Any]:
        timestamp = str(self.milliseconds() - int(self.options.get("timeDifference") or 0))
        nonce = uuid.uuid4().hex
        return {
            "grant_type": "client_signature",
            "client_id": self.apiKey,
            "timestamp": timestamp,
            "nonce": nonce,
            "signature": client_signature(self.apiKey, self.secret, timestamp, nonce),
        }


def _answers(url: str, response: Any) -> bool:
    """Tell whether a reply has a result; that of a ping may be its times alone."""
    if not isinstance(response, dict):
        return False
    return response.get("result") is not None or (url.endswith("/public/ping") and "usOut" in response)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
