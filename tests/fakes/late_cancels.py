"""Cancels that a fake exchange acknowledges at once and carries out later, as asynchronous exchanges do."""

from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account


class LateCancels:
    """Cancels waiting for their moment; `delay` in seconds of the exchange's clock, 0 cancels at once."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.delay = 0.0
        self._exchange = exchange
        self._waiting: list[tuple[float, Account, int]] = []

    def ask(self, account: Account, order_id: int) -> None:
        """Cancel an order when its moment comes; what has ended by then stays as it is."""
        self._waiting.append((self._exchange.now + self.delay, account, order_id))
        self.carry_out()

    def carry_out(self) -> None:
        """Cancel everything whose moment has come; called before each request is answered."""
        now = self._exchange.now
        due = [waiting for waiting in self._waiting if waiting[0] <= now]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > now]
        for _, account, order_id in due:
            self._exchange.cancel(account, order_id)
