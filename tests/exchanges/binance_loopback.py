"""A loopback server that answers as Binance's public API does, and a way to lead ccxt's client to it."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

INTERVALS = {"1m": 60, "5m": 300, "1h": 3600}
LISTED = {"BTCUSDT": ("BTC", "USDT", "0.01", "0.00001"), "ETHUSDT": ("ETH", "USDT", "0.01", "0.0001")}
HALTED = {"LUNAUSDT": ("LUNA", "USDT", "0.0001", "0.01")}
TICKERS = {"BTCUSDT": ("61437.99", "61437.98", "61438.00"), "ETHUSDT": ("2437.92", "2437.91", "2437.93")}


class Binance:
    """The server's state: its clock, the requests it saw, gaps in its candles, and how it fails."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.gaps: set[int] = set()
        self.failures: list[tuple[int, str]] = []

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        self.requests.append((path, query))
        if self.failures:
            return self.failures.pop(0)
        routes = {
            "/api/v3/time": lambda: {"serverTime": int(self.now * 1000)},
            "/api/v3/exchangeInfo": lambda: {"symbols": self._symbols()},
            "/api/v3/klines": lambda: self._klines(query),
            "/api/v3/ticker/24hr": lambda: [self._ticker(name) for name in json.loads(query["symbols"])],
        }
        if path not in routes:
            return 404, json.dumps({"code": -1, "msg": f"no {path}"})
        return 200, json.dumps(routes[path]())

    def klines_asked(self) -> list[dict[str, str]]:
        return [query for path, query in self.requests if path.endswith("klines")]

    def _symbols(self) -> list[dict[str, Any]]:
        listed = [(name, "TRADING", *rules) for name, rules in LISTED.items()]
        listed += [(name, "BREAK", *rules) for name, rules in HALTED.items()]
        return [
            {
                "symbol": name,
                "status": status,
                "baseAsset": base,
                "quoteAsset": quote,
                "baseAssetPrecision": 8,
                "quotePrecision": 8,
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": False,
                "permissions": ["SPOT"],
                "filters": [
                    {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
                    {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000", "stepSize": lot},
                    {"filterType": "NOTIONAL", "minNotional": "5.00", "applyMinToMarket": True},
                ],
            }
            for name, status, base, quote, tick, lot in listed
        ]

    def _klines(self, query: dict[str, str]) -> list[list[Any]]:
        step = INTERVALS[query["interval"]]
        start, limit = int(query["startTime"]) // 1000, int(query["limit"])
        first = -(-start // step) * step
        rows = []
        for opened in range(first, int(self.now) + 1, step):
            if opened not in self.gaps and len(rows) < limit:
                rows.append(kline(opened, step))
        return rows

    def _ticker(self, name: str) -> dict[str, Any]:
        last, bid, ask = TICKERS[name]
        return {
            "symbol": name,
            "lastPrice": last,
            "bidPrice": bid,
            "askPrice": ask,
            "closeTime": int(self.now * 1000),
        }


def kline(opened: int, step: int) -> list[Any]:
    """Return a candle as Binance writes it; its prices follow from its time."""
    base = 100 + opened // step % 1000 / 100
    prices = (f"{value:.2f}" for value in (base, base + 1, base - 1, base + 0.33))
    return [opened * 1000, *prices, "12.5", (opened + step) * 1000 - 1, "0", 1, "0", "0", "0"]


class _Detour(HTTPAdapter):
    """Sends requests for a real host name to the loopback: ccxt keeps the names it knows."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request: PreparedRequest, *arguments: Any, **named: Any) -> Response:
        parts = urlsplit(str(request.url))
        request.url = parts._replace(scheme="http", netloc=f"127.0.0.1:{self._port}").geturl()
        return super().send(request, *arguments, **named)


def detour(port: int):
    """Return what leads a ccxt client to the loopback server."""

    def prepare(client: Any) -> None:
        client.session.mount("https://", _Detour(port))

    return prepare


@contextmanager
def served(binance: Binance, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of the loopback, over TLS if there is a context; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body = binance.answer(parts.path, query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
