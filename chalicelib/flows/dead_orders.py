"""Orders that only a person may decide on: nobody can prove whether the venue ever got them."""

from dataclasses import replace
from typing import Literal

from chalicelib.domain.approval import approve_again
from chalicelib.domain.engine import coordinator_subject, engine_subject
from chalicelib.domain.ids import digest
from chalicelib.domain.lifecycle import Status, entries_allowed
from chalicelib.domain.order import UNPROVEN, Order
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict, NotFound
from chalicelib.flows import orders
from chalicelib.flows.reconcile import DEAD_LETTER
from chalicelib.flows.world import World

Decision = Literal["retry", "drop"]


def dead_orders(world: World, tenant: str, connection_id: str) -> tuple[Order, ...]:
    """Return the dead letters among the open orders of a connection, oldest first."""
    return tuple(filter(is_dead, world.records.open_orders(tenant, connection_id)))


def is_dead(order: Order) -> bool:
    """Tell whether an order waits for a person's decision."""
    return order.state in UNPROVEN and order.reason.startswith(DEAD_LETTER)


def resolve_dead_order(
    world: World,
    tenant: str,
    connection_id: str,
    client_order_id: str,
    decision: Decision,
    actor: str,
    correlation_id: str,
) -> Order:
    """Send a dead order again under its id, or drop it; return the order as it is then.

    Whoever decides has looked at the exchange: that proof is not ours to make. Raises NotFound, and Conflict
    where the order is no dead letter, or an entry is too old or not allowed now.
    """
    order = world.records.order(tenant, connection_id, client_order_id)
    if order is None:
        raise NotFound(f"connection {connection_id!r} has no order {client_order_id!r}")
    if not is_dead(order):
        raise Conflict(f"order {client_order_id} is {order.state}, no dead letter: nothing to decide")
    position = world.records.position(tenant, connection_id, order.position_id)
    connection = world.connections.get(tenant, connection_id)
    if position is None or connection is None:
        raise NotFound(f"order {client_order_id!r} has lost its position or its connection")
    _audit(world, tenant, order, decision, actor, correlation_id)
    if decision == "drop":
        reason = f"dropped by {actor}: not at the exchange"
        return orders.settle_rejected(world, tenant, order, position, reason).order
    approved = approve_again(order, world.now(), _entries_allowed(world, tenant, connection_id))
    if approved is None:
        raise Conflict(f"order {client_order_id} is an entry that may not go out now: drop it")
    fresh = replace(order, reason="")
    return orders.send_again(world, world.venue(connection), tenant, approved, fresh, position).order


def _entries_allowed(world: World, tenant: str, connection_id: str) -> bool:
    coordinator = world.engines.get(coordinator_subject(tenant))
    engine = world.engines.get(engine_subject(tenant, connection_id))
    states = (item.status if item else Status.STOPPED for item in (coordinator, engine))
    return entries_allowed(*states)


def _audit(
    world: World, tenant: str, order: Order, decision: Decision, actor: str, correlation_id: str
) -> None:
    entry = AuditEntry(
        entry_id=digest(order.client_order_id, decision, correlation_id),
        at=world.now(),
        actor=actor,
        action=f"dead_order_{decision}",
        subject=order.connection_id,
        correlation_id=correlation_id,
        before=order.state.value,
        details={"client_order_id": order.client_order_id, "reason": order.reason},
    )
    world.records.put_new(tenant, [entry])
