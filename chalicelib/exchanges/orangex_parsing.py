"""Rows of OrangeX as ccxt's unified structures; used by `orangex`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccxt.base.errors import BadResponse

from chalicelib.exchanges.orangex_transport import OrangexTransport

KINDS: Mapping[str, str] = {"swap": "PERPETUAL", "spot": "SPOT"}
"""Market type: the exchange's `currency` of such instruments, also the end of their names."""

ORDER_STATES: Mapping[str, str] = {
    "open": "open",
    "filled": "closed",
    "canceled": "canceled",
    "cancelled": "canceled",
    "rejected": "rejected",
}

TIMES_IN_FORCE: Mapping[str, str] = {
    "GTC": "good_til_cancelled",
    "IOC": "immediate_or_cancel",
    "FOK": "fill_or_kill",
}

_SECONDS_BELOW, _MILLISECONDS_BELOW = 10**11, 10**14
_UNSET = ("", "-", "-1")


def milliseconds_of(value: Any) -> int | None:
    """Return a time in milliseconds, whatever its unit; None for what is no time.

    Documentation and wire disagree: candles are told in seconds or milliseconds, `usIn` and `usOut` are
    named microseconds and come as milliseconds. These ranges do not overlap between 1973 and 5138.
    """
    try:
        time = int(value)
    except (TypeError, ValueError):
        return None
    if time <= 0:
        return None
    if time < _SECONDS_BELOW:
        return time * 1000
    return time if time < _MILLISECONDS_BELOW else time // 1000


def rows_of(result: Any, key: str) -> list[Any]:
    """Return the rows of a reply: a list, or an object that holds one under `key`.

    BadResponse for anything else: a reply that is not understood must not read as "there is nothing".
    """
    rows = result.get(key) if isinstance(result, Mapping) else result
    if not isinstance(rows, list):
        raise BadResponse(f"orangex answered without a list of {key}")
    return rows


class OrangexParsing(OrangexTransport):
    """The parse methods that ccxt's classes have."""

    def parse_market(self, market: Mapping[str, Any]) -> Any:
        """Parse an instrument.

        Its name tells which coin is which: the fields `base_currency` and `quote_currency` come swapped
        (USDT as the base of BTC-USDT-PERPETUAL).
        """
        base_id, quote_id, kind = str(market["instrument_name"]).split("-")
        swap = kind == KINDS["swap"]
        base, quote = self.safe_currency_code(base_id), self.safe_currency_code(quote_id)
        return self.safe_market_structure(
            {
                "id": market["instrument_name"],
                "symbol": f"{base}/{quote}:{quote}" if swap else f"{base}/{quote}",
                "base": base,
                "quote": quote,
                "settle": quote if swap else None,
                "baseId": base_id,
                "quoteId": quote_id,
                "settleId": quote_id if swap else None,
                "type": "swap" if swap else "spot",
                "spot": not swap,
                "margin": False,
                "swap": swap,
                "future": False,
                "option": False,
                "active": self.safe_bool(market, "is_active", False),
                "contract": swap,
                "linear": True if swap else None,
                "inverse": False if swap else None,
                "subType": "linear" if swap else None,
                # Sizes are in coins; instruments name no contract size.
                "contractSize": self.parse_number("1") if swap else None,
                **self._rules(market, swap),
                "marginModes": {"cross": swap, "isolated": swap},
                "created": milliseconds_of(market.get("creation_timestamp")),
                "info": market,
            }
        )

    def parse_ticker(self, ticker: Mapping[str, Any], market: Any = None) -> Any:
        """Parse a row of `/public/tickers`. The 24 hours' change is left out: its unit is not documented."""
        stats = ticker.get("stats") or {}
        timestamp = milliseconds_of(ticker.get("timestamp"))
        return self.safe_ticker(
            {
                "symbol": market["symbol"],
                "timestamp": timestamp,
                "datetime": self.iso8601(timestamp),
                "high": self.omit_zero(self.safe_string(stats, "high")),
                "low": self.omit_zero(self.safe_string(stats, "low")),
                "bid": self.omit_zero(self.safe_string(ticker, "best_bid_price")),
                "bidVolume": self.safe_string(ticker, "best_bid_amount"),
                "ask": self.omit_zero(self.safe_string(ticker, "best_ask_price")),
                "askVolume": self.safe_string(ticker, "best_ask_amount"),
                "last": self.omit_zero(self.safe_string(ticker, "last_price")),
                "close": self.omit_zero(self.safe_string(ticker, "last_price")),
                "baseVolume": self.safe_string(stats, "volume"),
                "markPrice": self.omit_zero(self.safe_string(ticker, "mark_price")),
                "indexPrice": self.omit_zero(self.safe_string(ticker, "underlying_price")),
                "info": ticker,
            },
            market,
        )

    def parse_ohlcv(self, ohlcv: Mapping[str, Any], market: Any = None) -> list[Any]:  # noqa: ARG002
        """Parse a candle into [opening millisecond, open, high, low, close, volume in coins]."""
        figures = (self.safe_number(ohlcv, key) for key in ("open", "high", "low", "close", "volume"))
        return [milliseconds_of(ohlcv.get("tick")), *figures]

    def parse_trade(self, trade: Mapping[str, Any], market: Any = None) -> Any:
        """Parse one of the account's trades; the fee keeps its sign (negative is a rebate)."""
        market = self.market_of(trade, market)
        timestamp = milliseconds_of(trade.get("timestamp"))
        fee = self.safe_string(trade, "fee")
        currency = self.safe_currency_code(self.safe_string(trade, "fee_coin_type"))
        return self.safe_trade(
            {
                "id": self.safe_string(trade, "trade_id"),
                "order": self.safe_string(trade, "order_id"),
                "timestamp": timestamp,
                "datetime": self.iso8601(timestamp),
                "symbol": market["symbol"],
                "type": self.safe_string_lower(trade, "order_type"),
                "side": self.safe_string_lower(trade, "direction"),
                "takerOrMaker": self.safe_string_lower(trade, "role"),
                "price": self.safe_string(trade, "price"),
                "amount": self.safe_string(trade, "amount"),
                "fee": None if fee is None else {"cost": fee, "currency": currency},
                "info": trade,
            },
            market,
        )

    def parse_order_status(self, status: str | None) -> str | None:
        """Return ccxt's word for an order's state; an unknown state stays as it is."""
        return None if status is None else ORDER_STATES.get(status.lower(), status)

    def parse_order(self, order: Mapping[str, Any], market: Any = None) -> Any:
        """Parse an order; BadResponse if it has no id, since nothing could be done with it."""
        order_id = set_text(self.safe_string(order, "order_id"))
        if order_id is None:
            raise BadResponse(f"{self.id} told of an order without an id")
        market = self.market_of(order, market)
        timestamp = milliseconds_of(order.get("creation_timestamp"))
        return self.safe_order(
            {
                "id": order_id,
                "clientOrderId": set_text(self.safe_string(order, "custom_order_id")),
                "timestamp": timestamp,
                "datetime": self.iso8601(timestamp),
                "lastUpdateTimestamp": milliseconds_of(order.get("last_update_timestamp")),
                "symbol": market["symbol"],
                "type": self.safe_string_lower(order, "order_type"),
                "side": self.safe_string_lower(order, "direction"),
                "status": self.parse_order_status(self.safe_string(order, "order_state")),
                "timeInForce": self._time_in_force(order),
                "postOnly": self.safe_bool(order, "post_only"),
                "reduceOnly": self.safe_bool(order, "reduce_only"),
                "positionSide": self.safe_string_lower(order, "position_side"),
                "price": self.price_of(order, "price"),
                "triggerPrice": self.price_of(order, "trigger_price"),
                "stopLossPrice": self.price_of(order, "stop_loss_price"),
                "takeProfitPrice": self.price_of(order, "take_profit_price"),
                "amount": self.safe_string(order, "amount"),
                "filled": self.safe_string(order, "filled_amount"),
                "average": self.price_of(order, "average_price"),
                "info": order,
            },
            market,
        )

    def market_of(self, row: Mapping[str, Any], market: Any = None) -> Any:
        """Return the market that a row names; the one given if it names none. Spot names may lack -SPOT."""
        name = set_text(self.safe_string(row, "instrument_name"))
        if name is None and market is None:
            raise BadResponse(f"{self.id} told of a row without an instrument")
        if name is None:
            return market
        return self.safe_market(full_name(name))

    def _rules(self, market: Mapping[str, Any], swap: bool) -> dict[str, Any]:
        """Return fees, steps and limits; the price band (`order_price_*_rate`) is relative, see `info`."""
        step = self.safe_number(market, "min_trade_amount")
        leverage = self.safe_number(market, "leverage") if swap else None
        return {
            "taker": self.safe_number(market, "taker_commission"),
            "maker": self.safe_number(market, "maker_commission"),
            "precision": {"amount": step, "price": self.safe_number(market, "tick_size")},
            "limits": {
                "leverage": {"min": self.parse_number("1") if swap else None, "max": leverage},
                "amount": {"min": self.safe_number(market, "min_qty", step), "max": None},
                "price": {"min": None, "max": None},
                "cost": {"min": self.safe_number(market, "min_notional"), "max": None},
            },
        }

    def price_of(self, row: Mapping[str, Any], key: str) -> Any:
        """Return a price's text; None where the exchange writes one of its words for "unset"."""
        return self.omit_zero(set_text(self.safe_string(row, key)))

    def _time_in_force(self, order: Mapping[str, Any]) -> str | None:
        told = set_text(self.safe_string(order, "time_in_force"))
        words = {word: short for short, word in TIMES_IN_FORCE.items()}
        return None if told is None else words.get(told.lower(), told.upper())


def full_name(name: str) -> str:
    """Return an instrument's full name: some replies name spot markets without their -SPOT."""
    return name if name.endswith(tuple(KINDS.values())) else f"{name}-{KINDS['spot']}"


def set_text(text: str | None) -> str | None:
    return None if text in _UNSET else text
