"""Leases: no two ticks of one kind and connection overlap, and an old holder can no longer write."""

from dataclasses import dataclass
from enum import StrEnum


class Skip(StrEnum):
    """Why a tick does nothing; counted, never an error."""

    LEASE_HELD = "lease_held"
    SLOT_DONE = "slot_done"
    NOT_RUNNING = "not_running"
    NO_CANDLES = "no_candles"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may work on one (subject, kind) until when; `fence` only grows, `slot` is the last one done.

    `slot` is stored when the work is saved, so that work which died is done again by the next delivery.
    """

    owner: str = ""
    until: float = 0.0
    fence: int = 0
    slot: int = 0


def acquire(lease: Lease, owner: str, now: float, ttl: float, slot: int | None) -> Lease | Skip:
    """Take the lease, or say why not. `slot` None: work without slots (a queue message)."""
    if slot is not None and lease.slot >= slot:
        return Skip.SLOT_DONE
    if lease.until > now:
        return Skip.LEASE_HELD
    return Lease(owner, now + ttl, lease.fence + 1, lease.slot)


def release(lease: Lease, slot: int | None) -> Lease:
    """Give the lease back after the work was saved."""
    return Lease(fence=lease.fence, slot=lease.slot if slot is None else slot)
