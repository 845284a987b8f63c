"""Injected failures: a venue wrapper that fails by a plan, for tests and for rehearsals on paper.

A plan is data: what happens at the n-th call of a method. It is scripted, or drawn from a seed; the same
plan over the same calls fails in the same way.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.approval import ApprovedOrder
from chalicelib.domain.order import Order, VenueOrder
from chalicelib.domain.venue import (
    Abilities,
    Balance,
    Funding,
    KeyPermissions,
    MarginMode,
    PositionMode,
    VenuePosition,
    VenueTrade,
)
from chalicelib.errors import VenueError, VenueNotSent, VenueUnknown

ONE = Decimal(1)


class FaultKind(StrEnum):
    """What goes wrong at one call."""

    REPLY_LOST = "reply_lost"
    RESET_BEFORE = "reset_before"
    SERVER_ERROR = "server_error"
    SERVER_ERROR_EXECUTED = "server_error_executed"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    SLOW = "slow"
    PARTIAL_FILL = "partial_fill"


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure; `seconds` is for SLOW, `share` (of the quantity that fills at once) for PARTIAL_FILL."""

    kind: FaultKind
    seconds: float = 0.0
    share: Decimal = Decimal("0.4")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a kind of failure means: whether the call is executed, and what its caller sees."""

    executed: bool
    error: type[VenueError] | None
    text: str


EFFECTS: Mapping[FaultKind, Effect] = {
    FaultKind.REPLY_LOST: Effect(True, VenueUnknown, "the reply was lost"),
    FaultKind.RESET_BEFORE: Effect(False, VenueUnknown, "the connection was reset"),
    FaultKind.SERVER_ERROR: Effect(False, VenueUnknown, "the exchange answered 503"),
    FaultKind.SERVER_ERROR_EXECUTED: Effect(True, VenueUnknown, "the exchange answered 503"),
    FaultKind.REFUSED: Effect(False, VenueNotSent, "the connection was refused"),
    FaultKind.RATE_LIMITED: Effect(False, VenueNotSent, "the rate limit is reached (429)"),
    FaultKind.SLOW: Effect(True, None, ""),
    FaultKind.PARTIAL_FILL: Effect(True, None, ""),
}


class FaultPlan(Protocol):
    """Says what happens at the `number`-th call (from 0) of a method."""

    def at(self, method: str, number: int) -> Fault | None: ...


@dataclass(frozen=True, slots=True)
class ScriptedFaults:
    """Faults by method, in the order of its calls; None and what is beyond the script go well."""

    script: Mapping[str, Sequence[Fault | None]]

    def at(self, method: str, number: int) -> Fault | None:
        """Return the fault of this call."""
        faults = self.script.get(method, ())
        return faults[number] if number < len(faults) else None


@dataclass(frozen=True, slots=True)
class SeededFaults:
    """Faults drawn from a seed: each of `rates` has this probability at every call of `methods`."""

    seed: int
    rates: Mapping[FaultKind, float]
    methods: frozenset[str] = field(default_factory=lambda: frozenset({"create_order", "cancel_order"}))
    slow_seconds: float = 1.0

    def at(self, method: str, number: int) -> Fault | None:
        """Return the fault of this call."""
        if method not in self.methods:
            return None
        raw = hashlib.sha256(f"{self.seed}/{method}/{number}".encode()).digest()
        draw = int.from_bytes(raw[:8]) / 2**64
        for kind, rate in self.rates.items():
            if draw < rate:
                return Fault(kind, seconds=self.slow_seconds)
            draw -= rate
        return None


class PartialVenue(Protocol):
    """The private side of an account that can be told to fill only a share of an order at once."""

    @property
    def abilities(self) -> Abilities: ...
    def create_order(self, approved: ApprovedOrder, now: float, share: Decimal = ONE) -> VenueOrder: ...
    def cancel_order(self, order: Order, now: float) -> VenueOrder: ...
    def fetch_order(self, order: Order, now: float) -> VenueOrder: ...
    def fetch_open_orders(self, symbols: Sequence[str], now: float) -> tuple[VenueOrder, ...]: ...
    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]: ...
    def fetch_positions(self, symbols: Sequence[str], now: float) -> tuple[VenuePosition, ...]: ...
    def fetch_balance(self, now: float) -> Balance: ...
    def fetch_funding(self, symbols: Sequence[str], since: float, now: float) -> tuple[Funding, ...]: ...
    def configure(
        self, symbol: str, leverage: int, margin_mode: MarginMode, position_mode: PositionMode, now: float
    ) -> None: ...
    def permissions(self, now: float) -> KeyPermissions: ...
    def clock_skew(self, now: float) -> float | None: ...


class CallCounts:
    """Calls so far per method; shared by the wrappers of one account, which are made anew per invocation."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def next(self, method: str) -> int:
        """Count one call and return its number, from 0."""
        number = self.calls.get(method, 0)
        self.calls[method] = number + 1
        return number


class FaultyVenue:
    """A venue that fails as the plan says; `sleep` is what SLOW waits with."""

    def __init__(
        self,
        venue: PartialVenue,
        plan: FaultPlan,
        sleep: Callable[[float], None],
        counts: CallCounts | None = None,
    ) -> None:
        self._venue = venue
        self._plan = plan
        self._sleep = sleep
        self._counts = counts or CallCounts()

    @property
    def abilities(self) -> Abilities:
        """What the venue can do."""
        return self._venue.abilities

    def create_order(self, approved: ApprovedOrder, now: float) -> VenueOrder:
        """Send an order, unless the plan keeps it from the venue or its reply from the caller."""
        with self._failing("create_order") as fault:
            share = fault.share if fault and fault.kind == FaultKind.PARTIAL_FILL else ONE
            return self._venue.create_order(approved, now, share)

    def cancel_order(self, order: Order, now: float) -> VenueOrder:
        """Cancel, as planned."""
        with self._failing("cancel_order"):
            return self._venue.cancel_order(order, now)

    def fetch_order(self, order: Order, now: float) -> VenueOrder:
        """Look an order up, as planned."""
        with self._failing("fetch_order"):
            return self._venue.fetch_order(order, now)

    def fetch_open_orders(self, symbols: Sequence[str], now: float) -> tuple[VenueOrder, ...]:
        """Return the open orders, as planned."""
        with self._failing("fetch_open_orders"):
            return self._venue.fetch_open_orders(symbols, now)

    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]:
        """Return the trades, as planned."""
        with self._failing("fetch_trades"):
            return self._venue.fetch_trades(symbol, since, now)

    def fetch_positions(self, symbols: Sequence[str], now: float) -> tuple[VenuePosition, ...]:
        """Return the positions, as planned."""
        with self._failing("fetch_positions"):
            return self._venue.fetch_positions(symbols, now)

    def fetch_balance(self, now: float) -> Balance:
        """Return the money, as planned."""
        with self._failing("fetch_balance"):
            return self._venue.fetch_balance(now)

    def fetch_funding(self, symbols: Sequence[str], since: float, now: float) -> tuple[Funding, ...]:
        """Return the funding payments, as planned."""
        with self._failing("fetch_funding"):
            return self._venue.fetch_funding(symbols, since, now)

    def configure(
        self, symbol: str, leverage: int, margin_mode: MarginMode, position_mode: PositionMode, now: float
    ) -> None:
        """Set how a swap is held, as planned."""
        with self._failing("configure"):
            self._venue.configure(symbol, leverage, margin_mode, position_mode, now)

    def permissions(self, now: float) -> KeyPermissions:
        """Return what the key may do, as planned."""
        with self._failing("permissions"):
            return self._venue.permissions(now)

    def clock_skew(self, now: float) -> float | None:
        """Return how far our clock is ahead, as planned."""
        with self._failing("clock_skew"):
            return self._venue.clock_skew(now)

    @contextmanager
    def _failing(self, method: str) -> Iterator[Fault | None]:
        fault = self._plan.at(method, self._counts.next(method))
        effect = EFFECTS[fault.kind] if fault else None
        if fault and fault.kind == FaultKind.SLOW:
            self._sleep(fault.seconds)
        if effect and effect.error and not effect.executed:
            raise effect.error(f"{method}: {effect.text}")
        try:
            yield fault
        except VenueError as error:
            # Whatever the venue said, its caller never gets to see it.
            if effect and effect.error:
                raise effect.error(f"{method}: {effect.text}") from error
            raise
        if effect and effect.error:
            raise effect.error(f"{method}: {effect.text}")
