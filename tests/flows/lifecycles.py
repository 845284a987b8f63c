"""What tests of lifecycles share: commands, and what they left in engine, session and audit log."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

from chalicelib.domain.codec import to_plain
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import (
    Engine,
    coordinator_subject,
    engine_subject,
)
from chalicelib.domain.leaving import decide_exit
from chalicelib.domain.lifecycle import Command, Status
from chalicelib.domain.order import Order
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.records import AuditEntry, Session
from chalicelib.domain.signal import ExitProfile
from chalicelib.flows import lifecycle
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World
from tests.exchanges.paper_world import send
from tests.flows.worlds import TENANT, memory_world, with_connections

D = Decimal
MAIN = engine_subject(TENANT, "main")
COMMANDS: tuple[Command, ...] = get_args(Command)
ENDS_AS: dict[Command, Status] = {
    "start": Status.RUNNING,
    "stop": Status.STOPPED,
    "pause": Status.PAUSED,
    "resume": Status.RUNNING,
    "restart": Status.RUNNING,
}


def calm(world: World, connection: Connection, engine: Engine, now: float) -> None:
    """A recovery that finds everything in order."""


def act(world: World, name: str | None, *words: Command, recover: lifecycle.Recover = calm) -> Engine:
    for number, word in enumerate(words):
        engine = command(world, TENANT, name, word, "ann", f"{word}-{number}", recover)
    return engine


def audit(world: World, subject: str) -> list[AuditEntry]:
    """Return the entries of one item, oldest first."""
    entries = world.records.list_audit(TENANT, 500, None).items[::-1]
    return [entry for entry in entries if entry.subject == subject]


def the_engine(world: World, name: str = "main") -> Engine:
    engine = world.engines.get(engine_subject(TENANT, name))
    assert engine is not None
    return engine


def the_sessions(world: World, name: str = "main") -> tuple[Session, ...]:
    return world.records.list_sessions(TENANT, name, 500, None).items


def in_status(status: Status, coordinator: bool) -> World:
    """Return a world whose coordinator or engine stands at a status."""
    world = with_connections(memory_world(), "main")
    subject = coordinator_subject(TENANT) if coordinator else MAIN
    world.engines.delete(subject)
    settings = to_plain(world.connections.get(TENANT, "main"))
    world.engines.create(Engine(subject, status, settings=settings, session_id="" if coordinator else "old"))
    return world


def a_position(number: int, **changes: Any) -> Position:
    base = Position(
        position_id=f"pos-{number}",
        connection_id="main",
        symbol="BTC/USDT",
        direction="long",
        state="opening",
        exits=ExitProfile(),
        source="vote",
        signal_id=f"s-{number}",
        opened_at=float(number),
        updated_at=0.0,
        correlation_id="k",
    )
    return replace(base, **changes)


def resting(world: World, price: str, number: int = 1) -> Order:
    """Place a limit order at the venue and store it with its opening position as the flows do."""
    connection = world.connections.get(TENANT, "main")
    assert connection is not None
    position = a_position(number)
    exit_order = decide_exit(position, "", world.now(), "k").order
    order = replace(
        exit_order,
        client_order_id=f"cts-{number}",
        side="buy",
        type="limit",
        leg="entry",
        reduce_only=False,
        quantity=D("0.01"),
        price=D(price),
    )
    seen = send(world.venue(connection), order, world.now())
    for fill in seen.fills:
        position = apply_fill(position, fill)
    known = replace(order, state=seen.state, fills=seen.fills, venue_order_id=seen.venue_order_id)
    world.records.commit(TENANT, [known, position])
    return known
