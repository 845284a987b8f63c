"""Bybit v5 on the wire: unified account, spot and linear swaps, as its documentation describes them.

Each route has its documented limit per key and second; `fake.limits.rules = ()` takes them away for tests
that don't pace themselves. Position mode is one setting of the account here. Order receipts are final at
once; cancels may be carried out late (`fake.late_cancels.delay`).
Not simulated, and refused in words: trailing stops, take profit and stop loss attached to an order.
"""

import hashlib
import hmac
from collections.abc import Iterable
from decimal import Decimal

from tests.fakes.bybit_account import AccountRoutes
from tests.fakes.bybit_lookups import Lookups
from tests.fakes.bybit_market import Market
from tests.fakes.bybit_orders import Orders
from tests.fakes.bybit_positions import Positions
from tests.fakes.bybit_words import (
    BAD_KEY,
    BAD_SIGNATURE,
    BAD_TIME,
    EXPIRED_KEY,
    NO_PERMISSION,
    NO_ROUTE,
    TOO_MANY,
    envelope,
    refuse,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Policy
from tests.fakes.late_cancels import LateCancels
from tests.fakes.limits import Limits, Refusal, Rule
from tests.fakes.wire import Fake, Reply, Request, Route

PER_SECOND = {
    "create_order": 10,
    "amend_order": 10,
    "cancel_order": 10,
    "cancel_all": 10,
    "set_leverage": 10,
    "permissions": 10,
    "currencies": 5,
    "open_orders": 50,
    "closed_orders": 50,
    "trades": 50,
    "positions": 50,
    "balance": 50,
    "payments": 50,
}
"""Requests per second and key that Bybit documents for unified accounts, by route."""

ADDRESS_LIMIT, ADDRESS_SECONDS, BAN_SECONDS = 600, 5.0, 600.0

_CLIENT_ID = r"[A-Za-z0-9_-]{1,36}"


class FakeBybit(Fake):
    """Bybit, with one unified account; the other hosts are its exchanges of play money."""

    name = "bybit"
    hosts = ("api.bybit.com", "api-testnet.bybit.com", "api-demo.bybit.com")

    def new_exchange(self) -> FakeExchange:
        common = {"client_ids": "ever", "client_id_pattern": _CLIENT_ID, "post_only_refused": False}
        spot = Policy(**common)  # type: ignore[arg-type]
        swap = Policy(maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.00055"), **common)  # type: ignore[arg-type]
        return FakeExchange({"spot": spot, "swap": swap}, unified=True)

    def new_limits(self) -> Limits:
        address = Rule(name="address", limit=ADDRESS_LIMIT, seconds=ADDRESS_SECONDS, counts="requests")
        keys = [
            Rule(name=route, limit=limit, seconds=1.0, scope="key", counts="requests", group=route)
            for route, limit in PER_SECOND.items()
        ]
        return Limits((address, *keys))

    def routes(self) -> Iterable[Route]:
        self.lookups = Lookups(self.exchange)
        self.late_cancels = LateCancels(self.exchange)
        yield from Market(self.exchange, self.server_time).routes()
        yield from Orders(self.exchange, self.late_cancels).routes()
        yield from self.lookups.routes()
        yield from Positions(self.exchange, self.lookups.stop_kinds).routes()
        yield from AccountRoutes(self.exchange).routes()

    def restart(self) -> None:
        """Do what a release of Bybit's own software does: ended orders are in the history only."""
        self.lookups.restart()

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-bapi-api-key", "")

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        self.late_cancels.carry_out()
        now = self.server_time()
        try:
            account, key = self.exchange.key(self.key_of(request))
        except KeyError:
            refuse(now, BAD_KEY, "API key is invalid.")
        if key.revoked:
            refuse(now, EXPIRED_KEY, "Your api key has expired.")
        self._check_time(request, now)
        stamp, window = _headers(request)
        payload = request.body.decode() if request.method == "POST" else request.query
        origin = f"{stamp}{key.key}{window}{payload}"
        expected = hmac.new(key.secret.encode(), origin.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("x-bapi-sign", "")):
            refuse(now, BAD_SIGNATURE, f"error sign! origin_string[{origin}]")
        if not (key.trade if route.trades else key.read):
            refuse(now, NO_PERMISSION, "Permission denied, please check your API key permissions.")
        return account, key

    def unknown_route(self, request: Request) -> Reply:
        return Reply(envelope({}, self.server_time(), NO_ROUTE, "Route not found."), status=404)

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        """Answer 403 to a banned address, and code 10006 within a 200 where a route was called too often."""
        if refusal.rule == "address" and not refusal.banned:
            refusal = self.limits.bar(BAN_SECONDS, now, banned=True)
        if refusal.banned:
            return Reply("403, access too frequent", status=403, headers={"Content-Type": "text/plain"})
        reset = {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(round(refusal.until * 1000))}
        return Reply(
            envelope({}, now, TOO_MANY, "Too many visits. Exceeded the API Rate Limit."), headers=reset
        )

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        """Tell how many calls of this route the key has left in this second."""
        limit = PER_SECOND.get(route.name)
        if limit is None:
            return reply
        now = self.wire_clock()
        used = [rule for rule in self.limits.rules if rule.name == route.name]
        left = limit - (self.limits.used(used[0], now, self.key_of(request)) if used else 0)
        headers = {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(0, left)),
            "X-Bapi-Limit-Reset-Timestamp": str(round(now * 1000)),
        }
        return Reply(reply.body, reply.status, {**reply.headers, **headers})

    def _check_time(self, request: Request, now: float) -> None:
        """Refuse a request that is older than its window, or more than a second ahead."""
        stamp, window = _headers(request)
        server = round(now * 1000)
        if not (stamp.isdigit() and window.isdigit() and server - int(window) <= int(stamp) < server + 1000):
            refuse(
                now,
                BAD_TIME,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{stamp}],server_timestamp[{server}],recv_window[{window}]",
            )


def _headers(request: Request) -> tuple[str, str]:
    return request.headers.get("x-bapi-timestamp", ""), request.headers.get("x-bapi-recv-window", "5000")
