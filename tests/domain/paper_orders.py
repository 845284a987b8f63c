"""Accounts, orders, tickers and candles for the tests of matching."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from chalicelib.domain.candles import Candles
from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.market import Market, MarketType, Ticker
from chalicelib.domain.matching import Booked, place
from chalicelib.domain.matching_checks import Refusal
from chalicelib.domain.order import OrderState
from chalicelib.domain.paper import PaperAccount, PaperHolding, PaperOrder

D = Decimal
STEP = 300
ONE = D(1)
START = 1_618_617_600 // STEP * STEP
TERMS = PaperTerms(cash=D(10000), fee_rate=D("0.001"), spread=D("0.0004"), slippage=D("0.0002"))
SYMBOL = {"spot": "BTC/USDT", "swap": "BTC/USDT:USDT"}


def a_market(market_type: MarketType = "spot", **changes: object) -> Market:
    rules = Market(
        SYMBOL[market_type], "BTC", "USDT", market_type, D("0.001"), D("0.01"), D("0.001"), D(10), D(1000)
    )
    return replace(rules, **changes)


def an_account(market_type: MarketType = "spot", cash: Decimal = TERMS.cash) -> PaperAccount:
    return PaperAccount("c1", market_type, cash, cash)


def an_order(number: int = 1, market_type: MarketType = "spot", **changes: object) -> PaperOrder:
    order = PaperOrder(
        client_order_id=f"cts-{number}",
        connection_id="c1",
        venue_order_id="",
        symbol=SYMBOL[market_type],
        side="buy",
        type="limit" if changes.get("price") else "market",
        quantity=D(1),
        price=None,
        reduce_only=False,
        state=OrderState.ACCEPTED,
        created_at=float(START),
        updated_at=float(START),
    )
    return replace(order, **changes)


def a_ticker(bid: str = "99.98", ask: str = "100.02", symbol: str = SYMBOL["spot"]) -> Ticker:
    return Ticker(symbol, D(bid), D(ask), (D(bid) + D(ask)) / 2, float(START))


def candles(
    *bars: tuple[float, float, float, float], volume: float = 1.0, symbol: str = SYMBOL["spot"]
) -> Candles:
    grid = START + STEP * np.arange(len(bars), dtype=np.int64)
    columns = (np.array([column], dtype=np.float64) for column in zip(*bars, strict=True))
    return Candles((symbol,), STEP, grid, *columns, volume=np.full((1, len(bars)), volume))


def placed(
    order: PaperOrder,
    account: PaperAccount | None = None,
    market: Market | None = None,
    resting: Sequence[PaperOrder] = (),
    share: Decimal = ONE,
    ticker: Ticker | None = None,
) -> Booked | Refusal:
    book = account or an_account(market.type if market else "spot")
    market = market or a_market(book.market_type)
    ticker = ticker or a_ticker(symbol=order.symbol)
    return place(book, order, market, {order.symbol: ticker}, TERMS, resting, order.created_at, share)


def accepted(*arguments: object, **named: object) -> tuple[PaperAccount, PaperOrder]:
    outcome = placed(*arguments, **named)  # type: ignore[arg-type]
    assert isinstance(outcome, Booked), outcome
    return outcome.account, outcome.orders[0]


def refused(*arguments: object, **named: object) -> str:
    outcome = placed(*arguments, **named)  # type: ignore[arg-type]
    assert isinstance(outcome, Refusal), outcome
    assert outcome.message
    return outcome.reason


def holding(quantity: str, price: str = "100", market_type: MarketType = "spot") -> PaperAccount:
    held = PaperHolding(D(quantity), D(quantity) * D(price))
    return replace(an_account(market_type), holdings={SYMBOL[market_type]: held})
