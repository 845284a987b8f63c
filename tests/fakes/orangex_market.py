"""Instruments and market data of the fake OrangeX."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes.core_values import Listing
from tests.fakes.orangex_words import (
    CURRENCIES,
    BadParameter,
    instrument,
    kind,
    market_data_name,
    milliseconds,
    text,
    whole,
)
from tests.fakes.wire import Call, Route

if TYPE_CHECKING:
    from tests.fakes.orangex import FakeOrangex

MINUTES = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "240", "360", "720")
RESOLUTIONS = {name: int(name) * 60 for name in MINUTES} | {"D": 86_400, "1D": 86_400}
"""Seconds of each resolution."""

MOST_CANDLES = 1500
LISTED = 1_600_000_000


class MarketRoutes:
    """The public half of a `FakeOrangex`, and the private path of candles."""

    def __init__(self, fake: "FakeOrangex") -> None:
        self._fake = fake

    def routes(self) -> Iterable[Route]:
        for method, name, handler in (
            ("ping", "time", self.ping),
            ("get_instruments", "markets", self.instruments),
            ("tickers", "tickers", self.tickers),
            ("ticker", "ticker", self.ticker),
            ("get_order_book", "book", self.book),
            ("get_last_trades_by_instrument", "public_trades", self.trades),
            ("get_tradingview_chart_data", "candles", self.public_candles),
        ):
            yield from self._fake.public(method, name, handler)
        yield self._fake.private("get_tradingview_chart_data", "private_candles", self.private_candles)

    def ping(self, call: Call) -> str:
        return "pong"

    def instruments(self, call: Call) -> list[dict[str, Any]]:
        """Return a currency's instruments, nothing for one that is not known."""
        wanted = CURRENCIES.get(str(call.parameters.get("currency", "")))
        listings = [row for row in self._fake.exchange.markets.values() if row.type == wanted]
        return [_instrument(row) for row in listings if call.parameters.get("kind", kind(row)) == kind(row)]

    def tickers(self, call: Call) -> list[dict[str, Any]]:
        """Return one ticker in a list, or all of a currency; without parameters nothing."""
        if "instrument_name" in call.parameters:
            return [self.ticker(call)]
        wanted = CURRENCIES.get(str(call.parameters.get("currency", "")))
        listings = self._fake.exchange.markets.values()
        return [self._ticker(row) for row in listings if row.type == wanted]

    def ticker(self, call: Call) -> dict[str, Any]:
        name = str(call.parameters.get("instrument_name", ""))
        full = name if name.endswith(("-PERPETUAL", "-SPOT")) else f"{name}-SPOT"
        return self._ticker(self._fake.exchange.markets[self._fake.symbol(full)])

    def book(self, call: Call) -> dict[str, Any]:
        listing, exchange = self._asked(call), self._fake.exchange
        levels = range(whole(call.parameters, "depth", 50))
        bid, ask, step = exchange.bid(listing.symbol), exchange.ask(listing.symbol), listing.price_step
        return {
            "instrument_name": instrument(listing.symbol),
            "bids": [[text(bid - level * step), "1"] for level in levels if bid > level * step],
            "asks": [[text(ask + level * step), "1"] for level in levels],
            "timestamp": str(milliseconds(exchange.now)),
            "version": milliseconds(exchange.now),
        }

    def trades(self, call: Call) -> dict[str, Any]:
        listing, exchange = self._asked(call), self._fake.exchange
        count = whole(call.parameters, "count", 10)
        rows = [
            {
                "trade_id": candle.opened,
                "instrument_name": instrument(listing.symbol),
                "amount": text(candle.volume),
                "price": text(candle.close),
                "direction": "buy" if candle.close >= candle.open else "sell",
                "timestamp": str(milliseconds(candle.opened)),
            }
            for candle in exchange.latest_candles(listing.symbol, 60, exchange.now, count)
        ]
        return {"trades": rows[::-1], "has_more": True}

    def public_candles(self, call: Call) -> list[dict[str, Any]]:
        if not self._fake.public_candles:
            raise self._fake.error(1000)
        return self._candles(call, since=0)

    def private_candles(self, call: Call) -> list[dict[str, Any]]:
        """Return candles of the newest 1500 only."""
        if not self._fake.private_candles:
            raise self._fake.error(1000)
        return self._candles(call, since=self._fake.exchange.now - MOST_CANDLES * self._step(call))

    def _candles(self, call: Call, since: float) -> list[dict[str, Any]]:
        exchange, step = self._fake.exchange, self._step(call)
        name = str(call.parameters.get("instrument_name", ""))
        if name.endswith("-SPOT"):
            raise self._fake.error(5001)
        symbol = self._fake.symbol(name if name.endswith("-PERPETUAL") else f"{name}-SPOT")
        start = whole(call.parameters, "start_timestamp", 0)
        end = min(whole(call.parameters, "end_timestamp", 0), int(exchange.now))
        if start < since or (end - start) // step >= MOST_CANDLES:
            raise self._fake.error(5221)
        first = -(-start // step) * step
        count = max(0, (end - first) // step + 1)
        return [
            {
                "tick": candle.opened,
                "open": text(candle.open),
                "high": text(candle.high),
                "low": text(candle.low),
                "close": text(candle.close),
                "volume": text(candle.volume),
                "cost": text(candle.volume * candle.close),
            }
            for candle in exchange.candles(symbol, step, first, count)
        ]

    def _step(self, call: Call) -> int:
        step = RESOLUTIONS.get(str(call.parameters.get("resolution", "")))
        if step is None:
            raise BadParameter("resolution")
        return step

    def _asked(self, call: Call) -> Listing:
        return self._fake.exchange.markets[self._fake.symbol(call.parameters.get("instrument_name"))]

    def _ticker(self, listing: Listing) -> dict[str, Any]:
        exchange, symbol = self._fake.exchange, listing.symbol
        last = exchange.last(symbol)
        day = exchange.latest_candles(symbol, 3600, exchange.now, 24)
        first = day[0].open if day else last
        return {
            "instrument_name": market_data_name(symbol),
            "last_price": text(last),
            "mark_price": text(last),
            "underlying_price": text(last),
            "best_bid_price": text(exchange.bid(symbol)),
            "best_bid_amount": "1",
            "best_ask_price": text(exchange.ask(symbol)),
            "best_ask_amount": "1",
            "open_interest": "0",
            "state": "open" if listing.active else "closed",
            "stats": {
                "high": text(max((candle.high for candle in day), default=last)),
                "low": text(min((candle.low for candle in day), default=last)),
                "price_change": text(((last - first) / first).quantize(Decimal("0.0001"))),
                "volume": text(sum((candle.volume for candle in day), Decimal(0))),
            },
            "timestamp": str(milliseconds(exchange.now)),
        }


def _instrument(listing: Listing) -> dict[str, Any]:
    """Return an instrument, whose base and quote currency are the wrong way round."""
    swap = listing.type == "swap"
    return {
        "instrument_name": instrument(listing.symbol),
        "show_name": market_data_name(listing.symbol),
        "kind": kind(listing),
        "currency": "PERPETUAL" if swap else "SPOT",
        "base_currency": listing.quote,
        "quote_currency": listing.base,
        "is_active": listing.active,
        "creation_timestamp": str(LISTED * 1000),
        "expiration_timestamp": "4102444800000",
        "leverage": listing.max_leverage if swap else 0,
        "maker_commission": "0.0002" if swap else "0.001",
        "taker_commission": "0.0006" if swap else "0.001",
        "tick_size": text(listing.price_step),
        "min_trade_amount": text(listing.amount_step),
        "min_qty": text(listing.min_amount),
        "min_notional": text(listing.min_notional),
        "order_price_low_rate": "0.5",
        "order_price_high_rate": "1.5",
        "support_trace_trade": False,
    }
