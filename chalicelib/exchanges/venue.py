"""One account at a real exchange, as the flows' Venue: generic over every ccxt-style client.

What differs between exchanges is data (`quirks`); wiring makes it with `exchange_venue`. Synchronous, and
made anew per invocation, while its client stays warm. Raises only the VenueError family.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.domain.market import split_symbol
from chalicelib.domain.order import TERMINAL, Order, OrderState, VenueOrder
from chalicelib.domain.venue import KeyPermissions
from chalicelib.errors import (
    OrderNotFound,
    VenueError,
    VenueRejected,
    VenueUnknown,
)
from chalicelib.exchanges.client import TIMEOUT, Access, Gate, PrivateClient, private_client
from chalicelib.exchanges.key_permissions import READERS
from chalicelib.exchanges.lookup import Lookup, complete
from chalicelib.exchanges.order_parameters import Wish, buys_by_cost, wish_of
from chalicelib.exchanges.quirks import require
from chalicelib.exchanges.rule_book import RuleBook
from chalicelib.exchanges.rule_book import Rules as Rules
from chalicelib.exchanges.venue_lists import (
    account_trades,
    funding_payments,
    holdings,
    open_orders,
    positions,
)
from chalicelib.exchanges.venue_settings import configure
from chalicelib.exchanges.venue_values import (
    balance_of,
    ending_order,
    fills_of,
    funding_of,
    venue_order,
)

if TYPE_CHECKING:
    from chalicelib.domain.approval import ApprovedOrder
    from chalicelib.domain.connection import Connection
    from chalicelib.domain.credentials import Credentials
    from chalicelib.domain.venue import (
        Abilities,
        Balance,
        Funding,
        MarginMode,
        PositionMode,
        VenuePosition,
        VenueTrade,
    )
    from chalicelib.exchanges.venue_values import Raw

T = TypeVar("T")

CLOCK_SECONDS = 600.0
"""How long a comparison of the clocks is good for."""
CREDIBLE_SKEW = 0.5


class ExchangeVenue:
    """One account at one exchange. Threads may share it."""

    def __init__(
        self,
        connection: Connection,
        client: Callable[[], PrivateClient],
        rules: Rules,
        memory: MutableMapping[str, Any],
    ) -> None:
        """Take what makes the client when it is first needed; `memory` outlives the venue."""
        self._connection = connection
        self._type = connection.market_type
        self._quirks = require(connection.exchange, self._type, connection.mode)
        self._make = client
        self._book = RuleBook(rules, self._type)
        self._memory = memory
        self._quote = split_symbol(connection.symbols[0])[1]

    @property
    def abilities(self) -> Abilities:
        """What the exchange can do on this market type."""
        return self._quirks.abilities(self._type)

    def create_order(self, approved: ApprovedOrder, now: float) -> VenueOrder:
        """Send an order; fills are what the reply or a question for the trades tells of."""
        order, client = approved.order, self._client()
        latest = client.latest()
        market = self._book.market(order.symbol)
        by_cost = buys_by_cost(order, self._type, self._quirks)
        last = self._book.last_price(order.symbol, now) if by_cost and order.price is None else None
        wish = wish_of(order, market, self._quirks, last)
        try:
            raw, seen = client.ask("create", lambda ccxt: self._created(ccxt, wish, order, now), latest)
        except VenueRejected as error:
            if error.reason == "INVALID_ORDER":
                self._book.outdated()
            raise
        if not seen.missing and (seen.fills or seen.state not in TERMINAL):
            return seen
        try:
            return self._completed(order, raw, now)
        except VenueError:
            # The order was taken, whatever kept its trades from us: no error may say otherwise.
            return seen if seen.filled else replace(seen, state=OrderState.ACCEPTED)

    def cancel_order(self, order: Order, now: float) -> VenueOrder:
        """Ask for the end of an order and return how it stands; PENDING_CANCEL if it has not ended yet."""
        client = self._client()
        try:
            raw = client.ask("cancel", lambda ccxt: self._cancelled(ccxt, order))
        except OrderNotFound:
            # Ended before, or never there: the look-up tells which.
            return self.fetch_order(order, now)
        try:
            if raw.get("id") and raw.get("status") in ("canceled", "closed", "expired"):
                return self._completed(order, raw, now)
            seen = self.fetch_order(order, now)
        except VenueError:
            # The exchange took the request: what came of it is found out by reconciliation.
            return ending_order(order)
        return seen if seen.state in TERMINAL else ending_order(order, seen)

    def fetch_order(self, order: Order, now: float) -> VenueOrder:
        """Look an order up in every way there is; OrderNotFound only if all answered and none knew it."""
        client = self._client()
        raw = complete(client, self._quirks, order, Lookup(client, self._quirks, order).find())
        return self._order(order, raw, now)

    def fetch_open_orders(
        self,
        symbols: Sequence[str],
        now: float,  # noqa: ARG002
    ) -> tuple[VenueOrder, ...]:
        """Return everybody's open orders of the account; their trades are left to `fetch_order`."""
        wanted = frozenset(symbols)
        client = self._client()
        found = [client.ask("fetch", partial(self._open, scope, wanted)) for scope in self._scopes(wanted)]
        return tuple(chain.from_iterable(found))

    def fetch_positions(
        self,
        symbols: Sequence[str],
        now: float,  # noqa: ARG002
    ) -> tuple[VenuePosition, ...]:
        """Return the open positions; on spot what the account holds of each base currency."""
        if self._type == "spot":
            return self._client().ask("fetch", lambda ccxt: holdings(ccxt, symbols))
        return self._client().ask("fetch", lambda ccxt: positions(ccxt, self._quirks, symbols))

    def fetch_balance(self, now: float) -> Balance:  # noqa: ARG002
        """Return the money in the connection's quote currency."""
        return self._client().ask(
            "fetch",
            lambda ccxt: balance_of(
                ccxt.fetch_balance({"type": self._type}), self._quote, self._quirks.balances.get(self._type)
            ),
        )

    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]:  # noqa: ARG002
        """Return everybody's trades of the account in a symbol since an epoch second, oldest first."""
        found = self._client().ask("fetch", lambda ccxt: account_trades(ccxt, self._quirks, symbol, since))
        return tuple(sorted(found, key=lambda trade: trade.fill.time))

    def fetch_funding(
        self,
        symbols: Sequence[str],
        since: float,
        now: float,  # noqa: ARG002
    ) -> tuple[Funding, ...]:
        """Return funding payments, oldest first; none on spot, and none where the exchange has no list."""
        client = self._client() if self._type == "swap" else None
        if client is None or not client.ccxt.has.get("fetchFundingHistory"):
            return ()
        wanted = frozenset(symbols)
        asked = [client.ask("fetch", partial(self._paid, scope, since)) for scope in self._scopes(wanted)]
        found = [one for one in chain.from_iterable(asked) if one.symbol in wanted and one.time >= since]
        return tuple(sorted(found, key=lambda payment: payment.time))

    def configure(
        self,
        symbol: str,
        leverage: int,
        margin_mode: MarginMode,
        position_mode: PositionMode,
        now: float,  # noqa: ARG002
    ) -> None:
        """Set how a swap is held, unless it is remembered to be so; nothing happens on spot."""
        if self._type == "spot":
            return
        if position_mode == "hedge" and not self.abilities.hedge:
            raise VenueRejected(f"{self._quirks.exchange} has no hedge mode", "NOT_SUPPORTED")
        done = self._memory.setdefault("settings", {})
        configure(self._client(), self._quirks, done, symbol, leverage, margin_mode, position_mode)

    def permissions(self, now: float) -> KeyPermissions:  # noqa: ARG002
        """Return what the API key may do, as far as the exchange tells."""
        reader = READERS.get(self._quirks.exchange)
        if reader is None:
            return KeyPermissions(None, None)
        return self._client().ask("fetch", lambda ccxt: reader(ccxt, self._type))

    def clock_skew(self, now: float) -> float | None:
        """Return the seconds that our clock is ahead, asked for every ten minutes; None if that fails."""
        if now - self._memory.get("clock_asked_at", -CLOCK_SECONDS) >= CLOCK_SECONDS:
            try:
                self._ask_clock()
            except VenueError:
                return None
            self._memory["clock_asked_at"] = now
        return self._skew()

    def _ask_clock(self) -> None:
        """Compare the clocks; a great difference once more, because a first request is a slow one."""
        for _ in range(2):
            self._client().ask("fetch", lambda ccxt: ccxt.load_time_difference())
            if abs(self._skew()) < CREDIBLE_SKEW:
                return

    def _skew(self) -> float:
        return float(self._client().ccxt.options["timeDifference"]) / 1000

    def _created(self, ccxt: Any, wish: Wish, order: Order, now: float) -> tuple[Raw, VenueOrder]:
        raw = ccxt.create_order(wish.symbol, wish.type, wish.side, wish.amount, wish.price, dict(wish.params))
        return raw, self._order(order, raw, now)

    def _cancelled(self, ccxt: Any, order: Order) -> Raw:
        quirks = self._quirks
        flags = dict(quirks.trigger_flag) if order.type == "stop" else {}
        by_venue_id = order.leg == "external" or not quirks.cancels_by_client_id
        if by_venue_id and order.venue_order_id:
            return dict(ccxt.cancel_order(order.venue_order_id, order.symbol, flags))
        ids = {quirks.cancel_parameter: order.client_order_id}
        return dict(ccxt.cancel_order(None, order.symbol, {**ids, **flags}))

    def _completed(self, order: Order, raw: Raw, now: float) -> VenueOrder:
        return self._order(order, complete(self._client(), self._quirks, order, raw), now)

    def _order(self, order: Order, raw: Raw, now: float) -> VenueOrder:
        """Return what a structure of ccxt says of our order; VenueUnknown if it says nothing we can read."""
        by_cost = buys_by_cost(order, self._type, self._quirks)
        try:
            told = int(raw.get("timestamp") or 0) / 1000 or now
            fills = fills_of(raw.get("trades") or (), order.symbol, order.side, told)
            return venue_order(raw, order, fills, by_cost)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise VenueUnknown(f"{self._quirks.exchange}: the reply cannot be read: {error}") from error

    def _open(self, scope: str | None, wanted: frozenset[str], ccxt: Any) -> list[VenueOrder]:
        rows = open_orders(ccxt, self._quirks, scope, self._type)
        found = [venue_order(raw, None, ()) for raw in rows if raw.get("symbol") in wanted]
        return [order for order in found if order.state not in TERMINAL]

    def _paid(self, scope: str | None, since: float, ccxt: Any) -> list[Funding]:
        rows = funding_payments(ccxt, self._quirks, scope, since, self._type)
        return [funding_of(raw, self._quirks.funding_sign) for raw in rows]

    def _scopes(self, wanted: frozenset[str]) -> Sequence[str | None]:
        """Return what to ask lists for: everything at once where that can be, or else each symbol."""
        return (None,) if len(wanted) > 1 and self._type in self._quirks.scopes else sorted(wanted)

    def _client(self) -> PrivateClient:
        """Return the warm client with the present trading rules."""
        source = self._book.source()
        if "client" not in self._memory:
            self._memory["client"] = self._make()
        client: PrivateClient = self._memory["client"]
        if client.ccxt.markets is not source.markets:
            client.ccxt.set_markets_from_exchange(source)
        return client


def exchange_venue(
    connection: Connection,
    credentials: Callable[[], Credentials],
    gate: Gate,
    rules: Rules,
    memory: MutableMapping[str, Any],
    prepare: Callable[[Any], None] | None = None,
    timeout: float = TIMEOUT,
) -> ExchangeVenue:
    """Make the venue of a connection; UsageError if the exchange cannot trade it so. Nothing is sent.

    `memory` is the connection's own and kept while the process lives: it holds the client, which knows the
    clock and the access token, and the settings that were made. New credentials need a new memory.
    """
    testnet = connection.mode == "testnet"
    quirks = require(connection.exchange, connection.market_type, connection.mode)
    access = Access(quirks, connection.market_type, testnet, timeout, prepare)
    if "client" in memory:
        memory["client"].gate = gate
    return ExchangeVenue(connection, lambda: private_client(access, credentials(), gate), rules, memory)
