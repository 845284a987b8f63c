"""Dead letters of a tenant: list, send again, drop; called by the API, and by `cts dlq` for a whole stage.

A letter is a message whose deliveries ran out, or an order that only a person may decide on. Without a tenant
(`None`) it is the operator who asks: all letters, also those that nobody can read.
"""

from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any

from chalicelib.domain.codec import to_plain
from chalicelib.domain.dead_letters import ORDERS, DeadLetter, letter_id
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.ids import digest
from chalicelib.domain.order import Order
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict, NotFound
from chalicelib.flows.dead_orders import Decision, dead_orders, resolve_dead_order
from chalicelib.flows.world import World
from chalicelib.settings import DEFAULT_TENANT

MOST_KEPT = 350_000
"""Bytes of a body that the audit log takes whole, as JSON: an item of DynamoDB has 400 KB at most."""

_BEGINNING = 50_000
"""Characters that it keeps of a longer one, which no message of ours can be."""

Shown = Mapping[str, Any]
"""A letter as API and command line show it: with its age in seconds."""


def letters(world: World, tenant: str | None) -> tuple[DeadLetter, ...]:
    """Return all dead letters of a tenant, orders first, each oldest first."""
    orders = tuple(
        _of_order(owner, order)
        for owner, connection_id in _accounts(world, tenant)
        for order in dead_orders(world, owner, connection_id)
    )
    return (*orders, *(letter for letter in world.dead_letters.all() if _is_of(letter, tenant)))


def shown(letter: DeadLetter, now: float) -> Shown:
    """Return a letter without its body, which may be long."""
    plain = {name: value for name, value in to_plain(letter).items() if name != "body"}
    return {**plain, "age": round(now - letter.sent_at, 3)}


def retry(world: World, tenant: str | None, wanted: str, actor: str, correlation_id: str) -> None:
    """Send a letter again, a message to its queue or an order to its exchange, with an audit entry before.

    Raises NotFound, and Conflict for what can't be sent again: records of a stream, an order that may not
    go out now.
    """
    if wanted.startswith(f"{ORDERS}."):
        _resolve(world, tenant, wanted, "retry", actor, correlation_id)
        return
    letter = _taken(world, tenant, wanted)
    if letter.kind == "stream":
        world.dead_letters.release(letter)
        raise Conflict(f"{wanted} is the place of records in a stream: read them there (docs/runbook.md)")
    _record(world, letter, "retry", actor, correlation_id)
    world.dead_letters.send_again(letter, world.now())


def drop(world: World, tenant: str | None, wanted: str, actor: str, correlation_id: str) -> None:
    """Remove a letter for good; its body stays in the audit log. Raises NotFound."""
    if wanted.startswith(f"{ORDERS}."):
        _resolve(world, tenant, wanted, "drop", actor, correlation_id)
        return
    letter = _taken(world, tenant, wanted)
    _record(world, letter, "drop", actor, correlation_id)
    world.dead_letters.remove(letter)


def _accounts(world: World, tenant: str | None) -> Iterator[tuple[str, str]]:
    """Yield tenant and connection id of all accounts that may have dead orders."""
    if tenant is not None:
        yield from ((tenant, found.connection_id) for found in world.connections.list(tenant))
        return
    for engine in world.engines.all():
        connection_id = engine.subject.name.partition("#")[2]
        if engine.subject == engine_subject(engine.subject.tenant, connection_id):
            yield engine.subject.tenant, connection_id


def _of_order(tenant: str, order: Order) -> DeadLetter:
    return DeadLetter(
        letter_id=letter_id(ORDERS, order.connection_id, order.client_order_id),
        kind="order",
        queue="",
        what=f"{order.leg} {order.side} {order.quantity} {order.symbol}, {order.type}",
        sent_at=order.created_at,
        tenant=tenant,
        connection_id=order.connection_id,
        correlation_id=order.correlation_id,
        received=order.unproven_lookups,
        reason=order.reason,
    )


def _is_of(letter: DeadLetter, tenant: str | None) -> bool:
    return tenant is None or letter.tenant == tenant


def _taken(world: World, tenant: str | None, wanted: str) -> DeadLetter:
    letter = world.dead_letters.take(wanted)
    if letter is not None and _is_of(letter, tenant):
        return letter
    if letter is not None:
        world.dead_letters.release(letter)
    raise NotFound(f"no dead letter {wanted!r}: list them; somebody else may be deciding on it right now")


def _resolve(
    world: World, tenant: str | None, wanted: str, decision: Decision, actor: str, correlation_id: str
) -> None:
    """Decide on an order; the operator names no tenant, so it is looked for among all."""
    _, connection_id, client_order_id = (*wanted.split("."), "", "")[:3]
    for owner, name in _accounts(world, tenant):
        if name == connection_id and any(
            order.client_order_id == client_order_id for order in dead_orders(world, owner, name)
        ):
            resolve_dead_order(world, owner, name, client_order_id, decision, actor, correlation_id)
            return
    raise NotFound(f"no dead letter {wanted!r}: list them")


def _record(world: World, letter: DeadLetter, decision: Decision, actor: str, correlation_id: str) -> None:
    now = world.now()
    entry = AuditEntry(
        entry_id=digest(letter.letter_id, decision, now, correlation_id),
        at=now,
        actor=actor,
        action=f"dead_letter_{decision}",
        subject=letter.connection_id or letter.queue,
        correlation_id=correlation_id,
        details={
            "letter_id": letter.letter_id,
            "what": letter.what,
            "caused_by": letter.correlation_id,
            "body": letter.body if len(dumps(letter.body)) <= MOST_KEPT else letter.body[:_BEGINNING],
        },
    )
    world.records.put_new(letter.tenant or DEFAULT_TENANT, [entry])
