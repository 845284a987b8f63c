"""What the sweep's processes tell each other, and the clock they share; used by both sides."""

import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chalicelib.domain.connection import Connection
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position

Moment = Literal["before", "after"]
"""A process dies before a request leaves, or after it was executed and before its answer is used."""

StepName = Literal["set_up", "execute", "tick", "stop", "start", "books"]


@dataclass(frozen=True, slots=True)
class Kill:
    """At which of its calls to the outside a process dies: the so manyth of that name.

    Threads do not come in the same order twice, so the number of a call alone would not name it.
    """

    name: str
    occurrence: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is made for: the connection it works for, where everything is, and when it dies."""

    connection: Connection
    key: str
    secret: str
    hosts: Mapping[str, int]
    aws: str
    rests: bool = False
    """Whether the exchange gets entries as limit orders that rest, in the place of market orders."""
    kill: Kill | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One invocation of the process."""

    name: StepName
    argument: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How a step ended: with a result, or with an error after which its queue delivers it again."""

    result: Any
    calls: tuple[str, ...]
    refused: str = ""
    crash: str = ""


@dataclass(frozen=True, slots=True)
class Dying:
    """The last word of a process: the name of the call that it dies at, and all its calls."""

    name: str
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Death:
    """A process is gone; the status is negative for a signal."""

    status: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the tables say."""

    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    dead: tuple[str, ...]
    """Our ids of the orders that are listed as dead letters."""
    signals: Mapping[str, str]
    """The outcomes of the recorded signals."""
    status: str
    counts: Mapping[str, int] = field(default_factory=Counter)


class SharedClock:
    """Epoch seconds that the test, the exchange and every process see alike, in a file that they map."""

    def __init__(self, path: Path, moment: float | None = None) -> None:
        """Map a file; `moment` makes it new."""
        if moment is not None:
            path.write_bytes(struct.pack("d", moment))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def now(self) -> float:
        return float(struct.unpack("d", self._memory[:8])[0])

    def set(self, moment: float) -> None:
        self._memory[:8] = struct.pack("d", moment)

    def advance(self, moment: float) -> None:
        """Let time pass until a moment; nothing happens if it is there already."""
        if moment > self.now():
            self.set(moment)
