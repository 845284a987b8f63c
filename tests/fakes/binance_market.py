"""Binance's public market data, spot and USDT futures: trading rules, candles, tickers, books, time."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.binance_words import (
    INTERVALS,
    fixed,
    listed,
    market_id,
    milliseconds,
    number,
    refuse,
    required,
    symbol_of,
    whole,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_values import Listing, MarketType
from tests.fakes.wire import Call, Request, Route

API, FAPI, DAPI = "api.binance.com", "fapi.binance.com", "dapi.binance.com"

SPOT_TYPES = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
FUTURES_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"]

_DAY = 86_400


class MarketData:
    """The public half of one market type."""

    def __init__(self, exchange: FakeExchange, market: MarketType, server_time: Any) -> None:
        self._exchange, self._market, self._server_time = exchange, market, server_time

    def routes(self) -> Iterable[Route]:
        spot = self._market == "spot"
        prefix, host = ("/api/v3", API) if spot else ("/fapi/v1", FAPI)
        named = "" if spot else "futures_"
        handlers = (
            ("time", "time", self._time, 1),
            ("exchangeInfo", "exchange_info", self._exchange_info, 20 if spot else 1),
            ("klines", "klines", self._klines, 2 if spot else _klines_weight),
            ("ticker/24hr", "tickers", self._tickers, _tickers_weight if spot else _by_symbol(1, 40)),
            ("ticker/price", "prices", self._prices, _by_symbol(2, 4) if spot else _by_symbol(1, 2)),
            ("ticker/bookTicker", "book_tickers", self._book_tickers, _by_symbol(2, 4 if spot else 5)),
            ("depth", "depth", self._depth, 5 if spot else 10),
        )
        for path, name, handler, weight in handlers:
            yield Route(
                method="GET",
                path=f"{prefix}/{path}",
                name=named + name,
                handler=handler,
                weight=weight,
                group=self._market,
                host=host,
            )

    def _time(self, call: Call) -> Any:
        return {"serverTime": milliseconds(self._server_time())}

    def _exchange_info(self, call: Call) -> Any:
        describe = _spot_rules if self._market == "spot" else _futures_rules
        return {
            "timezone": "UTC",
            "serverTime": milliseconds(self._server_time()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [describe(listing) for listing in listed(self._exchange, self._market)],
        }

    def _klines(self, call: Call) -> Any:
        name, interval = required(call, "symbol", "interval")
        symbol = symbol_of(self._exchange, name, self._market)
        if interval not in INTERVALS:
            raise refuse(-1120, "Invalid interval.")
        step = INTERVALS[interval]
        limit = min(whole(call, "limit", 500), 1000 if self._market == "spot" else 1500)
        end = whole(call, "endTime", 1 << 62) / 1000
        start = number(call, "startTime")
        if start is None:
            rows = self._exchange.latest_candles(symbol, step, end, limit)
        else:
            rows = self._exchange.candles(symbol, step, -(-int(start) // 1000), limit)
        return [_kline(row, step) for row in rows if row.opened <= end]

    def _tickers(self, call: Call) -> Any:
        rows = [self._ticker(listing) for listing in self._asked(call)]
        return rows[0] if "symbol" in call.parameters else rows

    def _ticker(self, listing: Listing) -> dict[str, Any]:
        symbol, now = listing.symbol, self._exchange.now
        candles = self._exchange.candles(symbol, _DAY // 24, int(now) - _DAY, 25)
        last = self._exchange.last(symbol)
        opened = candles[0].open if candles else last
        row = {
            "symbol": market_id(symbol),
            "priceChange": fixed(last - opened),
            "priceChangePercent": fixed((last - opened) / opened * 100, 3),
            "weightedAvgPrice": fixed(last),
            "lastPrice": fixed(last),
            "lastQty": "1.00000000",
            "openPrice": fixed(opened),
            "highPrice": fixed(max((candle.high for candle in candles), default=last)),
            "lowPrice": fixed(min((candle.low for candle in candles), default=last)),
            "volume": fixed(sum((candle.volume for candle in candles), Decimal(0))),
            "quoteVolume": fixed(sum((candle.volume * candle.close for candle in candles), Decimal(0))),
            "openTime": milliseconds(now - _DAY),
            "closeTime": milliseconds(now),
            "firstId": 1,
            "lastId": 2,
            "count": 2,
        }
        # Futures have no bid and ask here: ccxt tells the two apart by that.
        return (
            {**row, "prevClosePrice": fixed(opened), **self._best(symbol)} if self._market == "spot" else row
        )

    def _prices(self, call: Call) -> Any:
        rows = [
            {"symbol": market_id(listing.symbol), "price": fixed(self._exchange.last(listing.symbol))}
            for listing in self._asked(call)
        ]
        return rows[0] if "symbol" in call.parameters else rows

    def _book_tickers(self, call: Call) -> Any:
        now = {} if self._market == "spot" else {"time": milliseconds(self._exchange.now)}
        rows = [
            {"symbol": market_id(listing.symbol), **self._best(listing.symbol), **now}
            for listing in self._asked(call)
        ]
        return rows[0] if "symbol" in call.parameters else rows

    def _depth(self, call: Call) -> Any:
        (name,) = required(call, "symbol")
        symbol = symbol_of(self._exchange, name, self._market)
        step = self._exchange.markets[symbol].price_step
        levels = range(min(whole(call, "limit", 100), 100))
        return {
            "lastUpdateId": 1,
            "bids": [[fixed(self._exchange.bid(symbol) - level * step), "10.00000000"] for level in levels],
            "asks": [[fixed(self._exchange.ask(symbol) + level * step), "10.00000000"] for level in levels],
        }

    def _best(self, symbol: str) -> dict[str, str]:
        return {
            "bidPrice": fixed(self._exchange.bid(symbol)),
            "bidQty": "10.00000000",
            "askPrice": fixed(self._exchange.ask(symbol)),
            "askQty": "10.00000000",
        }

    def _asked(self, call: Call) -> list[Listing]:
        """Return the markets of `symbol`, of `symbols` (a JSON list), or all that have a price."""
        names = json.loads(call.parameters.get("symbols", "[]"))
        names += [call.parameters["symbol"]] if "symbol" in call.parameters else []
        if names:
            symbols = [symbol_of(self._exchange, name, self._market) for name in names]
            return [self._exchange.markets[symbol] for symbol in symbols]
        priced = self._exchange.prices
        return [listing for listing in listed(self._exchange, self._market) if listing.symbol in priced]


def _kline(row: Any, step: int) -> list[Any]:
    prices = [fixed(price) for price in (row.open, row.high, row.low, row.close, row.volume)]
    closes = (row.opened + step) * 1000 - 1
    return [row.opened * 1000, *prices, closes, fixed(row.volume * row.close), 1, "0", "0", "0"]


def _spot_rules(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": market_id(listing.symbol),
        "status": "TRADING" if listing.active else "BREAK",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": SPOT_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_common_filters(listing),
            {
                "filterType": "NOTIONAL",
                "minNotional": fixed(listing.min_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _futures_rules(listing: Listing) -> dict[str, Any]:
    def places(step: Decimal) -> int:
        return max(0, -int(step.normalize().as_tuple().exponent))

    return {
        "symbol": market_id(listing.symbol),
        "pair": market_id(listing.symbol),
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING" if listing.active else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": places(listing.price_step),
        "quantityPrecision": places(listing.amount_step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            *_common_filters(listing),
            {"filterType": "MIN_NOTIONAL", "notional": str(listing.min_notional)},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        ],
        "orderTypes": [*FUTURES_TYPES, "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _common_filters(listing: Listing) -> list[dict[str, str]]:
    sizes = {
        "minQty": str(listing.min_amount),
        "maxQty": str(listing.max_amount),
        "stepSize": str(listing.amount_step),
    }
    tick = str(listing.price_step)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
        {"filterType": "LOT_SIZE", **sizes},
        {"filterType": "MARKET_LOT_SIZE", **sizes},
    ]


def _by_symbol(one: int, every: int) -> Any:
    def weight(request: Request) -> int:
        return one if "symbol" in request.parameters else every

    return weight


def _tickers_weight(request: Request) -> int:
    asked = request.parameters
    names = 1 if "symbol" in asked else len(json.loads(asked["symbols"])) if "symbols" in asked else 101
    return 2 if names <= 20 else 40 if names <= 100 else 80


def _klines_weight(request: Request) -> int:
    limit = int(request.parameters.get("limit", 500))
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
