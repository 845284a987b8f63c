"""The smallest client of OrangeX that its documentation allows, for tests of the fake."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.fakes.limits import Limits
from tests.fakes.orangex import FakeOrangex
from tests.fakes.server import served

NOW = 1_700_000_070.0
URL = "https://api.orangex.com/api/v1"


class OrangexClient:
    """Posts JSON-RPC; `token` goes into the header once `sign_in` has got one."""

    def __init__(self, key: str, secret: str) -> None:
        self.key, self.secret, self.token = key, secret, ""
        self.session = requests.Session()
        self.timeout = 5.0
        self._id = 0

    def post(self, method: str, **params: Any) -> requests.Response:
        self._id += 1
        body = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        return self.send(method, body)

    def send(self, method: str, body: Any) -> requests.Response:
        """Post a body as it is."""
        headers = {"Authorization": f"bearer {self.token}"} if self.token else {}
        return self.session.post(URL + method, json=body, headers=headers, timeout=self.timeout)

    def get(self, method: str, **query: Any) -> requests.Response:
        return self.session.get(URL + method, params=query, timeout=self.timeout)

    def sign_in(self) -> None:
        granted = self.post(
            "/public/auth", grant_type="client_credentials", client_id=self.key, client_secret=self.secret
        )
        self.token = result(granted)["access_token"]


def result(reply: requests.Response) -> Any:
    """Return the result of a call that went well."""
    body = reply.json()
    assert (reply.status_code, "error" in body, "result" in body) == (200, False, True), body
    return body["result"]


def code(reply: requests.Response) -> int:
    """Return the code of an error, which comes as HTTP 200."""
    body = reply.json()
    assert (reply.status_code, "result" in body) == (200, False), body
    return int(body["error"]["code"])


def placed(client: OrangexClient, side: str, **params: Any) -> str:
    """Place an order; the receipt has its id and an empty custom id."""
    order = result(client.post(f"/private/{side}", **params))["order"]
    assert order == {"order_id": order["order_id"], "custom_order_id": ""}
    return str(order["order_id"])


def state(client: OrangexClient, order_id: str) -> dict[str, Any]:
    """Read an order by its id."""
    row: dict[str, Any] = result(client.post("/private/get_order_state", order_id=order_id))
    return row


@contextmanager
def standing() -> Iterator[FakeOrangex]:
    """Serve a fake whose clocks stand still and whose limits are off."""
    fake = FakeOrangex()
    fake.wire_clock = lambda: NOW
    fake.exchange.now = NOW
    for symbol, price in list(fake.exchange.prices.items()):
        fake.exchange.prices[symbol] = price
    fake.limits = Limits()
    with served(fake):
        yield fake


@contextmanager
def client_of(fake: FakeOrangex) -> Iterator[OrangexClient]:
    """Return a client that has signed in with the main account's key."""
    client = OrangexClient(fake.key, fake.secret)
    with client.session:
        client.sign_in()
        yield client
