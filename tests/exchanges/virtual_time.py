"""Time that passes only while everybody sleeps: many threads, one of them at work at a time, no waiting."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from threading import Event, Thread


class VirtualTime:
    """A clock and the sleep that goes with it; threads take turns in the order in which they wake."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, Event]] = []
        self._number = count()
        self._over = Event()
        self._failures: list[BaseException] = []

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the others go on until it is our turn again."""
        turn = self._at(self._now + max(0.0, seconds))
        self._wake_next()
        turn.wait()

    def run(self, works: Sequence[tuple[float, Callable[[], object]]]) -> None:
        """Do all works, each from so many seconds on; the first error of one is raised."""
        threads = []
        for delay, work in works:
            threads.append(Thread(target=self._work, args=(self._at(self._now + delay), work), daemon=True))
        for thread in threads:
            thread.start()
        self._wake_next()
        assert self._over.wait(100), "the works did not come to an end"
        if self._failures:
            raise self._failures[0]

    def _work(self, turn: Event, work: Callable[[], object]) -> None:
        turn.wait()
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
        self._wake_next()

    def _at(self, moment: float) -> Event:
        turn = Event()
        heappush(self._sleepers, (moment, next(self._number), turn))
        return turn

    def _wake_next(self) -> None:
        if not self._sleepers:
            self._over.set()
            return
        moment, _, turn = heappop(self._sleepers)
        self._now = max(self._now, moment)
        turn.set()
