"""What the OrangeX class returns, under ccxt's own checks of each unified structure."""

import importlib
import sys
from pathlib import Path

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import (
    COINS,
    NOW,
    ORDER,
    POSITION,
    TICKER,
    TRADE,
    WALLET,
    ok,
    orangex_with,
)

SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
CHECKS = "ccxt.test.exchange.base"
UNTOLD = dict.fromkeys(("timestamp", "datetime", "collateral"), True)
"""What replies about positions do not carry."""


@pytest.fixture
def check(monkeypatch):
    """Return a function that runs one of ccxt's checks by name."""
    monkeypatch.setattr(sys, "argv", ["check"])
    package = Path(ccxt_errors().__file__).parent.parent
    monkeypatch.syspath_prepend(str(package.parent))

    def run(name, exchange, *arguments, skipped=None):
        module = importlib.import_module(f"{CHECKS}.test_{name}")
        getattr(module, f"test_{name}")(exchange, skipped or {}, name, *arguments)

    return run


@pytest.fixture
def orangex():
    exchange, _ = orangex_with(
        {
            "public/tickers": lambda call: ok(
                [
                    TICKER
                    if call.params["currency"] == "PERPETUAL"
                    else {**TICKER, "instrument_name": "BTC-USDT"}
                ]
            ),
            "public/get_order_book": ok(
                {"asks": [["101", "1"]], "bids": [["99", "3"]], "timestamp": str(NOW)}
            ),
            "public/get_tradingview_chart_data": ok(
                [
                    {
                        "tick": NOW // 60_000 * 60,
                        "open": "100",
                        "high": "110",
                        "low": "90",
                        "close": "105",
                        "volume": "2.5",
                        "cost": "250",
                    }
                ]
            ),
            "private/get_assets_info": lambda call: ok(
                WALLET if call.params["asset_type"] == ["PERPETUAL"] else COINS
            ),
            "private/buy": ok({"order": {"order_id": "77409325612535808"}}),
            "private/cancel": ok({"order_id": "77409325612535808"}),
            "private/get_order_state": ok(ORDER),
            "private/get_open_orders_by_instrument": ok([ORDER]),
            "private/get_order_history_by_instrument": ok([{**ORDER, "order_state": "canceled"}]),
            "private/get_user_trades_by_instrument": ok({"trades": [TRADE], "has_more": False}),
            "private/get_user_trades_by_order": ok({"trades": [TRADE], "has_more": False}),
            "private/get_user_position": ok([POSITION]),
        }
    )
    # The checks call for currencies where there are none; those of the markets are enough.
    exchange.load_markets()
    return exchange


@pytest.mark.parametrize("symbol", [SWAP, COIN])
def test_market(check, orangex, symbol):
    check("market", orangex, orangex.market(symbol))


@pytest.mark.parametrize("symbol", [SWAP, COIN])
def test_ticker(check, orangex, symbol):
    check("ticker", orangex, orangex.fetch_ticker(symbol), symbol)


def test_candles(check, orangex):
    rows = orangex.fetch_ohlcv(SWAP, "1m", None, 1)
    assert len(rows) == 1
    check("ohlcv", orangex, rows[0], SWAP, NOW)
    _, opened, high, low, closed, _ = rows[0]
    assert low <= min(opened, closed) <= max(opened, closed) <= high


def test_order_book(check, orangex):
    check("order_book", orangex, orangex.fetch_order_book(SWAP), SWAP)


@pytest.mark.parametrize("kind", ["swap", "spot"])
def test_balance(check, orangex, kind):
    check("balance", orangex, orangex.fetch_balance({"type": kind}))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_order", (SWAP, "limit", "buy", 0.003, 59000)),
        ("create_order", (SWAP, "market", "buy", 0.003)),
        ("cancel_order", ("77409325612535808", SWAP)),
        ("fetch_order", ("77409325612535808", SWAP)),
    ],
)
def test_order(check, orangex, method, arguments):
    check("order", orangex, getattr(orangex, method)(*arguments), SWAP, NOW)


@pytest.mark.parametrize("method", ["fetch_open_orders", "fetch_closed_orders", "fetch_orders"])
def test_orders(check, orangex, method):
    orders = getattr(orangex, method)(SWAP)
    assert orders
    for order in orders:
        check("order", orangex, order, SWAP, NOW)


def test_trades(check, orangex):
    for trade in orangex.fetch_my_trades(SWAP) + orangex.fetch_order_trades("77409325612535808", SWAP):
        check("trade", orangex, trade, SWAP, NOW, False)


def test_position(check, orangex):
    (position,) = orangex.fetch_positions([SWAP])
    check("position", orangex, position, SWAP, NOW, skipped=UNTOLD)
