"""A process that was stopped while it stored an intent does not send it: somebody else may have done so."""

from typing import Any

from chalicelib.domain.order import Order, OrderState
from tests.flows.desk import Desk

SYMBOL = "BTC/USDT"


class Sleepy:
    """The records, with a sleep behind the first commit that stores an intent."""

    def __init__(self, desk: Desk, records: Any, seconds: float) -> None:
        self._desk, self._records, self._seconds = desk, records, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def commit(self, tenant: str, records: Any, *more: Any) -> Any:
        stored = self._records.commit(tenant, records, *more)
        if any(isinstance(one, Order) and one.state == OrderState.INTENT for one in records):
            self._desk.now += self._seconds
        return stored


def executed(seconds: float) -> Desk:
    desk = Desk()
    desk.wrap = lambda name, part: Sleepy(desk, part, seconds) if name == "records" else part
    desk.execute(desk.signal(SYMBOL))
    return desk


def test_an_entry_whose_process_slept_stays_an_intent() -> None:
    desk = executed(60.0)
    (order,) = desk.orders()
    assert order.state == OrderState.INTENT
    assert desk.metrics["sends_held_up"] == 1


def test_an_entry_whose_store_was_merely_slow_is_sent() -> None:
    desk = executed(2.0)
    (order,) = desk.orders()
    assert order.state == OrderState.FILLED
    assert not desk.metrics["sends_held_up"]
