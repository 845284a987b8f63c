"""The fake OrangeX on the wire: JSON-RPC with a path per method, bearer tokens, errors as HTTP 200.

Written from the exchange's published documentation and what others found out about it. What both leave open
is an attribute of `FakeOrangex`.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from tests.fakes.core import FakeExchange, listings
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Listing, MarketType, Policy, Reason
from tests.fakes.late_cancels import LateCancels
from tests.fakes.limits import Limits, Refusal, Rule
from tests.fakes.orangex_account import AccountRoutes
from tests.fakes.orangex_market import MarketRoutes
from tests.fakes.orangex_orders import OrderRoutes
from tests.fakes.orangex_reads import ReadRoutes
from tests.fakes.orangex_tokens import Tokens
from tests.fakes.orangex_words import CUSTOM_ID, MESSAGES, BadParameter, milliseconds
from tests.fakes.wire import Call, Fake, Outcome, Reply, Request, Route, WireRefusal

BASE = "/api/v1"

_COMMON = Policy(
    client_ids="none",
    client_id_pattern=CUSTOM_ID,
    post_only_refused=False,
    stop_that_would_trigger="wait",
)
POLICIES: dict[MarketType, Policy] = {
    "spot": _COMMON,
    "swap": replace(_COMMON, maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0006")),
}
"""Custom ids are never compared; a stop fires only when the price crosses after the order was placed."""


def markets() -> list[Listing]:
    """Return the usual markets with the steps and amounts that were seen on perpetuals."""
    found = listings()
    for symbol, listing in found.items():
        found[symbol] = replace(listing, min_notional=Decimal(10))
    hundredth = Decimal("0.01")
    found["ETH/USDT:USDT"] = replace(found["ETH/USDT:USDT"], amount_step=hundredth, min_amount=hundredth)
    return list(found.values())


class FakeOrangex(Fake):
    """api.orangex.com/api/v1."""

    name = "orangex"
    hosts = ("api.orangex.com",)

    public_candles: bool = True
    private_candles: bool = True
    """Which of the two paths of candles exists; the documentation has the private one, clients the public."""
    after_receipt: frozenset[Reason] = frozenset(
        {"POSITION_SIDE", "INSUFFICIENT_FUNDS", "REDUCE_ONLY", "POST_ONLY"}
    )
    """Reasons for which an order gets its receipt and then ends: canceled with 5998, or rejected."""
    spot_market_buy_in_quote: bool = False
    """Whether `amount` of a spot market buy is in the quote currency, as it was on BTCEX."""
    cancel_of_finished: Literal["receipt", "error"] = "receipt"
    """Answer to the cancel of an order that has ended: a receipt without effect, or 5004."""

    def __init__(self, exchange: FakeExchange | None = None) -> None:
        super().__init__(exchange)
        self.late_cancels = LateCancels(self.exchange)
        """Cancels are receipts too; `late_cancels.delay` makes them late."""
        self.tokens = Tokens(self.exchange, lambda: self.wire_clock())

    def new_exchange(self) -> FakeExchange:
        return FakeExchange(POLICIES, markets())

    def new_limits(self) -> Limits:
        return Limits([Rule(name="5 requests/s", limit=5, seconds=1, counts="requests")])

    def limit_to(self, requests_per_second: int) -> None:
        """Set another limit than five requests in a second; none is published."""
        name = f"{requests_per_second} requests/s"
        self.limits.rules = (Rule(name=name, limit=requests_per_second, seconds=1, counts="requests"),)

    def routes(self) -> Iterable[Route]:
        yield from self.public("auth", "auth", self._auth)
        for table in (MarketRoutes, OrderRoutes, ReadRoutes, AccountRoutes):
            yield from table(self).routes()

    def public(self, method: str, name: str, handler: Callable[[Call], Any]) -> Iterable[Route]:
        """Return the routes of a public method: POST with JSON-RPC, GET with a query."""
        for verb in ("POST", "GET"):
            path = f"{BASE}/public/{method}"
            yield Route(method=verb, path=path, name=name, handler=self._answering(handler))

    def private(self, method: str, name: str, handler: Callable[[Call], Any], trades: bool = False) -> Route:
        """Return the route of a private method: POST with JSON-RPC and a bearer token."""
        path, answering = f"{BASE}/private/{method}", self._answering(handler)
        return Route(method="POST", path=path, name=name, handler=answering, private=True, trades=trades)

    # What every request passes

    def answer(self, request: Request) -> Outcome:
        with self.exchange.lock:
            self.late_cancels.carry_out()
        return super().answer(request)

    def key_of(self, request: Request) -> str:
        return self.tokens.key_of(request.headers.get("authorization", ""))

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        owner = self.tokens.owner(request.headers.get("authorization", ""))
        if owner is None:
            raise self.error(10000)
        if not (owner[1].trade if route.trades else owner[1].read):
            raise self.error(2033)
        return owner

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return the query of a GET, the `params` of a JSON-RPC body whose `method` is the path's."""
        if request.method == "GET":
            return dict(request.parameters)
        body = _object(request)
        params = body.get("params", {})
        if body.get("method") != request.path.removeprefix(BASE) or not isinstance(params, dict):
            raise self.error(1001)
        return params

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        """Add version, id and times; the times are milliseconds whatever their names say."""
        return replace(reply, body=self._envelope(request) | reply.body)

    def unknown_route(self, request: Request) -> Reply:
        if request.path.rstrip("/") == BASE:
            return Reply("", status=302, headers={"Location": "https://www.orangex.com"})
        return Reply(self._envelope(request) | self.error(1000).reply.body)

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        return Reply("Too Many Requests", status=429)

    # What the routes use

    def error(self, code: int, message: str = "") -> WireRefusal:
        """Return an error, to be raised; it comes as HTTP 200 like everything else."""
        return WireRefusal(Reply({"error": {"code": code, "message": message or MESSAGES[code], "data": {}}}))

    def symbol(self, name: object) -> str:
        """Return the unified symbol of an instrument's full name."""
        base, quote, suffix = (*str(name).split("-"), "", "", "")[:3]
        found = {"PERPETUAL": f"{base}/{quote}:{quote}", "SPOT": f"{base}/{quote}"}.get(suffix, "")
        if found not in self.exchange.markets:
            raise self.error(5001)
        return found

    def _auth(self, call: Call) -> dict[str, Any]:
        granted = self.tokens.grant(call.parameters)
        if granted is None:
            raise self.error(10000)
        return granted

    def _answering(self, handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        def answer(call: Call) -> dict[str, Any]:
            try:
                return {"result": handler(call)}
            except BadParameter as error:
                raise self.error(8000, f"{MESSAGES[8000]} {error}") from None

        return answer

    def _envelope(self, request: Request) -> dict[str, Any]:
        now = milliseconds(self.server_time())
        asked = _object(request).get("id")
        identity = {} if asked is None else {"id": str(asked)}
        return {**identity, "jsonrpc": "2.0", "usIn": now, "usOut": now, "usDiff": 0}


def _object(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
