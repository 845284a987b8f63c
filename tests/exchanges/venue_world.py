"""Orders, gates, rules and a stubbed HTTP session for tests of the venue; no network."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from requests import Response
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ProtocolError

from chalicelib.domain import approval
from chalicelib.domain.connection import Connection
from chalicelib.domain.credentials import Credentials, Secret
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.order import Order, OrderState
from chalicelib.exchanges.ccxt_loader import load_exchange_class
from chalicelib.exchanges.venue import ExchangeVenue, exchange_venue

D = Decimal
NOW = 1_790_000_000.0
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
_numbers = itertools.count(1)

MARKETS = {
    SPOT: Market(SPOT, "BTC", "USDT", "spot", D("0.00001"), D("0.01"), D("0.0001"), D(10), D(9000)),
    SWAP: Market(SWAP, "BTC", "USDT", "swap", D("0.001"), D("0.1"), D("0.001"), D(100), D(1000)),
}


def order(symbol: str, side: str, type_: str, quantity: str, price: str | None = None, **other: Any) -> Order:
    """Return an intent of ours; each has an id of its own."""
    values: dict[str, Any] = {
        "client_order_id": f"cts-{next(_numbers):010d}",
        "connection_id": "c",
        "symbol": symbol,
        "side": side,
        "type": type_,
        "quantity": D(quantity),
        "price": None if price is None else D(price),
        "reduce_only": False,
        "leg": "entry",
        "position_id": "p",
        "signal_id": "s",
        "state": OrderState.INTENT,
        "created_at": NOW,
        "updated_at": NOW,
        "correlation_id": "x",
    }
    return Order(**(values | other))


def stop(side: str, quantity: str, trigger: str, **other: Any) -> Order:
    """Return a protective stop on the swap."""
    given = {"reduce_only": True, "leg": "protection", "trigger_price": D(trigger)} | other
    return order(SWAP, side, "stop", quantity, **given)


def approved(intent: Order) -> approval.ApprovedOrder:
    """Return an order as if it had passed the checks of the risk gate, which is not what is tested here."""
    return approval.ApprovedOrder(intent, approval._SEAL)


class SpyGate:
    """A gate that lets everything through and remembers what it was told."""

    def __init__(self) -> None:
        self.weights: list[int] = []
        self.told: list[Any] = []

    def admit(self, weight: int = 1) -> None:
        self.weights.append(weight)

    def succeeded(self) -> None:
        self.told.append("succeeded")

    def failed(self) -> None:
        self.told.append("failed")

    def limited(self, retry_after: float | None, banned: bool) -> None:
        self.told.append(("limited", retry_after, banned))


@dataclass
class Sent:
    """One request that the stubbed session got."""

    method: str
    url: str
    body: str
    headers: dict[str, str]


class Session:
    """In the place of a client's HTTP session: answers in order, an exception is raised, and remembers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[Sent] = []
        self.cookies = SimpleNamespace(clear=lambda: None)
        self.headers: dict[str, str] = {}

    def request(self, method: str, url: str, data: Any = None, headers: Any = None, **_: Any) -> Response:
        body = data.decode() if isinstance(data, bytes) else str(data or "")
        self.sent.append(Sent(method, url, body, dict(headers or {})))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, text, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        response = Response()
        response.status_code = status
        response.reason = "OK" if status < 400 else "Bad"
        response.headers = CaseInsensitiveDict({"Content-Type": "application/json", **headers})
        response._content = (text if isinstance(text, str) else json.dumps(text)).encode()
        return response


class StubRules:
    """The part of a market feed that a venue needs: two markets that never change."""

    def __init__(self, exchange: str) -> None:
        self.told: list[str] = []
        self._client = load_exchange_class(exchange)()
        self._client.set_markets([_ccxt_market(self._client, symbol) for symbol in (SPOT, SWAP)])

    def markets(self, symbols: Any) -> dict[str, Market]:
        return {symbol: MARKETS[symbol] for symbol in symbols}

    def tickers(self, symbols: Any, now: float) -> dict[str, Ticker]:
        return {symbol: Ticker(symbol, D(49_999), D(50_001), D(50_000), now) for symbol in symbols}

    def rules_client(self, market_type: str) -> Any:
        return self._client

    def outdated(self, market_type: str) -> None:
        self.told.append(market_type)


def venue_of(
    exchange: str, *answers: Any, market_type: str = "swap", mode: str = "live", **other: Any
) -> tuple[ExchangeVenue, Session, SpyGate]:
    """Return a venue whose requests get these answers, the session and the gate."""
    symbol = SWAP if market_type == "swap" else SPOT
    connection = Connection("c", exchange, (symbol,), mode=mode, market_type=market_type)
    session, gate = Session(*answers), SpyGate()

    def prepare(client: Any) -> None:
        client.session = session

    rules = other.get("rules") or StubRules(exchange)
    venue = exchange_venue(connection, keys, gate, rules, other.get("memory", {}), prepare)
    return venue, session, gate


def keys() -> Credentials:
    return Credentials(Secret("key"), Secret("secret"))


def raised(call: Callable[[], Any]) -> Exception:
    """Return what a call raises."""
    try:
        result = call()
    except Exception as error:
        return error
    raise AssertionError(f"nothing was raised, but returned: {result}")


def body(exchange: str, code: str, message: str = "no") -> dict[str, Any]:
    """Return an error's body as the exchange writes it."""
    return {
        "binance": {"code": int(code) if code.lstrip("-").isdigit() else code, "msg": message},
        "bybit": {"retCode": int(code) if code.isdigit() else code, "retMsg": message, "result": {}},
        "bingx": {"code": int(code) if code.isdigit() else code, "msg": message, "data": {}},
        "pionex": {"result": False, "code": code, "message": message, "timestamp": 1_790_000_000_000},
        "orangex": {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}},
    }[exchange]


def reset() -> RequestsConnectionError:
    """Return what a reset connection raises."""
    return RequestsConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


def _ccxt_market(client: Any, symbol: str) -> dict[str, Any]:
    market, swap = MARKETS[symbol], ":" in symbol
    names = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "bingx": "BTC-USDT"}
    own = {"pionex": ("BTC_USDT", "BTC_USDT_PERP"), "orangex": ("BTC-USDT-SPOT", "BTC-USDT-PERPETUAL")}
    return client.safe_market_structure(
        {
            "id": names.get(client.id) or own[client.id][swap],
            "symbol": symbol,
            "base": "BTC",
            "quote": "USDT",
            "baseId": "BTC",
            "quoteId": "USDT",
            "settle": "USDT" if swap else None,
            "settleId": "USDT" if swap else None,
            "type": market.type,
            "spot": not swap,
            "swap": swap,
            "contract": swap,
            "linear": True if swap else None,
            "inverse": False if swap else None,
            "contractSize": 1 if swap else None,
            "active": True,
            "precision": {"amount": float(market.amount_step), "price": float(market.price_step)},
            "limits": {
                "amount": {"min": float(market.min_amount)},
                "price": {},
                "cost": {"min": 10},
                "leverage": {},
            },
            "info": {"orderTypes": ["LIMIT", "MARKET", "STOP_MARKET", "STOP", "LIMIT_MAKER"]},
        }
    )
