"""What an API key may do, read from those exchanges that tell; called by the venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.domain.venue import KeyPermissions
from chalicelib.errors import VenueRejected

if TYPE_CHECKING:
    from chalicelib.domain.market import MarketType

Reader = Callable[[Any, "MarketType"], KeyPermissions]
"""Takes the ccxt client and the market type."""


def _binance(ccxt: Any, market_type: MarketType) -> KeyPermissions:
    if ccxt.isSandboxModeEnabled:
        # The test networks have no such call.
        return KeyPermissions(None, None)
    told = ccxt.sapiGetAccountApiRestrictions()
    trade = told["enableFutures" if market_type == "swap" else "enableSpotAndMarginTrading"]
    return KeyPermissions(trade is True, told["enableWithdrawals"] is True)


def _bybit(ccxt: Any, market_type: MarketType) -> KeyPermissions:
    told = ccxt.privateGetV5UserQueryApi()["result"]
    if told.get("uta") == 0 and told.get("unified") == 0:
        raise VenueRejected("bybit: this needs a unified trading account", "NOT_SUPPORTED")
    granted = told["permissions"]
    orders = granted.get("ContractTrade" if market_type == "swap" else "Spot") or []
    trade = told["readOnly"] == 0 and bool(orders)
    return KeyPermissions(trade, "Withdraw" in (granted.get("Wallet") or []))


def _orangex(ccxt: Any, _: MarketType) -> KeyPermissions:
    scopes = ccxt.fetch_key_scopes()
    if not scopes:
        return KeyPermissions(None, None)
    return KeyPermissions("trade:read_write" in scopes, "wallet:read_write" in scopes)


_BINGX_SWAP, _BINGX_WITHDRAW = 3, 5


def _bingx(ccxt: Any, _: MarketType) -> KeyPermissions:
    granted = {int(number) for number in ccxt.accountV1PrivateGetAccountApiPermissions()["permissions"]}
    return KeyPermissions(_BINGX_SWAP in granted, _BINGX_WITHDRAW in granted)


READERS: Mapping[str, Reader] = {"binance": _binance, "bingx": _bingx, "bybit": _bybit, "orangex": _orangex}
"""Pionex does not tell."""
