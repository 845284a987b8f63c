"""BingX on the wire: USDT-margined swaps as its documentation describes them, and its public spot prices.

Each route has its documented limit per key and second; `fake.limits.rules = ()` takes them away for tests
that don't pace themselves. Accounts begin in one-way mode (`exchange.main.hedge = True` for the other one).
Stops trigger on the last price, whatever `workingType` says: there is no mark price of its own.
Not simulated, and refused in words: trailing stops, take profit and stop loss attached to an order.
"""

import hashlib
import hmac
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import parse_qsl

from tests.fakes.bingx_account import AccountRoutes
from tests.fakes.bingx_market import Market
from tests.fakes.bingx_orders import Orders
from tests.fakes.bingx_words import refuse
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Policy
from tests.fakes.limits import Limits, Refusal, Rule
from tests.fakes.wire import Fake, Reply, Request, Route

PER_SECOND = {
    "create_order": 10,
    "cancel_order": 5,
    "cancel_all": 5,
    "order": 5,
    "open_orders": 5,
    "closed_orders": 5,
    "all_orders": 5,
    "trades": 5,
    "all_fill_orders": 5,
    "balance": 5,
    "positions": 5,
    "payments": 5,
    "permissions": 5,
    "leverage": 5,
    "set_leverage": 5,
    "margin_mode": 2,
    "set_margin_mode": 2,
    "position_mode": 2,
    "set_position_mode": 2,
}
"""Requests per second and account that BingX documents, by route."""

MARKET_LIMIT, ACCOUNT_LIMIT, ADDRESS_SECONDS = 500, 2000, 10.0
WINDOW, AHEAD = 5000, 1000
"""Milliseconds that a request may be old (unless it says `recvWindow`), and ahead of the server."""


class FakeBingx(Fake):
    """BingX, with one account; the second host is its exchange of play money."""

    name = "bingx"
    hosts = ("open-api.bingx.com", "open-api-vst.bingx.com")

    def new_exchange(self) -> FakeExchange:
        swap = Policy(
            client_ids="ever",
            client_id_pattern=r"[!-~]{1,40}",
            maker_fee=Decimal("0.0002"),
            taker_fee=Decimal("0.0005"),
        )
        return FakeExchange({"swap": swap})

    def new_limits(self) -> Limits:
        keys = [
            Rule(name=route, limit=limit, seconds=1.0, scope="key", counts="requests", group=route)
            for route, limit in PER_SECOND.items()
        ]
        market = Rule(
            name="address", limit=MARKET_LIMIT, seconds=ADDRESS_SECONDS, counts="requests", group="market"
        )
        account = Rule(name="address", limit=ACCOUNT_LIMIT, seconds=ADDRESS_SECONDS, counts="requests")
        return Limits((market, account, *keys))

    def routes(self) -> Iterable[Route]:
        self.orders = Orders(self.exchange)
        yield from Market(self.exchange, self.server_time).routes()
        yield from self.orders.routes()
        yield from AccountRoutes(self.exchange).routes()

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-bx-apikey", "")

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        try:
            account, key = self.exchange.key(self.key_of(request))
        except KeyError:
            refuse(100413, "Incorrect apiKey, please check your valid api key")
        if key.revoked:
            refuse(100413, "Incorrect apiKey, please check your valid api key")
        pairs = parse_qsl(request.query, keep_blank_values=True)
        self._check_time(dict(pairs))
        signature = dict(pairs).get("signature")
        if signature is None:
            refuse(100412, "Null signature")
        signed = "&".join(f"{name}={value}" for name, value in pairs if name != "signature")
        expected = hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            refuse(100001, "Signature verification failed due to signature mismatch")
        if not (key.trade if route.trades else key.read):
            refuse(100004, "Permission denied, the API key was created without the permission of Trading")
        return account, key

    def unknown_route(self, request: Request) -> Reply:
        return Reply({"code": 100400, "msg": f"this api is not exist, path: {request.path}", "data": {}})

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        """Answer 418 to a banned address, 429 to a fast one, and a code within a 200 for a route's limit."""
        until = round(refusal.until * 1000)
        wait = {"Retry-After": str(max(1, round(refusal.until - now)))}
        if refusal.banned:
            return Reply(
                f"IP banned until {until}", status=418, headers={**wait, "Content-Type": "text/plain"}
            )
        if refusal.rule == "address":
            return Reply({"code": 429, "msg": "Too Many Requests"}, status=429, headers=wait)
        message = (
            "code:100410:The endpoint trigger frequency limit rule is currently in the disabled period "
            f"and will be unblocked after {until}"
        )
        return Reply({"code": 100410, "msg": message, "data": {}})

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        """Tell how many calls of this route the account has left in this second."""
        limit = PER_SECOND.get(route.name)
        if limit is None:
            return reply
        now = self.wire_clock()
        used = [rule for rule in self.limits.rules if rule.name == route.name]
        left = limit - (self.limits.used(used[0], now, self.key_of(request)) if used else 0)
        headers = {
            "X-RateLimit-Requests-Remain": str(max(0, left)),
            "X-RateLimit-Requests-Expire": str(round(now + 1)),
        }
        return Reply(reply.body, reply.status, {**reply.headers, **headers})

    def _check_time(self, asked: dict[str, str]) -> None:
        stamp, window = asked.get("timestamp", ""), asked.get("recvWindow", "")
        server, oldest = round(self.server_time() * 1000), int(window) if window.isdigit() else WINDOW
        if not stamp.isdigit() or not server - oldest <= int(stamp) < server + AHEAD:
            refuse(100421, "Null timestamp or timestamp mismatch")
