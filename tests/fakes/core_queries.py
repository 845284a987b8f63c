"""What can be asked of the exchange behind the wire: prices, orders as look-ups see them, trades, books."""

from collections.abc import Callable
from decimal import Decimal

from tests.fakes.core_accounts import Account
from tests.fakes.core_values import Books, Listing, MarketType, Order, Policy, Ticket, Trade
from tests.fakes.prices import Candle, PriceBoard, PriceSource


class Queries:
    """The reading half of `FakeExchange`."""

    accounts: dict[str, Account]
    markets: dict[str, Listing]
    policies: dict[MarketType, Policy]
    prices: PriceBoard
    spread_steps: int
    source: PriceSource
    ids: int
    """The last number given to an order, a trade or a payment."""

    @property
    def now(self) -> float:
        raise NotImplementedError

    # Prices

    def last(self, symbol: str) -> Decimal:
        return self.prices[symbol]

    def bid(self, symbol: str) -> Decimal:
        return self.last(symbol) - self.spread_steps * self.markets[symbol].price_step

    def ask(self, symbol: str) -> Decimal:
        return self.last(symbol) + self.spread_steps * self.markets[symbol].price_step

    def price_for(self, ticket: Ticket) -> Decimal:
        """Return the price at which an order is valued at the door."""
        if ticket.price is not None:
            return ticket.price
        if ticket.trigger_price is not None:
            return ticket.trigger_price
        return self.ask(ticket.symbol) if ticket.side == "buy" else self.bid(ticket.symbol)

    def candles(self, symbol: str, step: int, start: int, limit: int) -> list[Candle]:
        """Return up to `limit` candles from `start` (epoch seconds); the newest may still be open."""
        end = min(self.now, start + step * limit - 1)
        return self.source.candles(symbol, step, start, end)[:limit]

    def latest_candles(self, symbol: str, step: int, end: float, limit: int) -> list[Candle]:
        """Return the last `limit` candles that open up to `end`."""
        until = min(self.now, end)
        start = (int(until) // step - limit + 1) * step
        return self.source.candles(symbol, step, start, until)[-limit:]

    def policy(self, symbol: str) -> Policy:
        return self.policies[self.markets[symbol].type]

    # Orders as look-ups see them. Each of these calls is one read of what it would show.

    def visible(self, order: Order) -> bool:
        """Tell whether look-ups show the order yet; a read of an order that is hidden uses up one hiding."""
        if self.now < order.visible_from:
            return False
        if order.hidden_reads:
            order.hidden_reads -= 1
            return False
        return True

    def find(self, account: Account, matches: Callable[[Order], bool]) -> Order | None:
        """Return the newest order that matches, None if none does that can be seen."""
        for order in reversed(account.orders.values()):
            if matches(order) and self.visible(order):
                return order
        return None

    def order_by_id(self, account: Account, order_id: int) -> Order | None:
        """Return the order with this id, or whose triggered stop trades under it."""
        return self.find(account, lambda order: order_id in (order.id, order.child_id))

    def order_by_client_id(
        self, account: Account, client_id: str, market: MarketType | None = None
    ) -> Order | None:
        """Return the newest order with this client id, on one type of market if that is given."""
        return self.find(
            account,
            lambda order: (
                order.client_id == client_id and (market is None or self.markets[order.symbol].type == market)
            ),
        )

    def orders(self, account: Account, matches: Callable[[Order], bool] = lambda _: True) -> list[Order]:
        """Return all orders that match and can be seen, oldest first."""
        return [order for order in account.orders.values() if matches(order) and self.visible(order)]

    def trades(self, account: Account, matches: Callable[[Trade], bool] = lambda _: True) -> list[Trade]:
        """Return the trade rows that match, oldest first, echoes among them; not of orders still hidden."""
        hidden = {
            number
            for order in account.orders.values()
            if order.hidden_reads or self.now < order.visible_from
            for number in (order.id, order.child_id)
        }
        return [trade for trade in account.trades if matches(trade) and trade.order_id not in hidden]

    # For tests

    def order(self, client_id: str, account: str = "main") -> Order:
        """Return the only order with a client id, hidden or not; LookupError if there is none or more."""
        found = [order for order in self.accounts[account].orders.values() if order.client_id == client_id]
        if len(found) != 1:
            raise LookupError(f"{len(found)} orders have the client id {client_id!r}")
        return found[0]

    def books(self, account: str = "main") -> Books:
        """Return all that matters of an account, hidden or not, for comparison."""
        owner = self.accounts[account]
        return Books(
            orders={
                order.client_id or f"#{order.id}": (order.status, order.filled)
                for order in owner.orders.values()
            },
            positions={(held.symbol, held.side): held.quantity for held in owner.open_positions()},
            balances={
                (wallet, currency): amount
                for wallet, held in owner.wallets.items()
                for currency, amount in held.items()
                if amount
            },
            trades=tuple(trade.id for trade in owner.trades if not trade.echo),
        )
