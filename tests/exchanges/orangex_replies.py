"""OrangeX at the level of HTTP for tests: a session that answers as told, with replies as in its notes."""

import json
from typing import Any

import requests

from chalicelib.exchanges.ccxt_loader import load_exchange_class

NOW = 1_790_000_123_000
"""What the exchange class takes for the time in these tests, ms."""

PERPETUAL = {
    "instrument_name": "BTC-USDT-PERPETUAL",
    "kind": "perpetual",
    "currency": "PERPETUAL",
    "is_active": True,
    "base_currency": "USDT",
    "quote_currency": "BTC",
    "show_name": "BTCUSDT",
    "creation_timestamp": "1640000000000",
    "expiration_timestamp": "32503708800000",
    "leverage": 125,
    "maker_commission": "0.0002",
    "taker_commission": "0.0006",
    "tick_size": "0.1",
    "min_trade_amount": "0.001",
    "min_qty": "0.001",
    "min_notional": "10",
    "order_price_low_rate": "0.5",
    "order_price_high_rate": "1.5",
}
SPOT = {
    **PERPETUAL,
    "instrument_name": "BTC-USDT-SPOT",
    "kind": "spot",
    "currency": "SPOT",
    "tick_size": "0.01",
    "min_trade_amount": "0.00001",
    "min_qty": "0.0001",
    "maker_commission": "0.001",
    "taker_commission": "0.001",
}
TICKER = {
    "instrument_name": "BTC-USDT-PERPETUAL",
    "last_price": "60000.1",
    "mark_price": "60000.5",
    "best_bid_price": "60000",
    "best_bid_amount": "0.5",
    "best_ask_price": "60000.2",
    "best_ask_amount": "0.7",
    "open_interest": "1234.5",
    "underlying_price": "60001",
    "state": "open",
    "stats": {"high": "61000", "low": "59000", "price_change": "0.0123", "volume": "100.5"},
    "timestamp": str(NOW - 500),
}
ORDER = {
    "order_id": "77409325612535808",
    "order_state": "open",
    "instrument_name": "BTC-USDT-PERPETUAL",
    "direction": "buy",
    "amount": "0.003",
    "price": "59000.1",
    "filled_amount": "0.001",
    "average_price": "59000.1",
    "order_type": "limit",
    "time_in_force": "GTC",
    "post_only": False,
    "reduce_only": False,
    "condition_type": "NORMAL",
    "trigger_price": "0",
    "stop_loss_price": "0",
    "take_profit_price": "0",
    "position_side": "BOTH",
    "custom_order_id": "cts-1",
    "creation_timestamp": NOW - 60_000,
    "last_update_timestamp": NOW - 30_000,
    "error_code": 0,
}
TRADE = {
    "trade_id": 58319385,
    "order_id": "77409325612535808",
    "direction": "buy",
    "amount": "0.001",
    "price": "59000.1",
    "fee": "0.0354",
    "fee_coin_type": "USDT",
    "role": "taker",
    "timestamp": NOW - 40_000,
}
POSITION = {
    "instrument_name": "BTC-USDT-PERPETUAL",
    "position_side": "SHORT",
    "size": "-0.02",
    "average_price": "60500",
    "mark_price": "60000.5",
    "margin_type": "cross",
    "leverage": "10",
    "floating_profit_loss": "9.99",
}
WALLET = {
    "PERPETUAL": {
        "wallet_balance": "1000.5",
        "available_funds": "900.25",
        "total_margin_balance": "1010",
        "total_upl": "9.5",
        "order_frozen": "0",
    }
}
COINS = {
    "SPOT": {
        "total": "1",
        "details": [
            {"coin_type": "BTC", "available": "0.5", "freeze": "0.25", "total": "0.75"},
            {"coin_type": "USDT", "available": "100", "freeze": "0", "total": "100"},
        ],
    }
}
INSTRUMENTS = {"PERPETUAL": [PERPETUAL], "SPOT": [SPOT]}


def token(number: int, expires_in: int = 43_199) -> dict[str, Any]:
    """Return the result of a sign-in."""
    return {
        "access_token": f"token-{number}",
        "token_type": "bearer",
        "refresh_token": f"refresh-{number}",
        "expires_in": expires_in,
        "scope": "account:read trade:read_write wallet:none",
    }


def ok(result: Any) -> dict[str, Any]:
    """Wrap a result as the exchange does."""
    return {"id": "1", "jsonrpc": "2.0", "usIn": NOW, "usOut": NOW + 3, "usDiff": 3, "result": result}


def failed(code: int, message: str = "no") -> dict[str, Any]:
    """Return an error as the exchange tells it, with a status of 200."""
    return {
        "jsonrpc": "2.0",
        "usIn": NOW,
        "usOut": NOW,
        "error": {"code": code, "message": message, "data": {}},
    }


class Call:
    """One request as it left."""

    def __init__(self, verb: str, url: str, body: bytes | None, headers: dict[str, str]) -> None:
        self.verb = verb
        self.url = url
        self.name = url.split("/api/v1/")[1].split("?")[0]
        self.headers = headers
        self.body = json.loads(body) if body else {}
        self.params: dict[str, Any] = self.body.get("params", {})


class Session:
    """Stands for the HTTP session of the exchange class. Answers per method: a reply, or a list in turn.

    A reply is an object (sent as JSON), a text (sent as it is), a pair of status and either, an exception to
    raise, or a function of the call that returns one of these.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.cookies: Any = requests.cookies.RequestsCookieJar()
        self.headers: dict[str, str] = {}
        self.calls: list[Call] = []
        self._tokens = 0
        self._answers = {
            "public/auth": self._auth,
            "public/get_instruments": lambda call: ok(INSTRUMENTS[call.params["currency"]]),
            **answers,
        }

    def request(
        self, verb: str, url: str, data: bytes | None, headers: dict[str, str], **_: Any
    ) -> requests.Response:
        """Answer one request."""
        call = Call(verb, url, data, headers)
        self.calls.append(call)
        answer = self._answers[call.name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(call)
        if isinstance(answer, Exception):
            raise answer
        status, reply = answer if isinstance(answer, tuple) else (200, answer)
        response = requests.Response()
        response.status_code, response.reason = status, "told"
        response._content = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
        response.headers["Content-Type"] = "application/json"
        return response

    def close(self) -> None:
        """Close nothing."""

    def names(self) -> list[str]:
        """Return the methods called, without sign-ins and instruments."""
        told = ("public/auth", "public/get_instruments")
        return [call.name for call in self.calls if call.name not in told]

    def of(self, name: str) -> list[Call]:
        """Return the calls of one method."""
        return [call for call in self.calls if call.name == name]

    def _auth(self, _: Call) -> dict[str, Any]:
        self._tokens += 1
        return ok(token(self._tokens))


def orangex_with(answers: dict[str, Any], options: dict[str, Any] | None = None) -> tuple[Any, Session]:
    """Return the exchange class on a session that answers as told, its clock standing at NOW."""
    exchange = load_exchange_class("orangex")(
        {
            "apiKey": "e429d4d1",
            "secret": "testclientSecret",
            "enableRateLimit": False,
            "options": options or {},
        }
    )
    session = Session(answers)
    exchange.session = session
    exchange.milliseconds = lambda: NOW
    return exchange, session
