"""The calls of one process to the outside: counted, and deadly where that is wanted; used by its workers."""

import os
import signal
import threading
import time
from multiprocessing.connection import Connection as Channel
from typing import Any

from tests.faults.killsweep_messages import Dying, Kill, Moment, SharedClock

QUIET, MOST_PATIENCE = 0.004, 1.0
"""Seconds without a request of any thread after which all are waiting; and how long one waits for that."""


class Outside:
    """Counts the requests of this process, to AWS and to the exchange alike, and kills it at one of them."""

    def __init__(self, channel: Channel, kill: Kill | None) -> None:
        self._channel = channel
        self._kill = kill
        self._lock = threading.Lock()
        self.counted = False
        self.calls: list[str] = []
        self._under_way = 0
        self._last_at = 0.0
        self._wakes: list[float] = []

    def sleep_until(self, moment: float, clock: SharedClock) -> None:
        """Let virtual time pass; who wakes first goes first, and nobody's time is skipped while it works."""
        with self._lock:
            self._wakes.append(moment)
        ends = time.monotonic() + MOST_PATIENCE
        while time.monotonic() < ends:
            time.sleep(QUIET / 2)
            waiting = not self._under_way and time.monotonic() - self._last_at >= QUIET
            if waiting and moment == min(self._wakes):
                break
        with self._lock:
            self._wakes.remove(moment)
            self._last_at = time.monotonic()
            clock.advance(moment)

    def install(self) -> None:
        """Stand in the way of every HTTP request: botocore and ccxt both send them through urllib3."""
        from urllib3.connectionpool import HTTPConnectionPool

        send = HTTPConnectionPool.urlopen

        def sent(pool: Any, method: str, url: str, *arguments: Any, **named: Any) -> Any:
            call = self._begun(_name(pool.host, method, url, named.get("headers")))
            self._under_way += 1
            try:
                response = send(pool, method, url, *arguments, **named)
            finally:
                self._under_way -= 1
                self._last_at = time.monotonic()
            self._die_if("after", *call)
            return response

        HTTPConnectionPool.urlopen = sent  # type: ignore[method-assign]

    def _begun(self, name: str) -> tuple[str, int]:
        """Count a call; return its name and how many of that name there were with it."""
        with self._lock:
            if not self.counted:
                return "", 0
            self.calls.append(name)
            occurrence = self.calls.count(name)
            self._die_if("before", name, occurrence)
            return name, occurrence

    def _die_if(self, moment: Moment, name: str, occurrence: int) -> None:
        if self._kill != Kill(name, occurrence, moment):
            return
        self._channel.send(Dying(name, tuple(self.calls)))
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


def _name(host: str, method: str, url: str, headers: Any) -> str:
    target = dict(headers or {}).get("X-Amz-Target", b"")
    if target:
        text = target.decode() if isinstance(target, bytes) else target
        return str(text).rpartition(".")[2]
    return f"{method} {host}{url.partition('?')[0]}"
