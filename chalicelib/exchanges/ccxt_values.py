"""What ccxt returns as values of ours: trading rules, tickers, candles; used by the connectors."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.domain.market import Market, Ticker
from chalicelib.errors import UsageError

if TYPE_CHECKING:
    from chalicelib.domain.candles import Candles


def market_of(raw: Mapping[str, Any], exchange: str) -> Market:
    """Return the trading rules of one of ccxt's markets; UsageError if the exchange names no steps."""
    limits, precision = raw["limits"], raw["precision"]
    amount_step, price_step = _decimal(precision["amount"]), _decimal(precision["price"])
    if not amount_step or not price_step:
        raise UsageError(f"{exchange} names no price or amount step for {raw['symbol']}: leave it out")
    return Market(
        symbol=raw["symbol"],
        base=raw["base"],
        quote=raw["quote"],
        type="swap" if raw["swap"] else "spot",
        amount_step=amount_step,
        price_step=price_step,
        min_amount=_decimal(limits["amount"]["min"]) or amount_step,
        min_notional=_decimal(limits["cost"]["min"]) or Decimal(0),
        max_amount=_decimal(limits["amount"]["max"]),
    )


def ticker_of(symbol: str, raw: Mapping[str, Any] | None, now: float) -> Ticker | None:
    """Return a ticker, never of a time after `now`; None where there is no last price."""
    last = _decimal(raw.get("last")) if raw else None
    if not raw or not last:
        return None
    bid, ask = _decimal(raw.get("bid")) or last, _decimal(raw.get("ask")) or last
    return Ticker(symbol, bid, ask, last, _time_of(raw, now))


def middle_of(symbol: str, books: Mapping[str, Mapping[str, Any]], now: float) -> Ticker | None:
    """Return a ticker whose last price is the middle of a book; None where a side of it is empty."""
    raw = books.get(symbol, {})
    bid, ask = _decimal(raw.get("bid")), _decimal(raw.get("ask"))
    return Ticker(symbol, bid, ask, (bid + ask) / 2, _time_of(raw, now)) if bid and ask else None


def _time_of(raw: Mapping[str, Any], now: float) -> float:
    stamp = raw.get("timestamp")
    return min(stamp / 1000, now) if stamp else now


def lay(candles: Candles, row: int, rows: list[list[float]]) -> None:
    """Write fetched rows (milliseconds, open, high, low, close, volume) onto the grid, if they fit it."""
    if not rows:
        return
    import numpy as np

    from chalicelib.domain.candles import FIELDS

    table = np.array(rows, dtype=np.float64)
    offset = table[:, 0] // 1000 - candles.open_time[0]
    sound = (
        np.isfinite(table).all(axis=1) & (table[:, 1:5] > 0).all(axis=1) & (offset % candles.timeframe == 0)
    )
    columns = (offset[sound] // candles.timeframe).astype(np.int64)
    for number, field in enumerate(FIELDS, start=1):
        getattr(candles, field)[row, columns] = table[sound, number]


def _decimal(value: float | None) -> Decimal | None:
    """Return a ccxt number as the decimal it was written as; None and 0 say nothing."""
    return Decimal(str(value)) if value else None
