"""Routes of the listings: positions, orders, signals, sessions, audit log; filters and pages are alike."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib import wiring
from chalicelib.flows import listings
from chalicelib.triggers.api.authorizer import authorize
from chalicelib.triggers.api.requests import caller, parameters_of
from chalicelib.triggers.handler import answered

blueprint = Blueprint(__name__)


@blueprint.route("/positions", authorizer=authorize)
@blueprint.route("/orders", authorizer=authorize)
@blueprint.route("/signals", authorizer=authorize)
@blueprint.route("/sessions", authorizer=authorize)
@blueprint.route("/audit", authorizer=authorize)
@answered("list_records")
def list_records() -> Mapping[str, Any]:
    """Answer with one page of the records that the address names."""
    request = blueprint.current_request
    kind = request.path.removeprefix("/")
    query = listings.query_of(kind, parameters_of(request))
    return listings.page_of(wiring.world(), caller(request).tenant, kind, query)
