"""The local API server with a small Chalice app: its prefix, its refusals, tokens, requests side by side."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chalice.app import AuthRequest, AuthResponse, Chalice

from chalicelib.domain.token import Unauthorized
from chalicelib.errors import Retryable, UsageError
from chalicelib.local.api_server import MAX_BODY_BYTES, ApiServer

THREADS = 8


def _app(meeting: threading.Barrier) -> Chalice:
    app = Chalice(app_name="toy", configure_logs=False)

    @app.route("/")
    def index() -> dict[str, Any]:
        return {"success": True, "data": "index"}

    @app.route("/names/{name}", methods=["GET", "POST"])
    def names(name: str) -> dict[str, Any]:
        request = app.current_request
        body = request.json_body if request.method == "POST" else None
        return {"success": True, "data": [name, request.query_params, body]}

    @app.route("/meet/{name}")
    def meet(name: str) -> dict[str, Any]:
        meeting.wait(5)
        return {"success": True, "data": [name, app.current_request.query_params["name"]]}

    @app.authorizer(ttl_seconds=60)
    def authorize(request: AuthRequest) -> AuthResponse:
        if request.token == "no keys":
            raise Retryable("the keys are away")
        if request.token not in ("ann", "denied"):
            raise Unauthorized
        return AuthResponse(["*"] if request.token == "ann" else [], request.token, {"tenant": "acme"})

    @app.route("/guarded/{name}", methods=["GET", "POST"], authorizer=authorize)
    def guarded(name: str) -> dict[str, Any]:
        return {"success": True, "data": [name, app.current_request.context["authorizer"]]}

    @app.route("/fault")
    def fault() -> None:
        raise RuntimeError("a fault in a handler")

    return app


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    running = ApiServer(0)
    running.start(_app(threading.Barrier(THREADS)))
    yield running
    running.stop()


def _ask(
    server: ApiServer, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    host, _, port = server.url.removeprefix("http://").removesuffix("/api").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    kind = {"content-type": "application/json"}
    connection.request(method, path, body, {**kind, **(headers or {})})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def test_routes_are_under_the_prefix(server: ApiServer) -> None:
    assert _ask(server, "GET", "/api") == (200, {"success": True, "data": "index"})
    assert _ask(server, "GET", "/api/names/a-1?limit=5")[1]["data"] == ["a-1", {"limit": "5"}, None]
    assert _ask(server, "POST", "/api/names/x/", '{"n": 1}')[1]["data"] == ["x", None, {"n": 1}]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/names/x", {}, 404, "NOT_FOUND"),
        ("GET", "/apinames/x", {}, 404, "NOT_FOUND"),
        ("GET", "/api/nowhere", {}, 404, "NOT_FOUND"),
        ("GET", "/api/nowhere", {"authorization": "Bearer x"}, 404, "NOT_FOUND"),
        ("GET", "/api/guarded/x", {}, 401, "UNAUTHORIZED"),
        ("POST", "/api/guarded/x", {}, 401, "UNAUTHORIZED"),
        ("GET", "/api/guarded/x/", {"authorization": ""}, 401, "UNAUTHORIZED"),
        ("GET", "/api/guarded/x", {"authorization": "eve"}, 401, "UNAUTHORIZED"),
        ("GET", "/api/guarded/x", {"authorization": "denied"}, 403, "FORBIDDEN"),
        ("GET", "/api/guarded/x", {"authorization": "no keys"}, 500, "INTERNAL"),
        ("GET", "/api/guarded/x", {"authorization": "\xe4nn"}, 401, "UNAUTHORIZED"),
        ("GET", "/api/nowhere", {"authorization": "\xe4nn"}, 401, "UNAUTHORIZED"),
        ("DELETE", "/api/names/x", {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/names/x", {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("GET", "/api/names/x", {"host": "rebound.example:80"}, 403, "FORBIDDEN"),
        ("POST", "/api/names/x", {"origin": "https://foreign.example"}, 403, "FORBIDDEN"),
        ("GET", "/api/fault", {}, 500, "INTERNAL_SERVER"),
    ],
)
def test_refusals_have_the_envelope_of_the_api(
    server: ApiServer, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    found, answer = _ask(server, method, path, None, headers)
    assert (found, answer["success"], answer["code"]) == (status, False, code)
    assert set(answer) == {"success", "error", "details", "code"}


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_the_authorizer_tells_the_route_who_it_is(server: ApiServer, name: str) -> None:
    status, answer = _ask(server, "GET", "/api/guarded/x", None, {name: "ann"})
    assert (status, answer["data"]) == (200, ["x", {"tenant": "acme", "principalId": "ann"}])


@pytest.mark.parametrize("tokens", [("ann", "eve"), ("eve", "ann"), ("ann", "ann")])
def test_a_request_with_two_tokens_is_refused(server: ApiServer, tokens: tuple[str, str]) -> None:
    host, _, port = server.url.removeprefix("http://").removesuffix("/api").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest("GET", "/api/guarded/x")
    for name, token in zip(("Authorization", "authorization"), tokens, strict=True):
        connection.putheader(name, token)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("WWW-Authenticate")) == (401, "Bearer")
    assert json.loads(answer.read())["code"] == "UNAUTHORIZED"
    connection.close()


def test_a_refusal_says_how_to_get_a_token_and_not_what_was_wrong(server: ApiServer) -> None:
    told = {
        _ask(server, "GET", "/api/guarded/x", None, sent)[1]["error"] for sent in ({}, {"authorization": "e"})
    }
    assert told == {
        "this request has no valid token: send Authorization: Bearer TOKEN (`cts token` prints one)"
    }


def test_too_large_body_is_refused_unread(server: ApiServer) -> None:
    length = {"content-length": str(MAX_BODY_BYTES + 1)}
    assert _ask(server, "POST", "/api/names/x", None, length)[0] == 413


def test_requests_side_by_side_keep_their_own_request(server: ApiServer) -> None:
    def ask(number: int) -> Any:
        return _ask(server, "GET", f"/api/meet/{number}?name={number}")[1]["data"]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    assert answers == [[str(number), str(number)] for number in range(THREADS)]


def test_port_of_a_running_server_is_in_use(server: ApiServer) -> None:
    port = int(server.url.removesuffix("/api").rpartition(":")[2])
    with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use"):
        ApiServer(port)
