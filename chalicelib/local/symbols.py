"""Names of symbols on one machine: which come first, how files spell them, what to say of unknown ones."""

from collections.abc import Collection
from difflib import get_close_matches

from chalicelib.domain.market import MarketType
from chalicelib.errors import UsageError

QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "GBP", "USD")

# fmt: off
MAJORS = (
    "BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "DOT", "LTC", "LINK", "BCH", "XLM",
    "EOS", "TRX", "AVAX", "MATIC", "UNI", "ATOM", "ETC", "XMR", "FIL", "THETA", "VET", "NEO",
)
# fmt: on
"""Base currencies that a newcomer expects first when only a number of symbols is asked for."""

_NEAR = 3


def unified_symbol(name: str, market_type: MarketType) -> str | None:
    """Return `BTC/USDT` (swap: `BTC/USDT:USDT`) for `BTCUSDT`; None without a known quote currency."""
    for quote in QUOTES:
        base = name.removesuffix(quote)
        if base and base != name:
            return f"{base}/{quote}" if market_type == "spot" else f"{base}/{quote}:{quote}"
    return None


def by_prominence(symbols: Collection[str]) -> list[str]:
    """Sort symbols: the majors in their order, then the others by name."""
    rank = {base: place for place, base in enumerate(MAJORS)}
    return sorted(symbols, key=lambda symbol: (rank.get(symbol.partition("/")[0], len(rank)), symbol))


def unknown_symbol(symbol: str, known: Collection[str], where: str) -> UsageError:
    """Return the error for a symbol that is not there, with the names nearest to it."""
    near = get_close_matches(symbol.upper(), known, _NEAR, 0.5) or by_prominence(known)[:_NEAR]
    return UsageError(f"unknown symbol {symbol!r} in {where}: did you mean {', '.join(near)}?")
