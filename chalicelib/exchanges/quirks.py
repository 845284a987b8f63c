"""What is peculiar to each exchange, as data; read by the private client, the venue and the public feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.errors import UsageError
from chalicelib.exchanges.quirk_tables import BINANCE, BINGX, BYBIT, ORANGEX, PIONEX

if TYPE_CHECKING:
    from chalicelib.domain.market import MarketType
    from chalicelib.exchanges.quirk_types import Quirks

QUIRKS: Mapping[str, Quirks] = {
    quirks.exchange: quirks for quirks in (BINANCE, BYBIT, BINGX, PIONEX, ORANGEX)
}


def quirks_of(exchange: str) -> Quirks:
    """Return the entry of an exchange; UsageError names those there are."""
    if exchange not in QUIRKS:
        raise UsageError(f"unknown exchange {exchange!r}: use one of {', '.join(QUIRKS)}")
    return QUIRKS[exchange]


def require(exchange: str, market_type: MarketType, mode: str) -> Quirks:
    """Return the entry of an exchange; UsageError if it cannot trade this market type in this mode."""
    quirks = quirks_of(exchange)
    if market_type not in quirks.market_types:
        offered = " and ".join(sorted(quirks.market_types))
        raise UsageError(f"{exchange} is traded here on {offered} markets only, not on {market_type}")
    if mode == "testnet" and not quirks.testnet:
        raise UsageError(f"{exchange} has no test network: use mode 'paper' instead")
    return quirks
