"""Routes `/trade-engine`: commands to the coordinator and to engines, kill switches, status and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from chalice.app import Blueprint

from chalicelib import wiring
from chalicelib.domain.codec import from_plain
from chalicelib.domain.engine import Engine
from chalicelib.domain.lifecycle import Command, Status
from chalicelib.errors import Halt, NotFound
from chalicelib.flows import kill_switch, lifecycle, listings, views
from chalicelib.triggers.api.authorizer import authorize
from chalicelib.triggers.api.requests import body_of, caller, no_parameters, parameters_of
from chalicelib.triggers.handler import answered

blueprint = Blueprint(__name__)
COMMANDS: tuple[str, ...] = get_args(Command)


@dataclass(frozen=True, slots=True)
class KillWish:
    """Body of `POST /trade-engine/kill`; without a connection it is about all engines."""

    flatten: bool = False
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseWish:
    """Body of `POST /trade-engine/kill/release`."""

    connection_id: str | None = None


@blueprint.route("/trade-engine/start", methods=["POST"], authorizer=authorize)
@blueprint.route("/trade-engine/stop", methods=["POST"], authorizer=authorize)
@blueprint.route("/trade-engine/pause", methods=["POST"], authorizer=authorize)
@blueprint.route("/trade-engine/resume", methods=["POST"], authorizer=authorize)
@blueprint.route("/trade-engine/restart", methods=["POST"], authorizer=authorize)
@answered("command_coordinator")
def command_coordinator() -> Mapping[str, Any]:
    """Carry out the command in the address on the coordinator; answer with the status of everything."""
    _obey(None, blueprint.current_request.path.rpartition("/")[2])
    return views.status(wiring.world(), caller(blueprint.current_request).tenant)


@blueprint.route("/trade-engine/kill", methods=["POST"], authorizer=authorize)
@answered("kill")
def kill() -> Mapping[str, Any]:
    """Let nothing be entered, by all engines or by one; answer with the status of everything."""
    request = blueprint.current_request
    no_parameters(request)
    who, wish = caller(request), from_plain(KillWish, body_of(request), "kill")
    world = wiring.world()
    kill_switch.kill(world, who.tenant, wish.connection_id, wish.flatten, who.actor, who.correlation_id)
    return views.status(world, who.tenant)


@blueprint.route("/trade-engine/kill/release", methods=["POST"], authorizer=authorize)
@answered("release")
def release() -> Mapping[str, Any]:
    """Release the kill switch of all engines or of one connection; answer with the status of everything."""
    request = blueprint.current_request
    no_parameters(request)
    who, wish = caller(request), from_plain(ReleaseWish, body_of(request), "release")
    world = wiring.world()
    kill_switch.release(world, who.tenant, wish.connection_id, who.actor, who.correlation_id)
    return views.status(world, who.tenant)


@blueprint.route("/trade-engine/{connection_id}/breakers/reset", methods=["POST"], authorizer=authorize)
@answered("reset_breakers")
def reset_breakers(connection_id: str) -> Mapping[str, Any]:
    """Let the breakers of one engine begin anew; answer with its status."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    world = wiring.world()
    kill_switch.reset_breakers(world, who.tenant, connection_id, who.actor, who.correlation_id)
    return views.engine_status(world, who.tenant, connection_id)


@blueprint.route("/trade-engine/{connection_id}/{command}", methods=["POST"], authorizer=authorize)
@answered("command_engine")
def command_engine(connection_id: str, command: str) -> Mapping[str, Any]:
    """Carry out a command on one engine; answer with its status."""
    engine = _obey(connection_id, command)
    if engine.status is Status.ERROR:
        reason = views.error_reason(wiring.world(), engine)
        raise Halt(
            f"engine {connection_id!r} went into error: {reason}; remove the cause, then start it again"
        )
    return views.engine_status(wiring.world(), caller(blueprint.current_request).tenant, connection_id)


@blueprint.route("/trade-engine/status", authorizer=authorize)
@answered("status")
def status() -> Mapping[str, Any]:
    """Answer with the coordinator and all engines."""
    no_parameters(blueprint.current_request)
    return views.status(wiring.world(), caller(blueprint.current_request).tenant)


@blueprint.route("/trade-engine/health", authorizer=authorize)
@answered("health")
def health() -> Mapping[str, Any]:
    """Answer with the judgement of all engines."""
    no_parameters(blueprint.current_request)
    return views.health(wiring.world(), caller(blueprint.current_request).tenant)


@blueprint.route("/trade-engine/metrics", authorizer=authorize)
@answered("metrics")
def metrics() -> Mapping[str, Any]:
    """Answer with the numbers of all engines."""
    no_parameters(blueprint.current_request)
    return views.metrics(wiring.world(), caller(blueprint.current_request).tenant)


@blueprint.route("/trade-engine/{connection_id}/status", authorizer=authorize)
@answered("engine_status")
def engine_status(connection_id: str) -> Mapping[str, Any]:
    """Answer with one engine."""
    no_parameters(blueprint.current_request)
    return views.engine_status(wiring.world(), caller(blueprint.current_request).tenant, connection_id)


@blueprint.route("/trade-engine/{connection_id}/metrics", authorizer=authorize)
@answered("engine_metrics")
def engine_metrics(connection_id: str) -> Mapping[str, Any]:
    """Answer with the numbers of one engine."""
    no_parameters(blueprint.current_request)
    return views.engine_metrics(wiring.world(), caller(blueprint.current_request).tenant, connection_id)


@blueprint.route("/trade-engine/{connection_id}/logs", authorizer=authorize)
@answered("engine_logs")
def engine_logs(connection_id: str) -> Mapping[str, Any]:
    """Answer with the audit entries of one engine, newest first."""
    parameters = {**parameters_of(blueprint.current_request), "connection_id": connection_id}
    query = listings.query_of("audit", parameters)
    return listings.page_of(wiring.world(), caller(blueprint.current_request).tenant, "audit", query)


def _obey(connection_id: str | None, word: str) -> Engine:
    no_parameters(blueprint.current_request)
    if word not in COMMANDS:
        raise NotFound(f"no command {word!r}: use one of {', '.join(COMMANDS)}")
    who = caller(blueprint.current_request)
    command = cast(Command, word)
    return lifecycle.command(
        wiring.world(), who.tenant, connection_id, command, who.actor, who.correlation_id
    )
