"""The built-in market: an exchange that exists nowhere, for a first run without network or recorded data.

Every candle and every ticker is a pure function of the seed, the symbol and the time. A restart sees the
same market, nothing is stored, and the ticker inside a candle agrees with the candle that results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import numpy as np

from chalicelib.domain.candles import Candles, Floats, empty_candles
from chalicelib.domain.market import Market, Ticker, split_symbol
from chalicelib.errors import UsageError
from chalicelib.local.recorded_feed import MIN_NOTIONAL, amount_step_for, paper_ticker
from chalicelib.local.simulated_paths import DAY, MINUTES, STEP, STEPS_PER_MINUTE, day_path
from chalicelib.local.symbols import unknown_symbol

MOST_BARS = 5000
"""How far back candles go, as at an exchange: bars before `now`."""

_CACHED_DAYS = 512
_CACHED_PATHS = 256
_PRICE_DIGITS = 6
"""Significant digits of a price."""

_VOLUME_DECIMALS = 3
_DAILY_TURNOVER = 2e8
"""Quote currency traded per day in the first coin; the others have less, by their rank."""


@dataclass(frozen=True, slots=True)
class Coin:
    """One currency of the simulated market: start price in quote currency, and how it follows the market."""

    base: str
    price: float
    beta: float
    turnover: float


# fmt: off
_START_PRICES = {
    "BTC": 60000.0, "ETH": 2500.0, "BNB": 550.0, "SOL": 150.0, "XRP": 0.55, "ADA": 0.45, "DOGE": 0.12,
    "DOT": 6.2, "LTC": 72.0, "LINK": 12.5, "BCH": 380.0, "XLM": 0.11, "EOS": 0.62, "TRX": 0.13, "AVAX": 28.0,
    "MATIC": 0.58, "UNI": 8.1, "ATOM": 5.4, "ETC": 21.0, "XMR": 165.0, "FIL": 4.3, "THETA": 1.3, "VET": 0.026,
    "NEO": 11.2, "ALGO": 0.14, "XTZ": 0.72, "AAVE": 105.0, "MKR": 2100.0, "COMP": 48.0, "SNX": 1.7,
    "ZEC": 27.0, "DASH": 26.0, "KSM": 21.5, "CRV": 0.31, "SUSHI": 0.75, "YFI": 5600.0, "BAT": 0.19,
    "ENJ": 0.17, "CHZ": 0.068, "MANA": 0.33, "SAND": 0.29, "AXS": 5.1, "GRT": 0.18, "ZIL": 0.016,
    "ICX": 0.15, "ONT": 0.21, "QTUM": 2.6, "WAVES": 1.1, "KAVA": 0.37, "RUNE": 4.6,
}
# fmt: on
QUOTE = "USDT"
MOST_COINS = 200


class MarketSimulator:
    """A market feed over the simulated paths; pure in `now`, so it may be shared between threads."""

    def __init__(self, seed: int, spread: Decimal, volatility: float = 1.0) -> None:
        """Take what the market's whole past and future follow from, and the spread as a ratio of price.

        `volatility` is how many times as far as in the usual market prices move.
        """
        self._seed = seed
        self._spread = spread
        self._volatility = volatility

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]:
        """Return the trading rules; UsageError names a symbol that the market does not have."""
        return {symbol: _market(symbol) for symbol in symbols}

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles:
        """Return the candles that open at or after `since` and are closed at `now`, at most 5,000."""
        if timeframe % 60 or DAY % timeframe:
            raise UsageError(f"the simulated market has no candles of {timeframe} s: use whole minutes")
        end = int(now) // timeframe * timeframe
        start = max(-(-since // timeframe) * timeframe, end - MOST_BARS * timeframe, 0)
        candles = empty_candles(tuple(symbols), timeframe, start, max(0, (end - start) // timeframe))
        if not candles.bars:
            return candles
        # Day by day over all symbols, so that the path they share is made once a day.
        for day in range(start // DAY, (end - 1) // DAY + 1):
            opens = np.arange(max(start, day * DAY), min(end, (day + 1) * DAY), timeframe)
            columns = slice((int(opens[0]) - start) // timeframe, (int(opens[-1]) - start) // timeframe + 1)
            bars = slice((int(opens[0]) % DAY) // timeframe, (int(opens[-1]) % DAY) // timeframe + 1)
            for row, symbol in enumerate(symbols):
                whole_day = _day_candles(self._seed, self._volatility, symbol, timeframe, day)
                for field, values in zip(_fields(candles), whole_day, strict=True):
                    field[row, columns] = values[bars]
        return candles

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        """Return the prices of this second."""
        second = int(now)
        return {symbol: self._ticker(symbol, second) for symbol in symbols}

    def _ticker(self, symbol: str, second: int) -> Ticker:
        bounds = _log_prices(self._seed, self._volatility, symbol, second // DAY)
        step, inside = divmod(second % DAY, STEP)
        log_price = bounds[step] + (bounds[step + 1] - bounds[step]) * (inside / STEP)
        price = _rounded(np.array([log_price]), symbol)[0]
        return paper_ticker(_market(symbol), Decimal(str(float(price))), self._spread, float(second))


def simulated_symbols(count: int) -> tuple[str, ...]:
    """Return the names of the first `count` symbols of the market."""
    if not 1 <= count <= MOST_COINS:
        raise UsageError(f"the simulated market has 1 to {MOST_COINS} symbols, not {count}")
    return tuple(f"{base}/{QUOTE}" for base in list(_coins())[:count])


@lru_cache(maxsize=1)
def _coins() -> dict[str, Coin]:
    """Return all currencies by name; those after the known names are called SIM051, SIM052 ..."""
    prices = dict(_START_PRICES)
    for number in range(len(prices) + 1, MOST_COINS + 1):
        prices[f"SIM{number:03d}"] = round(0.05 * 1.07 ** (number % 100), 4)
    return {
        base: Coin(base, price, 0.7 + 0.6 * ((rank * 7) % 11) / 10, _DAILY_TURNOVER / (1 + rank))
        for rank, (base, price) in enumerate(prices.items())
    }


def _coin(symbol: str) -> Coin:
    base, quote, _ = split_symbol(symbol)
    if base not in _coins() or quote != QUOTE:
        raise unknown_symbol(symbol, simulated_symbols(MOST_COINS), "the simulated market")
    return _coins()[base]


@lru_cache(maxsize=MOST_COINS * 2)
def _market(symbol: str) -> Market:
    coin = _coin(symbol)
    base, quote, market_type = split_symbol(symbol)
    amount_step = amount_step_for(Decimal(str(coin.price)))
    price_step = Decimal(1).scaleb(-_price_decimals(coin))
    return Market(symbol, base, quote, market_type, amount_step, price_step, amount_step, MIN_NOTIONAL)


def _price_decimals(coin: Coin) -> int:
    return max(0, _PRICE_DIGITS - 1 - int(np.floor(np.log10(coin.price))))


def _rounded(log_prices: Floats, symbol: str) -> Floats:
    """Return prices on the market's step; rounding keeps order, so a rounded high stays the highest."""
    coin = _coin(symbol)
    decimals = _price_decimals(coin)
    return np.maximum(np.round(np.exp(log_prices) * coin.price, decimals), 10.0**-decimals)


def _log_prices(seed: int, volatility: float, symbol: str, day: int) -> Floats:
    coin = _coin(symbol)
    return _path_cache(seed, volatility, coin.base, coin.beta, day)[0]


@lru_cache(maxsize=_CACHED_PATHS)
def _path_cache(seed: int, volatility: float, base: str, beta: float, day: int) -> tuple[Floats, Floats]:
    path = day_path(seed, base, beta, day)
    return path.log_price * volatility, path.activity


@lru_cache(maxsize=_CACHED_DAYS)
def _day_candles(seed: int, volatility: float, symbol: str, timeframe: int, day: int) -> tuple[Floats, ...]:
    """Return open, high, low, close and volume of a whole day (future candles included: callers cut)."""
    coin = _coin(symbol)
    bounds, activity = _path_cache(seed, volatility, coin.base, coin.beta, day)
    prices = _rounded(bounds, symbol)
    steps = timeframe // 60 * STEPS_PER_MINUTE
    inner = prices[:-1].reshape(-1, steps)
    close = prices[steps::steps]
    volume = activity * (coin.turnover / MINUTES) / prices[:-1:STEPS_PER_MINUTE]
    per_bar = np.round(volume, _VOLUME_DECIMALS).reshape(-1, timeframe // 60).sum(axis=1)
    return (
        inner[:, 0],
        np.maximum(inner.max(axis=1), close),
        np.minimum(inner.min(axis=1), close),
        close,
        np.round(per_bar, _VOLUME_DECIMALS),
    )


def _fields(candles: Candles) -> tuple[Floats, ...]:
    return candles.open, candles.high, candles.low, candles.close, candles.volume
