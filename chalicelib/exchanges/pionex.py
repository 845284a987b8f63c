"""Pionex, spot and futures, as a class in ccxt's style; made by the client factory and the market feed."""

from __future__ import annotations

from chalicelib.exchanges.pionex_account import PionexAccount
from chalicelib.exchanges.pionex_markets import PionexMarkets
from chalicelib.exchanges.pionex_orders import PionexOrders


class pionex(PionexMarkets, PionexOrders, PionexAccount):  # noqa: N801
    """The exchange under the name that ccxt would give it.

    `BTC/USDT` is its spot market BTC_USDT, `BTC/USDT:USDT` its perpetual BTC_USDT_PERP. No stop orders.
    A RateLimitExceeded carries `retry_after`, the seconds for which nobody may call.
    """
