"""Routes `/connections`: create, list, read, try and delete, and the credentials, which only go in."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib import wiring
from chalicelib.flows import manage_connections
from chalicelib.triggers.api.authorizer import authorize
from chalicelib.triggers.api.requests import body_of, caller, no_parameters
from chalicelib.triggers.handler import answered

blueprint = Blueprint(__name__)


@blueprint.route("/connections", methods=["POST"], authorizer=authorize)
@answered("create_connection", status=201)
def create_connection() -> Mapping[str, Any]:
    """Create a connection and its stopped engine from the JSON object in the body."""
    request = blueprint.current_request
    who, wish = caller(request), body_of(request)
    return manage_connections.create(wiring.world(), who.tenant, wish, who.actor, who.correlation_id)


@blueprint.route("/connections", authorizer=authorize)
@answered("list_connections")
def list_connections() -> Mapping[str, Any]:
    """Answer with all connections."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    return {"items": manage_connections.listed(wiring.world(), who.tenant)}


@blueprint.route("/connections/{connection_id}", authorizer=authorize)
@answered("read_connection")
def read_connection(connection_id: str) -> Mapping[str, Any]:
    """Answer with one connection."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    return manage_connections.read(wiring.world(), who.tenant, connection_id)


@blueprint.route("/connections/{connection_id}", methods=["DELETE"], authorizer=authorize)
@answered("delete_connection")
def delete_connection(connection_id: str) -> Mapping[str, Any]:
    """Delete a connection whose engine is stopped."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    manage_connections.delete(wiring.world(), who.tenant, connection_id, who.actor, who.correlation_id)
    return {"deleted": connection_id}


@blueprint.route("/connections/{connection_id}/test", methods=["POST"], authorizer=authorize)
@answered("try_account")
def try_account(connection_id: str) -> Mapping[str, Any]:
    """Answer with what the account's key, clock and money look like now, or why they can't be had."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    return manage_connections.try_account(wiring.world(), who.tenant, connection_id)


@blueprint.route("/connections/{connection_id}/credentials", methods=["PUT"], authorizer=authorize)
@answered("set_credentials")
def set_credentials(connection_id: str) -> Mapping[str, Any]:
    """Store the credentials in the body in the place of those before; answer with the connection."""
    request = blueprint.current_request
    no_parameters(request)
    who, wish = caller(request), body_of(request)
    return manage_connections.set_credentials(
        wiring.world(), who.tenant, connection_id, wish, who.actor, who.correlation_id
    )


@blueprint.route("/connections/{connection_id}/credentials", methods=["DELETE"], authorizer=authorize)
@answered("delete_credentials")
def delete_credentials(connection_id: str) -> Mapping[str, Any]:
    """Remove the credentials of a connection; answer with the connection."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    return manage_connections.delete_credentials(
        wiring.world(), who.tenant, connection_id, who.actor, who.correlation_id
    )
