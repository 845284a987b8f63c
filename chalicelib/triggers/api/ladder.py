"""Route `/ladder`: the configuration sets of a connection by level, with the evidence of each."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib import wiring
from chalicelib.triggers.api.authorizer import authorize
from chalicelib.triggers.api.requests import caller, parameters_of
from chalicelib.triggers.handler import answered

blueprint = Blueprint(__name__)


@blueprint.route("/ladder", authorizer=authorize)
@answered("ladder")
def ladder() -> Mapping[str, Any]:
    """Answer with one page of a connection's ladder, best sets first."""
    # The ladder brings numpy and TA-Lib along: no other request should wait for these.
    from chalicelib.flows import ladder_view

    request = blueprint.current_request
    tenant = caller(request).tenant
    return ladder_view.ladder_view(wiring.world(), tenant, ladder_view.query_of(parameters_of(request)))
