"""Sessions, audit entries and events: what remains of what happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Session:
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
