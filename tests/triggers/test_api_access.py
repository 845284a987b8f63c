"""Who may use the API: every route stands behind the authorizer, in the app and in what is deployed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.app import ChaliceAuthorizer
from chalice.deploy.swagger import CFNSwaggerGenerator
from chalice.test import Client

from app import app
from chalicelib import wiring
from chalicelib.domain.token import Unauthorized
from chalicelib.triggers.api.authorizer import CACHED_SECONDS
from tests.flows.worlds import Memory, memory_world, with_connections
from tests.triggers.tokens import SECRET, bearer

ROUTES = sorted((path, method) for path, methods in app.routes.items() for method in methods)
JSON = {"Content-Type": "application/json"}
PROVEN = {"tenant": "default", "subject": "ann", "roles": "admin", "principalId": "ann"}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    monkeypatch.setenv("CTS_STAGE", "local")
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", SECRET)
    memory = Memory()
    wiring.use(memory_world(memory))
    yield memory
    wiring.use(None)


def address(path: str) -> str:
    named = path.replace("{connection_id}", "main").replace("{command}", "start")
    return named.replace("{letter_id}", "realtime-tick.1")


def ask(method: str, path: str, headers: dict[str, str], body: bytes = b"{}") -> tuple[int, Any]:
    answer = Client(app).http.request(method, path, headers={**JSON, **headers}, body=body)
    return answer.status_code, answer.json_body


def invoke(method: str, path: str, authorizer: Any, route: str = "") -> tuple[int, Any]:
    """Call the function behind API Gateway, with what API Gateway says of the authorizer."""
    event = {
        "requestContext": {
            "httpMethod": method,
            "resourcePath": route or path,
            "path": f"/api{path}",
            "requestId": "r-1",
            **({} if authorizer is None else {"authorizer": authorizer}),
        },
        "headers": {**JSON, **bearer(), "x-tenant": "other"},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"connection_id": "main", "command": "start", "letter_id": "realtime-tick.1"},
        "stageVariables": None,
        "body": "{}",
        "isBase64Encoded": False,
        "path": path,
    }
    answer = app(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_there_are_routes_and_they_have_one_authorizer() -> None:
    assert len(ROUTES) > 20
    assert [auth.handler_string for auth in app.builtin_auth_handlers] == [
        "chalicelib.triggers.api.authorizer.authorize"
    ]


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_every_route_has_the_authorizer(path: str, method: str) -> None:
    found = app.routes[path][method].authorizer
    assert isinstance(found, ChaliceAuthorizer)
    assert found.config is app.builtin_auth_handlers[0]


def swagger() -> Any:
    return CFNSwaggerGenerator().generate_swagger(app)


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_every_deployed_route_asks_the_authorizer(path: str, method: str) -> None:
    assert swagger()["paths"][path][method.lower()]["security"] == [{"authorize": []}]


def test_the_deployed_authorizer_reads_the_header_and_is_kept_for_a_minute() -> None:
    deployed = swagger()
    assert {path for path, _ in ROUTES} == set(deployed["paths"])
    (name, definition), *others = deployed["securityDefinitions"].items()
    assert (name, others) == ("authorize", [])
    assert (definition["type"], definition["in"], definition["name"]) == ("apiKey", "header", "Authorization")
    asked = definition["x-amazon-apigateway-authorizer"]
    assert (asked["type"], asked["authorizerResultTtlInSeconds"]) == ("token", CACHED_SECONDS)
    assert "Authorize" in json.dumps(asked["authorizerUri"])


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_no_route_answers_without_a_token(memory: Memory, path: str, method: str) -> None:
    with_connections(wiring.world(), "main")
    before = json.dumps(
        [str(memory.tables.connections), str(memory.tables.engines), str(memory.tables.records)]
    )
    assert ask(method, address(path), {})[0] == 401
    with pytest.raises(Unauthorized):
        ask(method, address(path), {"Authorization": "Bearer a.b.c"})
    assert before == json.dumps(
        [str(memory.tables.connections), str(memory.tables.engines), str(memory.tables.records)]
    )


@pytest.mark.parametrize(("path", "method"), ROUTES)
@pytest.mark.parametrize(
    "authorizer",
    [
        None,
        {},
        {"tenant": "default"},
        {"subject": "ann"},
        {**PROVEN, "tenant": ""},
        {**PROVEN, "subject": ""},
    ],
    ids=["none", "empty", "no subject", "no tenant", "empty tenant", "empty subject"],
)
def test_no_route_answers_what_no_authorizer_has_looked_at(
    memory: Memory, path: str, method: str, authorizer: Any
) -> None:
    with_connections(wiring.world(), "main")
    status, answer = invoke(method, address(path), authorizer, path)
    assert (status, answer["code"]) == (403, "FORBIDDEN")


def test_the_caller_is_who_the_authorizer_says_and_nobody_else(memory: Memory) -> None:
    with_connections(wiring.world(), "main")
    status, answer = invoke("GET", "/connections", PROVEN)
    assert (status, [one["connection_id"] for one in answer["data"]["items"]]) == (200, ["main"])
    assert invoke("GET", "/connections", {**PROVEN, "tenant": "other"})[1]["data"]["items"] == []


def test_a_tenant_sees_nothing_of_another(memory: Memory) -> None:
    with_connections(wiring.world(), "main")
    other = bearer(tenant="other", subject="eve")
    assert ask("GET", "/connections", other, b"")[1]["data"]["items"] == []
    for method, path in (("GET", "/connections/main"), ("DELETE", "/connections/main")):
        assert ask(method, path, other, b"")[0] == 404
    for method, path in (("POST", "/trade-engine/main/start"), ("GET", "/trade-engine/main/logs")):
        assert ask(method, path, other, b"")[0] == 404
    for path in (
        "/ladder?connection_id=main",
        "/ladder?connection_id=main&level=real",
        "/orders?connection_id=main",
    ):
        status, answer = ask("GET", path, other, b"")
        assert (status, answer["code"]) == (404, "NOT_FOUND"), "as one that does not exist"
    assert ask("DELETE", "/connections/main/credentials", other, b"")[0] == 404
    secret = b'{"api_key": "a", "secret": "b"}'
    assert ask("PUT", "/connections/main/credentials", other, secret)[0] == 404
    assert ask("GET", "/audit", other, b"")[1]["data"]["items"] == []
    assert ask("GET", "/connections/main", bearer(), b"")[0] == 200
    assert ask("GET", "/ladder?connection_id=main", bearer(), b"")[0] == 409, "its own has none yet"
