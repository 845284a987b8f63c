"""What the parent of a served fake may ask beside the wire: to keep its account, and what is in it.

One command per line on standard input, one line of JSON back. `keep FILE` takes over the account that an
earlier process left in the file, and leaves it there at the end; `account` tells what the exchange knows.
"""

import fcntl
import json
import os
import pickle
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from tests.fakes.core import FIRST_BALANCE
from tests.fakes.core_values import Order, Trade
from tests.fakes.wire import Fake, Request


class Desk:
    """Obeys the parent's commands on one fake."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._asked: Counter[str] = Counter()
        self._file: Path | None = None
        self._lock: IO[bytes] | None = None
        fake.watch = self._count

    def obey(self, commands: Iterable[str], answers: IO[str]) -> None:
        """Answer command after command until there are no more."""
        for line in commands:
            name, _, argument = line.strip().partition(" ")
            answer = self.keep(Path(argument)) if name == "keep" else self.account()
            print(json.dumps(answer), file=answers, flush=True)

    def keep(self, file: Path) -> dict[str, Any]:
        """Go on with the account in the file; tell whether there was one."""
        # An earlier process may be about to leave its account there.
        self._lock = file.with_suffix(".lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._file = file
        kept = file.exists()
        if kept:
            with self._fake.exchange.lock:
                self._fake.exchange.accounts = pickle.loads(file.read_bytes())
        return {"kept": kept}

    def account(self) -> dict[str, Any]:
        """Return the main account as it is: orders with their trades, what is held, requests by route."""
        exchange = self._fake.exchange
        with exchange.lock:
            owner = exchange.main
            return {
                "deposit": str(FIRST_BALANCE),
                "orders": [_order(order) for order in owner.orders.values()],
                "positions": {held.symbol: str(held.quantity) for held in owner.open_positions()},
                "spot": {currency: str(total) for currency, total in owner.wallets["spot"].items()},
                "requests": dict(self._asked),
                "unknown": len(self._fake.asked("unknown")),
                "refused": sum(seen.status is None or seen.status >= 400 for seen in self._fake.requests),
                "rate_refused": len(self._fake.limits.refused()),
                "crashes": list(self._fake.crashes),
            }

    def close(self) -> None:
        """Leave the account to the next process."""
        if self._file is None:
            return
        with self._fake.exchange.lock:
            account = pickle.dumps(self._fake.exchange.accounts)
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(account)
        os.replace(fresh, self._file)

    def _count(self, route: str, _: Request) -> None:
        self._asked[route] += 1


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": str(order.id),
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.ticket.type,
        "reduce_only": order.ticket.reduce_only,
        "status": order.status,
        "quantity": str(order.quantity),
        "filled": str(order.filled),
        "trades": [_trade(trade) for trade in order.trades if not trade.echo],
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "id": str(trade.id),
        "side": trade.side,
        "quantity": str(trade.quantity),
        "price": str(trade.price),
        "fee": str(trade.fee),
        "fee_currency": trade.fee_currency,
        "time": trade.time,
    }
