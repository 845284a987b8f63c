"""Symbols and market data of the fake Pionex, spot and futures under the same paths."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.fakes.core_values import Listing, MarketType
from tests.fakes.pionex_words import (
    BadParameter,
    choice,
    decimals,
    milliseconds,
    query_number,
    text,
    wire_symbol,
)
from tests.fakes.wire import Call, Request, Route

if TYPE_CHECKING:
    from tests.fakes.pionex import FakePionex

INTERVALS = {
    "1M": 60,
    "5M": 300,
    "15M": 900,
    "30M": 1800,
    "60M": 3600,
    "4H": 14_400,
    "8H": 28_800,
    "12H": 43_200,
    "1D": 86_400,
}
"""Seconds of each interval: `1M` is one minute."""

MOST_CANDLES = 10_000
"""How many intervals the records go back."""

_MARKETS: dict[str, MarketType] = {"SPOT": "spot", "PERP": "swap"}


def weight(default: MarketType) -> Callable[[Request], int]:
    """Return the weight by market: 1 on spot, 5 on futures, whose every call weighs 5."""

    def of(request: Request) -> int:
        query = parse_qs(request.query)
        if "symbol" in query:
            return 5 if query["symbol"][0].endswith("_PERP") else 1
        asked = query.get("type", [""])[0]
        return 5 if _MARKETS.get(asked, default) == "swap" else 1

    return of


class MarketRoutes:
    """The public half of a `FakePionex`."""

    def __init__(self, fake: "FakePionex") -> None:
        self._fake = fake

    def routes(self) -> tuple[Route, ...]:
        return (
            self._route("common/symbols", "markets", self.symbols, 5),
            self._route("common/riskTable", "leverage_tiers", self.risk_table, 5),
            self._route("market/trades", "public_trades", self.trades),
            self._route("market/depth", "book", self.depth),
            self._route("market/tickers", "tickers", self.tickers),
            self._route("market/bookTickers", "bids_asks", self.book_tickers, weight("swap")),
            self._route("market/bookTicker", "bids_asks", self.book_tickers, weight("swap")),
            self._route("market/klines", "candles", self.klines),
            self._route("market/markKlines", "mark_candles", self.klines, 5),
            self._route("market/indexKlines", "index_candles", self.klines, 5),
            self._route("market/indexes", "indexes", self.indexes, 5),
        )

    def symbols(self, call: Call) -> dict[str, Any]:
        if named := call.parameters.get("symbols"):
            rows = [self._listing(name) for name in named.split(",")]
        else:
            rows = self._listed(call, "SPOT")
        status = choice(call.parameters, "status", ("ALL", "TRADING", "OFFLINE"), "ALL")
        kept = [row for row in rows if status == "ALL" or row.active == (status == "TRADING")]
        return {"symbols": [_perpetual(row) if row.type == "swap" else _spot(row) for row in kept]}

    def risk_table(self, call: Call) -> dict[str, Any]:
        listings = self._listed(call, "PERP")
        return {"symbols": [{"symbol": wire_symbol(row.symbol), "rows": [_tier(row)]} for row in listings]}

    def trades(self, call: Call) -> dict[str, Any]:
        listing, exchange = self._asked(call), self._fake.exchange
        limit = query_number(call.parameters, "limit", 100, 10, 500)
        rows = [
            {
                "symbol": wire_symbol(listing.symbol),
                "tradeId": str(candle.opened),
                "price": text(candle.close),
                "size": text(candle.volume),
                "side": "BUY" if candle.close >= candle.open else "SELL",
                "timestamp": milliseconds(candle.opened),
            }
            for candle in exchange.latest_candles(listing.symbol, 60, exchange.now, limit)
        ]
        return {"trades": rows[::-1]}

    def depth(self, call: Call) -> dict[str, Any]:
        listing, exchange = self._asked(call), self._fake.exchange
        levels = range(query_number(call.parameters, "limit", 20, 1, 1000))
        bid, ask, step = exchange.bid(listing.symbol), exchange.ask(listing.symbol), listing.price_step
        return {
            "bids": [[text(bid - level * step), "1"] for level in levels if bid > level * step],
            "asks": [[text(ask + level * step), "1"] for level in levels],
            "updateTime": milliseconds(exchange.now),
        }

    def tickers(self, call: Call) -> dict[str, Any]:
        return {"tickers": [self._ticker(listing) for listing in self._listed(call, "SPOT")]}

    def book_tickers(self, call: Call) -> dict[str, Any]:
        exchange = self._fake.exchange
        rows = [
            {
                "symbol": wire_symbol(listing.symbol),
                "bidPrice": text(exchange.bid(listing.symbol)),
                "bidSize": "1",
                "askPrice": text(exchange.ask(listing.symbol)),
                "askSize": "1",
                "timestamp": milliseconds(exchange.now),
            }
            for listing in self._listed(call, "PERP")
        ]
        return {"tickers": rows}

    def klines(self, call: Call) -> dict[str, Any]:
        """Return candles up to `endTime`, newest first, the open one among them; there is no start time."""
        listing, exchange = self._asked(call), self._fake.exchange
        step = INTERVALS[choice(call.parameters, "interval", INTERVALS)]
        limit = query_number(call.parameters, "limit", 100, 1, 500)
        end = query_number(call.parameters, "endTime", milliseconds(exchange.now)) / 1000
        oldest = exchange.now - MOST_CANDLES * step
        rows = [
            {
                "time": milliseconds(candle.opened),
                "open": text(candle.open),
                "close": text(candle.close),
                "high": text(candle.high),
                "low": text(candle.low),
                "volume": text(candle.volume),
            }
            for candle in exchange.latest_candles(listing.symbol, step, end, limit)
            if candle.opened > oldest
        ]
        return {"klines": rows[::-1]}

    def indexes(self, call: Call) -> dict[str, Any]:
        exchange = self._fake.exchange
        rows = [
            {
                "symbol": wire_symbol(listing.symbol),
                "indexPrice": text(exchange.last(listing.symbol)),
                "markPrice": text(exchange.last(listing.symbol)),
                "updateTime": milliseconds(exchange.now),
            }
            for listing in self._listed(call, "PERP")
        ]
        return {"indexes": rows}

    def _route(
        self,
        path: str,
        name: str,
        handler: Callable[[Call], Any],
        weighs: int | Callable[[Request], int] | None = None,
    ) -> Route:
        return Route(
            method="GET",
            path=f"/api/v1/{path}",
            name=name,
            handler=lambda call: self._fake.checked(lambda: handler(call), "MARKET"),
            weight=weight("spot") if weighs is None else weighs,
        )

    def _listing(self, name: object) -> Listing:
        return self._fake.exchange.markets[self._fake.symbol(name, "MARKET")]

    def _asked(self, call: Call) -> Listing:
        if not call.parameters.get("symbol"):
            raise BadParameter("symbol is missing")
        return self._listing(call.parameters["symbol"])

    def _listed(self, call: Call, default: str) -> list[Listing]:
        """Return the one market that is asked for, or all of a type, by symbol."""
        if call.parameters.get("symbol"):
            return [self._asked(call)]
        market = _MARKETS[choice(call.parameters, "type", _MARKETS, default)]
        listings = self._fake.exchange.markets.values()
        return sorted((row for row in listings if row.type == market), key=lambda row: row.symbol)

    def _ticker(self, listing: Listing) -> dict[str, Any]:
        exchange = self._fake.exchange
        last = exchange.last(listing.symbol)
        day = exchange.latest_candles(listing.symbol, 3600, exchange.now, 24)
        return {
            "symbol": wire_symbol(listing.symbol),
            "time": milliseconds(exchange.now),
            "open": text(day[0].open if day else last),
            "close": text(last),
            "high": text(max((candle.high for candle in day), default=last)),
            "low": text(min((candle.low for candle in day), default=last)),
            "volume": text(sum((candle.volume for candle in day), Decimal(0))),
            "amount": text(sum((candle.volume * candle.close for candle in day), Decimal(0))),
            "count": len(day),
        }


def _common(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": wire_symbol(listing.symbol),
        "baseCurrency": listing.base,
        "quoteCurrency": listing.quote,
        "basePrecision": decimals(listing.amount_step),
        "quotePrecision": decimals(listing.price_step),
    }


def _spot(listing: Listing) -> dict[str, Any]:
    return _common(listing) | {
        "type": "SPOT",
        "amountPrecision": 8,
        "minAmount": text(listing.min_notional),
        "minTradeSize": text(listing.min_amount),
        "maxTradeSize": text(listing.max_amount),
        "minTradeDumping": text(listing.min_amount),
        "maxTradeDumping": "100",
        "enable": listing.active,
        "buyCeiling": "1.1",
        "sellFloor": "0.9",
    }


def _perpetual(listing: Listing) -> dict[str, Any]:
    return _common(listing) | {
        "type": "PERP",
        "name": f"{listing.base}.PERP/{listing.quote}",
        "contractType": "PERPETUAL",
        "baseStep": text(listing.amount_step),
        "quoteStep": text(listing.price_step),
        "minNotional": text(listing.min_notional),
        "minSizeLimit": text(listing.min_amount),
        "maxSizeLimit": text(listing.max_amount),
        "minSizeMarket": text(listing.min_amount),
        "maxSizeMarket": text(listing.max_amount),
        "maxOrderNum": 200,
        "status": "TRADING" if listing.active else "OFFLINE",
        "enable": listing.active,
        "liquidationFeeRate": "0.005",
    }


def _tier(listing: Listing) -> dict[str, Any]:
    return {
        "rowNum": 1,
        "notionalLimit": "1000000",
        "maxLeverage": str(listing.max_leverage),
        "maintMarginRatio": "0.004",
        "quickDeduction": "0",
    }
