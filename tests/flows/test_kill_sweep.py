"""A process that dies at every call to the outside, one by one, before and after it: nothing doubles."""

from typing import Any

import pytest

from tests.flows.desk import D, Desk

NEVER = 10_000


class Killed(BaseException):
    """The process is gone; no handler of the code under test may run any more I/O."""


class Process:
    """Counts calls to the outside and dies at one of them; every later call of the dead process fails too."""

    def __init__(self, dies_at: int, after: bool) -> None:
        self.dies_at = dies_at
        self.after = after
        self.calls = 0
        self.dead = False

    def wrap(self, name: str, part: Any) -> Any:
        return _Mortal(self, part)

    def call(self, method: Any, arguments: Any, named: Any) -> Any:
        if self.dead:
            raise Killed
        self.calls += 1
        self.dead = self.calls == self.dies_at
        if self.dead and not self.after:
            raise Killed
        answer = method(*arguments, **named)
        if self.dead:
            raise Killed
        return answer


class _Mortal:
    def __init__(self, process: Process, part: Any) -> None:
        self._process = process
        self._part = part

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if not callable(method):
            return method
        return lambda *arguments, **named: self._process.call(method, arguments, named)


def entry_and_exit(desk: Desk, restart: Any) -> None:
    """Buy, fall below the stop, close; a killed step is delivered again after its visibility timeout."""
    signals = [desk.signal("BTC/USDT"), desk.signal("ETH/USDT")]
    _delivered(desk, restart, lambda: desk.execute(*signals))
    for price in (D(60100), D(59000), D(59000), D(59000), D(59000)):
        desk.feed.prices["BTC/USDT"] = price
        desk.now += 30
        at = desk.now
        _delivered(desk, restart, lambda: desk.realtime(later=0))
        assert desk.now >= at


def _delivered(desk: Desk, restart: Any, step: Any) -> None:
    try:
        step()
    except Killed:
        restart()
        desk.now += 60
        step()


def _calls_of_a_life_without_death() -> int:
    process = Process(NEVER, after=False)
    desk = Desk(wrap=process.wrap)
    entry_and_exit(desk, lambda: None)
    return process.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(1, _calls_of_a_life_without_death() + 1))
def test_dying_anywhere_leaves_one_order_per_intent_and_equal_books(dies_at: int, after: bool) -> None:
    process = Process(dies_at, after)
    desk = Desk(wrap=process.wrap)

    def restart() -> None:
        process.dead = False

    entry_and_exit(desk, restart)
    assert process.calls >= dies_at, "the process was to die on the way"
    desk.assert_books_equal()
    bitcoin = [p for p in desk.positions() if p.symbol == "BTC/USDT"]
    assert [p.state for p in bitcoin] == ["closed"]
    entries = [o for o in desk.orders() if o.leg == "entry"]
    assert len(entries) == 2
    assert all(order.fills for order in desk.orders()), "an intent was left behind"
