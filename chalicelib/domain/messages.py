"""Messages between the functions: ticks, batches of signals, events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.cadence import TickKind
from chalicelib.domain.engine import Subject
from chalicelib.domain.ids import tick_id
from chalicelib.domain.signal import Signal


@dataclass(frozen=True, slots=True)
class Tick:
    """One scheduled execution of one processor on one subject; `slot` is its scheduled epoch second."""

    kind: TickKind
    subject: Subject
    slot: int
    symbols: tuple[str, ...] = ()

    @property
    def tick_id(self) -> str:
        return tick_id(self.kind, self.subject.text, self.slot)


@dataclass(frozen=True, slots=True)
class SignalBatch:
    """All signals of one strategy tick of one connection: one message, whatever the number of symbols."""

    tenant: str
    connection_id: str
    correlation_id: str
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for subscribers and the audit log; `event_id` makes duplicates harmless."""

    event_id: str
    kind: str
    tenant: str
    connection_id: str
    at: float
    correlation_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
