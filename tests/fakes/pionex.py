"""The fake Pionex on the wire: envelopes, signatures, weights and bans, for its tables of routes.

Written from the exchange's published documentation. What it leaves open is an attribute of `FakePionex`.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.core import FakeExchange, listings
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Listing, MarketType, Order, Policy, Reason, Refused, Ticket
from tests.fakes.late_cancels import LateCancels
from tests.fakes.limits import Limits, Penalty, Refusal, Rule
from tests.fakes.pionex_account import FuturesAccountRoutes
from tests.fakes.pionex_futures import FuturesRoutes
from tests.fakes.pionex_market import MarketRoutes
from tests.fakes.pionex_spot import SpotRoutes
from tests.fakes.pionex_words import AUTHENTICATION, CLIENT_ID, CODES, BadParameter, milliseconds
from tests.fakes.wire import Fake, Outcome, Reply, Request, Route, WireRefusal

HOUR = 3600

POLICIES: dict[MarketType, Policy] = {
    "spot": Policy(
        client_ids="open",
        client_id_pattern=CLIENT_ID,
        maker_fee=Decimal("0.0005"),
        taker_fee=Decimal("0.0005"),
        post_only_refused=False,
    ),
    "swap": Policy(
        client_ids="ever",
        client_id_seconds=2 * HOUR,
        client_id_pattern=CLIENT_ID,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        post_only_refused=False,
    ),
}
"""Fees are Pionex's usual ones; a post-only order that would take is accepted and closed unfilled."""


def signed_text(method: str, path: str, query: str, body: str) -> str:
    """Return what is signed: the query sorted by name, its values decoded, then the body as it was sent."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return f"{method}{path}?{'&'.join(f'{name}={value}' for name, value in pairs)}{body}"


def signature(secret: str, text: str) -> str:
    """Return the lower-case hexadecimal HMAC-SHA256 of a text."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def markets() -> list[Listing]:
    """Return the usual markets with the smallest steps and amounts of the documentation's samples."""
    found = listings()
    for symbol, listing in found.items():
        if listing.type == "spot":
            found[symbol] = replace(listing, min_notional=Decimal(10), max_amount=Decimal(1000))
    smallest = Decimal("0.000001")
    found["BTC/USDT"] = replace(found["BTC/USDT"], amount_step=smallest, min_amount=smallest)
    return list(found.values())


class FakePionex(Fake):
    """api.pionex.com: spot under `/api/v1`, futures under `/uapi/v1`, market data of both under `/api/v1`."""

    name = "pionex"
    hosts = ("api.pionex.com",)

    failure_status: int = 200
    """HTTP status of failures: 200, or 400 (401 for authentication) as the specification declares."""
    timestamp_window: float = 20.0
    """Largest distance of a timestamp from the server's clock, in seconds, either way."""
    tells_retry_after: bool = False
    """Whether a 429 has a Retry-After header; none is documented."""
    cancel_of_closed: str = "TRADE_ORDER_NOT_FOUND"
    """Code for the cancel of an order that has ended; not documented."""
    max_open_orders: int = 200
    """Open orders per symbol on spot."""
    rejected_after_receipt: frozenset[Reason] = frozenset()
    """Futures: reasons that come after the receipt, as an order that is CLOSED with nothing filled."""
    lookup_seconds: float = 2 * HOUR
    """Futures: how long after its creation an order is found by its client id."""

    def __init__(self, exchange: FakeExchange | None = None) -> None:
        super().__init__(exchange)
        self.late_cancels = LateCancels(self.exchange)
        """Futures cancels are asynchronous; `late_cancels.delay` makes them late."""

    def new_exchange(self) -> FakeExchange:
        return FakeExchange(POLICIES, markets())

    def new_limits(self) -> Limits:
        rules = (
            Rule(name="10 weight/s per address", limit=10, seconds=1),
            Rule(name="10 weight/s per account", limit=10, seconds=1, scope="key", group="private"),
        )
        return Limits(rules, Penalty(ban_after=0, ban_seconds=60, extension_seconds=10))

    def routes(self) -> Iterable[Route]:
        tables = (MarketRoutes, SpotRoutes, FuturesRoutes, FuturesAccountRoutes)
        return [route for table in tables for route in table(self).routes()]

    def closed_client_ids_count(self, count: bool) -> None:
        """Say whether a spot order's client id stays taken after its end; the documentation doesn't."""
        policy = replace(self.exchange.policies["spot"], client_ids="ever" if count else "open")
        self.exchange.policies["spot"] = policy

    # What every request passes

    def answer(self, request: Request) -> Outcome:
        with self.exchange.lock:
            self.late_cancels.carry_out()
        return super().answer(request)

    def key_of(self, request: Request) -> str:
        return request.headers.get("pionex-key", "")

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        if not self.key_of(request):
            raise self.refusal("APIKEY_LOST")
        given = request.headers.get("pionex-signature", "")
        if not given:
            raise self.refusal("SIGNATURE_LOST")
        try:
            account, key = self.exchange.key(self.key_of(request))
        except KeyError:
            raise self.refusal("INVALID_APIKEY") from None
        if key.revoked:
            raise self.refusal("INVALID_APIKEY")
        self._check_time(request.parameters.get("timestamp", ""))
        signed = signed_text(request.method, request.path, request.query, request.body.decode())
        if not hmac.compare_digest(given.encode(), signature(key.secret, signed).encode()):
            raise self.refusal("INVALID_SIGNATURE")
        if not (key.trade if route.trades else key.read):
            raise self.refusal("PERMISSION_DENIED")
        return account, key

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return the query of a GET, the JSON body of everything else."""
        if request.method == "GET":
            return dict(request.parameters)
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise self.refusal("TRADE_PARAMETER_ERROR", "Content-Type must be application/json")
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self.refusal("TRADE_PARAMETER_ERROR", "the body must be a JSON object")
        return body

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        """Wrap what a handler returned in the envelope of success."""
        if isinstance(reply.body, dict) and reply.body.get("result") is False:
            return reply
        data = {} if reply.body is None else {"data": reply.body}
        return replace(reply, body={"result": True, **data, "timestamp": milliseconds(self.server_time())})

    def unknown_route(self, request: Request) -> Reply:
        return Reply(self._failure("NOT_FOUND", request.path), status=404)

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        headers = {"Retry-After": f"{refusal.until - now:.0f}"} if self.tells_retry_after else {}
        return Reply(self._failure("TOO_MANY_REQUESTS", refusal.rule), status=429, headers=headers)

    # What the routes use

    def refusal(self, code: str, message: str = "") -> WireRefusal:
        """Return the failure envelope with a code, to be raised."""
        status = 401 if self.failure_status == 400 and code in AUTHENTICATION else self.failure_status
        return WireRefusal(Reply(self._failure(code, message), status=status))

    def checked(self, answer: Callable[[], Any], kind: str) -> Any:
        """Return an answer; a bad parameter becomes `TRADE_` or `MARKET_PARAMETER_ERROR`."""
        try:
            return answer()
        except BadParameter as error:
            raise self.refusal(f"{kind}_PARAMETER_ERROR", str(error)) from None

    def symbol(self, wire: object, kind: str, market: MarketType | None = None) -> str:
        """Return the unified symbol of `BTC_USDT` or `BTC_USDT_PERP`; `kind` is TRADE or MARKET."""
        parts = str(wire).split("_")
        perpetual = len(parts) == 3 and parts[2] == "PERP"
        found = f"{parts[0]}/{parts[1]}" if len(parts) == 2 or perpetual else ""
        if perpetual:
            found += f":{parts[1]}"
        listing = self.exchange.markets.get(found)
        if listing is None or market not in (None, listing.type):
            raise self.refusal(f"{kind}_INVALID_SYMBOL", f"Invalid symbol {wire}")
        return found

    def place(self, account: Account, ticket: Ticket) -> Order:
        """Place an order, or raise why not."""
        placed = self.exchange.place(account, ticket)
        if isinstance(placed, Order):
            return placed
        if ticket.symbol.endswith(":USDT") and placed.reason in self.rejected_after_receipt:
            return self.exchange.place_rejected(account, ticket, placed.reason)
        raise self.refused(placed)

    def refused(self, refused: Refused) -> WireRefusal:
        code = self.cancel_of_closed if refused.reason == "NOT_OPEN" else CODES[refused.reason]
        return self.refusal(code, f"{refused.reason} {refused.detail}")

    def _check_time(self, given: str) -> None:
        if not given.isdigit() or abs(int(given) / 1000 - self.server_time()) > self.timestamp_window:
            raise self.refusal("INVALID_TIMESTAMP", f"timestamp {given!r}")

    def _failure(self, code: str, message: str) -> dict[str, Any]:
        told = message or code.replace("_", " ").capitalize()
        return {
            "result": False,
            "code": code,
            "message": told,
            "timestamp": milliseconds(self.server_time()),
        }
