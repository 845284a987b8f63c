"""Create, list, read and delete connections and their credentials; the routes of the API call it.

A connection comes with its engine, which is stopped. Fields are named as in `domain.connection.Connection`;
a shown connection says `has_credentials` beside them, and `warnings` of what may lose its money; nothing ever
shows the credentials themselves.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.connection import (
    Connection,
    complete_intervals,
    validate,
    warnings,
    with_mode_defaults,
)
from chalicelib.domain.credentials import SealedCredentials, credentials_of
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.ids import digest
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import AlreadyExists, Conflict, Halt, NotFound, Rejected, VenueError
from chalicelib.flows.check_key import check_key, require_credentials
from chalicelib.flows.lifecycle import IDLE, create_item, require_connection
from chalicelib.flows.world import World

SET_BY_US = ("tenant", "created_at", "revision")
RESERVED = frozenset({"kill", "start", "stop", "pause", "resume", "restart", "status", "health", "metrics"})
"""Words that follow `/trade-engine/` in the addresses of the API, where connection ids stand too."""

_STEPS = {
    "create": (0, "", "present"),
    "set_credentials": (1, "", "set"),
    "delete_credentials": (2, "set", ""),
    "delete": (9_999_999_999, "present", ""),
}
"""Place in the audit log among entries of one millisecond, state before, state after."""
_ONCE = ("create", "delete")

Shown = Mapping[str, Any]
"""A connection as the API answers with it."""


def create(world: World, tenant: str, wish: Mapping[str, Any], actor: str, correlation_id: str) -> Shown:
    """Store a connection and its stopped engine; the same wish again finds what it made the first time.

    `credentials` in the wish are encrypted and stored with it, in the place of those before.

    Raises Rejected for what is wrong in the wish (fields, strategies, symbols the exchange does not have),
    AlreadyExists if the id belongs to another connection, Conflict for credentials on a stage without a key.
    Nothing is stored in any of these cases.
    """
    wanted = _wanted(tenant, {name: value for name, value in wish.items() if name != "credentials"})
    given = None if wish.get("credentials") is None else credentials_of(wish["credentials"])
    present = world.connections.get(tenant, wanted.connection_id)
    if present is None:
        _check_markets(world, wanted)
    sealed = None if given is None else world.credentials.seal(tenant, wanted.connection_id, given)
    if present is None:
        present = _store(world, replace(wanted, created_at=world.now()))
    if replace(present, created_at=0.0, revision=0) != wanted:
        name = wanted.connection_id
        raise AlreadyExists(
            f"connection {name!r} is there already with other settings: delete it first, or choose another id"
        )
    create_item(world, engine_subject(tenant, present.connection_id), present.created_at)
    _record(world, present, "create", present.created_at, actor, correlation_id)
    if sealed is not None:
        _keep(world, present, sealed, actor, correlation_id)
    return _shown(present, world.credentials.held(tenant))


def listed(world: World, tenant: str) -> tuple[Shown, ...]:
    """Return the connections of a tenant in the order of their ids."""
    connections, held = world.connections.list(tenant), world.credentials.held(tenant)
    return tuple(_shown(connection, held) for connection in connections)


def read(world: World, tenant: str, connection_id: str) -> Shown:
    """Return one connection; NotFound says how to list those that exist."""
    return _shown(require_connection(world, tenant, connection_id), world.credentials.held(tenant))


def try_account(world: World, tenant: str, connection_id: str) -> Mapping[str, Any]:
    """Return whether an engine of the connection could start now, with the money it would find; else why not.

    Nothing is traded and nothing is stored. Raises NotFound, or Conflict without credentials.
    """
    connection = require_connection(world, tenant, connection_id)
    require_credentials(world, connection)
    now = world.now()
    try:
        key = check_key(world, connection)
        venue = world.venue(connection)
        skew, balance = venue.clock_skew(now), venue.fetch_balance(now)
    except (Halt, VenueError) as error:
        return {"works": False, "code": error.code, "reason": str(error)}
    return {"works": True, **key, "clock_skew": skew, "cash": balance.cash, "free": balance.free}


def set_credentials(
    world: World, tenant: str, connection_id: str, wish: Mapping[str, Any], actor: str, correlation_id: str
) -> Shown:
    """Encrypt and store the credentials of a connection in the place of those before.

    Raises Rejected for what is wrong with them, NotFound, or Conflict on a stage without a key.
    """
    given = credentials_of(wish)
    connection = require_connection(world, tenant, connection_id)
    sealed = world.credentials.seal(tenant, connection_id, given)
    _keep(world, connection, sealed, actor, correlation_id)
    return _shown(connection, frozenset((connection_id,)))


def delete_credentials(
    world: World, tenant: str, connection_id: str, actor: str, correlation_id: str
) -> Shown:
    """Remove the credentials of a connection; NotFound if it has none."""
    connection = require_connection(world, tenant, connection_id)
    if not world.credentials.delete(tenant, connection_id):
        raise NotFound(f"connection {connection_id!r} has no credentials")
    _record(world, connection, "delete_credentials", world.now(), actor, correlation_id)
    return _shown(connection, frozenset())


def delete(world: World, tenant: str, connection_id: str, actor: str, correlation_id: str) -> Connection:
    """Remove a connection, its engine and its snapshots; orders, positions and the audit log stay.

    So does the account at the exchange, the paper exchange included: a connection made anew under the same
    id finds its money and history again, and the books can still be compared.

    Raises NotFound, or Conflict while its engine runs or it still has open orders or positions. The
    credentials go first, so that no death leaves them without their connection, then the connection, so that
    nobody can start it any more; what a death leaves over, the next creation removes.
    """
    connection = require_connection(world, tenant, connection_id)
    _check_idle(world, connection)
    world.credentials.delete(tenant, connection_id)
    try:
        world.connections.delete(tenant, connection_id)
    except NotFound:
        raise NotFound(f"connection {connection_id!r} was deleted by somebody else meanwhile") from None
    _remove_leftovers(world, connection)
    _record(world, connection, "delete", world.now(), actor, correlation_id)
    return connection


def _wanted(tenant: str, wish: Mapping[str, Any]) -> Connection:
    """Return the valid connection that a wish describes, without the fields that are ours to set."""
    for name in SET_BY_US:
        if name in wish:
            raise Rejected(f"connection.{name} is set by the server: leave it out")
    asked = from_plain(Connection, with_mode_defaults(wish))
    if asked.connection_id in RESERVED:
        raise Rejected(f"connection_id {asked.connection_id!r} is a word of the API: choose another one")
    wanted = validate(replace(asked, tenant=tenant, intervals=complete_intervals(asked.intervals)))
    check_strategies(wanted)
    return with_checked_preset(wanted)


def check_strategies(connection: Connection) -> None:
    """Refuse strategies that do not exist and parameters that they do not take."""
    # Strategies bring numpy and TA-Lib along: no other request should wait for these.
    from chalicelib.domain.strategies import parameters_of

    for name, choice in connection.strategies.items():
        parameters_of(name, choice.parameters)


def with_checked_preset(connection: Connection) -> Connection:
    """Return the connection with its preset in the one plain form; Rejected names what is wrong in it."""
    ladder = connection.ladder
    if ladder.preset is None:
        return connection
    from chalicelib.domain.ladder.preset import plain_preset, preset_configuration, preset_of

    preset = preset_of(ladder.preset)
    preset_configuration(preset, connection.symbols, connection.timeframe_seconds)
    return replace(connection, ladder=replace(ladder, preset=plain_preset(preset)))


def _check_markets(world: World, connection: Connection) -> None:
    """Refuse symbols that the exchange does not have."""
    markets = world.feed(connection.feed).markets(connection.symbols)
    missing = [symbol for symbol in connection.symbols if symbol not in markets]
    if missing:
        raise Rejected(f"{connection.exchange} has no symbol {missing[0]!r}: name symbols that it lists")


def _store(world: World, connection: Connection) -> Connection:
    _remove_leftovers(world, connection)
    try:
        return world.connections.create(connection)
    except AlreadyExists:
        present = world.connections.get(connection.tenant, connection.connection_id)
        if present is None:
            raise
        return present


def _remove_leftovers(world: World, connection: Connection) -> None:
    """Remove engine, credentials and snapshots of a connection that is not there (any more)."""
    world.engines.delete(engine_subject(connection.tenant, connection.connection_id))
    world.credentials.delete(connection.tenant, connection.connection_id)
    world.objects.delete_all(connection.tenant, connection.connection_id)


def _check_idle(world: World, connection: Connection) -> None:
    tenant, name = connection.tenant, connection.connection_id
    engine = world.engines.get(engine_subject(tenant, name))
    if engine is not None and engine.status not in IDLE:
        status = engine.status.value
        raise Conflict(f"engine {name!r} is {status}: stop it first (POST /trade-engine/{name}/stop)")
    positions = world.records.open_positions(tenant, name)
    if positions:
        raise Conflict(
            f"connection {name!r} has {len(positions)} open positions: start its engine and let them close,"
            " then stop it and delete again"
        )
    orders = world.records.open_orders(tenant, name)
    if orders:
        raise Conflict(
            f"connection {name!r} has {len(orders)} orders that may still be at the exchange: start its"
            " engine to settle them, then stop it and delete again"
        )


def _keep(
    world: World, connection: Connection, sealed: SealedCredentials, actor: str, correlation_id: str
) -> None:
    world.credentials.put(sealed)
    _record(world, connection, "set_credentials", world.now(), actor, correlation_id)


def _shown(connection: Connection, held: frozenset[str]) -> Shown:
    return {
        **to_plain(connection),
        "has_credentials": connection.connection_id in held,
        "warnings": warnings(connection),
    }


def _record(
    world: World, connection: Connection, action: str, at: float, actor: str, correlation_id: str
) -> None:
    """Store the audit entry.

    Creation and deletion happen once in the life of a connection, so a repeated step stays one entry.
    """
    subject = f"{connection.tenant}/connection#{connection.connection_id}"
    identity = connection.created_at if action in _ONCE else (at, correlation_id)
    place, before, after = _STEPS[action]
    audit = AuditEntry(
        # Entries of one millisecond are sorted by their ids: creation before, deletion after all steps.
        entry_id=f"{place:010d}-{digest(subject, action, identity)}",
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        correlation_id=correlation_id,
        before=before,
        after=after,
        details={"exchange": connection.exchange, "mode": connection.mode},
    )
    world.records.put_new(connection.tenant, [audit])
