"""The real accounts that one process trades on: clients, rate-limit gates and credentials, kept warm.

`wiring` asks for the venue of a connection at every invocation; what is costly is made once here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.domain.ids import digest
from chalicelib.domain.rate_limit import LimitKey, LimitStore
from chalicelib.errors import Retryable, VenueNotSent, VenueUnauthorized
from chalicelib.exchanges.gate import RATE_LIMITS, Gate, SharedGate
from chalicelib.exchanges.quirks import QUIRKS
from chalicelib.exchanges.venue import ExchangeVenue, exchange_venue

if TYPE_CHECKING:
    from chalicelib.domain.connection import Connection
    from chalicelib.domain.credentials import Credentials
    from chalicelib.exchanges.rule_book import Rules

CREDENTIALS_SECONDS = 300.0
"""How old credentials may get: after they were replaced, containers follow within this time."""


@dataclass(slots=True)
class _Account:
    """One connection's account as this process knows it."""

    credentials: Credentials
    read_at: float
    gate: Gate
    memory: dict[str, Any] = field(default_factory=dict)


class AddressedGate:
    """The gate of a key that tells the public requests of this address when the exchange holds it off."""

    def __init__(self, gate: Gate, address: Rules, exchange: str) -> None:
        self._gate = gate
        self._address = address
        self._limits = RATE_LIMITS[exchange]
        self._counted = QUIRKS[exchange].limit_by_address

    def admit(self, weight: int = 1) -> None:
        """Wait for the next free moment of both; VenueNotSent if there is none soon."""
        self._gate.admit(weight)
        if not self._counted:
            return
        try:
            self._address.wait(weight)
        except Retryable as error:
            raise VenueNotSent(str(error), "RATE_LIMIT") from error

    def succeeded(self) -> None:
        """Tell that the exchange answered."""
        self._gate.succeeded()

    def failed(self) -> None:
        """Tell of a request without an answer."""
        self._gate.failed()

    def limited(self, retry_after: float | None, banned: bool) -> None:
        """Tell of a 429 or 418: it holds for the address as well."""
        self._gate.limited(retry_after, banned)
        self._address.hold(self._limits.seconds(retry_after, banned))


class Accounts:
    """Makes the venues of connections that trade at an exchange. Threads may share it."""

    def __init__(
        self,
        credentials: Callable[[str, str], Credentials | None],
        limits: LimitStore,
        rules: Callable[[str], Rules],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        prepare: Callable[[Any], None] | None = None,
    ) -> None:
        """`credentials` reads those of (tenant, connection), `rules` gives the feed of a name.

        `prepare` gets each new ccxt client (adapters, addresses).
        """
        self._read = credentials
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._sleep = sleep
        self._prepare = prepare
        self._lock = Lock()
        self._accounts: dict[tuple[str, str, str], _Account] = {}
        self._gates: dict[LimitKey, SharedGate] = {}

    def venue(self, connection: Connection) -> ExchangeVenue:
        """Return the venue of a connection; VenueUnauthorized if no credentials are stored for it."""
        rules = self._rules(connection.feed)
        with self._lock:
            account = self._account(connection, rules)
        return exchange_venue(
            connection,
            lambda: account.credentials,
            account.gate,
            rules,
            account.memory,
            self._prepare,
        )

    def _account(self, connection: Connection, rules: Rules) -> _Account:
        place = (connection.tenant, connection.connection_id, connection.feed)
        now = self._clock()
        known = self._accounts.get(place)
        if known is not None and now - known.read_at < CREDENTIALS_SECONDS:
            return known
        credentials = self._read(connection.tenant, connection.connection_id)
        if credentials is None:
            self._accounts.pop(place, None)
            raise VenueUnauthorized(
                f"no credentials are stored for connection {connection.connection_id!r}: PUT them first"
            )
        if known is not None and known.credentials == credentials:
            known.read_at = now
            return known
        gate = AddressedGate(self._gate(connection, credentials), rules, connection.exchange)
        account = _Account(credentials, now, gate)
        self._accounts[place] = account
        return account

    def _gate(self, connection: Connection, credentials: Credentials) -> SharedGate:
        """Return the gate of a key: connections that share the key share its limit."""
        key = LimitKey(connection.tenant, connection.feed, digest("api key", credentials.api_key.reveal()))
        if key not in self._gates:
            limits = RATE_LIMITS[connection.exchange]
            self._gates[key] = SharedGate(self._limits, key, limits, self._clock, self._sleep)
        return self._gates[key]
