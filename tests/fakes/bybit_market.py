"""Bybit's public routes: instruments, tickers, candles, the book and the clock."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.bybit_words import (
    BAD_PARAMETER,
    category_of,
    envelope,
    market_id,
    milliseconds,
    plain,
    refuse,
    symbol_of,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Listing
from tests.fakes.wire import Call, Route

_MINUTES = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")
INTERVALS = {name: int(name) * 60 for name in _MINUTES} | {"D": 86_400}
"""Candle intervals by their names, in seconds."""

_CATEGORIES = ("spot", "linear", "inverse", "option")


class Market:
    """The handlers; `clock` tells the exchange's time as clients compare it."""

    def __init__(self, exchange: FakeExchange, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._clock = clock

    def routes(self) -> Iterable[Route]:
        table: tuple[tuple[str, str, Callable[[Call], Any]], ...] = (
            ("/v5/market/time", "time", self.time),
            ("/v5/market/instruments-info", "markets", self.instruments),
            ("/v5/market/tickers", "tickers", self.tickers),
            ("/v5/market/kline", "candles", self.candles),
            ("/v5/market/orderbook", "book", self.book),
        )
        for path, name, handler in table:
            yield Route(method="GET", path=path, name=name, handler=handler)

    def time(self, call: Call) -> Any:
        now = self._clock()
        return envelope({"timeSecond": str(int(now)), "timeNano": str(int(now * 1e9))}, now)

    def instruments(self, call: Call) -> Any:
        category = self._category(call)
        listed = [] if call.parameters.get("status") == "PreLaunch" else self._symbols(call, category)
        row = _spot_instrument if category == "spot" else _linear_instrument
        rows = [row(self._exchange.markets[symbol]) for symbol in listed]
        return self._answer({"category": category, "list": rows, "nextPageCursor": ""})

    def tickers(self, call: Call) -> Any:
        category = self._category(call)
        rows = [self._ticker(symbol) for symbol in self._symbols(call, category)]
        return self._answer({"category": category, "list": rows})

    def candles(self, call: Call) -> Any:
        """Return candles newest first, the running one among them; from `start` on if that is given."""
        asked = call.parameters
        symbol = self._known(asked.get("category", "linear"), asked.get("symbol", ""))
        step = INTERVALS.get(asked.get("interval", ""))
        if step is None:
            refuse(self._exchange.now, BAD_PARAMETER, "Invalid period!")
        limit = min(1000, int(asked.get("limit", 200)))
        end = int(asked["end"]) / 1000 if "end" in asked else self._exchange.now
        if "start" in asked and "end" not in asked:
            rows = self._exchange.candles(symbol, step, int(asked["start"]) // 1000, limit)
        else:
            rows = self._exchange.latest_candles(symbol, step, end, limit)
            rows = [row for row in rows if row.opened * 1000 >= int(asked.get("start", 0))]
        found = [
            [
                milliseconds(row.opened),
                *(plain(value) for value in (row.open, row.high, row.low, row.close, row.volume)),
                plain(row.volume * row.close),
            ]
            for row in reversed(rows)
        ]
        return self._answer({"symbol": asked["symbol"], "category": category_of(symbol), "list": found})

    def book(self, call: Call) -> Any:
        symbol = self._known(call.parameters.get("category", ""), call.parameters.get("symbol", ""))
        exchange = self._exchange
        return self._answer(
            {
                "s": market_id(symbol),
                "b": [[plain(exchange.bid(symbol)), "5"]],
                "a": [[plain(exchange.ask(symbol)), "5"]],
                "ts": int(exchange.now * 1000),
                "u": 1,
                "seq": 1,
                "cts": int(exchange.now * 1000),
            }
        )

    def _answer(self, result: Any) -> Any:
        return envelope(result, self._exchange.now)

    def _category(self, call: Call) -> str:
        category = call.parameters.get("category", "")
        if category not in _CATEGORIES:
            refuse(self._exchange.now, BAD_PARAMETER, "Illegal category")
        return str(category)

    def _symbols(self, call: Call, category: str) -> list[str]:
        if name := call.parameters.get("symbol"):
            return [self._known(category, name)]
        return [symbol for symbol in self._exchange.markets if category_of(symbol) == category]

    def _known(self, category: str, name: str) -> str:
        symbol = symbol_of(self._exchange, category, name)
        if symbol is None:
            refuse(self._exchange.now, BAD_PARAMETER, "Not supported symbols")
        return symbol

    def _ticker(self, symbol: str) -> dict[str, str]:
        exchange, last = self._exchange, plain(self._exchange.last(symbol))
        row = {
            "symbol": market_id(symbol),
            "bid1Price": plain(exchange.bid(symbol)),
            "bid1Size": "5",
            "ask1Price": plain(exchange.ask(symbol)),
            "ask1Size": "5",
            "lastPrice": last,
            "prevPrice24h": last,
            "price24hPcnt": "0",
            "highPrice24h": last,
            "lowPrice24h": last,
            "turnover24h": plain(exchange.last(symbol) * 1000),
            "volume24h": "1000",
        }
        if category_of(symbol) == "spot":
            return row | {"usdIndexPrice": last}
        return row | {
            "indexPrice": last,
            "markPrice": last,
            "prevPrice1h": last,
            "openInterest": "1000",
            "openInterestValue": plain(exchange.last(symbol) * 1000),
            "fundingRate": "0.0001",
            "nextFundingTime": milliseconds((exchange.now // 28_800 + 1) * 28_800),
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "deliveryFeeRate": "",
            "deliveryTime": "0",
        }


def _spot_instrument(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": market_id(listing.symbol),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "innovation": "0",
        "status": "Trading" if listing.active else "Closed",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": plain(listing.amount_step),
            "quotePrecision": "0.00000001",
            "minOrderQty": plain(listing.min_amount),
            "maxOrderQty": plain(listing.max_amount),
            "minOrderAmt": plain(listing.min_notional),
            "maxOrderAmt": "2000000",
        },
        "priceFilter": {"tickSize": plain(listing.price_step)},
        "riskParameters": _band(listing),
    }


def _linear_instrument(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": market_id(listing.symbol),
        "contractType": "LinearPerpetual",
        "status": "Trading" if listing.active else "Closed",
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{listing.max_leverage}.00",
            "leverageStep": "0.01",
        },
        **_linear_filters(listing),
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": listing.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "riskParameters": _band(listing),
    }


def _linear_filters(listing: Listing) -> dict[str, dict[str, str]]:
    step, most = plain(listing.price_step), plain(listing.max_amount)
    return {
        "priceFilter": {"minPrice": step, "maxPrice": "1999999.80", "tickSize": step},
        "lotSizeFilter": {
            "maxOrderQty": most,
            "maxMktOrderQty": most,
            "postOnlyMaxOrderQty": most,
            "minOrderQty": plain(listing.min_amount),
            "qtyStep": plain(listing.amount_step),
            "minNotionalValue": plain(listing.min_notional),
        },
    }


def _band(listing: Listing) -> dict[str, str]:
    band = plain(listing.price_band or Decimal("0.05"))
    return {"priceLimitRatioX": band, "priceLimitRatioY": band}
