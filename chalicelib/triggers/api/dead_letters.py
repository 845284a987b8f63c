"""Routes `/dead-letters`: what waits for a person's decision, and the two decisions there are."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib import wiring
from chalicelib.flows import dead_letters
from chalicelib.triggers.api.authorizer import authorize
from chalicelib.triggers.api.requests import caller, no_parameters
from chalicelib.triggers.handler import answered

blueprint = Blueprint(__name__)


@blueprint.route("/dead-letters", authorizer=authorize)
@answered("list_dead_letters")
def list_dead_letters() -> Mapping[str, Any]:
    """Answer with the caller's dead letters, orders first, each oldest first."""
    no_parameters(blueprint.current_request)
    world, who = wiring.world(), caller(blueprint.current_request)
    now = world.now()
    return {"items": [dead_letters.shown(letter, now) for letter in dead_letters.letters(world, who.tenant)]}


@blueprint.route("/dead-letters/{letter_id}/retry", methods=["POST"], authorizer=authorize)
@answered("retry_dead_letter")
def retry_dead_letter(letter_id: str) -> Mapping[str, Any]:
    """Send a letter again: a message to its queue, an order to its exchange."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    dead_letters.retry(wiring.world(), who.tenant, letter_id, who.actor, who.correlation_id)
    return {"sent_again": letter_id}


@blueprint.route("/dead-letters/{letter_id}", methods=["DELETE"], authorizer=authorize)
@answered("drop_dead_letter")
def drop_dead_letter(letter_id: str) -> Mapping[str, Any]:
    """Remove a letter for good; the audit log keeps it."""
    no_parameters(blueprint.current_request)
    who = caller(blueprint.current_request)
    dead_letters.drop(wiring.world(), who.tenant, letter_id, who.actor, who.correlation_id)
    return {"dropped": letter_id}
