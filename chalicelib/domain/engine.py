"""What the engine table holds: the coordinator, one engine per connection, one feed per exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.domain.breakers import Breakers
from chalicelib.domain.ids import digest
from chalicelib.domain.lease import Lease
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.stored import sparse

PUBLIC_TENANT = "public"
"""Market data belongs to nobody: feeds are stored under this reserved tenant."""

COORDINATOR = "coordinator"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a tick is about, as the key of its item: an engine, a feed, or a tenant's coordinator."""

    tenant: str
    name: str

    @property
    def text(self) -> str:
        return f"{self.tenant}/{self.name}"

    @property
    def connection_id(self) -> str:
        """The connection of an engine; empty for any other item."""
        kind, _, name = self.name.partition("#")
        return name if kind == "engine" else ""


def engine_subject(tenant: str, connection_id: str) -> Subject:
    """Return the key of a connection's engine."""
    return Subject(tenant, f"engine#{connection_id}")


def coordinator_subject(tenant: str) -> Subject:
    """Return the key of a tenant's coordinator."""
    return Subject(tenant, COORDINATOR)


def feed_subject(exchange: str, timeframe: str) -> Subject:
    """Return the key of the candle feed of one exchange and timeframe."""
    return Subject(PUBLIC_TENANT, f"feed#{exchange}#{timeframe}")


def feed_settings(symbols: Sequence[str]) -> Mapping[str, Any]:
    """Return what a feed remembers of its symbols: enough to see that they are not the same any more."""
    return {"symbols": digest(*sorted(symbols))}


@dataclass(frozen=True, slots=True)
class Beat:
    """Last success and error streak of one tick kind."""

    ok_at: float = 0.0
    errors: int = sparse(0)
    last_error: str = sparse("")


@dataclass(frozen=True, slots=True)
class LadderPointer:
    """Which ladder snapshot is the valid one; the object must carry the same version and fence.

    `begin` is the open time of the ladder's first candle: it can be rebuilt from there. `told` is up to which
    candle level changes are told while the ladder is behind; 0: up to the last one decided on.
    """

    version: int = 0
    fence: int = 0
    candle_time: int = 0
    written_at: float = 0.0
    begin: int = sparse(0)
    told: int = sparse(0)


@dataclass(frozen=True, slots=True)
class Account:
    """Last known money of a connection, in its quote currency."""

    equity: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)
    peak_equity: Decimal = Decimal(0)
    at: float = 0.0


_NEVER_HELD = Lease()

TENANT_WIDE = "*"
"""Name of the kill switch of all engines of a tenant; every other one has the id of its connection."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill switch that is on: since when, by whom, and whether open positions must leave at once."""

    at: float
    actor: str
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """One item of the engine table. `settings` is the connection as it was when the session started.

    `marks` holds the best price seen per open position (trailing stops); `last_candle` the close time of the
    last candle the strategy tick has decided on, `last_indicated` of the last one with stored indications;
    `cooldowns` when a symbol was last traded, `sent_orders` the epoch seconds of the orders that execution
    sent within a minute; `breakers_reset` when the breakers were last reset by hand. A coordinator has the
    `kills` that are on. A feed has in `last_candle` up to when all its symbols have their candles, in
    `archived` up to when these are archived, and in `settings` which symbols they are (`feed_settings`).
    """

    subject: Subject
    status: Status = Status.STOPPED
    changed_at: float = 0.0
    session_id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    leases: Mapping[str, Lease] = field(default_factory=dict)
    beats: Mapping[str, Beat] = field(default_factory=dict)
    ladder: LadderPointer = field(default_factory=LadderPointer)
    ladder_counts: Mapping[str, int] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    cooldowns: Mapping[str, float] = field(default_factory=dict)
    sent_orders: tuple[int, ...] = ()
    breakers: Breakers = field(default_factory=Breakers)
    breakers_reset: float = 0.0
    kills: Mapping[str, Kill] = field(default_factory=dict)
    last_candle: int = 0
    last_indicated: int = 0
    archived: int = 0
    health: str = "unknown"
    alarms: tuple[str, ...] = ()
    correlation_id: str = ""
    revision: int = 0

    @property
    def connection_id(self) -> str:
        return self.subject.connection_id

    def lease(self, kind: str) -> Lease:
        return self.leases.get(kind, _NEVER_HELD)

    def kill(self, connection_id: str) -> Kill | None:
        """Return the kill switch that holds for a connection; of two, the one that flattens."""
        on = [self.kills[name] for name in (TENANT_WIDE, connection_id) if name in self.kills]
        return max(on, key=lambda kill: kill.flatten, default=None)
