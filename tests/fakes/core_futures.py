"""Futures settings of the exchange behind the wire (leverage, margin and position mode), and funding."""

import threading
from decimal import Decimal
from typing import Literal

from tests.fakes.core_accounts import Account, Position
from tests.fakes.core_queries import Queries
from tests.fakes.core_values import Payment, Refused


class Futures(Queries):
    """The futures half of `FakeExchange`."""

    lock: threading.RLock

    def next_id(self) -> int:
        """Return a new number for an order, a trade or a payment."""
        self.ids += 1
        return self.ids

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> Refused | None:
        """Set the leverage of a symbol; NOT_MODIFIED if it is that already."""
        if symbol not in self.markets:
            return Refused("BAD_SYMBOL", symbol)
        if not 1 <= leverage <= self.markets[symbol].max_leverage:
            return Refused("BAD_LEVERAGE", str(leverage))
        same = account.leverage_of(symbol) == leverage
        account.leverage[symbol] = leverage
        return Refused("NOT_MODIFIED", symbol) if same else None

    def set_margin_mode(
        self, account: Account, symbol: str, mode: Literal["cross", "isolated"]
    ) -> Refused | None:
        """Set the margin mode of a symbol, which needs it to be flat and without orders."""
        if symbol not in self.markets:
            return Refused("BAD_SYMBOL", symbol)
        if account.margin_mode_of(symbol) == mode:
            return Refused("NOT_MODIFIED", symbol)
        if refused := self._busy(account, symbol):
            return refused
        account.margin_mode[symbol] = mode
        return None

    def set_hedge(self, account: Account, hedge: bool) -> Refused | None:
        """Set the position mode of the account, which needs it to be flat and without orders."""
        if account.hedge == hedge:
            return Refused("NOT_MODIFIED")
        if refused := self._busy(account, None):
            return refused
        account.hedge = hedge
        return None

    def pay_funding(self, symbol: str, rate: Decimal) -> list[Payment]:
        """Pay funding on every position of a symbol: longs pay `rate` of their value, shorts receive it."""
        with self.lock:
            payments = []
            for account in self.accounts.values():
                for position in account.open_positions():
                    if position.symbol == symbol:
                        payments.append(self._funding(account, position, rate))
            return payments

    def _funding(self, account: Account, position: Position, rate: Decimal) -> Payment:
        listing = self.markets[position.symbol]
        amount = -position.quantity * self.last(position.symbol) * rate
        account.add("swap", listing.quote, amount)
        payment = Payment(
            id=self.next_id(),
            kind="funding",
            symbol=position.symbol,
            amount=amount,
            currency=listing.quote,
            time=self.now,
        )
        account.payments.append(payment)
        return payment

    def _busy(self, account: Account, symbol: str | None) -> Refused | None:
        if any(symbol in (None, position.symbol) for position in account.open_positions()):
            return Refused("HAS_POSITION", symbol or "")
        if any(symbol in (None, order.symbol) for order in account.open_orders("swap")):
            return Refused("HAS_ORDERS", symbol or "")
        return None
