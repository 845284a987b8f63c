"""Pionex as a scripted wire: replies typed from its documents, requests seen as bytes; used by its tests."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from chalicelib.exchanges.ccxt_loader import load_exchange_class

SECRET = "NFqv4MB3hB0SOiEsJNDP9e0jDdKPWbDqS_Z1dbU4"
NOW = 1_655_896_754_515

Query = dict[str, str]
Answer = Callable[[Query, Any], Any]

SPOT_MARKET = {
    "symbol": "BTC_USDT",
    "type": "SPOT",
    "baseCurrency": "BTC",
    "quoteCurrency": "USDT",
    "basePrecision": 6,
    "quotePrecision": 2,
    "amountPrecision": 8,
    "minAmount": "10",
    "minTradeSize": "0.000001",
    "maxTradeSize": "1000",
    "minTradeDumping": "0.000001",
    "maxTradeDumping": "100",
    "enable": True,
    "buyCeiling": "1.1",
    "sellFloor": "0.9",
}
DELISTED_MARKET = {**SPOT_MARKET, "symbol": "OLD_USDT", "baseCurrency": "OLD", "enable": False}
SWAP_MARKET = {
    "symbol": "BTC_USDT_PERP",
    "name": "BTC/USDT Perpetual",
    "contractType": "PERPETUAL",
    "baseCurrency": "BTC",
    "quoteCurrency": "USDT",
    "basePrecision": 4,
    "quotePrecision": 1,
    "minNotional": "5",
    "baseStep": "0.0001",
    "quoteStep": "0.1",
    "minSizeLimit": "0.0001",
    "maxSizeLimit": "500",
    "minSizeMarket": "0.0001",
    "maxSizeMarket": "120",
    "maxImpactLimit": "0.05",
    "maxImpactMarket": "0.05",
    "maxOrderNum": 200,
    "status": "TRADING",
    "liquidationFeeRate": "0.01",
}
OFFLINE_MARKET = {**SWAP_MARKET, "symbol": "OLD_USDT_PERP", "baseCurrency": "OLD", "status": "OFFLINE"}

SPOT_ORDER = {
    "orderId": 1234567890,
    "symbol": "BTC_USDT",
    "type": "LIMIT",
    "side": "SELL",
    "price": "30000.00",
    "size": "0.1000",
    "filledSize": "0.0500",
    "filledAmount": "1500.00",
    "fee": "0.15",
    "feeCoin": "USDT",
    "status": "OPEN",
    "IOC": False,
    "clientOrderId": "9e3d93d6-e9a4-465a-a39a-2e48568fe194",
    "source": "API",
    "createTime": 1566676132311,
    "updateTime": 1566676132311,
}
SWAP_ORDER = {
    "orderId": 22334455,
    "symbol": "BTC_USDT_PERP",
    "type": "LIMIT",
    "positionMode": "BUYSELL",
    "isolatedMode": "CROSS",
    "side": "BUY",
    "positionSide": "BOTH",
    "price": "30000.0",
    "origSize": "0.2",
    "size": "0.2",
    "filledSize": "0.05",
    "filledAmount": "1499.5",
    "status": "OPEN",
    "reduceOnly": False,
    "clientOrderId": "swap-1",
    "source": "API",
    "createTime": 1566676132311,
    "updateTime": 1566676133311,
}
FILL = {
    "id": 777,
    "orderId": 1234567890,
    "symbol": "BTC_USDT",
    "side": "SELL",
    "role": "TAKER",
    "price": "30000.00",
    "size": "0.0500",
    "fee": "0.15",
    "feeCoin": "USDT",
    "timestamp": 1566676132311,
}
POSITION = {
    "positionId": "p-1",
    "symbol": "BTC_USDT_PERP",
    "isolatedMode": "CROSS",
    "positionSide": "LONG",
    "netSize": "0.5000",
    "avgPrice": "30000",
    "unrealizedPnL": "50",
    "markPrice": "30100",
    "initialMargin": "1505",
    "maintMargin": "75.25",
    "liquidationPrice": "27150.5",
    "leverage": "10",
    "createTime": 1566676132311,
    "updateTime": 1566676133311,
}


def success(**data: Any) -> dict[str, Any]:
    return {"result": True, "data": data, "timestamp": NOW}


def failure(code: str) -> dict[str, Any]:
    return {"result": False, "code": code, "message": "no", "timestamp": NOW}


def symbols(query: Query, _: Any) -> dict[str, Any]:
    swap = query.get("type") == "PERP"
    return success(symbols=[SWAP_MARKET, OFFLINE_MARKET] if swap else [SPOT_MARKET, DELISTED_MARKET])


class Wire(BaseAdapter):
    """Answers what a session sends; `routes` maps "METHOD path" to a reply or a function of the request."""

    def __init__(self, routes: Mapping[str, Any]) -> None:
        super().__init__()
        self.routes: dict[str, Any] = {"GET /api/v1/common/symbols": symbols, **routes}
        self.sent: list[requests.PreparedRequest] = []
        self.status, self.headers = 200, {"Content-Type": "application/json"}

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.sent.append(request)
        address = urlsplit(str(request.url))
        answer = self.routes[f"{request.method} {address.path}"]
        if callable(answer):
            body = json.loads(request.body) if request.body else None
            answer = answer(dict(parse_qsl(address.query)), body)
        response = requests.Response()
        response.status_code, response.url, response.request = self.status, str(request.url), request
        response.reason = ""
        response.headers.update(self.headers)
        response._content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        return response

    def close(self) -> None:
        """Hold nothing open."""

    def queries(self, end: str) -> list[Query]:
        """Return the decoded queries of the requests whose path ends so."""
        addresses = [urlsplit(str(request.url)) for request in self.sent]
        return [dict(parse_qsl(address.query)) for address in addresses if address.path.endswith(end)]

    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.sent if request.body]


def client_on(routes: Mapping[str, Any], **config: Any) -> tuple[Any, Wire]:
    """Return the class under test on a scripted wire, its clock standing at `NOW`."""
    wire = Wire(routes)
    session = requests.Session()
    session.mount("https://", wire)
    settings = {"apiKey": "key", "secret": SECRET, "session": session, "enableRateLimit": False, **config}
    client = load_exchange_class("pionex")(settings)
    client.milliseconds = lambda: NOW
    return client, wire


def validate(kind: str, client: Any, skipped: dict[str, Any], method: str, entry: Any, *more: Any) -> None:
    """Let ccxt's own structure test of that kind judge an entry."""
    module = importlib.import_module(f"ccxt.test.exchange.base.test_{kind}")
    getattr(module, f"test_{kind}")(client, skipped, method, entry, *more)
