"""Drives the pump in virtual time: one thread, from event to event, so that replays run the same way."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.local.clock import VirtualClock
from chalicelib.local.emulator import Emulator
from chalicelib.local.pump import Pump
from chalicelib.local.state import Progress

SETTLE_SECONDS = 60.0
"""How far the clock moves after a kill, so that visibility time-outs and leases of the dead run out."""

_LONGEST_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay: heartbeats in `[start, end)`, one per `step` seconds, `speed` virtual per real second.

    `speed` None is as fast as the machine can.
    """

    start: int
    end: int
    step: int
    speed: float | None = None


class Replay:
    """One replay; after a heartbeat `save` gets the progress, `account` the (wall, virtual) seconds spent."""

    def __init__(
        self,
        plan: Plan,
        pump: Pump,
        emulator: Emulator,
        clock: VirtualClock,
        stop: threading.Event,
        save: Callable[[Progress], None],
        account: Callable[[float, float], None],
    ) -> None:
        self._plan = plan
        self._pump = pump
        self._emulator = emulator
        self._clock = clock
        self._stop = stop
        self._save = save
        self._account = account
        self._accounted = (time.monotonic(), clock.now())
        self._paced_from = self._accounted

    def run(self, progress: Progress | None) -> bool:
        """Go on from `progress`, or begin; tell whether the end was reached (False: stopped before)."""
        heartbeat = self._first_heartbeat(progress)
        while not self._stop.is_set():
            pending = self._pump.drain(self._stop.is_set)
            at = self._next_time(heartbeat, self._pump.next_due(pending))
            if at is None:
                break
            if not self._reach(at):
                break
            if at >= heartbeat and heartbeat < self._plan.end:
                self._beat(heartbeat)
                heartbeat += self._plan.step
        if self._stop.is_set():
            return False
        self._reach(self._plan.end)
        self._spent()
        return True

    def _first_heartbeat(self, progress: Progress | None) -> int:
        heartbeat = self._plan.start
        if progress is None:
            self._move(heartbeat)
        else:
            heartbeat = progress.next_heartbeat
            now = self._emulator.pending().now
            self._move(now + SETTLE_SECONDS if heartbeat < self._plan.end else now)
        self._accounted = self._paced_from = (time.monotonic(), self._clock.now())
        return heartbeat

    def _next_time(self, heartbeat: int, due: float | None) -> float | None:
        """Return when something happens next before the end; None if nothing does."""
        times = [float(heartbeat)]
        # What is due but was not received waits behind another message; it moves on with the next event.
        if due is not None and due > self._clock.now():
            times.append(due)
        return min((time for time in times if time < self._plan.end), default=None)

    def _beat(self, heartbeat: int) -> None:
        self._pump.fire_schedule(heartbeat)
        self._save(Progress(heartbeat + self._plan.step))
        self._spent()

    def _reach(self, at: float) -> bool:
        """Wait until the pace allows `at`, then move there; False if the run was stopped while waiting."""
        if self._plan.speed is not None:
            real, virtual = self._paced_from
            due = real + (at - virtual) / self._plan.speed
            while (left := due - time.monotonic()) > 0:
                if self._stop.wait(min(left, _LONGEST_WAIT)):
                    return False
        self._move(at)
        return True

    def _move(self, at: float) -> None:
        self._clock.move(at)
        self._emulator.set_time(self._clock.now())

    def _spent(self) -> None:
        wall, virtual = time.monotonic(), self._clock.now()
        self._account(wall - self._accounted[0], virtual - self._accounted[1])
        self._accounted = (wall, virtual)
