"""Binance on the wire: spot and USDT futures under their real host names, signatures, weights and bans."""

import hashlib
import hmac
import re
import types
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.fakes.binance_futures import FuturesOrders
from tests.fakes.binance_futures_account import FuturesAccount
from tests.fakes.binance_market import API, DAPI, FAPI, MarketData
from tests.fakes.binance_spot import Spot
from tests.fakes.binance_words import milliseconds, refuse
from tests.fakes.core import FakeExchange, listings
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Policy
from tests.fakes.limits import Limits, Penalty, Refusal, Rule
from tests.fakes.wire import Call, Fake, Reply, Request, Route

_MINIMUM = {"BTC/USDT:USDT": Decimal(100), "ETH/USDT:USDT": Decimal(20)}
_AHEAD_MILLISECONDS = 1000


class FakeBinance(Fake):
    """Binance. Routes of futures are named like those of spot with `futures_` before them."""

    name = "binance"
    hosts = (API, FAPI, DAPI, "demo-api.binance.com", "demo-fapi.binance.com", "testnet.binance.vision")
    aliases = types.MappingProxyType(
        {"demo-api.binance.com": API, "demo-fapi.binance.com": FAPI, "testnet.binance.vision": API}
    )

    def new_exchange(self) -> FakeExchange:
        markets = [
            replace(listing, min_notional=_MINIMUM.get(listing.symbol, listing.min_notional))
            for listing in listings().values()
        ]
        spot = Policy(client_ids="open", client_id_pattern=r"[a-zA-Z0-9_-]{1,36}")
        swap = Policy(
            client_ids="open",
            client_id_pattern=r"[.A-Z:/a-z0-9_-]{1,36}",
            maker_fee=Decimal("0.0002"),
            taker_fee=Decimal("0.0005"),
            stop_becomes_another_order=True,
        )
        return FakeExchange({"spot": spot, "swap": swap}, markets)

    def new_limits(self) -> Limits:
        rules = (
            Rule(name="spot weight", limit=6000, seconds=60, window="fixed", group="spot"),
            Rule(
                name="spot orders",
                limit=100,
                seconds=10,
                window="fixed",
                scope="key",
                group="spot",
                counts="orders",
            ),
            Rule(name="futures weight", limit=2400, seconds=60, window="fixed", group="swap"),
            Rule(
                name="futures orders",
                limit=300,
                seconds=10,
                window="fixed",
                scope="key",
                group="swap",
                counts="orders",
            ),
        )
        return Limits(rules, Penalty(ban_after=5, ban_seconds=120))

    def routes(self) -> Iterable[Route]:
        exchange = self.exchange
        yield from MarketData(exchange, "spot", self.server_time).routes()
        yield from MarketData(exchange, "swap", self.server_time).routes()
        for part in (Spot(exchange), FuturesOrders(exchange), FuturesAccount(exchange)):
            yield from part.routes()
        yield from self._wallet_routes()

    def _wallet_routes(self) -> Iterable[Route]:
        table = (
            ("account/apiRestrictions", "permissions", self._restrictions, True),
            ("capital/config/getall", "currencies", self._currencies, True),
            ("margin/allPairs", "margin_pairs", _nothing, True),
            ("margin/isolated/allPairs", "isolated_pairs", _nothing, True),
            ("system/status", "status", _working, False),
        )
        for path, name, handler, private in table:
            yield Route(
                method="GET",
                path=f"/sapi/v1/{path}",
                name=name,
                handler=handler,
                private=private,
                group="wallet",
                host=API,
            )
        # No coin-margined markets, but ccxt asks for them unless it is told otherwise.
        yield Route(
            method="GET", path="/dapi/v1/exchangeInfo", name="coin_markets", handler=_no_symbols, host=DAPI
        )

    # Who asks

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-mbx-apikey", "")

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        """Check in Binance's order: key, time, signature, permission."""
        named = self.key_of(request)
        if not named:
            raise refuse(-2014, "API-key format invalid.", 401)
        denied = refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        try:
            account, key = self.exchange.key(named)
        except KeyError:
            raise denied from None
        if key.revoked or not key.read:
            raise denied
        self._check_time(request)
        if not _signed(request, key.secret):
            raise refuse(-1022, "Signature for this request is not valid.")
        if route.trades and not key.trade:
            raise denied
        return account, key

    def _check_time(self, request: Request) -> None:
        parameters = request.parameters
        stamp, window = parameters.get("timestamp", ""), parameters.get("recvWindow", "5000")
        if not stamp.isdigit():
            raise refuse(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        if int(float(window)) > 60_000:
            raise refuse(-1131, "recvWindow must be less than 60000")
        behind = milliseconds(self.server_time()) - int(stamp)
        if behind < -_AHEAD_MILLISECONDS:
            raise refuse(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if behind > float(window):
            raise refuse(-1021, "Timestamp for this request is outside of the recvWindow.")

    # Answers that every route shares

    def unknown_route(self, request: Request) -> Reply:
        return Reply("<html><body><h2>404 Not found</h2></body></html>", 404, {"Content-Type": "text/html"})

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        headers = {"Retry-After": str(max(0, round(refusal.until - now)))}
        if refusal.banned:
            until = milliseconds(refusal.until)
            message = f"Way too many requests; IP(127.0.0.1) banned until {until}."
            return Reply({"code": -1003, "msg": message}, 418, headers)
        if refusal.rule.endswith("orders"):
            return Reply(
                {"code": -1015, "msg": f"Too many new orders; current limit of {refusal.rule}."}, 429, headers
            )
        message = f"Too many requests; current limit of {refusal.rule} is reached."
        return Reply({"code": -1003, "msg": message}, 429, headers)

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        used = [rule for rule in self.limits.rules if rule.group == route.group and rule.counts == "weight"]
        if not used:
            return reply
        weight = self.limits.used(used[0], self.wire_clock())
        return replace(reply, headers={**reply.headers, "x-mbx-used-weight-1m": str(weight)})

    # The wallet API

    def _restrictions(self, call: Call) -> Any:
        key = call.key or Key(key="", secret="")
        return {
            "ipRestrict": False,
            "createTime": milliseconds(self.exchange.now),
            "enableReading": key.read,
            "enableWithdrawals": key.withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": key.trade,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": key.trade,
            "enablePortfolioMarginTrading": False,
        }

    def _currencies(self, call: Call) -> Any:
        names = {name for one in self.exchange.markets.values() for name in (one.base, one.quote)}
        return [
            {
                "coin": name,
                "name": name,
                "depositAllEnable": True,
                "withdrawAllEnable": True,
                "trading": True,
                "isLegalMoney": False,
                "free": "0",
                "locked": "0",
                "networkList": [],
            }
            for name in sorted(names)
        ]


def _signed(request: Request, secret: str) -> bool:
    """Tell whether the signature is the HMAC of query and body without the signature itself."""
    sent = request.query + request.body.decode()
    found = re.search(r"&?signature=([^&]*)", sent)
    if found is None:
        return False
    text = sent[: found.start()] + sent[found.end() :]
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, found[1])


def _nothing(call: Call) -> Any:
    return []


def _no_symbols(call: Call) -> Any:
    return {"symbols": []}


def _working(call: Call) -> Any:
    return {"status": 0, "msg": "normal"}
