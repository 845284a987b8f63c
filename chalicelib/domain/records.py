"""Sessions, audit entries and events: what remains of what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeAlias, TypeVar

from chalicelib.domain.engine import Subject
from chalicelib.domain.messages import Event
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position
from chalicelib.domain.signal import Signal
from chalicelib.domain.stored import Stored

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session(Stored):
    """One run of an engine from start to stop, with its settings and its performance so far."""

    session_id: str
    connection_id: str
    started_at: float
    correlation_id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ended_at: float | None = None
    opened: int = 0
    closed: int = 0
    wins: int = 0
    realised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when, from what to what. `entry_id` makes a repeated delivery the same entry."""

    entry_id: str
    at: float
    actor: str
    action: str
    subject: str
    correlation_id: str
    before: str = ""
    after: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0


def event_entries(events: Sequence[Event]) -> dict[str, list[AuditEntry]]:
    """Return the audit entries of events by tenant, in their order."""
    entries: dict[str, list[AuditEntry]] = {}
    for event in events:
        entries.setdefault(event.tenant, []).append(event_entry(event))
    return entries


def event_entry(event: Event) -> AuditEntry:
    """Return the audit entry of an event."""
    return AuditEntry(
        entry_id=event.event_id,
        at=event.at,
        actor="engine",
        action=event.kind,
        subject=event.connection_id,
        correlation_id=event.correlation_id,
        details=event.data,
    )


Record: TypeAlias = Order | Position | Signal | Session | AuditEntry
"""What one transaction may write."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write that came with a lease: refused as StaleWrite once somebody holds a newer one.

    `unless_killed`: what is written is an entry's intent, refused as KillSwitchOn while a kill switch holds
    for the engine `subject`.
    """

    subject: Subject
    kind: str
    number: int
    unless_killed: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `cursor` is None on the last one."""

    items: tuple[T, ...]
    cursor: str | None
