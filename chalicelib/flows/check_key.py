"""Whether a connection's API key may be traded with; asked before its engine starts, and by its owner."""

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.connection import Connection
from chalicelib.errors import Conflict, Halt
from chalicelib.flows.world import World


def require_credentials(world: World, connection: Connection) -> None:
    """Raise Conflict if the connection's venue asks for a key and none is stored."""
    name = connection.connection_id
    if connection.needs_key and name not in world.credentials.held(connection.tenant):
        raise Conflict(
            f"connection {name!r} trades on {connection.mode} and has no credentials: store them first"
            f" (PUT /connections/{name}/credentials)"
        )


def check_key(world: World, connection: Connection) -> Mapping[str, Any]:
    """Return what the key may do, None where the exchange does not tell; nothing for the paper exchange.

    Raises Halt for a key that may not trade, or that may withdraw where that is not allowed by name, and the
    VenueError family.
    """
    if not connection.needs_key:
        return {}
    key = world.venue(connection).permissions(world.now())
    if key.trade is False:
        raise Halt("the API key may not trade: give it that permission at the exchange")
    if key.withdraw and not connection.allow_withdraw_key:
        raise Halt(
            "the API key may withdraw: make one at the exchange that may only trade, or set"
            " allow_withdraw_key on the connection"
        )
    return {"key_may_trade": key.trade, "key_may_withdraw": key.withdraw}
