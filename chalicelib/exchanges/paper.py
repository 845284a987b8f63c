"""The paper exchange: a venue whose account lives in the ledger and whose prices come from a market feed.

Made anew per flow invocation: it reads the account once, matches resting orders against the candles that
closed meanwhile, and writes only what changed. Everything it knows is in the ledger, so a restart loses
nothing, and its ids count up in the account, so a repeated step repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeVar

from chalicelib.domain.approval import ApprovedOrder
from chalicelib.domain.connection import Connection
from chalicelib.domain.market import Market, Ticker, split_symbol
from chalicelib.domain.matching import ONE, Booked, cancel, match, place
from chalicelib.domain.matching_checks import Refusal
from chalicelib.domain.order import TERMINAL, Order, VenueOrder
from chalicelib.domain.paper import (
    PaperAccount,
    PaperLedger,
    PaperOrder,
    paper_order,
    venue_order,
)
from chalicelib.domain.venue import Balance, VenuePosition, VenueTrade
from chalicelib.errors import (
    AlreadyExists,
    DuplicateClientOrderId,
    OrderNotFound,
    Retryable,
    StaleWrite,
    UsageError,
    VenueNotSent,
    VenueRejected,
    VenueUnknown,
)
from chalicelib.exchanges.plain_account import PlainAccount

if TYPE_CHECKING:
    from chalicelib.domain.candles import Candles

ATTEMPTS = 4
"""How often a step is done again after somebody else wrote the account in between."""

IDLE_BARS = 64
"""Matching that filled nothing is only remembered after so many bars: reads shall not cost a write."""

T = TypeVar("T")


class Feed(Protocol):
    """The part of a market feed that the paper exchange needs."""

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]: ...
    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles: ...
    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]: ...


@dataclass(frozen=True, slots=True)
class AccountState:
    """Everything the paper exchange knows of an account, for the comparison of books."""

    positions: Mapping[str, Decimal]
    cash: Decimal
    realised: Decimal
    fees: Decimal
    orders: tuple[VenueOrder, ...]


class PaperVenue(PlainAccount):
    """One account at the paper exchange, as the flows' Venue. Not shared between threads."""

    def __init__(self, tenant: str, connection: Connection, ledger: PaperLedger, feed: Feed) -> None:
        self._tenant = tenant
        self._connection = connection
        self._ledger = ledger
        self._feed = feed
        self._quote = split_symbol(connection.symbols[0])[1]
        self._account: PaperAccount | None = None
        self._orders: dict[str, PaperOrder] = {}
        self._matched = 0

    def create_order(self, approved: ApprovedOrder, now: float, share: Decimal = ONE) -> VenueOrder:
        """Accept and match an order; the account and the order are stored in one transaction.

        `share` below 1 fills only that part of what would fill at once. Raises DuplicateClientOrderId for an
        id that was ever accepted, VenueRejected with a stable reason, VenueNotSent if the symbol has no price
        now or the ledger was busy, VenueUnknown if the ledger did not say whether it stored.
        """
        order = approved.order
        self._refuse_duplicate(order.client_order_id, now)
        market = self._market(order.symbol)
        if order.type == "stop":
            raise VenueRejected("the paper exchange holds no stop orders", "NOT_SUPPORTED")

        def step(account: PaperAccount) -> Booked:
            wish = paper_order(order, now)
            prices = self._prices(account, order.symbol, now)
            outcome = place(
                account, wish, market, prices, self._connection.paper, self._resting(account), now, share
            )
            if isinstance(outcome, Refusal):
                self._refuse_duplicate(order.client_order_id, now, search=True)
                raise VenueRejected(outcome.message, outcome.reason)
            return outcome

        booked = self._change(step, now, new_id=order.client_order_id)
        return venue_order(booked.orders[0])

    def cancel_order(self, order: Order, now: float) -> VenueOrder:
        """End an open order; one that has ended is returned as it is. Raises OrderNotFound."""
        client_order_id, symbol = order.client_order_id, order.symbol
        found = self._find(client_order_id, symbol, now)
        if found.state in TERMINAL:
            return venue_order(found)

        def step(account: PaperAccount) -> Booked:
            held = self._find(client_order_id, symbol, now)
            return Booked(account, (held,)) if held.state in TERMINAL else cancel(account, held, now)

        return venue_order(self._change(step, now).orders[0])

    def fetch_order(self, order: Order, now: float) -> VenueOrder:
        """Look an order up by our id, open or not. Raises OrderNotFound."""
        return venue_order(self._find(order.client_order_id, order.symbol, now))

    def fetch_open_orders(self, symbols: Sequence[str], now: float) -> tuple[VenueOrder, ...]:
        """Return the open orders on these symbols, oldest first."""
        resting = self._resting(self._load(now))
        return tuple(venue_order(order) for order in resting if order.symbol in symbols)

    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]:
        """Return all trades of the account on a symbol at or after `since`, oldest first."""
        self._load(now)
        orders = self._read(lambda: self._ledger.orders(self._tenant, self._connection.connection_id))
        trades = (
            VenueTrade(order.venue_order_id, fill)
            for order in orders
            for fill in order.fills
            if order.symbol == symbol and fill.time >= since
        )
        return tuple(sorted(trades, key=lambda trade: trade.fill.time))

    def fetch_positions(self, symbols: Sequence[str], now: float) -> tuple[VenuePosition, ...]:
        """Return what is held of these symbols."""
        holdings = self._load(now).holdings
        return tuple(
            VenuePosition(
                symbol=symbol,
                direction="long" if held.quantity > 0 else "short",
                quantity=abs(held.quantity),
                entry_price=held.cost / held.quantity,
            )
            for symbol, held in holdings.items()
            if symbol in symbols
        )

    def fetch_balance(self, now: float) -> Balance:
        """Return the settled cash in quote currency; all of it is free."""
        cash = self._load(now).cash
        return Balance(cash, cash)

    def account_state(self, now: float) -> AccountState:
        """Return positions, cash and all orders that the exchange ever accepted."""
        account = self._load(now)
        orders = self._read(lambda: self._ledger.orders(self._tenant, account.connection_id))
        return AccountState(
            positions={symbol: held.quantity for symbol, held in account.holdings.items()},
            cash=account.cash,
            realised=account.realised,
            fees=account.fees,
            orders=tuple(map(venue_order, orders)),
        )

    def _load(self, now: float) -> PaperAccount:
        """Return the account as of `now`: read once, resting orders matched up to the last closed candle."""
        for _ in range(ATTEMPTS):
            try:
                if self._account is None:
                    self._account = self._read_account()
                if not self._account.open_orders or self._grid(now) <= self._matched:
                    return self._account
                self._match(self._account, now)
            except StaleWrite:
                self._account = None
        raise VenueNotSent(f"the paper account of {self._connection.connection_id} is busy", "BUSY")

    def _read_account(self) -> PaperAccount:
        """Read the account and its open orders; StaleWrite if it moved between these reads."""
        connection = self._connection
        stored = self._read(lambda: self._ledger.load(self._tenant, connection.connection_id))
        cash = connection.paper.cash
        account = stored or PaperAccount(connection.connection_id, connection.market_type, cash, cash)
        self._matched = 0
        self._orders = {}
        for client_order_id in account.open_orders:
            order = self._read_order(client_order_id)
            if order is None or order.state in TERMINAL:
                raise StaleWrite(f"order {client_order_id} ended after the account was read")
            self._orders[client_order_id] = order
        return account

    def _match(self, account: PaperAccount, now: float) -> None:
        """Match what rests against the candles closed since; StaleWrite if the account has moved."""
        resting = self._resting(account)
        symbols = tuple(dict.fromkeys(order.symbol for order in resting))
        oldest = min(order.created_at for order in resting)
        since = max(account.matched_until, self._grid(oldest))
        timeframe = self._connection.timeframe_seconds
        candles = self._read(lambda: self._feed.closed_candles(symbols, timeframe, since, now))
        markets = self._read(lambda: self._feed.markets(symbols))
        booked = match(account, resting, candles, markets, self._connection.paper)
        if booked.orders or booked.account.matched_until - since > IDLE_BARS * timeframe:
            self._store(booked)
        self._matched = self._grid(now)

    def _change(self, step: Callable[[PaperAccount], Booked], now: float, new_id: str = "") -> Booked:
        """Do a step on the account and store it; again from the start if somebody else wrote meanwhile."""
        for _ in range(ATTEMPTS):
            booked = step(self._load(now))
            try:
                return self._store(booked)
            except StaleWrite:
                self._account = None
            except AlreadyExists:
                # Either the order's id is used, or the first order ever met another first one.
                self._account = None
                if new_id:
                    self._refuse_duplicate(new_id, now, search=True)
        raise VenueNotSent(f"the paper account of {self._connection.connection_id} is busy", "BUSY")

    def _store(self, booked: Booked) -> Booked:
        try:
            account, stored = self._ledger.commit(self._tenant, booked.account, booked.orders)
        except (StaleWrite, AlreadyExists):
            raise
        except Retryable as error:
            self._account = None
            raise VenueUnknown(f"the paper ledger did not answer: {error}") from error
        self._account = account
        self._orders.update({order.client_order_id: order for order in stored})
        return Booked(account, stored)

    def _find(self, client_order_id: str, symbol: str, now: float) -> PaperOrder:
        self._load(now)
        order = self._orders.get(client_order_id) or self._read_order(client_order_id)
        if order is None or order.symbol != symbol:
            raise OrderNotFound(f"the paper exchange has no order {client_order_id} on {symbol}")
        self._orders[client_order_id] = order
        return order

    def _refuse_duplicate(self, client_order_id: str, now: float, search: bool = False) -> None:
        """Raise DuplicateClientOrderId for a used id; `search` asks the ledger too.

        A refusal must search: "rejected" is wrong for an id whose earlier attempt was accepted.
        """
        self._load(now)
        known = client_order_id in self._orders
        if known or (search and self._read_order(client_order_id) is not None):
            raise DuplicateClientOrderId(f"client order id {client_order_id} was used before")

    def _resting(self, account: PaperAccount) -> list[PaperOrder]:
        return [self._orders[client_order_id] for client_order_id in account.open_orders]

    def _market(self, symbol: str) -> Market:
        base, quote, market_type = split_symbol(symbol)
        if quote != self._quote or market_type != self._connection.market_type:
            text = f"the account trades {self._connection.market_type} markets in {self._quote}, not {symbol}"
            raise VenueRejected(text, "BAD_SYMBOL")
        try:
            return self._read(lambda: self._feed.markets((symbol,)))[symbol]
        except UsageError as error:
            raise VenueRejected(f"{base}: {error}", "BAD_SYMBOL") from error

    def _prices(self, account: PaperAccount, symbol: str, now: float) -> Mapping[str, Ticker]:
        marked = account.holdings if account.market_type == "swap" else ()
        symbols = tuple(dict.fromkeys((symbol, *marked)))
        tickers = self._read(lambda: self._feed.tickers(symbols, now))
        if symbol not in tickers:
            raise VenueNotSent(f"{symbol} has no price now: the market does not trade")
        return tickers

    def _read_order(self, client_order_id: str) -> PaperOrder | None:
        return self._read(
            lambda: self._ledger.order(self._tenant, self._connection.connection_id, client_order_id)
        )

    def _read(self, call: Callable[[], T]) -> T:
        """Call the ledger or the feed; what may be tried again leaves as a venue error."""
        try:
            return call()
        except Retryable as error:
            raise VenueNotSent(f"the paper exchange cannot be read: {error}") from error

    def _grid(self, time: float) -> int:
        timeframe = self._connection.timeframe_seconds
        return int(time) // timeframe * timeframe
