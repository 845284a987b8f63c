"""BingX's public routes: contracts and symbols, tickers, candles, the best prices and the clock."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.bingx_words import answer, decimals, market_id, milliseconds, plain, refuse, swap_symbol
from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Listing
from tests.fakes.prices import Candle
from tests.fakes.wire import Call, Reply, Route

INTERVALS = {
    **{f"{minutes}m": minutes * 60 for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": hours * 3600 for hours in (1, 2, 4, 6, 8, 12)},
    "1d": 86_400,
    "3d": 259_200,
}
"""Candle intervals by their names, in seconds."""

MOST_CANDLES = 1440


class Market:
    """The handlers; `clock` tells the exchange's time as clients compare it."""

    def __init__(self, exchange: FakeExchange, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._clock = clock

    def routes(self) -> Iterable[Route]:
        table: tuple[tuple[str, str, Callable[[Call], Any]], ...] = (
            ("/openApi/swap/v2/server/time", "time", self.time),
            ("/openApi/spot/v1/server/time", "spot_time", self.time),
            ("/openApi/swap/v2/quote/contracts", "markets", self.contracts),
            ("/openApi/cswap/v1/market/contracts", "inverse_markets", self.inverse_contracts),
            ("/openApi/spot/v1/common/symbols", "spot_markets", self.spot_symbols),
            ("/openApi/swap/v2/quote/ticker", "tickers", self.swap_tickers),
            ("/openApi/spot/v1/ticker/24hr", "spot_tickers", self.spot_tickers),
            ("/openApi/swap/v2/quote/bookTicker", "book_ticker", self.book_ticker),
            ("/openApi/swap/v3/quote/klines", "candles", self.swap_candles),
            ("/openApi/spot/v1/market/kline", "spot_candles", self.spot_candles),
        )
        for path, name, handler in table:
            yield Route(method="GET", path=path, name=name, handler=handler, group="market")

    def time(self, call: Call) -> Any:
        return answer({"serverTime": milliseconds(self._clock())})

    def contracts(self, call: Call) -> Any:
        return answer([_contract(listing) for listing in self._listings("swap")])

    def inverse_contracts(self, call: Call) -> Any:
        return answer([])

    def spot_symbols(self, call: Call) -> Any:
        return answer({"symbols": [_spot_symbol(listing) for listing in self._listings("spot")]})

    def swap_tickers(self, call: Call) -> Any:
        """Return one symbol's ticker as an object, or all of them as a list."""
        if name := call.parameters.get("symbol"):
            return answer(self._ticker(self._known(swap_symbol(name)), swap=True))
        return answer([self._ticker(listing.symbol, swap=True) for listing in self._listings("swap")])

    def spot_tickers(self, call: Call) -> Any:
        if name := call.parameters.get("symbol"):
            return answer([self._ticker(self._known(name.replace("-", "/")), swap=False)])
        return answer([self._ticker(listing.symbol, swap=False) for listing in self._listings("spot")])

    def book_ticker(self, call: Call) -> Any:
        symbol = self._known(swap_symbol(call.parameters.get("symbol", "")))
        return answer(
            {
                "book_ticker": {
                    "symbol": market_id(symbol),
                    "bid_price": float(self._exchange.bid(symbol)),
                    "bid_qty": 5,
                    "ask_price": float(self._exchange.ask(symbol)),
                    "ask_qty": 5,
                }
            }
        )

    def swap_candles(self, call: Call) -> Any:
        """Return candles newest first, the running one among them."""
        symbol = self._known(swap_symbol(call.parameters.get("symbol", "")))
        rows = self._candles(call, symbol, most_code=109414)
        names = ("open", "close", "high", "low", "volume")
        return answer(
            [
                {name: plain(getattr(row, name)) for name in names} | {"time": row.opened * 1000}
                for row in reversed(rows)
            ]
        )

    def spot_candles(self, call: Call) -> Any:
        symbol = self._known(call.parameters.get("symbol", "").replace("-", "/"))
        step = INTERVALS.get(call.parameters.get("interval", ""), 60)
        return answer(
            [
                [
                    row.opened * 1000,
                    *(float(value) for value in (row.open, row.high, row.low, row.close, row.volume)),
                    (row.opened + step) * 1000 - 1,
                    float(row.volume * row.close),
                ]
                for row in reversed(self._candles(call, symbol, most_code=100400))
            ]
        )

    def _candles(self, call: Call, symbol: str, most_code: int) -> list[Candle]:
        asked = call.parameters
        step = INTERVALS.get(asked.get("interval", ""))
        limit = int(asked.get("limit", 500))
        if step is None:
            refuse(109400, "interval: This field is invalid.")
        if limit > MOST_CANDLES:
            refuse(most_code, f"limit: This field must be less than or equal to {MOST_CANDLES}. ")
        end = int(asked["endTime"]) / 1000 if "endTime" in asked else self._exchange.now
        if "startTime" not in asked:
            return self._exchange.latest_candles(symbol, step, end, limit)
        start = -(-int(asked["startTime"]) // 1000)
        rows = self._exchange.candles(symbol, step, start, limit)
        return [row for row in rows if row.opened <= end]

    def _listings(self, market: str) -> list[Listing]:
        return [listing for listing in self._exchange.markets.values() if listing.type == market]

    def _known(self, symbol: str) -> str:
        if symbol not in self._exchange.markets:
            name = market_id(symbol)
            refuse(109425, f"{name} not exist, please verify it in api: /openApi/swap/v2/quote/contracts")
        return symbol

    def _ticker(self, symbol: str, swap: bool) -> dict[str, Any]:
        """Return a ticker; only swaps tell the last quantity, and spot tells numbers instead of text."""
        exchange = self._exchange
        last, now = exchange.last(symbol), milliseconds(exchange.now)
        prices = {
            "lastPrice": last,
            "openPrice": last,
            "highPrice": last,
            "lowPrice": last,
            "bidPrice": exchange.bid(symbol),
            "askPrice": exchange.ask(symbol),
            "volume": Decimal(1000),
            "quoteVolume": last * 1000,
            "priceChange": Decimal(0),
            "bidQty": Decimal(5),
            "askQty": Decimal(5),
        }
        written: dict[str, Any] = {
            name: plain(value) if swap else float(value) for name, value in prices.items()
        }
        written |= {"lastQty": "1"} if swap else {}
        return {
            "symbol": market_id(symbol),
            "priceChangePercent": "0.00%",
            "openTime": now - 86_400_000,
            "closeTime": now,
            **written,
        }


def currencies(exchange: FakeExchange) -> Any:
    """Return the wallet's currencies, which ccxt asks for with a key when it loads markets."""
    names = {name for listing in exchange.markets.values() for name in (listing.base, listing.quote)}
    network = {
        "isDefault": True,
        "minConfirm": "2",
        "withdrawEnable": True,
        "depositEnable": True,
        "withdrawFee": "0.1",
        "withdrawMax": "100",
        "withdrawMin": "1",
        "depositMin": "1",
        "withdrawPrecision": "8",
        "depositPrecision": "8",
    }
    rows = [
        {"coin": name, "name": name, "networkList": [{"name": name, "network": name, **network}]}
        for name in sorted(names)
    ]
    return Reply({"code": 0, "timestamp": milliseconds(exchange.now), "data": rows})


def _contract(listing: Listing) -> dict[str, Any]:
    return {
        "contractId": "100",
        "symbol": market_id(listing.symbol),
        "size": plain(listing.amount_step),
        "quantityPrecision": decimals(listing.amount_step),
        "pricePrecision": decimals(listing.price_step),
        "feeRate": 0.0005,
        "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0005,
        "tradeMinLimit": 0,
        "tradeMinQuantity": float(listing.min_amount),
        "tradeMinUSDT": float(listing.min_notional),
        "maxLongLeverage": listing.max_leverage,
        "maxShortLeverage": listing.max_leverage,
        "currency": listing.quote,
        "asset": listing.base,
        "status": 1 if listing.active else 25,
        "apiStateOpen": "true" if listing.active else "false",
        "apiStateClose": "true" if listing.active else "false",
        "ensureTrigger": True,
        "triggerFeeRate": "0.00020000",
        "launchTime": 1586275200000,
        "maintainTime": 0,
        "offTime": 0,
    }


def _spot_symbol(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": market_id(listing.symbol),
        "minQty": float(listing.min_amount),
        "maxQty": float(listing.max_amount),
        "minNotional": float(listing.min_notional),
        "maxNotional": 500_000,
        "status": 1 if listing.active else 0,
        "tickSize": float(listing.price_step),
        "stepSize": float(listing.amount_step),
        "apiStateSell": listing.active,
        "apiStateBuy": listing.active,
        "timeOnline": 0,
        "offTime": 0,
        "maintainTime": 0,
    }
