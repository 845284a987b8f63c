"""Drives the pump in real time: a scheduler, and per function as many threads as its concurrency allows.

A slow market tick therefore never holds up the realtime tick, as on AWS.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from chalicelib.domain.cadence import HEARTBEAT
from chalicelib.local.emulator import Emulator
from chalicelib.local.pump import Pump

POLL_SECONDS = 0.2
SHUTDOWN_SECONDS = 3.5
_MAX_PAUSE = 10.0

_log = logging.getLogger("cts.local")


def backoff(attempt: int) -> None:
    """Wait before a stream's batch is tried again."""
    time.sleep(min(_MAX_PAUSE, 0.2 * 2.0**attempt))


class Live:
    """One run in real time; `account` takes (wall, virtual) seconds every heartbeat."""

    def __init__(
        self,
        pump: Pump,
        emulator: Emulator,
        stop: threading.Event,
        account: Callable[[float, float], None],
    ) -> None:
        self._pump = pump
        self._emulator = emulator
        self._stop = stop
        self._account = account
        self._slots = {
            source.function.name: threading.BoundedSemaphore(source.function.concurrency)
            for source in pump.mapped
        }
        self._threads: set[threading.Thread] = set()

    def run(self) -> None:
        """Work until stopped; then give invocations that are under way a moment to end.

        The first heartbeat comes at once, for the minute that has begun, so that nobody waits for the next.
        """
        heartbeat = time.time() // HEARTBEAT * HEARTBEAT
        accounted = time.monotonic()
        while not self._stop.is_set():
            now = time.time()
            if now >= heartbeat:
                minute = now // HEARTBEAT * HEARTBEAT
                self._start("heartbeat", partial(self._pump.fire_schedule, minute), None)
                heartbeat = minute + HEARTBEAT
                elapsed, accounted = time.monotonic() - accounted, time.monotonic()
                self._account(elapsed, elapsed)
            self._dispatch()
            self._stop.wait(POLL_SECONDS)
        elapsed = time.monotonic() - accounted
        self._account(elapsed, elapsed)
        self._finish()

    def _dispatch(self) -> None:
        pending = self._emulator.pending()
        for source in self._pump.mapped:
            slot = self._slots[source.function.name]
            if source.due(pending) and slot.acquire(blocking=False):
                self._start(source.function.name, partial(source.poll, pending), slot)

    def _start(self, name: str, work: Callable[[], object], slot: threading.Semaphore | None) -> None:
        def body() -> None:
            try:
                work()
            except Exception:
                if not self._stop.is_set():
                    _log.exception("the poll of %s failed", name)
            finally:
                if slot is not None:
                    slot.release()
                self._threads.discard(threading.current_thread())

        # Daemons: what has not ended in time at a stop is delivered again, as after a kill.
        thread = threading.Thread(target=body, name=name, daemon=True)
        self._threads.add(thread)
        thread.start()

    def _finish(self) -> None:
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
