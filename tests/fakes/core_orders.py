"""Short ways to place orders at the exchange behind the wire, for its own tests."""

from decimal import Decimal
from typing import Any

from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Order, Refused, Ticket

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
TENTH = Decimal("0.1")


def ticket(symbol: str = SPOT, side: Any = "buy", kind: Any = "market", **more: Any) -> Ticket:
    return Ticket(symbol=symbol, side=side, type=kind, **{"quantity": TENTH, **more})


def place(exchange: FakeExchange, *arguments: Any, **named: Any) -> Order:
    placed = exchange.place(exchange.main, ticket(*arguments, **named))
    assert isinstance(placed, Order), placed
    return placed


def refused(exchange: FakeExchange, *arguments: Any, **named: Any) -> str:
    answer = exchange.place(exchange.main, ticket(*arguments, **named))
    assert isinstance(answer, Refused), answer
    return answer.reason


def held(exchange: FakeExchange, side: Any = "both") -> Decimal:
    return exchange.main.position(SWAP, side).quantity
