"""What the template adds to the REST API: its own answers, its name, which headers reach the authorizer."""

import json
import re

import pytest

from chalicelib.local.access import new_token
from infra import api

DEFINITION = {
    "info": {"title": "cts-trade-engine", "version": "1.0"},
    "paths": {"/positions": {}},
    "securityDefinitions": {
        "authorize": {"name": "Authorization", "x-amazon-apigateway-authorizer": {"type": "token"}}
    },
}


def test_the_api_keeps_its_paths_and_gets_name_guard_and_answers() -> None:
    made = api.completed("cts-trade-engine-dev", {"StageName": "api", "DefinitionBody": DEFINITION})
    body = made["DefinitionBody"]
    assert (made["StageName"], made["Name"]) == ("api", "cts-trade-engine-dev")
    assert body["info"] == {"title": "cts-trade-engine-dev", "version": "1.0"}
    assert body["paths"] == DEFINITION["paths"]
    guard = body["securityDefinitions"]["authorize"]["x-amazon-apigateway-authorizer"]
    assert guard == {"type": "token", "identityValidationExpression": api.TOKEN}
    assert set(body["x-amazon-apigateway-gateway-responses"]) == {
        "UNAUTHORIZED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }


def test_an_answer_of_the_gateway_itself_has_our_envelope() -> None:
    filled = api.ENVELOPE.replace("$context.error.messageString", '"Unauthorized"').replace(
        "$context.error.responseType", "UNAUTHORIZED"
    )
    assert json.loads(filled) == {
        "success": False,
        "error": "Unauthorized",
        "details": {},
        "code": "UNAUTHORIZED",
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_header_with_a_token_reaches_the_authorizer(scheme: str) -> None:
    assert re.search(api.TOKEN, f"{scheme} {new_token('s' * 40)}")


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer a.b", "Basic a.b.c", "Bearer a.b.c d", "a.b.c"])
def test_no_other_header_costs_an_invocation(header: str) -> None:
    assert not re.search(api.TOKEN, header)
