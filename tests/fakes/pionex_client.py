"""The smallest client of Pionex that its documentation allows, for tests of the fake."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.fakes.limits import Limits
from tests.fakes.pionex import FakePionex
from tests.fakes.server import served

NOW = 1_700_000_070.0
URL = "https://api.pionex.com"


class PionexClient:
    """Signs as the documentation says; `now` is the clock that timestamps are taken from."""

    def __init__(self, key: str, secret: str, now: float) -> None:
        self.key, self.secret, self.now = key, secret, now
        self.session = requests.Session()
        self.timeout = 5.0

    def public(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(URL + path, params=query, timeout=self.timeout)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.send("GET", path, query)

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.send("POST", path, {}, json.dumps(body))

    def delete(self, path: str, **body: Any) -> requests.Response:
        return self.send("DELETE", path, {}, json.dumps(body))

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        body: str = "",
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a signed request; headers given here win over the client's own."""
        query = {"timestamp": str(round(self.now * 1000)), **query}
        joined = "&".join(f"{name}={query[name]}" for name in sorted(query))
        signed = f"{method}{path}?{joined}{body}".encode()
        own = {
            "PIONEX-KEY": self.key,
            "PIONEX-SIGNATURE": hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest(),
            "Content-Type": "application/json",
        }
        return self.session.request(
            method, URL + path, params=query, data=body, headers=own | (headers or {}), timeout=self.timeout
        )


def data(reply: requests.Response) -> Any:
    """Return what a successful reply carries."""
    body = reply.json()
    assert body["result"] is True, body
    return body.get("data")


def code(reply: requests.Response) -> str:
    """Return the code of a failure."""
    body = reply.json()
    assert body["result"] is False, body
    return str(body["code"])


@contextmanager
def standing() -> Iterator[FakePionex]:
    """Serve a fake whose clocks stand still and whose limits are off."""
    fake = FakePionex()
    fake.wire_clock = lambda: NOW
    fake.exchange.now = NOW
    for symbol, price in list(fake.exchange.prices.items()):
        fake.exchange.prices[symbol] = price
    fake.limits = Limits()
    with served(fake):
        yield fake


@contextmanager
def client_of(fake: FakePionex) -> Iterator[PionexClient]:
    """Return a client with the main account's key."""
    client = PionexClient(fake.key, fake.secret, NOW)
    with client.session:
        yield client
