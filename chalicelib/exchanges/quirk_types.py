"""The form in which the peculiarities of an exchange are written down; `quirk_tables` fills it in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.domain.venue import Abilities

if TYPE_CHECKING:
    from chalicelib.domain.market import MarketType
    from chalicelib.domain.order import OrderType

Meaning = Literal[
    "DUPLICATE",
    "NOT_FOUND",
    "ENDED",
    "NOT_MODIFIED",
    "INSUFFICIENT_FUNDS",
    "BAD_SYMBOL",
    "INVALID_ORDER",
    "REDUCE_ONLY",
    "NOT_SUPPORTED",
    "REJECTED",
    "UNAUTHORIZED",
    "CLOCK_SKEW",
    "RATE_LIMIT",
    "MAINTENANCE",
    "BUSY",
    "UNKNOWN",
]
"""What an error of an exchange means to us. ENDED: the order to cancel has ended before. BUSY: refused for
now and not executed. UNKNOWN: executed or not, the exchange itself does not say."""

Find = Literal["unified", "realtime", "raw", "venue_id"]
"""How an order is asked for by an id: ccxt's `fetch_order` with our id; Bybit's live list, then its history;
BingX's own endpoint; or only by the exchange's id."""

Trades = Literal["order_parameter", "order_trades", "fill_history"]
"""How the trades of one order are asked for."""


Paging = Literal["time", "cursor", "whole"]
"""How a long list is read: each page from the last time on, by cursor, or in one call of a class of ours."""


@dataclass(frozen=True, slots=True)
class BalanceFields:
    """Where the raw balance names settled cash and free money: rows at `path`, the one whose `key` is ours.

    An empty `path` reads ccxt's own `total` and `free`. Without `free`, free is cash less what is `used`.
    """

    path: tuple[str | int, ...] = ()
    key: str = ""
    cash: str = ""
    free: str = ""
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quirks:
    """One exchange. `order_parameters` is the allow-list: nothing else is ever sent with an order."""

    exchange: str
    market_types: frozenset[MarketType]
    requests_per_second: float
    client_ids: str
    codes: Mapping[str, Meaning]
    order_parameters: Mapping[tuple[MarketType, OrderType], frozenset[str]]
    order_paths: tuple[str, ...]
    """Ends of the paths that place orders: an answer of one of them proves that something was sent."""

    messages: tuple[tuple[str, Meaning], ...] = ()
    """Parts of error messages, lower case, that say more than their code; looked at before the codes."""

    list_paths: frozenset[str] = frozenset()
    """Paths that answer a list: ccxt makes an empty one of anything else, an account without positions."""

    envelope: frozenset[str] = frozenset()
    """Fields that every answer to a question has, but for those on `bare_paths`."""

    bare_paths: frozenset[str] = frozenset()

    code_field: tuple[str, ...] = ("code",)
    message_field: tuple[str, ...] = ("msg",)
    find: Find = "unified"
    cancel_parameter: str = "clientOrderId"
    cancels_by_client_id: bool = True
    """Whether the exchange itself cancels by our id; where not, its own is better if we know it."""

    rejects_duplicates: bool = True
    resend_after_absence: bool = True
    hedge: bool = True
    stop_parameters: Mapping[str, str] = field(default_factory=dict)
    """What goes with a stop so that it triggers on the last price."""

    stop_lists: tuple[Mapping[str, Any], ...] = ()
    """Parameters of the further lists in which stops are found, beside the plain one."""

    trigger_flag: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that lead a lookup or cancel of a stop to its own endpoint."""

    trades: Trades = "order_parameter"
    closed_method: str = "fetch_closed_orders"
    paging: Paging = "time"
    page: int = 100
    closed_since: str | None = None
    """The parameter that names the start of closed orders where ccxt leaves it out."""

    scopes: Mapping[MarketType, Mapping[str, str]] = field(default_factory=dict)
    """Parameters that name the market type in a call without a symbol; none where symbols must be named."""

    positions_of_all: bool = True
    position_scope: bool = False
    sets_position_mode: bool = True
    position_mode_of_symbol: bool = False
    funding_sign: int = 1
    """-1 where a funding payment counts what was paid."""

    cost_buys: frozenset[MarketType] = frozenset()
    """Market types whose market buys take an amount of quote currency."""

    balances: Mapping[MarketType, BalanceFields] = field(default_factory=dict)
    leverage_parameters: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    """By position mode, what leverage is set with, once for each entry; one call without if none is named."""

    account_margin_mode: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    own_clock: bool = False
    """ccxt's class does not correct its clock: ours is put in its place."""

    testnet: bool = False
    weights: Mapping[str, int] = field(default_factory=dict)
    """Weight by "API METHOD path", with " of symbol" or " of order" behind it for requests that name one."""

    declared_weights: bool = False
    """What is not in `weights` weighs what the class declares: our own classes know it."""

    limit_by_address: bool = False
    """Whether public and private requests of one address share a limit, beside that of the key."""

    cool_down: float = 0.0
    """Seconds without any request after a limit was reached, if the exchange names less or nothing."""

    def abilities(self, market_type: MarketType) -> Abilities:
        """Return what the venue can do; no stops on spot, where one would lock what an exit must sell."""
        return Abilities(
            native_stops=("swap", "stop") in self.order_parameters and market_type == "swap",
            rejects_duplicates=self.rejects_duplicates,
            finds_by_client_id=self.find != "venue_id",
            resend_after_absence=self.resend_after_absence,
            hedge=self.hedge and market_type == "swap",
        )

    def takes_client_id(self, client_order_id: str) -> bool:
        """Tell whether the exchange takes this text as a client order id."""
        return re.fullmatch(self.client_ids, client_order_id) is not None

    def weight(self, api: str, method: str, path: str, params: Mapping[str, Any], declared: float) -> int:
        """Return what a request costs in the exchange's own units."""
        fallback = max(1, round(declared)) if self.declared_weights else 1
        name = f"{api} {method} {path}"
        fits = {f"{name} of order": "orderId" in params, f"{name} of symbol": "symbol" in params, name: True}
        return next(
            (self.weights[key] for key, holds in fits.items() if holds and key in self.weights), fallback
        )

    def sound(self, method: str, path: str, answer: Any) -> bool:
        """Tell whether an answer has the form that answers on this path have."""
        if path in self.list_paths:
            return isinstance(answer, list)
        bare = method != "GET" or path in self.bare_paths or isinstance(answer, list)
        return bare or self.envelope <= answer.keys()

    def places(self, method: str, path: str) -> bool:
        """Tell whether a request places an order."""
        return method == "POST" and path.strip("/").endswith(self.order_paths)


def codes(**meanings: str) -> dict[str, Meaning]:
    """Return a table by code from lists of codes by meaning."""
    return {code: meaning for meaning, listed in meanings.items() for code in listed.split()}  # type: ignore[misc]
