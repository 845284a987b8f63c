"""The exchange behind the wire: accounts, markets, clock, prices, orders and positions, without any HTTP.

Every fake exchange translates its requests into calls of `FakeExchange`, and its answers into its own words.
Tests set prices, place orders of somebody else, close positions by hand and compare the books.
Refusals are values (`Refused`); whatever a wire layer does is done under `lock`.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from tests.fakes import matching
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_futures import Futures
from tests.fakes.core_values import Listing, MarketType, Order, Policy, Refused, Side, Ticket, Trade
from tests.fakes.matching_checks import refusal
from tests.fakes.prices import HandPrices, PriceBoard, PriceSource

PRICES = {
    "BTC/USDT": Decimal(50_000),
    "ETH/USDT": Decimal(2_500),
    "BNB/USDT": Decimal(500),
    "BTC/USDT:USDT": Decimal(50_000),
    "ETH/USDT:USDT": Decimal(2_500),
}
"""The first prices of a new exchange, and with `STEPS` its markets."""

STEPS = {"BTC": ("0.01", "0.00001", "0.1", "0.001"), "ETH": ("0.01", "0.0001", "0.01", "0.001")}
"""Price and amount step on spot, then on swap."""

FIRST_BALANCE = Decimal(10_000)


def listings() -> dict[str, Listing]:
    """Return the markets of a new exchange."""
    markets = {}
    for symbol in PRICES:
        swap, base = ":" in symbol, symbol.partition("/")[0]
        price_step, amount_step = STEPS.get(base, ("0.01", "0.001", "0.01", "0.001"))[2 * swap : 2 * swap + 2]
        markets[symbol] = Listing(
            symbol=symbol,
            price_step=Decimal(price_step),
            amount_step=Decimal(amount_step),
            min_amount=Decimal(amount_step),
            min_notional=Decimal(5),
        )
    return markets


class FakeExchange(Futures):
    """One exchange with one account, `accounts["main"]`, until a test adds others."""

    def __init__(
        self,
        policies: dict[MarketType, Policy] | None = None,
        markets: Iterable[Listing] | None = None,
        unified: bool = False,
        source: PriceSource | None = None,
    ) -> None:
        """Take the policies per type of market; `unified` makes spot and swap share one wallet."""
        self.lock = threading.RLock()
        self.policies: dict[MarketType, Policy] = {"spot": Policy(), "swap": Policy(), **(policies or {})}
        self.markets = listings() if markets is None else {listing.symbol: listing for listing in markets}
        self.unified = unified
        self.accounts: dict[str, Account] = {}
        self.liquidity: dict[str, Decimal] = {}
        """How much of a symbol can be traded from now on; absent means without end. Fills use it up."""
        self.spread_steps = 1
        """Distance of bid and ask from the last price, in price steps."""
        self.visibility_delay = 0.0
        """Seconds until a new order is seen by look-ups."""
        self.hidden_reads = 0
        """How many look-ups that would show a new order still don't, for orders placed from now on."""
        self._clock: Callable[[], float] = time.time
        self.ids = 10_000_000
        self.hand = HandPrices()
        self.source: PriceSource = source or self.hand
        self.prices = PriceBoard(self._price_set)
        self._played: dict[str, float] = {}
        for symbol, price in PRICES.items():
            if symbol in self.markets and source is None:
                self.prices[symbol] = price
        self.add_account("main")

    # The clock

    @property
    def now(self) -> float:
        """The exchange's epoch second: real until a test sets it, then it stands still."""
        return self._clock()

    @now.setter
    def now(self, moment: float) -> None:
        with self.lock:
            self._clock = lambda: moment
            self.play()

    def play(self) -> None:
        """Bring prices up to the clock where they are recorded: every price on the way is matched."""
        now = self.now
        for symbol in self.markets if self.source is not self.hand else ():
            since = self._played.get(symbol)
            self._played[symbol] = now
            if since is not None:
                for price in self.source.path(symbol, since, now):
                    self.prices[symbol] = price
            elif (first := self.source.last(symbol, now)) is not None:
                self.prices[symbol] = first

    def relist(self, markets: Iterable[Listing], source: PriceSource) -> None:
        """List other markets, whose prices come from a source; for an exchange that nobody uses yet."""
        with self.lock:
            self.markets = {listing.symbol: listing for listing in markets}
            self.source = source
            self._played.clear()
            self.prices.clear()
            self.play()

    # Accounts

    def add_account(self, name: str, balance: Decimal = FIRST_BALANCE) -> Account:
        """Open an account with one key (`name-key`, `name-secret`) and a balance of USDT in each wallet."""
        spot = {"USDT": balance}
        swap = spot if self.unified else {"USDT": balance}
        account = Account(name, wallets={"spot": spot, "swap": swap})
        self.accounts[name] = account
        self.add_key(name, Key(key=f"{name}-key", secret=f"{name}-secret", passphrase=f"{name}-passphrase"))
        return account

    def add_key(self, account: str, key: Key) -> None:
        self.accounts[account].keys[key.key] = key

    def revoke(self, key: str) -> None:
        """Make a key worthless from now on."""
        self.key(key)[1].revoked = True

    def key(self, key: str) -> tuple[Account, Key]:
        """Return a key with its account; KeyError if nobody has it."""
        for account in self.accounts.values():
            if key in account.keys:
                return account, account.keys[key]
        raise KeyError(key)

    @property
    def main(self) -> Account:
        return self.accounts["main"]

    # Orders

    def place(self, account: Account, ticket: Ticket, external: bool = False) -> Order | Refused:
        """Accept an order and let it act at once, or say why not."""
        with self.lock:
            self.play()
            if refused := refusal(self, account, ticket):
                return refused
            order = self._accepted(account, ticket, external)
            matching.enter(self, account, order)
            return order

    def place_rejected(self, account: Account, ticket: Ticket, reason: str) -> Order:
        """Give an id to an order that is dead at once, as exchanges do that check after the receipt."""
        with self.lock:
            order = self._accepted(account, ticket, external=False)
            order.status, order.reason = "rejected", reason
            return order

    def cancel(self, account: Account, order_id: int) -> Order | Refused:
        """Cancel an open order; UNKNOWN_ORDER or NOT_OPEN (with the order as it is) otherwise."""
        with self.lock:
            self.play()
            order = account.orders.get(order_id)
            if order is None or not self.visible(order):
                return Refused("UNKNOWN_ORDER", str(order_id))
            if not order.is_open:
                return Refused("NOT_OPEN", str(order_id), order)
            order.status, order.updated = "canceled", self.now
            return order

    def external_order(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal | None = None,
        account: str = "main",
        **more: object,
    ) -> Order:
        """Place an order as the account's owner does by hand; further fields as in `Ticket`."""
        kind: Literal["limit", "market"] = "market" if price is None else "limit"
        ticket = Ticket(symbol=symbol, side=side, type=kind, quantity=Decimal(quantity), price=price)
        placed = self.place(self.accounts[account], replace(ticket, **more), external=True)  # type: ignore[arg-type]
        if isinstance(placed, Refused):
            raise ValueError(f"the exchange refuses it: {placed.reason} {placed.detail}")
        return placed

    def close_by_hand(self, symbol: str, account: str = "main") -> list[Order]:
        """Close what is held of a symbol (positions of a swap, the base currency on spot) at the market."""
        owner = self.accounts[account]
        if self.markets[symbol].type == "spot":
            listing = self.markets[symbol]
            held = matching.on_step(owner.free(listing.base), listing.amount_step)
            return [self.external_order(symbol, "sell", held, account=account)] if held else []
        return [
            self.external_order(
                symbol,
                "sell" if position.quantity > 0 else "buy",
                abs(position.quantity),
                account=account,
                position_side=position.side,
                reduce_only=not owner.hedge,
            )
            for position in owner.open_positions()
            if position.symbol == symbol
        ]

    def force_fill(
        self, order: Order, quantity: Decimal, price: Decimal | None = None, account: str = "main"
    ) -> Trade:
        """Book a trade whatever the order's state: a late fill after a cancel, or more than was ordered."""
        with self.lock:
            at = price if price is not None else order.ticket.price or self.last(order.symbol)
            return matching.fill(self, self.accounts[account], order, Decimal(quantity), at, maker=True)

    def repeat_trade(self, trade: Trade, price: Decimal | None = None, account: str = "main") -> None:
        """Tell a trade's row twice from now on, the second time with another price if one is given."""
        with self.lock:
            owner = self.accounts[account]
            echo = replace(trade, echo=True, price=trade.price if price is None else price)
            owner.trades.append(echo)

    def _accepted(self, account: Account, ticket: Ticket, external: bool) -> Order:
        quantity = ticket.quantity
        if ticket.cost is not None:
            step = self.markets[ticket.symbol].amount_step
            quantity = matching.on_step(ticket.cost / self.ask(ticket.symbol), step)
        order = Order(
            id=self.next_id(),
            ticket=ticket,
            quantity=quantity,
            created=self.now,
            updated=self.now,
            external=external,
            visible_from=self.now + self.visibility_delay,
            hidden_reads=self.hidden_reads,
        )
        account.orders[order.id] = order
        return order

    def _price_set(self, symbol: str, price: Decimal) -> None:
        with self.lock:
            self.hand.note(symbol, price, self.now)
            matching.price_moved(self, symbol, price)
